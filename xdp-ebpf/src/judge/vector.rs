//! Stage: rates of what is not a SYN, and what comes from amplifiers. Only an address that has such rates pays for it.

use xdp_common::{AddressPolicy, Admission, Preset, Reason, Rung, Vector, address_index::Found, sketch, vector::look};

use super::{Verdict, list};
use crate::{
    packet::{Packet, Transport},
    tables::{OwnSocket, Tables},
};

/// The rates that hold for a packet, in the bits of [`look`]; TCP is looked after by [`tcp`].
#[inline(always)]
pub(super) fn limited_by(packet: &Packet) -> u32 {
    let fragments = u32::from(packet.is_fragment) * Vector::Fragments.bit();
    fragments
        | match packet.transport {
            Transport::Udp => Vector::Udp.bit(),
            Transport::Icmp if !packet.is_neighbour_discovery() => Vector::Icmp.bit(),
            Transport::Other => Vector::Other.bit(),
            Transport::Icmp | Transport::LaterFragment | Transport::Tcp => 0,
        }
}

/// UDP, ICMP, other protocols, and fragments of all. `None`: no rate says no, nor does a list: what is over a rate is dropped
/// without a look there, and a blocked source gives back what it was granted.
#[inline(always)]
pub(super) fn stage<T: Tables>(packet: &Packet, found: Found, tables: &T) -> Option<Verdict> {
    if packet.transport == Transport::Udp && found.look & look::AMPLIFICATION != 0 {
        let reason = amplified(packet, found, tables);
        if reason.is_some() {
            return reason;
        }
    }
    let limits = found.look & limited_by(packet);
    if limits == 0 {
        return None;
    }
    let mut charged = 0;
    if limits & Vector::Fragments.bit() != 0 {
        match limited(packet, found, Vector::Fragments, tables) {
            Limited::Within => charged |= Vector::Fragments.bit(),
            Limited::Passes => {}
            Limited::Over(reason) => return Some(Verdict::over(reason)),
        }
    }
    if limits & !Vector::Fragments.bit() != 0 {
        let vector = match packet.transport {
            Transport::Udp => Vector::Udp,
            Transport::Icmp => Vector::Icmp,
            _ => Vector::Other,
        };
        match limited(packet, found, vector, tables) {
            Limited::Within => charged |= vector.bit(),
            Limited::Passes => {}
            Limited::Over(reason) => return Some(Verdict::over(reason)),
        }
    }
    let charged = tables.forget(u64::from(charged)) as u32;
    // Where a blackhole is, the lists were asked first of all.
    if !found.blackhole && list::blocks(packet, tables) {
        tables.vector_refund(found, charged, packet.frame_len as u32);
        return Some(Verdict::within(Reason::Blocked));
    }
    None
}

/// What the rate of TCP other than SYNs says of a segment.
pub(super) enum Excess {
    /// It is within the rate, or there is none.
    None,
    /// Over the rate: this host's sockets know what belongs to a connection.
    AskSockets,
    /// Over the rate, to a forwarded address, of a source that completed a handshake lately.
    Known,
    /// The same of any other.
    Unknown,
}

/// TCP other than SYNs. Over its rate, what belongs to a connection of this host passes; where this host forwards, what
/// comes from a source that completed a handshake lately.
#[inline(always)]
pub(super) fn tcp<T: Tables>(packet: &Packet, found: Found, tables: &T) -> Excess {
    if found.look & Vector::Tcp.bit() == 0 {
        return Excess::None;
    }
    if tables.vector_admits(found, Vector::Tcp, packet.frame_len as u32) == Admission::Within {
        return Excess::None;
    }
    let Some(policy) = tables.policy(found) else {
        return Excess::None;
    };
    if only_observes(policy, tables) {
        return Excess::None;
    }
    if policy.local != 0 {
        return Excess::AskSockets;
    }
    match tables.is_known(sketch::hash(packet.source.source(), tables.settings().seed)) {
        true => Excess::Known,
        false => Excess::Unknown,
    }
}

/// What a rate says of a packet.
enum Limited {
    /// There was room, which it took.
    Within,
    /// There was none, and it passes all the same.
    Passes,
    /// There was none.
    Over(Reason),
}

#[inline(always)]
fn limited<T: Tables>(packet: &Packet, found: Found, vector: Vector, tables: &T) -> Limited {
    let reason = match (tables.vector_admits(found, vector, packet.frame_len as u32), vector) {
        (Admission::Within, _) => return Limited::Within,
        (Admission::OverGroup, _) => Reason::GroupVectorRate,
        (Admission::OverAddress, Vector::Udp) => Reason::UdpRate,
        (Admission::OverAddress, Vector::Icmp) => Reason::IcmpRate,
        (Admission::OverAddress, Vector::Other) => Reason::OtherRate,
        (Admission::OverAddress, Vector::Fragments | Vector::Tcp) => Reason::FragmentRate,
    };
    let Some(policy) = tables.policy(found) else {
        return Limited::Passes;
    };
    // The rate of UDP does not keep this host from its answers, while there is a cheap way to know them.
    let passes = only_observes(policy, tables)
        || vector as u32 == Vector::Udp as u32
            && Preset::of_port(source_port(packet)).is_some()
            && was_asked_for(packet, policy, tables);
    if passes { Limited::Passes } else { Limited::Over(reason) }
}

/// UDP from the port of an amplifier that the address takes nothing from, unless this host asked for it.
#[inline(always)]
fn amplified<T: Tables>(packet: &Packet, found: Found, tables: &T) -> Option<Verdict> {
    let preset = Preset::of_port(source_port(packet))?;
    let policy = tables.policy(found)?;
    if policy.amplification & preset.bit() == 0
        || only_observes(policy, tables)
        || was_asked_for(packet, policy, tables)
    {
        return None;
    }
    Some(Verdict::within(preset.reason()))
}

/// Whether a reply is one that this host asked for: of its resolvers, or to a socket of its own that is a client's. Whose
/// queries this host forwards, it cannot know.
#[inline(always)]
fn was_asked_for<T: Tables>(packet: &Packet, policy: &AddressPolicy, tables: &T) -> bool {
    let is_dns = source_port(packet) == Preset::Dns.port();
    if is_dns && tables.settings().resolvers.contains(&packet.source) {
        return true;
    }
    policy.local != 0 && tables.own_socket(packet) == OwnSocket::UdpClient
}

/// Whether a person put the address on the rung where no rate holds.
#[inline(always)]
fn only_observes<T: Tables>(policy: &AddressPolicy, tables: &T) -> bool {
    policy.floor(tables.now_ns()) < Rung::Limit as u8
}

#[inline(always)]
const fn source_port(packet: &Packet) -> u16 {
    u16::from_be_bytes(packet.source_port)
}
