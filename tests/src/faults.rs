//! Faults of the environment by name: the tests in tests/faults say what came of each, and docs/reliability.md has a row for each.

/// Names of the faults, as in the table.
pub mod name {
    macro_rules! names {
        ($($constant:ident = $name:literal;)+) => {
            $(
                #[doc = $name]
                pub const $constant: &str = $name;
            )+
            /// All of them, in the order of the table.
            pub const ALL: &[&str] = &[$($constant),+];
        };
    }

    names! {
        RENAMED = "interface renamed, then named so in the configuration";
        RENAMED_MEANWHILE = "interface renamed while no agent ran";
        DOWN = "interface down and up";
        MADE_ANEW = "interface removed and made anew";
        OTHER_SHAPE = "interface made anew with an MTU of 3000 and four queues";
        NOBODY_THERE = "interface made anew while no agent ran (nothing can protect it)";
        MTU = "MTU changed, up to what the driver takes";
        QUEUES = "number of queues changed";
        PROGRAM_REPLACED = "XDP program replaced by somebody else";
        LINK_DETACHED = "XDP link detached by somebody else";
        PINS_REMOVED = "pins of a map and of the link removed, then the agent killed";
        BPFFS_UNMOUNTED = "BPF file system unmounted under the agent";
        DISK_FULL = "state directory full";
        DISK_FULL_AT_START = "state directory full when an agent starts";
        READ_ONLY = "state directory read-only when an agent starts";
        STATE_DELETED = "state directory deleted under the agent";
        STATE_CORRUPT = "each file of the state directory cut, garbage, of a version to come, of somebody else";
        SOCKET_REMOVED = "control socket removed under the agent";
        SOCKET_STALE = "control socket left behind by a killed agent";
        SOCKET_TAKEN = "control socket's path taken by a file, a directory, a living socket";
        LIST_FULL = "table of blocks full";
        ADDRESSES_FULL = "table of addresses full";
        SOURCES_FULL = "tables of sources overrun";
        WALL_FORWARD = "wall clock a year ahead";
        WALL_BACK = "wall clock a year back";
        TIME_NAMESPACE = "agent in a time namespace a day ahead";
        OUT_OF_MEMORY = "agent killed for want of memory";
        NO_DESCRIPTORS = "agent out of file descriptors";
        STOPPED = "agent stopped (SIGSTOP) for ten seconds";
        TERMINATED_TWICE = "agent told to end twice (SIGTERM)";
        FROZEN_HOST = "/proc and /sys read-only";
        ONE_CPU = "agent confined to one CPU";
    }
}
