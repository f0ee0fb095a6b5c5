//! Memory, and whether what is configured fits the tables.

use crate::doctor::{
    facts::Facts,
    finding::{
        Check, Finding,
        Severity::{Note, Problem, Warning},
    },
};

pub(super) const ALL: &[&Check] = &[&MAPS, &TIGHT, &MEMLOCK, &CGROUP, &CPUS];

/// The section `limits`.
pub(super) const LIMITS: &[&Check] = &[&PINNED, &ADDRESSES, &LIST_ENTRIES, &LIST_PREFIXES, &LISTENERS, &FILES];

static MAPS: Check = Check {
    id: "memory.maps",
    severity: Problem,
    about: "The tables of the configuration take more memory than there is.",
    why: "They are locked in memory from the start: the agent does not start, or the kernel ends something else for it.",
    fix: "smaller limits in the configuration (`agent check-config` says what each table takes), or more memory",
};
static TIGHT: Check = Check {
    id: "memory.tight",
    severity: Warning,
    about: "The tables of the configuration take more than half of the memory that there is.",
    why: "What a flood makes others need comes on top.",
    fix: "smaller limits in the configuration (`agent check-config` says what each table takes), or more memory",
};
static MEMLOCK: Check = Check {
    id: "memory.memlock",
    severity: Problem,
    about: "RLIMIT_MEMLOCK is smaller than the tables (kernels before 5.11 count them against it).",
    why: "The kernel refuses to make them.",
    fix: "ulimit -l unlimited; LimitMEMLOCK=infinity in the unit",
};
static CGROUP: Check = Check {
    id: "memory.cgroup",
    severity: Problem,
    about: "The memory cgroup leaves less than the tables take.",
    why: "Tables count as the memory of who makes them: the kernel refuses them, or ends the agent.",
    fix: "echo BYTES > CGROUP/memory.max; MemoryMax= in the unit, limits.memory of a container",
};
static CPUS: Check = Check {
    id: "memory.cpus",
    severity: Note,
    about: "The kernel is ready for many more CPUs than there are.",
    why: "Some tables have an element for each CPU that may come, so memory is taken for CPUs that never do.",
    fix: "nr_cpus=N on the kernel's command line",
};
static PINNED: Check = Check {
    id: "limits.pinned",
    severity: Warning,
    about: "Tables that are in force have other sizes than the configuration wants.",
    why: "A table keeps its size for as long as it is there: what is beyond it is refused.",
    fix: "agent detach && agent run, in calm: protection is off in between",
};
static ADDRESSES: Check = Check {
    id: "limits.addresses",
    severity: Warning,
    about: "Protected addresses fill nine tenths of limits.addresses, or more.",
    why: "Those that do not fit are refused, and a larger limit needs a restart with protection off.",
    fix: "limits.addresses in the configuration",
};
static LIST_ENTRIES: Check = Check {
    id: "limits.list_entries",
    severity: Warning,
    about: "`allow` and `block` fill nine tenths of limits.list_entries, or more.",
    why: "Blocks that people or the agent make in an attack find no room.",
    fix: "limits.list_entries in the configuration",
};
static LIST_PREFIXES: Check = Check {
    id: "limits.list_prefixes",
    severity: Warning,
    about: "The large lists fill nine tenths of limits.list_prefixes, or more.",
    why: "A new version of a list that does not fit is refused, and the old one stays.",
    fix: "limits.list_prefixes in the configuration",
};
static LISTENERS: Check = Check {
    id: "limits.listeners",
    severity: Warning,
    about: "More sockets listen than limits.listeners has room for.",
    why: "Connections made by cookie to those that do not fit have no window scaling.",
    fix: "limits.listeners in the configuration",
};
static FILES: Check = Check {
    id: "limits.files",
    severity: Warning,
    about: "This process may open fewer than 256 files.",
    why: "The agent has one open for each table, link, list that is read, caller and endpoint.",
    fix: "ulimit -n 1024; LimitNOFILE=1024 in the unit",
};

/// Tables, links, and room for callers.
const FILES_ENOUGH: u64 = 256;
/// Since then the kernel counts maps as memory of their cgroup.
const MEBIBYTE: u64 = 1 << 20;

pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    let memory = &facts.memory;
    let needed = memory.maps + memory.lists;
    let sizes = || {
        let largest: Vec<String> = memory
            .largest
            .iter()
            .map(|(name, bytes)| format!("{name} {} MiB", bytes / MEBIBYTE))
            .collect();
        format!("the largest are {}", largest.join(", "))
    };
    let in_place = facts.xdp.has_maps;
    let mut findings = vec![match &memory.available {
        Err(why) => MAPS.unseen(why),
        Ok(_) if in_place => MAPS.ok(format!(
            "the tables are in place; full, they take {}",
            mebibytes(needed)
        )),
        Ok(available) if needed > *available => MAPS
            .found(format!(
                "the tables take {}, and {} can be had",
                mebibytes(needed),
                mebibytes(*available)
            ))
            .advise(format!("{}; {}", MAPS.fix, sizes())),
        Ok(available) if needed * 2 > *available => TIGHT
            .found(format!(
                "the tables take {} of the {} that can be had",
                mebibytes(needed),
                mebibytes(*available)
            ))
            .advise(format!("{}; {}", TIGHT.fix, sizes())),
        Ok(available) => MAPS.ok(format!(
            "the tables take {} of the {} that can be had",
            mebibytes(needed),
            mebibytes(*available)
        )),
    }];
    if let Some(limit) = memory.memlock {
        findings.push(if limit < needed && !in_place {
            MEMLOCK
                .found(format!(
                    "RLIMIT_MEMLOCK is {}, the tables take {}",
                    mebibytes(limit),
                    mebibytes(needed)
                ))
                .run("ulimit -l unlimited")
        } else {
            MEMLOCK.ok("RLIMIT_MEMLOCK is large enough")
        });
    }
    if let Some((directory, left)) = &memory.cgroup {
        let file = directory.join("memory.max");
        findings.push(if *left < needed && !in_place {
            CGROUP
                .found(format!(
                    "{} leaves {}, the tables take {}",
                    file.display(),
                    mebibytes(*left),
                    mebibytes(needed)
                ))
                .advise("for a service: MemoryMax= in its unit; for a container: its memory limit")
                .run(format!("echo max > {}", file.display()))
        } else {
            CGROUP.ok(format!("{} leaves {}", file.display(), mebibytes(*left)))
        });
    }
    let cpus = facts.cpus;
    findings.push(if cpus.possible > 2 * cpus.online && cpus.possible > 16 {
        CPUS.found(format!("{} CPUs run, and {} may come", cpus.online, cpus.possible))
            .advise(format!(
                "nr_cpus={} on the kernel's command line, if no more will come",
                cpus.online
            ))
    } else {
        CPUS.ok(format!("{} CPUs run, and {} may come", cpus.online, cpus.possible))
    });
    findings
}

/// What fits the tables.
pub(super) fn limits(facts: &Facts) -> Vec<Finding> {
    let mut findings = vec![match &facts.xdp.other_sizes[..] {
        [] => PINNED.ok("no table has another size than it should"),
        sizes => PINNED
            .found(sizes.join("; "))
            .advise("in calm: protection is off in between")
            .run("agent detach && agent run"),
    }];
    if let Ok(config) = &facts.config.resolved {
        let capacity = &config.capacity;
        let prefixes = facts.config.lists.iter().map(|(_, prefixes)| *prefixes).sum();
        findings.push(fill(
            &ADDRESSES,
            "protected addresses",
            config.protected.len(),
            capacity.addresses,
        ));
        findings.push(fill(
            &LIST_ENTRIES,
            "entries of `allow` and `block`",
            config.list.len(),
            capacity.list_entries,
        ));
        if !config.lists.is_empty() {
            findings.push(fill(
                &LIST_PREFIXES,
                "prefixes of large lists",
                prefixes,
                capacity.list_prefixes,
            ));
        }
        findings.push(if facts.config.listening > capacity.listeners as usize {
            LISTENERS
                .found(format!(
                    "{} sockets listen, and limits.listeners is {}",
                    facts.config.listening, capacity.listeners
                ))
                .advise(format!(
                    "limits.listeners = {} in the configuration",
                    doubled(facts.config.listening)
                ))
        } else {
            LISTENERS.ok(format!(
                "{} sockets listen, and {} fit",
                facts.config.listening, capacity.listeners
            ))
        });
    }
    let files = facts.memory.open_files;
    findings.push(if files < FILES_ENOUGH {
        FILES.found(format!("at most {files} open files")).run("ulimit -n 1024")
    } else {
        FILES.ok(format!("at most {files} open files"))
    });
    findings
}

fn fill(check: &'static Check, what: &str, used: usize, capacity: u32) -> Finding {
    let key = check.id;
    let seen = format!("{used} {what}, and {key} is {capacity}");
    if used as u64 * 10 >= u64::from(capacity) * 9 && used > 0 {
        check
            .found(seen)
            .advise(format!("{key} = {} in the configuration", doubled(used)))
    } else {
        check.ok(seen)
    }
}

/// Twice as much, as a round number.
fn doubled(used: usize) -> usize {
    (used * 2).next_power_of_two()
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(MEBIBYTE))
}
