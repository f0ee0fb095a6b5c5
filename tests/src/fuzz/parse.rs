//! Frames: what the parser reads, another one reads too, and all that it points at lies in the frame.

use std::net::IpAddr;

use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use xdp_common::Reason;
use xdp_ebpf::{Packet, Transport, parse};

pub(super) fn run(data: &[u8]) {
    // Memory of exactly this length, so that a reading past its end is one that a sanitizer sees.
    let frame: Box<[u8]> = data.into();
    let parsed = parse(&&*frame);
    let other = SlicedPacket::from_ethernet(&frame);
    match parsed {
        Ok(packet) => {
            lies_in(&packet, &frame);
            if let Ok(other) = &other
                && packet.fault.is_none()
            {
                agrees(&packet, other);
            }
        }
        Err(Reason::NotIp) => {
            let ip = other.ok().and_then(|other| other.net);
            assert!(
                !matches!(ip, Some(NetSlice::Ipv4(_) | NetSlice::Ipv6(_))),
                "called neither IPv4 nor IPv6, and it is"
            );
        }
        Err(Reason::VlanDepth) => assert!(frame.len() >= 14 + 2 * 4, "two tags were read"),
        Err(Reason::Unreadable) => {}
        Err(other) => panic!("{other:?} is no reason of a frame without destination"),
    }
}

fn lies_in(packet: &Packet, frame: &[u8]) {
    let network = usize::from(packet.network_at);
    assert!((14..=14 + 2 * 4).contains(&network), "behind at most two tags");
    assert!(network + 20 <= frame.len(), "the addresses were read");
    if let Some(fault) = packet.fault {
        assert_eq!(fault.action(), xdp_common::Action::Drop, "a fault is dropped");
        return;
    }
    assert!(
        packet.frame_len <= frame.len() as u64,
        "no packet is longer than its frame"
    );
    if packet.transport == Transport::Tcp {
        let transport = usize::from(packet.transport_at);
        let header = usize::from(packet.tcp_header_len);
        assert!(
            (20..=60).contains(&header) && header.is_multiple_of(4),
            "a TCP header of {header} bytes"
        );
        assert!(network + 20 <= transport, "behind the IP header");
        assert!(transport + header <= frame.len(), "the whole header is there");
    }
}

fn agrees(packet: &Packet, other: &SlicedPacket<'_>) {
    let (source, destination): (IpAddr, IpAddr) = match &other.net {
        Some(NetSlice::Ipv4(ip)) => (ip.header().source_addr().into(), ip.header().destination_addr().into()),
        Some(NetSlice::Ipv6(ip)) => (ip.header().source_addr().into(), ip.header().destination_addr().into()),
        _ => panic!("a destination was read where there is no IP: {packet:?}"),
    };
    assert_eq!(packet.source, source.into(), "source");
    assert_eq!(packet.destination, destination.into(), "destination");
    if is_signed(other) {
        // In IPv4 it is a protocol like any other, which this host's kernel has no keys for.
        assert_eq!(packet.transport, Transport::Other);
        return;
    }
    let ports = |source: u16, destination: u16| (source.to_be_bytes(), destination.to_be_bytes());
    let read = (packet.source_port, packet.destination_port);
    match &other.transport {
        Some(TransportSlice::Tcp(tcp)) => {
            assert_eq!(packet.transport, Transport::Tcp);
            assert_eq!(read, ports(tcp.source_port(), tcp.destination_port()));
            assert_eq!(packet.sequence, tcp.sequence_number());
            assert_eq!(packet.acknowledgement, tcp.acknowledgment_number());
            assert_eq!(packet.tcp_flags, tcp.slice()[13]);
            assert_eq!(usize::from(packet.tcp_header_len), tcp.header_slice().len());
            assert_eq!(packet.has_data, !tcp.payload().is_empty(), "data");
        }
        Some(TransportSlice::Udp(udp)) => {
            assert_eq!(packet.transport, Transport::Udp);
            assert_eq!(read, ports(udp.source_port(), udp.destination_port()));
        }
        Some(TransportSlice::Icmpv4(icmp)) => {
            assert_eq!(packet.transport, Transport::Icmp);
            assert_eq!(packet.icmp_type, icmp.slice()[0]);
        }
        Some(TransportSlice::Icmpv6(icmp)) => {
            assert_eq!(packet.transport, Transport::Icmp);
            assert_eq!(packet.icmp_type, icmp.slice()[0]);
        }
        Some(TransportSlice::Igmp(_)) => assert_eq!(packet.transport, Transport::Other),
        // Of ICMP it wants more bytes than this one, to which the type says enough.
        None => assert!(
            packet.is_fragment || matches!(packet.transport, Transport::Other | Transport::Icmp) || is_extended(other),
            "a transport was read where there is none: {packet:?}"
        ),
    }
}

/// An authentication header (RFC 4302) in an IPv4 packet, behind which the other reader looks.
fn is_signed(other: &SlicedPacket<'_>) -> bool {
    matches!(&other.net, Some(NetSlice::Ipv4(ip)) if !ip.extensions().is_empty())
}

/// Mobility, HIP and Shim6: extension headers too (IANA "IPv6 Extension Header Types"), behind which the other reader does not look.
const EXTENSIONS: [u8; 3] = [135, 139, 140];

/// The other reader stops at extension headers that it does not know, or in an order that it does not, where this one goes on.
fn is_extended(other: &SlicedPacket<'_>) -> bool {
    let Some(NetSlice::Ipv6(ip)) = &other.net else {
        return false;
    };
    ip.header().next_header() != ip.payload().ip_number
        || ip.extensions().first_header().is_some()
        || EXTENSIONS.contains(&ip.payload().ip_number.0)
}
