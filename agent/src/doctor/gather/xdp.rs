//! What Levee has in the kernel already, and who holds its locks.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use nix::libc;
use xdp_common::layout::Capacity;

use super::places::{Places, text};
use crate::{config::ConfigFile, doctor::facts::XdpFacts, kernel::inspect, lock::Lock};

pub(super) fn gather(places: &Places, file: &ConfigFile, capacity: &Capacity) -> XdpFacts {
    let bpffs = &file.kernel.bpffs;
    let has_maps = inspect::has_maps(bpffs);
    XdpFacts {
        pinned: inspect::pinned_links(bpffs),
        other_versions: inspect::other_versions(bpffs),
        other_sizes: if has_maps {
            inspect::other_sizes(bpffs, capacity)
        } else {
            Vec::new()
        },
        has_maps,
        locks: locks(places, &[file.state.directory.clone(), Lock::directory_of_maps(bpffs)]),
    }
}

/// Who holds a lock on these directories. Read from /proc/locks: trying a lock could keep an agent that starts from it.
fn locks(places: &Places, directories: &[PathBuf]) -> Vec<(PathBuf, u32)> {
    let table = text(&places.proc.join("locks")).unwrap_or_default();
    directories
        .iter()
        .filter_map(|directory| Some((directory.clone(), holder(&table, &identity(directory)?)?)))
        .collect()
}

/// A directory as proc_locks(5) names it: device and inode.
fn identity(directory: &Path) -> Option<String> {
    let found = fs::metadata(directory).ok()?;
    let device = found.dev();
    Some(format!(
        "{:02x}:{:02x}:{}",
        libc::major(device),
        libc::minor(device),
        found.ino()
    ))
}

/// Its line: `1: FLOCK  ADVISORY  WRITE 4242 00:1f:17 0 EOF`.
fn holder(table: &str, identity: &str) -> Option<u32> {
    table.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, "FLOCK", _, _, pid, place, ..] = words[..] else {
            return None;
        };
        (place == identity).then(|| pid.parse().ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::{holder, identity, locks};
    use crate::{doctor::Places, lock::Lock};

    #[test]
    fn the_holder_is_found_by_device_and_inode() {
        let table = "1: POSIX  ADVISORY  WRITE 7 00:1f:17 0 EOF\n\
                     2: FLOCK  ADVISORY  WRITE 4242 00:1f:17 0 EOF\n2: -> FLOCK  ADVISORY  WRITE 9 00:1f:17 0 EOF\n";
        assert_eq!(holder(table, "00:1f:17"), Some(4242));
        assert_eq!(holder(table, "00:1f:18"), None);
    }

    #[test]
    fn a_lock_of_an_agent_is_seen() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().to_owned();
        assert!(identity(&path).is_some());
        assert_eq!(locks(&Places::default(), std::slice::from_ref(&path)), []);
        let _lock = Lock::on(&path).expect("free");
        assert_eq!(
            locks(&Places::default(), std::slice::from_ref(&path)),
            [(path, std::process::id())]
        );
    }
}
