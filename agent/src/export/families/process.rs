//! Families of the agent's process, by the names that every dashboard for processes knows.

use crate::export::family::section;

section! { PROCESS, "The agent's process",
    "The usual names of Prometheus's own client libraries. What the kernel side costs is not in them: it runs in softirqs.":
    CPU = Counter "process_cpu_seconds" "seconds" []
        "User and system time of the agent",
        "What does the agent cost, in cores?"
        => "rate(process_cpu_seconds_total{job=\"levee\"}[5m])";
    RESIDENT = Gauge "process_resident_memory_bytes" "bytes" []
        "Memory of the agent that is in RAM, kernel maps not counted",
        "Does it grow?"
        => "deriv(process_resident_memory_bytes{job=\"levee\"}[6h])";
    HEAP = Gauge "levee_heap_used_bytes" "bytes" []
        "Memory that the agent has allocated and not freed; not told by builds with musl, whose allocator does not count",
        "Does it leak, or does the allocator only keep what was freed?"
        => "deriv(levee_heap_used_bytes[6h])";
    VIRTUAL = Gauge "process_virtual_memory_bytes" "bytes" []
        "Address space of the agent",
        "How much address space does it have?"
        => "process_virtual_memory_bytes{job=\"levee\"}";
    OPEN_FDS = Gauge "process_open_fds" "descriptors" []
        "File descriptors that the agent has open",
        "Does it run out of descriptors?"
        => "process_open_fds{job=\"levee\"} / process_max_fds{job=\"levee\"}";
    MAX_FDS = Gauge "process_max_fds" "descriptors" []
        "File descriptors that the agent may have open",
        "What is its limit?"
        => "process_max_fds{job=\"levee\"}";
    THREADS = Gauge "process_threads" "threads" []
        "Threads of the agent",
        "How many threads does it have?"
        => "process_threads{job=\"levee\"}";
    STARTED = Gauge "process_start_time_seconds" "seconds" []
        "When the process started, in seconds since 1970",
        "Since when does it run?"
        => "time() - process_start_time_seconds{job=\"levee\"}";
}
