//! seccomp: system calls that nobody here makes once the agent protects.
//!
//! It is a list of what is refused, and not of what is allowed. The agent starts programs of the operator, and its C library calls
//! what the next version of it calls: an allow list that lacks one of these fails in the middle of an attack, on another machine
//! than the one where it was tried. What a call may do without a capability (dropped) and outside of its directories (Landlock) is little;
//! what is left is on this list. Refusal is an error (EPERM) that a program can tell, never the end of the process.
//!
//! seccompiler, because it is plain Rust: libseccomp would be a C library in the static binary.

use std::collections::BTreeMap;

use nix::libc;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen::Dword, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, apply_filter_all_threads,
};

/// Refused whatever their arguments.
const REFUSED: &[i64] = &[
    // Other file systems and namespaces: what user namespaces would give back.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_unshare,
    libc::SYS_setns,
    // Files by handle go past every path, and CAP_DAC_READ_SEARCH is all that they take.
    libc::SYS_open_by_handle_at,
    libc::SYS_fanotify_init,
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_kcmp,
    // The kernel itself.
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_syslog,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_vhangup,
    // Large and often broken parts of the kernel that nothing here uses. The tracepoint is attached at the start only.
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_quotactl,
];

#[cfg(target_arch = "x86_64")]
const REFUSED_HERE: &[i64] = &[
    libc::SYS_kexec_file_load,
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_modify_ldt,
    libc::SYS_uselib,
    libc::SYS_lookup_dcookie,
];
#[cfg(not(target_arch = "x86_64"))]
const REFUSED_HERE: &[i64] = &[];

/// The same calls by their x32 names, which the kernel may know on x86-64 (`__X32_SYSCALL_BIT`).
#[cfg(target_arch = "x86_64")]
const ALSO_BY: Option<i64> = Some(0x4000_0000);
#[cfg(not(target_arch = "x86_64"))]
const ALSO_BY: Option<i64> = None;

/// Families of sockets that the agent uses. Packets (captures) take CAP_NET_RAW, which hooks do not have.
const FAMILIES: [i32; 5] = [
    libc::AF_UNIX,
    libc::AF_INET,
    libc::AF_INET6,
    libc::AF_NETLINK,
    libc::AF_PACKET,
];
/// The type without SOCK_CLOEXEC and SOCK_NONBLOCK.
const TYPE_MASK: u64 = 0xf;
const NAMESPACES: i32 = libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET;
/// Types into a terminal as if somebody had (ioctl_tty(2)).
const INJECTING: [u64; 2] = [libc::TIOCSTI, libc::TIOCLINUX];

/// Rules by the number of the call; without rules it is refused always.
type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Filters every thread, for ever.
///
/// # Errors
/// What the kernel said.
pub(super) fn apply(keeps_ptrace: bool) -> Result<(), String> {
    let said = |error: &dyn std::error::Error| error.to_string();
    let refused = program(rules(keeps_ptrace).map_err(|error| said(&error))?, libc::EPERM)?;
    // Its flags are behind a pointer, where no filter sees them; with this answer C libraries go on to clone(2).
    let clone3 = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    let unseen = program(clone3, libc::ENOSYS)?;
    for filter in [&refused, &unseen] {
        apply_filter_all_threads(filter).map_err(|error| said(&error))?;
    }
    Ok(())
}

fn program(rules: Rules, errno: i32) -> Result<BpfProgram, String> {
    let arch: TargetArch = std::env::consts::ARCH.try_into().map_err(|error| format!("{error}"))?;
    let action = SeccompAction::Errno(errno.unsigned_abs());
    let filter = SeccompFilter::new(also_by_other_names(rules), SeccompAction::Allow, action, arch);
    filter.and_then(BpfProgram::try_from).map_err(|error| error.to_string())
}

fn also_by_other_names(mut rules: Rules) -> Rules {
    if let Some(bit) = ALSO_BY {
        let others: Vec<_> = rules.iter().map(|(call, rules)| (call | bit, rules.clone())).collect();
        rules.extend(others);
    }
    rules
}

fn rules(keeps_ptrace: bool) -> Result<Rules, seccompiler::BackendError> {
    let mut rules: Rules = REFUSED
        .iter()
        .chain(REFUSED_HERE)
        .map(|call| (*call, Vec::new()))
        .collect();
    if !keeps_ptrace {
        rules.insert(libc::SYS_pidfd_getfd, Vec::new());
    }
    rules.insert(libc::SYS_socket, sockets()?);
    rules.insert(libc::SYS_clone, namespaces()?);
    let injecting = INJECTING.map(|request| SeccompRule::new(vec![is(1, request)?]));
    rules.insert(libc::SYS_ioctl, injecting.into_iter().collect::<Result<_, _>>()?);
    Ok(rules)
}

type Condition = Result<SeccompCondition, seccompiler::BackendError>;

fn is(argument: u8, value: u64) -> Condition {
    SeccompCondition::new(argument, Dword, SeccompCmpOp::Eq, value)
}

fn number(value: i32) -> u64 {
    u64::from(value.unsigned_abs())
}

/// Other families; and raw sockets, by which whole packets go anywhere.
fn sockets() -> Result<Vec<SeccompRule>, seccompiler::BackendError> {
    let not = |family| SeccompCondition::new(0, Dword, SeccompCmpOp::Ne, number(family));
    let others = FAMILIES.into_iter().map(not).collect::<Result<Vec<_>, _>>()?;
    let mut rules = vec![SeccompRule::new(others)?];
    for family in [libc::AF_INET, libc::AF_INET6] {
        let is_raw = SeccompCmpOp::MaskedEq(TYPE_MASK);
        let raw = SeccompCondition::new(1, Dword, is_raw, number(libc::SOCK_RAW))?;
        rules.push(SeccompRule::new(vec![is(0, number(family))?, raw])?);
    }
    Ok(rules)
}

/// Each flag of clone(2) that makes a namespace.
fn namespaces() -> Result<Vec<SeccompRule>, seccompiler::BackendError> {
    let flags = (0..32)
        .map(|bit| 1_u64 << bit)
        .filter(|flag| number(NAMESPACES) & flag != 0);
    flags
        .map(|flag| {
            let has = SeccompCondition::new(0, Dword, SeccompCmpOp::MaskedEq(flag), flag)?;
            SeccompRule::new(vec![has])
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filters_compile_and_know_each_call_by_all_its_names() {
        for keeps_ptrace in [false, true] {
            let rules = rules(keeps_ptrace).expect("rules");
            assert_eq!(rules.contains_key(&libc::SYS_pidfd_getfd), !keeps_ptrace);
            let all = also_by_other_names(rules.clone());
            assert_eq!(all.len(), rules.len() * if ALSO_BY.is_some() { 2 } else { 1 });
            program(rules, libc::EPERM).expect("compiles");
        }
    }

    #[test]
    fn what_the_agent_and_its_hooks_live_by_is_not_refused() {
        let rules = rules(true).expect("rules");
        for call in [
            libc::SYS_bpf,
            libc::SYS_execve,
            libc::SYS_openat,
            libc::SYS_pidfd_getfd,
            libc::SYS_wait4,
        ] {
            assert!(!rules.contains_key(&call), "{call}");
        }
        assert_eq!(namespaces().expect("rules").len(), 7, "one for each namespace");
    }
}
