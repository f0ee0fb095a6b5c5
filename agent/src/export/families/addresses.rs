//! Families of protected addresses and of groups of them.

use crate::export::family::section;

section! { ADDRESSES, "Addresses and their ladder",
    "One series for each protected address. The rungs are observe, limit, verify, known, blackhole and upstream; an address has the series of \
     the rung that it stands on and no other.":
    MODE = Gauge "levee_mode" "1 or 0" ["mode"]
        "1 for the mode that holds",
        "Which hosts only watch?"
        => "levee_mode{mode=\"monitor\"} == 1";
    PROTECTED = Gauge "levee_protected_addresses" "addresses" []
        "Protected addresses",
        "Do all hosts protect the same?"
        => "count_values(\"addresses\", levee_protected_addresses)";
    BLACKHOLED = Gauge "levee_blackholed_addresses" "addresses" []
        "Protected addresses that are blackholed",
        "Is anything cut off?"
        => "levee_blackholed_addresses > 0";
    ADDRESS_SYNS = Gauge "levee_address_syns_per_second" "SYNs per second" ["address"]
        "SYNs per second over the last second",
        "Which address is hit?"
        => "topk(5, levee_address_syns_per_second)";
    ADDRESS_DROPS = Gauge "levee_address_drops_per_second" "packets per second" ["address"]
        "Packets per second whose verdict is drop, over the last second",
        "Where is most dropped?"
        => "topk(5, levee_address_drops_per_second)";
    OVER_RATE = Gauge "levee_address_over_rate" "1 or 0" ["address"]
        "1 while SYNs to the address are over a rate",
        "How many addresses are over their rate?"
        => "count(levee_address_over_rate == 1)";
    RUNG = Gauge "levee_address_rung" "1" ["address", "rung"]
        "1 for the rung of the ladder that the address stands on",
        "Which addresses make sources prove themselves?"
        => "levee_address_rung{rung=~\"verify|known\"}";
    THRESHOLD = Gauge "levee_address_threshold_syns_per_second" "SYNs per second" ["address"]
        "SYN rate above which the address makes sources prove themselves, or drops the excess",
        "How near is each address to its threshold?"
        => "levee_address_syns_per_second / levee_address_threshold_syns_per_second";
    BURST = Gauge "levee_address_threshold_burst_syns" "SYNs" ["address"]
        "SYNs to the address at once above that rate",
        "Which addresses have a burst of their own?"
        => "levee_address_threshold_burst_syns != 100000";
    VECTOR_PACKETS = Gauge "levee_address_vector_threshold_packets_per_second" "packets per second" ["address", "vector"]
        "Packet rate of a vector above which the excess to the address is dropped; absent without one",
        "Which addresses limit UDP?"
        => "levee_address_vector_threshold_packets_per_second{vector=\"udp\"}";
    VECTOR_BYTES = Gauge "levee_address_vector_threshold_bytes_per_second" "bytes per second" ["address", "vector"]
        "Rate in bytes of a vector above which the excess to the address is dropped; absent without one",
        "The same in bits"
        => "8 * levee_address_vector_threshold_bytes_per_second{vector=\"udp\"}";
    SOURCE_THRESHOLD = Gauge "levee_source_threshold_syns_per_second" "SYNs per second" []
        "SYN rate above which the excess of a source is dropped",
        "Do all hosts limit sources alike?"
        => "count_values(\"rate\", levee_source_threshold_syns_per_second)";
    SOURCE_BURST = Gauge "levee_source_threshold_burst_syns" "SYNs" []
        "SYNs of a source at once above that rate",
        "How much may one source send at once?"
        => "levee_source_threshold_burst_syns";
    DEFAULT_THRESHOLD = Gauge "levee_default_threshold_syns_per_second" "SYNs per second" []
        "SYN rate of addresses without one of their own",
        "Which addresses have a threshold of their own?"
        => "levee_address_threshold_syns_per_second != on (instance) group_left () levee_default_threshold_syns_per_second";
}

section! { GROUPS, "Groups",
    "One series for each `[[group]]`. What a group has no room for is counted for it besides its packet's reason.":
    GROUP_ADDRESSES = Gauge "levee_group_addresses" "addresses" ["group"]
        "Protected addresses of the group",
        "How many addresses share these budgets?"
        => "levee_group_addresses";
    GROUP_VERIFYING = Gauge "levee_group_verifying" "1 or 0" ["group"]
        "1 while every SYN to an address of the group must prove itself",
        "Is a whole prefix flooded?"
        => "levee_group_verifying == 1";
    GROUP_SYNS = Gauge "levee_group_syns_per_second" "SYNs per second" ["group"]
        "SYNs per second to all addresses of the group over the last second",
        "How near is the group to its threshold?"
        => "levee_group_syns_per_second / levee_group_threshold_syns_per_second";
    GROUP_OVER = Counter "levee_group_over_packets" "packets" ["group"]
        "Packets to addresses of the group that it had no room for",
        "What does a group's budget cost?"
        => "rate(levee_group_over_packets_total[1m])";
    GROUP_THRESHOLD = Gauge "levee_group_threshold_syns_per_second" "SYNs per second" ["group"]
        "SYN rate above which all SYNs to addresses of the group must prove themselves; absent without one",
        "Which groups have no SYN rate?"
        => "levee_group_addresses unless levee_group_threshold_syns_per_second";
    GROUP_VECTOR_PACKETS = Gauge "levee_group_vector_threshold_packets_per_second" "packets per second" ["group", "vector"]
        "Packet rate of a vector above which the excess to the group is dropped; absent without one",
        "Which groups limit UDP?"
        => "levee_group_vector_threshold_packets_per_second{vector=\"udp\"}";
    GROUP_VECTOR_BYTES = Gauge "levee_group_vector_threshold_bytes_per_second" "bytes per second" ["group", "vector"]
        "Rate in bytes of a vector above which the excess to the group is dropped; absent without one",
        "The same in bits"
        => "8 * levee_group_vector_threshold_bytes_per_second{vector=\"udp\"}";
}
