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

pub use syn::Asking;

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
#[derive(Clone, Copy, Debug)]
pub struct Verdict {
    reason: Reason,
    over: bool,
}

/// How far a part of the judge came.
#[derive(Clone, Copy, Debug)]
pub enum Next {
    /// To the end.
    Conclude(Verdict),
    /// [`special`] comes next.
    Special,
    /// The rates of SYNs come next: [`syn_begin`].
    Syn,
    /// The look at a TCP segment that is no SYN comes next: [`segment`].
    Segment,
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

/// Judges a packet with a readable destination. The kernel's side takes the parts of it one by one, in the same order.
#[inline(always)]
pub fn judge<T: Tables>(packet: &Packet, tables: &T) -> Judgement {
    let found = tables.find(&packet.destination);
    let next = match may_be_listed(packet, tables).then(|| listed(packet, tables)).flatten() {
        Some(verdict) => Next::Conclude(verdict),
        None => match begin(packet, found, tables) {
            Next::Special => special(packet, found, tables),
            next => next,
        },
    };
    match next {
        Next::Conclude(verdict) => conclude(packet, found, verdict, tables),
        Next::Syn => syn(packet, found, tables),
        Next::Segment | Next::Special => segment(packet, found, tables),
    }
}

/// The judgement, by the verdict.
#[inline(always)]
pub fn conclude<T: Tables>(packet: &Packet, found: Found, verdict: Verdict, tables: &T) -> Judgement {
    Judgement {
        found,
        reason: verdict.reason,
        destination: packet.destination,
        excess: verdict.over && syn::note_excess(found.slot(), tables),
    }
}

/// Whether [`listed`] is to be asked, before all others.
#[inline(always)]
pub fn may_be_listed<T: Tables>(packet: &Packet, tables: &T) -> bool {
    tables.may_be_listed(&packet.source)
}

/// What decides about a source as the first of all.
#[inline(always)]
pub fn listed<T: Tables>(packet: &Packet, tables: &T) -> Option<Verdict> {
    list::stage(packet, tables).map(Verdict::within)
}

/// On a SYN, after [`begin`] or [`special`].
#[inline(always)]
fn syn<T: Tables>(packet: &Packet, found: Found, tables: &T) -> Judgement {
    match syn_begin(packet, found, tables) {
        Err(judgement) => judgement,
        Ok(asking) => syn_end(packet, found, asking, syn_source(packet, asking, tables), tables),
    }
}

/// On a SYN, its first part: a judgement, or what is asked of its source.
///
/// # Errors
/// The judgement, where its source need not be asked.
#[inline(always)]
pub fn syn_begin<T: Tables>(packet: &Packet, found: Found, tables: &T) -> Result<Asking, Judgement> {
    syn::before(packet, found, tables).map_err(|verdict| conclude(packet, found, verdict, tables))
}

/// On a SYN, its second part: whether it is within its source's rate.
#[inline(always)]
pub fn syn_source<T: Tables>(packet: &Packet, asking: Asking, tables: &T) -> bool {
    syn::source_within(packet, asking, tables)
}

/// On a SYN, its last part.
#[inline(always)]
pub fn syn_end<T: Tables>(packet: &Packet, found: Found, asking: Asking, within: bool, tables: &T) -> Judgement {
    conclude(packet, found, syn::after(packet, found, asking, within, tables), tables)
}

/// On another TCP segment, after [`begin`] or [`special`].
#[inline(always)]
pub fn segment<T: Tables>(packet: &Packet, found: Found, tables: &T) -> Judgement {
    conclude(packet, found, guard::stage(packet, found, tables), tables)
}

/// The stages that all packets meet.
#[inline(always)]
pub fn begin<T: Tables>(packet: &Packet, found: Found, tables: &T) -> Next {
    // What has a rate is looked for in the large lists only where it would be granted something (see `syn` and `vector`).
    let asks_later = match packet.transport {
        Transport::Tcp if packet.is_syn() => found.is_protected(),
        _ => !found.blackhole && found.look & vector::limited_by(packet) != 0,
    };
    if tables.forget(u64::from(asks_later)) == 0 && list::blocks(packet, tables) {
        return Next::Conclude(Verdict::within(Reason::Blocked));
    }
    if !found.is_protected() {
        return Next::Conclude(Verdict::within(Reason::NotOurs));
    }
    if found.blackhole || found.look != 0 {
        return Next::Special;
    }
    match flags::stage(packet) {
        Some(reason) => Next::Conclude(Verdict::within(reason)),
        None => by_transport(packet, found, tables),
    }
}

/// The rest of them, for an address with a blackhole, or with rates for what is not a SYN.
#[inline(always)]
pub fn special<T: Tables>(packet: &Packet, found: Found, tables: &T) -> Next {
    if found.blackhole
        && let Some(reason) = blackhole::stage(packet, found, tables)
    {
        return Next::Conclude(Verdict::within(reason));
    }
    if let Some(reason) = flags::stage(packet) {
        return Next::Conclude(Verdict::within(reason));
    }
    if found.look != 0
        && let Some(verdict) = vector::stage(packet, found, tables)
    {
        return Next::Conclude(verdict);
    }
    by_transport(packet, found, tables)
}

#[inline(always)]
fn by_transport<T: Tables>(packet: &Packet, found: Found, tables: &T) -> Next {
    Next::Conclude(Verdict::within(match packet.transport {
        Transport::Tcp if packet.is_syn() => match syn::is_unseen(found, tables) {
            true => Reason::AddressRate,
            false => return Next::Syn,
        },
        Transport::Tcp => return Next::Segment,
        Transport::Udp => Reason::Udp,
        Transport::Icmp => Reason::Icmp,
        Transport::LaterFragment => Reason::Fragment,
        Transport::Other => Reason::Other,
    }))
}
