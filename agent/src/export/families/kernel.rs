//! Families of the kernel side: maps, programs, interfaces.

use crate::export::family::section;

section! { KERNEL, "Kernel side",
    "Maps of which `levee_map_entries` is missing have a fixed number of slots that are all there from the beginning. `SOURCES` may be full: it \
     keeps the heaviest. What a program costs is counted while `kernel.bpf_stats_enabled` is 1, which itself costs some 20 ns for each packet.":
    ATTACHED = Gauge "levee_interface_attached" "1" ["interface", "mode"]
        "1 for each interface with the program, by XDP mode",
        "Which interfaces run in generic mode?"
        => "levee_interface_attached{mode=\"generic\"}";
    UNPROTECTED = Gauge "levee_interface_unprotected" "1 or 0" ["interface"]
        "1 while an interface of the configuration has not the program: what arrives there is not judged",
        "Is an interface unprotected?"
        => "levee_interface_unprotected == 1";
    UNPROTECTED_SECONDS = Counter "levee_interface_unprotected_seconds" "seconds" ["interface"]
        "Time that an interface of the configuration was without the program since the agent started, at most",
        "For how long was an interface without protection today?"
        => "increase(levee_interface_unprotected_seconds_total[1d])";
    MAP_ENTRIES = Gauge "levee_map_entries" "entries" ["map"]
        "Entries in use of a kernel map",
        "Which map is nearly full?"
        => "levee_map_entries / levee_map_capacity_entries > 0.9";
    MAP_CAPACITY = Gauge "levee_map_capacity_entries" "entries" ["map"]
        "Entries that fit a kernel map",
        "How many protected addresses fit?"
        => "levee_map_capacity_entries{map=\"ADDRESS_CPU\"}";
    MAP_MEMORY = Gauge "levee_map_memory_bytes" "bytes" ["map"]
        "Memory of a kernel map",
        "How much memory do the tables take?"
        => "sum by (instance) (levee_map_memory_bytes)";
    RUNS = Counter "levee_program_runs" "runs" ["program"]
        "Runs of a program, while kernel.bpf_stats_enabled is 1",
        "How many packets does the program see?"
        => "rate(levee_program_runs_total[1m])";
    RUN_TIME = Counter "levee_program_run_time_seconds" "seconds" ["program"]
        "Time spent in a program, while kernel.bpf_stats_enabled is 1",
        "What does a packet cost, in nanoseconds?"
        => "1e9 * rate(levee_program_run_time_seconds_total[1m]) / rate(levee_program_runs_total[1m])";
}
