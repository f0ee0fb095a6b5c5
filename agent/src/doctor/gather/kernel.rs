//! The kernel's features.

use super::places::{Places, is_there};
use crate::{
    doctor::facts::{KernelFacts, Seen},
    kernel::{missing_feature, probe},
};

/// The tracepoint's directory, below where tracefs is.
const TRACEPOINT: &str = "events/sock/inet_sock_set_state";
const TRACEFS: [&str; 2] = ["kernel/tracing", "kernel/debug/tracing"];

pub(super) fn gather(places: &Places) -> KernelFacts {
    let name = nix::sys::utsname::uname();
    KernelFacts {
        release: name
            .map(|name| name.release().to_string_lossy().into_owned())
            .unwrap_or_default(),
        too_old: missing_feature(),
        btf: places.sys.join("kernel/btf/vmlinux").exists(),
        probed: probe(),
        tracepoint: tracepoint(places),
        jit: places.number("net.core.bpf_jit_enable"),
        jit_harden: places.number("net.core.bpf_jit_harden"),
    }
}

fn tracepoint(places: &Places) -> Seen<Option<bool>> {
    for directory in TRACEFS.map(|directory| places.sys.join(directory)) {
        if is_there(&directory.join("events"))? {
            return is_there(&directory.join(TRACEPOINT)).map(Some);
        }
    }
    let known = super::places::text(&places.proc.join("filesystems"))?;
    let has_tracefs = known
        .lines()
        .any(|line| line.split_whitespace().last() == Some("tracefs"));
    Ok(if has_tracefs { None } else { Some(false) })
}
