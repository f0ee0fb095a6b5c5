//! Which capabilities the agent keeps.

use std::{os::unix::fs::MetadataExt as _, path::Path};

use caps::{CapSet, Capability};
use nix::unistd::geteuid;

use crate::config::Config;

/// What the agent does all its life, and what for.
const ALWAYS: [Capability; 6] = [
    // Maps, and the program that `explain` loads.
    Capability::CAP_BPF,
    // Programs that do arithmetic on packet pointers: `explain`, interfaces that come.
    Capability::CAP_PERFMON,
    // Interfaces, sockets by sock_diag, the sysctls of verify.set_sysctls.
    Capability::CAP_NET_ADMIN,
    // The BPF file system and secrets that only root may read.
    Capability::CAP_DAC_READ_SEARCH,
    // Captures of what passed.
    Capability::CAP_NET_RAW,
    // What owners of listening sockets chose for them (pidfd_getfd).
    Capability::CAP_SYS_PTRACE,
];

/// What of it this process has, and what else this configuration needs.
pub(super) fn of(config: &Config) -> Vec<Capability> {
    let held = caps::read(None, CapSet::Permitted).unwrap_or_default();
    let mut wanted = ALWAYS.to_vec();
    // BIRD's socket and directory belong to BIRD's user, and so may the ledger to the unit's where root started this agent. Landlock
    // still bounds what is written.
    let own = [config.state_directory.as_path(), &config.bpffs.join("levee")];
    if config.upstream.is_some() || own.into_iter().any(is_anothers) {
        wanted.push(Capability::CAP_DAC_OVERRIDE);
    }
    wanted.retain(|capability| held.contains(capability));
    wanted
}

fn is_anothers(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| found.uid() != geteuid().as_raw())
}

/// As capget(2) and capset(2) have them, by their numbers.
pub(super) fn bits(kept: &[Capability]) -> u64 {
    kept.iter().map(Capability::bitmask).sum()
}

/// What this process may do now, by name.
pub(super) fn now() -> Vec<String> {
    let held = caps::read(None, CapSet::Permitted).unwrap_or_default();
    let mut names: Vec<String> = held.iter().map(ToString::to_string).collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capability_is_the_bit_of_its_number() {
        // include/uapi/linux/capability.h
        assert_eq!(
            bits(&[Capability::CAP_NET_ADMIN, Capability::CAP_BPF]),
            1 << 12 | 1 << 39
        );
        assert_eq!(bits(&[]), 0);
    }

    #[test]
    fn nothing_of_it_makes_a_process_root() {
        for never in [
            Capability::CAP_SYS_ADMIN,
            Capability::CAP_SYS_MODULE,
            Capability::CAP_SYS_BOOT,
            Capability::CAP_SETUID,
            Capability::CAP_SETGID,
            Capability::CAP_CHOWN,
            Capability::CAP_FOWNER,
            Capability::CAP_MKNOD,
            Capability::CAP_SYS_RAWIO,
        ] {
            assert!(!ALWAYS.contains(&never), "{never}");
        }
    }
}
