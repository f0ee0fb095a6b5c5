//! Asks the kernel what it can do, by programs and maps of no use that are gone with the answer. Nothing is pinned, and nothing
//! is attached to an interface that anybody has: the one attachment is made in a network namespace of its own.

use std::{
    io,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
    thread,
};

use aya::{
    maps::MapType,
    programs::ProgramType,
    sys::{BpfHelper, is_helper_supported, is_map_supported, is_program_supported},
};
use nix::{
    errno::Errno,
    libc,
    sched::{CloneFlags, unshare},
};

use super::{load::with_causes, syscall::bpf};

/// What the kernel answered; where it could not be asked, why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probed {
    /// Types of programs that it lacks.
    pub missing_programs: Result<Vec<String>, String>,
    /// Functions that it lacks.
    pub missing_helpers: Result<Vec<String>, String>,
    /// Types of maps that it lacks.
    pub missing_maps: Result<Vec<String>, String>,
    /// XDP programs may say that they take frames of several pages.
    pub frags: Result<bool, String>,
    /// XDP programs can be held by links.
    pub link: Result<bool, String>,
}

/// What the object is made of; a test compares.
const PROGRAMS: [ProgramType; 2] = [ProgramType::Xdp, ProgramType::TracePoint];
const MAPS: [MapType; 8] = [
    MapType::Array,
    MapType::PerCpuArray,
    MapType::Hash,
    MapType::LruHash,
    MapType::LpmTrie,
    MapType::RingBuf,
    MapType::ProgramArray,
    MapType::ArrayOfMaps,
];
const HELPERS: [BpfHelper; 19] = [
    BpfHelper::BPF_FUNC_map_lookup_elem,
    BpfHelper::BPF_FUNC_map_update_elem,
    BpfHelper::BPF_FUNC_ktime_get_ns,
    BpfHelper::BPF_FUNC_get_prandom_u32,
    BpfHelper::BPF_FUNC_tail_call,
    BpfHelper::BPF_FUNC_sk_lookup_udp,
    BpfHelper::BPF_FUNC_sk_release,
    BpfHelper::BPF_FUNC_skc_lookup_tcp,
    BpfHelper::BPF_FUNC_tcp_check_syncookie,
    BpfHelper::BPF_FUNC_tcp_gen_syncookie,
    BpfHelper::BPF_FUNC_jiffies64,
    BpfHelper::BPF_FUNC_ringbuf_reserve,
    BpfHelper::BPF_FUNC_ringbuf_submit,
    BpfHelper::BPF_FUNC_ringbuf_discard,
    BpfHelper::BPF_FUNC_xdp_adjust_tail,
    BpfHelper::BPF_FUNC_xdp_get_buff_len,
    BpfHelper::BPF_FUNC_xdp_load_bytes,
    BpfHelper::BPF_FUNC_tcp_raw_gen_syncookie_ipv4,
    BpfHelper::BPF_FUNC_tcp_raw_gen_syncookie_ipv6,
];

/// Asks.
///
/// # Errors
/// If this process may not use bpf(2) at all.
pub fn probe() -> Result<Probed, String> {
    let program = match load_nothing(0) {
        Ok(program) => Some(program),
        Err(error) if matches!(error.raw_os_error(), Some(libc::EPERM | libc::EACCES)) => {
            return Err("bpf(2) is refused to this process; root may".to_owned());
        }
        Err(error) if error.raw_os_error() == Some(libc::ENOSYS) => {
            return Err("this kernel has no bpf(2) (CONFIG_BPF_SYSCALL)".to_owned());
        }
        Err(_) => None,
    };
    Ok(Probed {
        missing_programs: missing(&PROGRAMS, |kind| {
            is_program_supported(kind).map_err(|error| with_causes(&error))
        }),
        missing_helpers: missing(&HELPERS, |helper| {
            is_helper_supported(ProgramType::Xdp, helper).map_err(|error| with_causes(&error))
        })
        .map(|names| names.iter().map(|name| name.replace("BPF_FUNC_", "bpf_")).collect()),
        missing_maps: missing(&MAPS, |kind| {
            is_map_supported(kind).map_err(|error| with_causes(&error))
        }),
        frags: match load_nothing(HAS_FRAGS) {
            Ok(_) => Ok(true),
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Ok(false),
            Err(error) => Err(error.to_string()),
        },
        link: program.map_or_else(|| Ok(false), |program| can_link(&program)),
    })
}

fn missing<T: Copy + std::fmt::Debug>(
    all: &[T],
    supported: impl Fn(T) -> Result<bool, String>,
) -> Result<Vec<String>, String> {
    let mut missing = Vec::new();
    for one in all {
        if !supported(*one)? {
            missing.push(format!("{one:?}"));
        }
    }
    Ok(missing)
}

/// Commands of bpf(2) and what goes with them, as include/uapi/linux/bpf.h numbers them.
const PROG_LOAD: libc::c_long = 5;
const LINK_CREATE: libc::c_long = 28;
const TYPE_XDP: u32 = 6;
const ATTACH_XDP: u32 = 37;
/// `BPF_F_XDP_HAS_FRAGS`.
const HAS_FRAGS: u32 = 1 << 5;
/// `XDP_FLAGS_SKB_MODE` (include/uapi/linux/if_link.h).
const GENERIC: u32 = 1 << 1;
/// The loopback interface of a new namespace.
const LOOPBACK: u32 = 1;

/// The beginning of `union bpf_attr` for BPF_PROG_LOAD.
#[repr(C)]
#[derive(Default)]
struct Load {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buf: u64,
    kern_version: u32,
    prog_flags: u32,
    prog_name: [u8; 16],
    prog_ifindex: u32,
    expected_attach_type: u32,
}

/// The beginning of `union bpf_attr` for BPF_LINK_CREATE.
#[repr(C)]
struct Create {
    prog_fd: u32,
    target_ifindex: u32,
    attach_type: u32,
    flags: u32,
}

/// Loads an XDP program that lets everything pass.
fn load_nothing(flags: u32) -> io::Result<OwnedFd> {
    // r0 = XDP_PASS; exit (include/uapi/linux/bpf.h: BPF_ALU64 | BPF_MOV | BPF_K, BPF_JMP | BPF_EXIT).
    let instructions: [u64; 2] = [u64::from_le_bytes([0xb7, 0, 0, 0, 2, 0, 0, 0]), 0x95];
    let mut attributes = Load {
        prog_type: TYPE_XDP,
        insn_cnt: 2,
        insns: (&raw const instructions).expose_provenance() as u64,
        license: c"GPL".as_ptr().expose_provenance() as u64,
        prog_flags: flags,
        expected_attach_type: ATTACH_XDP,
        ..Load::default()
    };
    owned(bpf(PROG_LOAD, &mut attributes)?)
}

#[expect(clippy::unnecessary_wraps, reason = "ends a chain of results")]
fn owned(descriptor: i32) -> io::Result<OwnedFd> {
    // SAFETY: the kernel has just made it for us, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Whether a link takes the program: on the loopback interface of a namespace that nobody else has, which goes with its thread.
fn can_link(program: &OwnedFd) -> Result<bool, String> {
    let descriptor = program.as_raw_fd().cast_unsigned();
    let attempt = move || {
        unshare(CloneFlags::CLONE_NEWNET).map_err(|error| match error {
            Errno::EPERM => "it is tried in a network namespace of its own, which needs CAP_SYS_ADMIN".to_owned(),
            other => format!("there can be no network namespace to try it in: {other}"),
        })?;
        let mut attributes = Create {
            prog_fd: descriptor,
            target_ifindex: LOOPBACK,
            attach_type: ATTACH_XDP,
            flags: GENERIC,
        };
        match bpf(LINK_CREATE, &mut attributes).and_then(owned) {
            Ok(_) => Ok(true),
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Ok(false),
            Err(error) => Err(error.to_string()),
        }
    };
    thread::scope(|scope| {
        let tried = scope.spawn(attempt).join();
        tried.unwrap_or_else(|_| Err("the thread that tried it failed".to_owned()))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use aya_obj::{Object, ProgramSection};

    use super::*;
    use crate::kernel::load::OBJECT;

    /// BPF_JMP | BPF_CALL with no source register: a call of one of the kernel's functions.
    const CALL: u8 = 0x85;

    fn object() -> Object {
        Object::parse(OBJECT).expect("the agent's own object")
    }

    #[test]
    fn every_function_that_the_programs_call_is_probed_and_no_other() {
        let calls = object()
            .functions
            .values()
            .flat_map(|function| function.instructions.clone())
            .filter(|instruction| instruction.code == CALL && instruction.src_reg() == 0)
            .map(|instruction| instruction.imm.cast_unsigned())
            .collect::<BTreeSet<u32>>();
        let probed: BTreeSet<u32> = HELPERS.iter().map(|helper| *helper as u32).collect();
        assert_eq!(probed, calls, "as include/uapi/linux/bpf.h numbers them");
    }

    #[test]
    fn every_type_of_map_is_probed() {
        let used: BTreeSet<u32> = object().maps.values().map(aya_obj::Map::map_type).collect();
        let probed: BTreeSet<u32> = MAPS.iter().map(|kind| *kind as u32).collect();
        assert!(used.is_subset(&probed), "{used:?} {probed:?}");
    }

    #[test]
    fn every_type_of_program_is_probed() {
        for (name, program) in object().programs {
            let known = matches!(program.section, ProgramSection::Xdp { .. } | ProgramSection::TracePoint);
            assert!(known, "{name} is a {:?}", program.section);
        }
    }
}
