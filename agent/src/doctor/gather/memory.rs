//! Memory, CPUs, and what this process is allowed of them.

use std::path::{Path, PathBuf};

use nix::sys::resource::{Resource, getrlimit};
use xdp_common::layout::Capacity;

use super::places::{Places, text};
use crate::{
    doctor::facts::{Cpus, MemoryFacts, Seen},
    host::kernel_version,
};

/// Since then maps are counted as memory of their cgroup, and not against RLIMIT_MEMLOCK.
const COUNTED_BY_CGROUP: (u32, u32) = (5, 11);
/// Maps that are named.
const LARGEST: usize = 3;

pub(super) fn gather(places: &Places, capacity: &Capacity, has_lists: bool, cpus: Cpus) -> MemoryFacts {
    let mut maps = capacity.memory_by_map(cpus.possible as u64).to_vec();
    maps.sort_unstable_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    let limit = |resource| getrlimit(resource).map_or(u64::MAX, |(soft, _)| soft);
    MemoryFacts {
        available: available(places),
        maps: maps.iter().map(|(_, bytes)| bytes).sum(),
        lists: if has_lists { 2 * capacity.list_table_bytes() } else { 0 },
        largest: maps
            .iter()
            .take(LARGEST)
            .map(|(name, bytes)| ((*name).to_owned(), *bytes))
            .collect(),
        memlock: kernel_version()
            .is_some_and(|version| version < COUNTED_BY_CGROUP)
            .then(|| limit(Resource::RLIMIT_MEMLOCK)),
        cgroup: cgroup(places),
        open_files: limit(Resource::RLIMIT_NOFILE),
    }
}

/// CPUs that run, and that may come.
pub(super) fn cpus(places: &Places) -> Cpus {
    let count = |file: &str| {
        let list = text(&places.sys.join("devices/system/cpu").join(file)).ok();
        list.and_then(|list| count_in(&list)).unwrap_or(1)
    };
    Cpus {
        online: count("online"),
        possible: count("possible"),
    }
}

/// How many a list such as `0-3,8` names.
fn count_in(list: &str) -> Option<usize> {
    list.split(',').try_fold(0, |count, range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (usize, usize) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        Some(count + last.checked_sub(first)? + 1)
    })
}

fn available(places: &Places) -> Seen<u64> {
    let text = text(&places.proc.join("meminfo"))?;
    let kibibytes = text.lines().find_map(|line| {
        let rest = line.strip_prefix("MemAvailable:")?;
        rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
    });
    kibibytes
        .map(|kibibytes| kibibytes * 1_024)
        .ok_or_else(|| "/proc/meminfo does not tell".to_owned())
}

/// The memory cgroup (version 2) with a limit that leaves least, of those that this process is in.
fn cgroup(places: &Places) -> Option<(PathBuf, u64)> {
    let own = text(&places.proc.join("self/cgroup")).ok()?;
    let path = own.lines().find_map(|line| line.strip_prefix("0::"))?;
    let root = places.sys.join("fs/cgroup");
    let own = root.join(path.trim_start_matches('/'));
    let number = |directory: &Path, file: &str| text(&directory.join(file)).ok()?.parse::<u64>().ok();
    own.ancestors()
        .take_while(|directory| directory.starts_with(&root))
        .filter_map(|directory| {
            let most = number(directory, "memory.max")?;
            Some((
                directory.to_owned(),
                most.saturating_sub(number(directory, "memory.current").unwrap_or(0)),
            ))
        })
        .min_by_key(|(_, left)| *left)
}

#[cfg(test)]
mod tests {
    use super::count_in;

    #[test]
    fn lists_of_cpus_are_counted() {
        for (list, count) in [
            ("0", Some(1)),
            ("0-3", Some(4)),
            ("0-1,8-9,15", Some(5)),
            ("", None),
            ("3-1", None),
        ] {
            assert_eq!(count_in(list), count, "{list}");
        }
    }
}
