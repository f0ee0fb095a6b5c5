//! Stage: rates of what is not a SYN, and what comes from amplifiers. Only an address that has such rates pays for it.

use xdp_common::{AddressPolicy, Admission, Preset, Reason, Rung, Vector, address_index::Found, sketch, vector::look};

use super::Verdict;
use crate::{
    packet::{Packet, Transport},
    tables::{OwnSocket, Tables},
};

/// UDP, ICMP, other protocols, and fragments of all. `None`: no rate says no.
#[inline(always)]
pub(super) fn stage<T: Tables>(packet: &Packet, found: Found, tables: &T) -> Option<Verdict> {
    if packet.transport == Transport::Udp && found.look & look::AMPLIFICATION != 0 {
        let reason = amplified(packet, found, tables);
        if reason.is_some() {
            return reason;
        }
    }
    if packet.is_fragment && found.look & Vector::Fragments.bit() != 0 {
        let verdict = limited(packet, found, Vector::Fragments, tables);
        if verdict.is_some() {
            return verdict;
        }
    }
    let vector = match packet.transport {
        Transport::Udp => Vector::Udp,
        Transport::Icmp if !packet.is_neighbour_discovery() => Vector::Icmp,
        Transport::Other => Vector::Other,
        Transport::Icmp | Transport::LaterFragment | Transport::Tcp => return None,
    };
    if found.look & vector.bit() == 0 {
        return None;
    }
    limited(packet, found, vector, tables)
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

#[inline(always)]
fn limited<T: Tables>(packet: &Packet, found: Found, vector: Vector, tables: &T) -> Option<Verdict> {
    let reason = match (tables.vector_admits(found, vector, packet.frame_len as u32), vector) {
        (Admission::Within, _) => return None,
        (Admission::OverGroup, _) => Reason::GroupVectorRate,
        (Admission::OverAddress, Vector::Udp) => Reason::UdpRate,
        (Admission::OverAddress, Vector::Icmp) => Reason::IcmpRate,
        (Admission::OverAddress, Vector::Other) => Reason::OtherRate,
        (Admission::OverAddress, Vector::Fragments | Vector::Tcp) => Reason::FragmentRate,
    };
    let policy = tables.policy(found)?;
    // The rate of UDP does not keep this host from its answers, while there is a cheap way to know them.
    let passes = only_observes(policy, tables)
        || vector as u32 == Vector::Udp as u32
            && Preset::of_port(source_port(packet)).is_some()
            && was_asked_for(packet, policy, tables);
    if passes { None } else { Some(Verdict::over(reason)) }
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
