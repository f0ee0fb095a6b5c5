//! The stages in their order; the first verdict wins.

mod blackhole;
mod flags;
mod list;
mod source;
mod syn;

use xdp_common::{Address, Reason, address_index::Found};

use crate::{
    packet::{Packet, Transport},
    tables::Tables,
};

/// The verdict on a packet, and where to count it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// Slot of the protected address, 0 for none.
    pub slot: u32,
    /// The verdict.
    pub reason: Reason,
    /// Where the packet goes; unspecified when that could not be read.
    pub destination: Address,
    /// This packet begins an excess of its address: worth an event.
    pub excess: bool,
}

/// Judges a packet with a readable destination.
#[inline(always)]
pub fn judge<T: Tables>(packet: &Packet, tables: &T) -> Judgement {
    let found = tables.find(&packet.destination);
    let slot = found.slot();
    let reason = stages(packet, found, tables);
    let excess = syn::is_excess(reason) && syn::note_excess(slot, tables);
    Judgement {
        slot,
        reason,
        destination: packet.destination,
        excess,
    }
}

#[inline(always)]
fn stages<T: Tables>(packet: &Packet, found: Found, tables: &T) -> Reason {
    if let Some(reason) = list::stage(packet, tables) {
        return reason;
    }
    if !found.is_protected() {
        return Reason::NotOurs;
    }
    if found.blackhole
        && let Some(reason) = blackhole::stage(packet, found, tables)
    {
        return reason;
    }
    if let Some(reason) = flags::stage(packet) {
        return reason;
    }
    match packet.transport {
        Transport::Tcp if packet.is_syn() => syn::stage(packet, found, tables),
        Transport::Tcp => Reason::Tcp,
        Transport::Udp => Reason::Udp,
        Transport::Icmp => Reason::Icmp,
        Transport::LaterFragment => Reason::Fragment,
        Transport::Other => Reason::Other,
    }
}
