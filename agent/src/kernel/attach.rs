//! Attaches the program to interfaces: native first, generic as the fallback, and a link of ours by atomic replacement.

use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};

use aya::programs::{
    ProgramError, Xdp, XdpMode as AyaMode,
    links::{FdLink, PinnedLink},
    loaded_programs,
    xdp::{XdpError, XdpLink},
};
use nix::{errno::Errno, net::if_::if_nametoindex};
use tracing::{info, warn};

use super::{
    form::is_levee,
    links::{self, Link},
    load::with_causes,
    pins::{GENERIC_WARNING, Pins, link_state},
};
use crate::{
    failpoint::{Point, reach},
    tables::{LinkState, Result, TableError, XdpMode},
};

/// How long a link that was removed may stay, in a kernel that is very busy.
const LEAVING: Duration = Duration::from_secs(15);

/// Attaches to `interface`, or replaces the program behind the link that leads to it, of this version or another.
pub(super) fn attach(
    program: &mut Xdp,
    pins: &Pins,
    others: &[Pins],
    interface: &str,
    mode: XdpMode,
) -> Result<LinkState> {
    let Ok(ifindex) = if_nametoindex(interface) else {
        return Err(TableError::Kernel(format!(
            "interfaces: there is no interface {interface} on this host"
        )));
    };
    if let Some(mut link) = links::to(pins, ifindex)? {
        if mode != XdpMode::Auto && mode != link.mode {
            let pinned_mode = link.mode;
            warn!(interface, %pinned_mode, wanted = %mode, "the running link stays: its mode can change only after `agent detach`");
        }
        match replace(program, &link.path) {
            Ok(()) => {
                reach(Point::LinkReplaced);
                settle(&mut link, pins, interface)?;
                info!(interface, mode = %link.mode, "took over the running link without a gap");
                return Ok(link_state(interface.to_owned(), link.mode));
            }
            Err(error) => {
                warn!(interface, %error, "the pinned link cannot be taken over; attaching anew");
                link.take_off()?;
            }
        }
    }
    for other in others {
        if let Some(taken) = take_over_from(program, pins, other, (interface, ifindex))? {
            return Ok(taken);
        }
    }
    // What is pinned under this name leads nowhere (the interface was removed and made anew), or elsewhere by now.
    links::make_room(pins, interface)?;
    let (link, mode) = attach_new(program, interface, mode)?;
    reach(Point::LinkAttached);
    let path = pins.link(interface, mode);
    link.pin(&path)
        .map_err(|error| TableError::Kernel(format!("cannot pin the link of {interface}: {}", with_causes(&error))))?;
    reach(Point::LinkPinned);
    info!(interface, %mode, "attached");
    Ok(link_state(interface.to_owned(), mode))
}

/// Has a link pinned under the name that its interface has now.
fn settle(link: &mut Link, pins: &Pins, interface: &str) -> Result<()> {
    if link.pinned_as == interface {
        return Ok(());
    }
    let before = link.pinned_as.clone();
    links::make_room(pins, interface)?;
    link.call(pins, interface)?;
    info!(
        interface,
        before, "the interface was renamed; its link is pinned under its new name"
    );
    Ok(())
}

/// Takes over the link that an agent of another version pinned for the interface, if there is one: first its program, then
/// its pin.
fn take_over_from(
    program: &mut Xdp,
    pins: &Pins,
    other: &Pins,
    (interface, ifindex): (&str, u32),
) -> Result<Option<LinkState>> {
    let Some(link) = links::to(other, ifindex)? else {
        return Ok(None);
    };
    if let Err(error) = replace(program, &link.path) {
        warn!(interface, %error, "the link that another version pinned cannot be taken over; attaching anew");
        link.take_off()?;
        return Ok(None);
    }
    reach(Point::OtherReplaced);
    links::make_room(pins, interface)?;
    let (mode, own) = (link.mode, pins.link(interface, link.mode));
    link.pin_at(&own)?;
    reach(Point::OtherPinnedTwice);
    link.unpin()?;
    reach(Point::OtherTaken);
    info!(interface, %mode, from = %other.root().display(), "took over the link of another version without a gap");
    Ok(Some(link_state(interface.to_owned(), mode)))
}

/// Replaces the program behind a pinned link: no packet goes by without one.
fn replace(program: &mut Xdp, path: &Path) -> std::result::Result<(), String> {
    let pinned = PinnedLink::from_pin(path).map_err(|error| with_causes(&error))?;
    // The pin itself stays: only our descriptor moves on.
    let link = XdpLink::try_from(FdLink::from(pinned)).map_err(|error| with_causes(&error))?;
    let id = program.attach_to_link(link).map_err(|error| with_causes(&error))?;
    // Nor is it to stay with the program: who takes the link off later must not find it held there.
    program.take_link(id).map(drop).map_err(|error| with_causes(&error))
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
        let code = match &error {
            ProgramError::SyscallError(syscall) => syscall.io_error.raw_os_error(),
            // On EINVAL aya tries again by netlink, which tells the driver's own words.
            ProgramError::XdpError(XdpError::NetlinkError(netlink)) => netlink.raw_os_error(),
            _ => None,
        };
        Self {
            errno: code.map(Errno::from_raw),
            text: with_causes(&error),
        }
    }
}

/// Attaches as soon as a program of ours that was taken off just now is gone: the kernel lets go of a link whose pin is removed in a
/// work queue, which takes seconds on a busy machine.
fn try_attach(program: &mut Xdp, interface: &str, mode: AyaMode) -> std::result::Result<FdLink, Refusal> {
    let start = Instant::now();
    loop {
        match attach_once(program, interface, mode) {
            Err(refusal)
                if refusal.errno == Some(Errno::EBUSY) && start.elapsed() < LEAVING && another_is_loaded(program) =>
            {
                thread::sleep(Duration::from_millis(50));
            }
            outcome => return outcome,
        }
    }
}

/// Whether there is another program of ours, on whatever interface. Who may not list programs cannot tell.
fn another_is_loaded(program: &Xdp) -> bool {
    let own = program.info().map_or(0, |info| info.id());
    let mut programs = loaded_programs();
    programs.any(|other| {
        other.map_or(true, |other| {
            other.id() != own && other.name_as_str().is_some_and(is_levee)
        })
    })
}

fn attach_once(program: &mut Xdp, interface: &str, mode: AyaMode) -> std::result::Result<FdLink, Refusal> {
    let id = program.attach(interface, mode)?;
    let link = program.take_link(id)?;
    // aya falls back to netlink without a word on EINVAL; such an attachment could not be pinned. Dropping it detaches.
    FdLink::try_from(link).map_err(|error| Refusal {
        errno: Some(Errno::EINVAL),
        text: with_causes(&error),
    })
}

fn cannot_attach(interface: &str, refusal: &Refusal) -> TableError {
    let hint = way_out(interface, refusal.errno);
    TableError::Kernel(format!("cannot attach to {interface}: {}{hint}", refusal.text))
}

/// What to do about a refusal, as the end of a sentence.
fn way_out(interface: &str, errno: Option<Errno>) -> String {
    match errno {
        Some(Errno::EBUSY | Errno::EEXIST) => format!(
            "; another XDP program is there: `bpftool net show dev {interface}` names it, and whoever attached it takes it off \
             (another Levee with `agent detach`, anything without a link with `ip link set dev {interface} xdp off`)"
        ),
        Some(Errno::EOPNOTSUPP) => {
            "; the driver has no native XDP: use kernel.xdp_mode = \"auto\" or \"generic\"".to_owned()
        }
        // EINVAL and ERANGE: virtio_net and others for their MTU or LRO; ENOSPC: veth for its queues.
        Some(Errno::ERANGE | Errno::EINVAL | Errno::ENOSPC) => format!(
            "; the driver refuses native XDP as {interface} is set up now: its MTU is too large \
             (`ip link set dev {interface} mtu 3498`), LRO is on (`ethtool -K {interface} lro off`), \
             or it has too few queues (`ethtool -l {interface}`). `agent doctor` says which; kernel.xdp_mode = \"generic\" does without, at several times the cost"
        ),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_name_the_way_out() {
        let tell = |errno| way_out("eth7", Some(errno));
        assert!(tell(Errno::EBUSY).contains("bpftool net show dev eth7"));
        assert!(tell(Errno::EOPNOTSUPP).contains("kernel.xdp_mode"));
        for errno in [Errno::EINVAL, Errno::ERANGE, Errno::ENOSPC] {
            assert!(tell(errno).contains("ip link set dev eth7 mtu 3498"), "{errno}");
        }
        assert_eq!(tell(Errno::EIO), "");
    }
}
