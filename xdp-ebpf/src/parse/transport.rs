//! TCP, UDP and ICMP headers, as far as verdicts need them.

use network_types::udp::UdpHdr;
use xdp_common::Reason;

use crate::{
    cursor::{Cursor, Frame},
    packet::{Packet, Transport},
};

/// Protocol numbers (IANA).
pub(super) const TCP: u8 = 6;
const ICMP: u8 = 1;
const UDP: u8 = 17;
const ICMPV6: u8 = 58;

const TCP_HEADER_LEN: usize = 20;
/// Bytes of the TCP header that hold data offset and flags.
const DATA_OFFSET: usize = 12;
const FLAGS: usize = 13;
const UDP_HEADER_LEN: usize = 8;
const ICMP_HEADER_LEN: usize = 4;

/// Reads the transport header into `packet`. `payload_len`: bytes from here to the end of the IP packet.
/// `first_of_many`: the first of several fragments, which must hold the whole header (RFC 1858, RFC 7112).
#[inline(always)]
pub(super) fn parse<F: Frame>(
    cursor: &mut Cursor<'_, F>,
    packet: &mut Packet,
    protocol: u8,
    payload_len: usize,
    first_of_many: bool,
) {
    let [protocol, payload_len, first] =
        cursor.forget([usize::from(protocol), payload_len, usize::from(first_of_many)]);
    let (protocol, first_of_many) = (protocol as u8, first & 1 != 0);
    let fault = match protocol {
        TCP => tcp(cursor, packet, payload_len),
        UDP => udp(cursor, packet, payload_len, first_of_many),
        ICMP | ICMPV6 => icmp(cursor, packet, payload_len),
        _ => None,
    };
    packet.fault = match fault {
        Some(_) if first_of_many => Some(Reason::FragmentMalformed),
        other => other,
    };
}

/// TCP (RFC 9293, section 3.1), by its bytes: verdicts want the flags as one byte, which `network_types` has only bit by
/// bit, thirty instructions more for each packet.
#[inline(always)]
fn tcp<F: Frame>(cursor: &mut Cursor<'_, F>, packet: &mut Packet, payload_len: usize) -> Option<Reason> {
    packet.transport = Transport::Tcp;
    if payload_len < TCP_HEADER_LEN {
        return Some(Reason::TcpMalformed);
    }
    packet.transport_at = cursor.offset();
    let Some(header) = cursor.take::<[u8; TCP_HEADER_LEN]>() else {
        return Some(Reason::TcpMalformed);
    };
    let header_len = usize::from(header[DATA_OFFSET] >> 4) * 4;
    if header_len < TCP_HEADER_LEN || header_len > payload_len {
        return Some(Reason::TcpMalformed);
    }
    packet.tcp_flags = header[FLAGS];
    packet.source_port = [header[0], header[1]];
    packet.destination_port = [header[2], header[3]];
    packet.sequence = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
    packet.acknowledgement = u32::from_be_bytes([header[8], header[9], header[10], header[11]]);
    packet.tcp_header_len = header_len as u8;
    packet.has_data = payload_len > header_len;
    None
}

/// UDP (RFC 768). The length field covers the whole datagram, so only an unfragmented packet can be held to it; over
/// IPv6, 0 is a jumbogram's, which [`super::ipv6`] has refused.
#[inline(always)]
fn udp<F: Frame>(
    cursor: &mut Cursor<'_, F>,
    packet: &mut Packet,
    payload_len: usize,
    first_of_many: bool,
) -> Option<Reason> {
    packet.transport = Transport::Udp;
    if payload_len < UDP_HEADER_LEN {
        return Some(Reason::UdpMalformed);
    }
    let Some(header) = cursor.take::<UdpHdr>() else {
        return Some(Reason::UdpMalformed);
    };
    let len = usize::from(u16::from_be_bytes(header.len));
    if len < UDP_HEADER_LEN || (len > payload_len && !first_of_many) {
        return Some(Reason::UdpMalformed);
    }
    packet.source_port = header.src;
    packet.destination_port = header.dst;
    None
}

/// ICMP (RFC 792) and ICMPv6 (RFC 4443): the type.
#[inline(always)]
fn icmp<F: Frame>(cursor: &mut Cursor<'_, F>, packet: &mut Packet, payload_len: usize) -> Option<Reason> {
    packet.transport = Transport::Icmp;
    if payload_len < ICMP_HEADER_LEN {
        return Some(Reason::IcmpMalformed);
    }
    let Some([icmp_type, ..]) = cursor.take::<[u8; 4]>() else {
        return Some(Reason::IcmpMalformed);
    };
    packet.icmp_type = icmp_type;
    None
}
