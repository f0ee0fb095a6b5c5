//! Families of packets and of who sends them.

use crate::export::family::section;

section! { TRAFFIC, "Packets and verdicts",
    "Every packet is counted under exactly one reason: see [reasons.md](reasons.md). `address=\"unprotected\"` is everything that goes to none \
     of the protected addresses. Counters go on over a restart of the agent, and begin again after a reboot and after `agent detach`.":
    PACKETS = Counter "levee_packets" "packets" ["address", "reason", "action"]
        "Packets by destination, reason and what the verdict is in enforce mode; absent before the first one",
        "What is dropped at one address, and why?"
        => "sum by (reason) (rate(levee_packets_total{address=\"203.0.113.7\",action=\"drop\"}[1m]))";
    HANDSHAKES = Counter "levee_handshakes" "handshakes" ["address"]
        "TCP handshakes that listeners of this host completed, by address; absent before the first one",
        "Do customers still get in?"
        => "sum by (address) (rate(levee_handshakes_total[1m]))";
    DROPPED = Counter "levee_dropped_packets" "packets" []
        "Packets really dropped",
        "Is anything dropped at all?"
        => "rate(levee_dropped_packets_total[1m])";
    WOULD_DROP = Counter "levee_would_drop_packets" "packets" []
        "Packets that monitor mode let pass against their verdict",
        "What would enforce mode have dropped today?"
        => "increase(levee_would_drop_packets_total[1d])";
    SAMPLES_LOST = Counter "levee_samples_lost" "headers" []
        "Sampled headers that found no room",
        "Are captures of this attack complete?"
        => "rate(levee_samples_lost_total[5m]) > 0";
    SOURCES_UNRECORDED = Counter "levee_sources_unrecorded" "sources" []
        "Heavy sources that got no exact record",
        "Is limits.sources too small for this botnet?"
        => "rate(levee_sources_unrecorded_total[5m]) > 0";
}

section! { SENDERS, "Who sends",
    "Over the last ten seconds, all protocols to protected addresses together. Prefixes are the heaviest ten, and of these only those that \
     send at least a hundredth of all packets: a flood of forged sources would otherwise make new series with each scrape, which say nothing.":
    SOURCE_PACKETS = Gauge "levee_source_packets_per_second" "packets per second" []
        "Packets per second to protected addresses, over ten seconds",
        "How much arrives for us?"
        => "sum(levee_source_packets_per_second)";
    TOP_SOURCES = Gauge "levee_top_sources_ratio" "ratio" []
        "Share of all packets that the ten heaviest sources sent, 0 to 1",
        "Few heavy sources (block them) or very many (make them prove themselves)?"
        => "levee_top_sources_ratio > 0.5";
    DISTINCT_SOURCES = Gauge "levee_distinct_sources" "sources" []
        "Different sources (IPv4 addresses, IPv6 /64) within a second, an estimate",
        "Are sources forged?"
        => "max_over_time(levee_distinct_sources[10m])";
    TOP_PACKETS = Gauge "levee_top_prefix_packets_per_second" "packets per second" ["prefix"]
        "Packets per second of the heaviest source prefixes (/24, /48), over ten seconds",
        "Which network sends most?"
        => "topk(5, levee_top_prefix_packets_per_second)";
    TOP_BYTES = Gauge "levee_top_prefix_bytes_per_second" "bytes per second" ["prefix"]
        "Bytes of frames per second of the heaviest source prefixes, over ten seconds",
        "Which network takes most of the line, in bits?"
        => "topk(5, 8 * levee_top_prefix_bytes_per_second)";
    TOP_SYNS = Gauge "levee_top_prefix_syns_per_second" "SYNs per second" ["prefix"]
        "SYNs per second of the heaviest source prefixes, over ten seconds",
        "Does a network that sends much send SYNs?"
        => "levee_top_prefix_syns_per_second / levee_top_prefix_packets_per_second";
    TOP_DROPS = Gauge "levee_top_prefix_drops_per_second" "packets per second" ["prefix"]
        "Packets per second, whose verdict is drop, of the heaviest source prefixes, over ten seconds",
        "Is a customer's network hurt?"
        => "levee_top_prefix_drops_per_second{prefix=\"198.51.100.0/24\"}";
}
