//! Families of lists of sources.

use crate::export::family::section;

section! { LISTS, "Lists",
    "`levee_list_entries` is what was allowed and blocked by hand and in the configuration; the others are the large lists, `[[list]]`.":
    ENTRIES = Gauge "levee_list_entries" "entries" ["action"]
        "Entries of the source list, made by hand or in allow and block",
        "How much is blocked by hand?"
        => "levee_list_entries{action=\"block\"}";
    LIST_PACKETS = Counter "levee_list_packets" "packets" ["list", "action"]
        "Packets that a large list decided about",
        "Is this list of any use?"
        => "increase(levee_list_packets_total[7d])";
    PREFIXES = Gauge "levee_list_prefixes" "prefixes" ["list", "family"]
        "Prefixes of a large list",
        "Did a list shrink suddenly?"
        => "levee_list_prefixes < 0.5 * levee_list_prefixes offset 1d";
    INVALID = Gauge "levee_list_invalid_lines" "lines" ["list"]
        "Lines of a large list that are no prefix",
        "Has its format changed?"
        => "levee_list_invalid_lines > 0";
    CONFLICTS = Gauge "levee_list_conflicts" "prefixes" ["list"]
        "Prefixes of a large list that an earlier list decides otherwise",
        "Do two lists contradict each other?"
        => "levee_list_conflicts > 0";
    AGE = Gauge "levee_list_age_seconds" "seconds" ["list"]
        "Time since the version of a large list that holds was read",
        "Is a list old?"
        => "levee_list_age_seconds > 86400";
    HEALTHY = Gauge "levee_list_healthy" "1 or 0" ["list"]
        "0 while a large list could not be read, or has ended",
        "Which list cannot be read?"
        => "levee_list_healthy == 0";
}
