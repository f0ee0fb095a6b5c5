//! Families of attacks, events and how the host keeps up.

use crate::export::family::section;

section! { ATTACKS, "Attacks and the host",
    "`subject` is an address, or `group` and a prefix. Series of an attack are there while it goes on, and gone after it: `agent attacks` has \
     those of the past.":
    DETECTION = Gauge "levee_detection" "1 or 0" []
        "1 while attacks are looked for",
        "Where is detection switched off?"
        => "levee_detection == 0";
    ATTACK = Gauge "levee_attack" "1" ["subject", "vector"]
        "1 for each vector of an attack that goes on, by address or group; absent in calm",
        "What is attacked, and by what?"
        => "count by (subject, vector) (levee_attack)";
    ATTACK_START = Gauge "levee_attack_start_timestamp_seconds" "seconds" ["subject"]
        "When an attack that goes on began, in seconds since 1970",
        "For how many minutes has it gone on?"
        => "(time() - levee_attack_start_timestamp_seconds) / 60";
    ATTACK_SYNS = Gauge "levee_attack_peak_syns_per_second" "SYNs per second" ["subject"]
        "Highest rate of SYNs of an attack that goes on",
        "How high did it get?"
        => "levee_attack_peak_syns_per_second";
    ATTACK_PACKETS = Gauge "levee_attack_peak_packets_per_second" "packets per second" ["subject"]
        "Highest rate of packets of an attack that goes on",
        "Is it more than SYNs?"
        => "levee_attack_peak_packets_per_second - levee_attack_peak_syns_per_second";
    ATTACK_IMPACT = Gauge "levee_attack_impact_seconds" "seconds" ["subject"]
        "Seconds of an attack that goes on in which customers were hurt: handshakes under half of what they were, while SYNs were over",
        "Are customers hurt right now?"
        => "delta(levee_attack_impact_seconds[1m]) > 0";
    EVENTS = Counter "levee_events" "events" ["event"]
        "What happened since the agent started, by kind",
        "How many attacks were there this week?"
        => "increase(levee_events_total{event=\"attack_started\"}[7d])";
    SATURATED = Gauge "levee_host_saturated" "1 or 0" []
        "1 while this host loses packets before it can judge them",
        "Where does Levee not help any more?"
        => "levee_host_saturated == 1";
    RECEIVE_DROPS = Gauge "levee_receive_drops_per_second" "packets per second" []
        "Packets per second that the interfaces lost because nobody took them in time",
        "Is the ring full?"
        => "levee_receive_drops_per_second > 0";
    SOFTIRQ = Gauge "levee_softirq_ratio" "ratio" []
        "Share of its time that the busiest CPU spent in softirqs, 0 to 1",
        "How much room is left for a larger flood?"
        => "1 - max_over_time(levee_softirq_ratio[1h])";
}
