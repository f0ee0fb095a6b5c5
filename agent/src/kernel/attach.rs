//! Attaches the program to interfaces: native first, generic as the fallback, and a link of ours by atomic replacement.

use std::path::Path;

use aya::{
    Ebpf,
    programs::{
        ProgramError, Xdp, XdpMode as AyaMode,
        links::{FdLink, PinnedLink},
        xdp::XdpLink,
    },
};
use nix::{errno::Errno, net::if_::if_nametoindex};
use tracing::{info, warn};

use super::{
    load::with_causes,
    pins::{GENERIC_WARNING, Pins, link_state},
};
use crate::tables::{LinkState, Result, TableError, XdpMode};

/// Name of the program's entry point.
pub(super) const PROGRAM: &str = "levee";

/// The XDP program of the object.
pub(super) fn program(ebpf: &mut Ebpf) -> Result<&mut Xdp> {
    ebpf.program_mut(PROGRAM)
        .and_then(|program| program.try_into().ok())
        .ok_or_else(|| TableError::Kernel(format!("the agent's own object has no XDP program `{PROGRAM}`")))
}

/// Attaches to `interface`, or replaces the program behind the link that is pinned for it, by this version or another.
pub(super) fn attach(
    ebpf: &mut Ebpf,
    pins: &Pins,
    others: &[Pins],
    interface: &str,
    mode: XdpMode,
) -> Result<LinkState> {
    if if_nametoindex(interface).is_err() {
        return Err(TableError::Kernel(format!(
            "interfaces: there is no interface {interface} on this host"
        )));
    }
    let program = program(ebpf)?;
    if let Some((pinned_mode, path)) = pins.existing_link(interface) {
        if mode != XdpMode::Auto && mode != pinned_mode {
            warn!(interface, %pinned_mode, wanted = %mode, "the running link stays: its mode can change only after `agent detach`");
        }
        match replace(program, &path) {
            Ok(()) => {
                info!(interface, mode = %pinned_mode, "took over the running link without a gap");
                return Ok(link_state(interface.to_owned(), pinned_mode));
            }
            Err(error) => {
                // The interface was removed and made anew under the same name: the old link leads nowhere.
                warn!(interface, %error, "the pinned link is dead; attaching anew");
                pins.remove_link(interface)?;
            }
        }
    }
    for other in others {
        if let Some(taken) = take_over_from(program, pins, other, interface)? {
            return Ok(taken);
        }
    }
    let (link, mode) = attach_new(program, interface, mode)?;
    let path = pins.link(interface, mode);
    link.pin(&path)
        .map_err(|error| TableError::Kernel(format!("cannot pin the link of {interface}: {error}")))?;
    info!(interface, %mode, "attached");
    Ok(link_state(interface.to_owned(), mode))
}

/// Takes over the link that an agent of another version pinned for the interface, if there is one: first its program, then
/// its pin.
fn take_over_from(program: &mut Xdp, pins: &Pins, other: &Pins, interface: &str) -> Result<Option<LinkState>> {
    let Some((mode, path)) = other.existing_link(interface) else {
        return Ok(None);
    };
    if let Err(error) = replace(program, &path) {
        warn!(interface, %error, "the link that another version pinned is dead; attaching anew");
        other.remove_link(interface)?;
        return Ok(None);
    }
    let cannot = |error: &dyn std::error::Error| {
        TableError::Kernel(format!(
            "cannot take over {} from another version: {}",
            path.display(),
            with_causes(error)
        ))
    };
    let link = PinnedLink::from_pin(&path).map_err(|error| cannot(&error))?;
    FdLink::from(link)
        .pin(pins.link(interface, mode))
        .map_err(|error| cannot(&error))?;
    other.remove_link(interface)?;
    info!(interface, %mode, from = %other.root().display(), "took over the link of another version without a gap");
    Ok(Some(link_state(interface.to_owned(), mode)))
}

/// Replaces the program behind a pinned link: no packet goes by without one.
fn replace(program: &mut Xdp, path: &Path) -> std::result::Result<(), String> {
    let pinned = PinnedLink::from_pin(path).map_err(|error| with_causes(&error))?;
    // The pin itself stays: only our descriptor moves on.
    let link = XdpLink::try_from(FdLink::from(pinned)).map_err(|error| with_causes(&error))?;
    program
        .attach_to_link(link)
        .map(|_| ())
        .map_err(|error| with_causes(&error))
}

fn attach_new(program: &mut Xdp, interface: &str, mode: XdpMode) -> Result<(FdLink, XdpMode)> {
    let native = match mode {
        XdpMode::Generic => None,
        XdpMode::Auto | XdpMode::Native => Some(try_attach(program, interface, AyaMode::Driver)),
    };
    match native {
        Some(Ok(link)) => return Ok((link, XdpMode::Native)),
        Some(Err(refusal)) if mode == XdpMode::Native || refusal.errno != Some(Errno::EOPNOTSUPP) => {
            return Err(cannot_attach(interface, &refusal));
        }
        Some(Err(_)) => warn!(interface, "{GENERIC_WARNING}"),
        None => {}
    }
    let link = try_attach(program, interface, AyaMode::Skb).map_err(|refusal| cannot_attach(interface, &refusal))?;
    Ok((link, XdpMode::Generic))
}

/// Why the kernel did not attach.
struct Refusal {
    errno: Option<Errno>,
    text: String,
}

impl From<ProgramError> for Refusal {
    fn from(error: ProgramError) -> Self {
        let errno = match &error {
            ProgramError::SyscallError(syscall) => syscall.io_error.raw_os_error().map(Errno::from_raw),
            _ => None,
        };
        Self {
            errno,
            text: with_causes(&error),
        }
    }
}

fn try_attach(program: &mut Xdp, interface: &str, mode: AyaMode) -> std::result::Result<FdLink, Refusal> {
    let id = program.attach(interface, mode)?;
    let link = program.take_link(id)?;
    // aya falls back to netlink without a word on EINVAL; such an attachment could not be pinned. Dropping it detaches.
    FdLink::try_from(link).map_err(|error| Refusal {
        errno: Some(Errno::EINVAL),
        text: with_causes(&error),
    })
}

fn cannot_attach(interface: &str, refusal: &Refusal) -> TableError {
    let hint = match refusal.errno {
        Some(Errno::EBUSY | Errno::EEXIST) => format!(
            "; another XDP program is there: `bpftool net show dev {interface}` names it, and whoever attached it takes it off \
             (another Levee with `agent detach`, anything without a link with `ip link set dev {interface} xdp off`)"
        ),
        Some(Errno::EOPNOTSUPP) => {
            "; the driver has no native XDP: use kernel.xdp_mode = \"auto\" or \"generic\"".to_owned()
        }
        Some(Errno::ERANGE | Errno::EINVAL) => {
            format!(
                "; the driver refuses native XDP as {interface} is set up now: check its MTU, LRO and number of queues"
            )
        }
        _ => String::new(),
    };
    TableError::Kernel(format!("cannot attach to {interface}: {}{hint}", refusal.text))
}
