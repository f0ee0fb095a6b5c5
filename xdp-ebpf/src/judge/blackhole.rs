//! Stage: a blackholed address takes nothing new in. What was there before lives on, and so do replies to what this
//! host itself asked for, which a provider's blackhole would cut.

use xdp_common::{AddressPolicy, Reason, address_index::Found};

use crate::{
    packet::{Packet, Transport},
    tables::{OwnSocket, Tables},
};

#[inline(always)]
pub(super) fn stage<T: Tables>(packet: &Packet, found: Found, tables: &T) -> Option<Reason> {
    let policy = tables.policy(found)?;
    if !policy.is_blackholed(tables.now_ns()) {
        return None;
    }
    if packet.fault.is_some() {
        return Some(Reason::Blackhole);
    }
    if packet.transport == Transport::Icmp && packet.is_neighbour_discovery() {
        return Some(Reason::BlackholeControl);
    }
    if policy.blackhole_all != 0 {
        return Some(Reason::Blackhole);
    }
    Some(match packet.transport {
        Transport::Tcp => tcp(packet, policy, tables),
        Transport::Udp => udp(packet, tables),
        Transport::Icmp => icmp(packet),
        Transport::LaterFragment | Transport::Other => Reason::Blackhole,
    })
}

/// Where this host terminates, its sockets know each connection. Where it forwards, only the flags tell: whatever is
/// not a SYN belongs to a connection that began before, or is refused by the host that it reaches.
#[inline(always)]
fn tcp<T: Tables>(packet: &Packet, policy: &AddressPolicy, tables: &T) -> Reason {
    if packet.is_syn() {
        return Reason::Blackhole;
    }
    if policy.local == 0 {
        return Reason::BlackholeEstablished;
    }
    match tables.own_socket(packet) {
        OwnSocket::Connection if packet.is_syn_ack() => Reason::BlackholeReply,
        OwnSocket::Connection => Reason::BlackholeEstablished,
        OwnSocket::None | OwnSocket::UdpClient => Reason::Blackhole,
    }
}

#[inline(always)]
fn udp<T: Tables>(packet: &Packet, tables: &T) -> Reason {
    match tables.own_socket(packet) {
        OwnSocket::UdpClient => Reason::BlackholeReply,
        OwnSocket::None | OwnSocket::Connection => Reason::Blackhole,
    }
}

/// ICMP types (RFC 792): echo reply 0, unreachable 3, time exceeded 11, parameter problem 12. ICMPv6 (RFC 4443):
/// errors 1 to 4, echo reply 129. The numbers of one family mean nothing in the other.
#[inline(always)]
fn icmp(packet: &Packet) -> Reason {
    let v4 = packet.source.is_v4();
    match packet.icmp_type {
        0 if v4 => Reason::BlackholeReply,
        3 | 11 | 12 if v4 => Reason::BlackholeControl,
        129 if !v4 => Reason::BlackholeReply,
        1..=4 if !v4 => Reason::BlackholeControl,
        _ => Reason::Blackhole,
    }
}
