//! The stages in their order; the first verdict wins.

mod blackhole;
mod flags;
pub mod group;
mod guard;
mod list;
mod source;
mod syn;
mod vector;
pub(crate) mod verify;

use xdp_common::{Address, Reason, address_index::Found};

use crate::{
    packet::{Packet, Transport},
    tables::Tables,
};

/// The verdict on a packet, and where to count it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// Where the destination's policy is.
    pub found: Found,
    /// The verdict.
    pub reason: Reason,
    /// Where the packet goes; unspecified when that could not be read.
    pub destination: Address,
    /// This packet begins an excess of its address: worth an event.
    pub excess: bool,
}

impl Judgement {
    /// Slot of the protected address, 0 for none.
    #[inline(always)]
    pub const fn slot(&self) -> u32 {
        self.found.slot()
    }

    /// On a frame without a readable destination.
    #[inline(always)]
    pub fn of_nobody(reason: Reason) -> Self {
        Self {
            found: Found::NONE,
            reason,
            destination: Address::default(),
            excess: false,
        }
    }
}

/// What a stage says, and whether its address is over a rate.
#[derive(Clone, Copy)]
struct Verdict {
    reason: Reason,
    over: bool,
}

impl Verdict {
    #[inline(always)]
    const fn within(reason: Reason) -> Self {
        Self { reason, over: false }
    }

    #[inline(always)]
    const fn over(reason: Reason) -> Self {
        Self { reason, over: true }
    }
}

/// Judges a packet with a readable destination.
#[inline(always)]
pub fn judge<T: Tables>(packet: &Packet, tables: &T) -> Judgement {
    let found = tables.find(&packet.destination);
    let verdict = stages(packet, found, tables);
    Judgement {
        found,
        reason: verdict.reason,
        destination: packet.destination,
        excess: verdict.over && syn::note_excess(found.slot(), tables),
    }
}

#[inline(always)]
fn stages<T: Tables>(packet: &Packet, found: Found, tables: &T) -> Verdict {
    if let Some(reason) = list::stage(packet, tables) {
        return Verdict::within(reason);
    }
    // What has a rate is looked for in the large lists only where it would be granted something (see `syn` and `vector`).
    let asks_later = match packet.transport {
        Transport::Tcp if packet.is_syn() => found.is_protected(),
        _ => !found.blackhole && found.look & vector::limited_by(packet) != 0,
    };
    if tables.forget(u64::from(asks_later)) == 0 && list::blocks(packet, tables) {
        return Verdict::within(Reason::Blocked);
    }
    if !found.is_protected() {
        return Verdict::within(Reason::NotOurs);
    }
    if found.blackhole
        && let Some(reason) = blackhole::stage(packet, found, tables)
    {
        return Verdict::within(reason);
    }
    if let Some(reason) = flags::stage(packet) {
        return Verdict::within(reason);
    }
    if found.look != 0 {
        let verdict = vector::stage(packet, found, tables);
        if let Some(verdict) = verdict {
            return verdict;
        }
    }
    Verdict::within(match packet.transport {
        Transport::Tcp if packet.is_syn() => return syn::stage(packet, found, tables),
        Transport::Tcp => return guard::stage(packet, found, tables),
        Transport::Udp => Reason::Udp,
        Transport::Icmp => Reason::Icmp,
        Transport::LaterFragment => Reason::Fragment,
        Transport::Other => Reason::Other,
    })
}
