//! The tracepoint by which the program learns of completed handshakes: attached once for all interfaces, and pinned
//! beside their links, so that known sources go on without the agent.

use std::{fs, path::Path, thread};

use aya::{
    Ebpf,
    maps::MapInfo,
    programs::{
        TracePoint,
        links::{FdLink, PinnedLink},
        loaded_programs,
    },
};
use nix::{
    errno::Errno,
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
};
use tracing::info;
use xdp_common::map_name;

use super::{load::with_causes, pins::Pins};
use crate::{
    failpoint::{Point, reach},
    tables::{Result, TableError},
};

/// Name of the program's entry point.
pub(super) const PROGRAM: &str = "handshake";

/// The event: category and name.
const EVENT: (&str, &str) = ("sock", "inet_sock_set_state");
/// Where tracefs is, on hosts that mount it.
const TRACEFS: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];

/// The tracepoint program of the object.
pub(super) fn program(ebpf: &mut Ebpf) -> Result<&mut TracePoint> {
    ebpf.program_mut(PROGRAM)
        .and_then(|program| program.try_into().ok())
        .ok_or_else(|| TableError::Kernel(format!("the agent's own object has no tracepoint program `{PROGRAM}`")))
}

/// Attaches it, unless the pinned link of an earlier agent has the same program over the same maps. The program behind such
/// a link cannot be replaced (the kernel has no update for tracepoints): where it is another, the new link is made before the
/// old one goes. A handshake that completes in between is remembered once and counted twice; none is lost.
pub(super) fn attach(ebpf: &mut Ebpf, pins: &Pins) -> Result<()> {
    let program = program(ebpf)?;
    let path = pins.handshake_link();
    if is_same(program, pins, &path) {
        return Ok(());
    }
    let link = attach_new(program)?;
    reach(Point::HandshakesAttached);
    if path.exists() {
        fs::remove_file(&path)
            .map_err(|error| TableError::Kernel(format!("cannot remove {}: {error}", path.display())))?;
    }
    link.pin(&path)
        .map_err(|error| TableError::Kernel(format!("cannot pin the tracepoint's link: {}", with_causes(&error))))?;
    reach(Point::HandshakesPinned);
    info!("completed handshakes are counted, and their sources remembered");
    Ok(())
}

/// The kernel's id of the program behind the pinned link.
pub(super) fn linked_program(pins: &Pins) -> Option<u32> {
    let pinned = PinnedLink::from_pin(pins.handshake_link()).ok()?;
    FdLink::from(pinned).info().ok().map(|info| info.program_id())
}

/// Whether the program behind the pinned link does what ours would do, to the same maps.
fn is_same(program: &TracePoint, pins: &Pins, path: &Path) -> bool {
    if !path.exists() {
        return false;
    }
    let Some(linked) = linked_program(pins) else {
        return false;
    };
    let known = MapInfo::from_pin(pins.map(map_name::KNOWN)).map(|info| info.id());
    let (Ok(ours), Ok(known)) = (program.info(), known) else {
        return false;
    };
    loaded_programs()
        .filter_map(std::result::Result::ok)
        .find(|info| info.id() == linked)
        .is_some_and(|running| {
            let uses_known = running.map_ids().ok().flatten().is_some_and(|ids| ids.contains(&known));
            running.tag() == ours.tag() && uses_known
        })
}

fn attach_new(program: &mut TracePoint) -> Result<FdLink> {
    if has_events() {
        return attach_here(program);
    }
    // Nobody mounted tracefs: a thread with mounts of its own does, for as long as it takes to find the event.
    thread::scope(|scope| {
        let attached = scope.spawn(|| {
            mount_tracefs()?;
            if !has_events() {
                return Err(locked_down());
            }
            attach_here(program)
        });
        attached.join().unwrap_or_else(|_| {
            Err(TableError::Kernel(
                "the thread that looked for tracefs failed".to_owned(),
            ))
        })
    })
}

fn has_events() -> bool {
    TRACEFS.iter().any(|path| Path::new(path).join("events").is_dir())
}

/// Kernel lockdown refuses no mount of tracefs, it leaves it empty (`LOCKDOWN_TRACEFS` in fs/tracefs/inode.c): to mount it again
/// leads nowhere.
fn locked_down() -> TableError {
    TableError::Kernel(format!(
        "tracefs has no events, so there is no tracepoint {}:{} to attach to: kernel lockdown is `confidentiality`, or the kernel was \
         built without tracepoints; `agent doctor` tells which",
        EVENT.0, EVENT.1
    ))
}

fn mount_tracefs() -> Result<()> {
    let failed = |what: &str, error: Errno| {
        TableError::Kernel(format!(
            "cannot {what} to find the tracepoint {}:{}: {error}; mount it with `mount -t tracefs tracefs {}`, and restart the agent",
            EVENT.0, EVENT.1, TRACEFS[0]
        ))
    };
    unshare(CloneFlags::CLONE_NEWNS).map_err(|error| failed("leave the host's mounts", error))?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>)
        .map_err(|error| failed("make mounts private", error))?;
    mount(
        Some("tracefs"),
        TRACEFS[0],
        Some("tracefs"),
        MsFlags::empty(),
        None::<&str>,
    )
    // It is mounted there already.
    .or_else(|error| if error == Errno::EBUSY { Ok(()) } else { Err(error) })
    .map_err(|error| failed("mount tracefs", error))
}

fn attach_here(program: &mut TracePoint) -> Result<FdLink> {
    let failed = |error: &dyn std::error::Error| {
        TableError::Kernel(format!(
            "cannot attach to the tracepoint {}:{}: {}",
            EVENT.0,
            EVENT.1,
            with_causes(error)
        ))
    };
    let id = program.attach(EVENT.0, EVENT.1).map_err(|error| failed(&error))?;
    let link = program.take_link(id).map_err(|error| failed(&error))?;
    FdLink::try_from(link).map_err(|error| failed(&error))
}
