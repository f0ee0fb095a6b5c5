//! Rows of packets without fault: headers that are stacked, and what they carry.

use lab::packet::{Packet, Transport, extension, flag};
use xdp_common::Reason;

use crate::rows::{CLIENT4, CLIENT6, Row, V4, V6, both, ours};

pub(crate) fn header_stacks() -> Vec<Row> {
    let mut rows = Vec::new();
    for (what, tags) in [
        ("plain", &[][..]),
        ("802.1Q", &[0x8100]),
        ("802.1ad", &[0x88a8]),
        ("802.1ad over 802.1Q", &[0x88a8, 0x8100]),
        ("two 802.1Q", &[0x8100, 0x8100]),
        ("0x9100 over 802.1Q", &[0x9100, 0x8100]),
    ] {
        rows.extend(both(what, |s, d| Packet::syn(s, d).vlan(tags).bytes(), Reason::Syn));
    }
    let three = Packet::syn(CLIENT4, V4).vlan(&[0x88a8, 0x8100, 0x8100]).bytes();
    rows.push(Row("three tags", three, None, Reason::VlanDepth));
    for options in [4, 20, 40] {
        rows.push(ours(
            "IPv4 options",
            Packet::syn(CLIENT4, V4).ip_options(options).bytes(),
            V4,
            Reason::Syn,
        ));
    }
    for (kind, bytes) in [
        (extension::HOP_BY_HOP, 8),
        (extension::HOP_BY_HOP, 2048),
        (extension::ROUTING, 24),
        (extension::DESTINATION, 16),
        (extension::AUTHENTICATION, 24),
        (extension::AUTHENTICATION, 12),
    ] {
        let frame = Packet::syn(CLIENT6, V6).extension(kind, bytes).bytes();
        rows.push(ours("IPv6 extension header", frame, V6, Reason::Syn));
    }
    let chain = Packet::syn(CLIENT6, V6)
        .extension(extension::HOP_BY_HOP, 8)
        .extension(extension::DESTINATION, 8)
        .extension(extension::ROUTING, 24)
        .fragment(0, true)
        .extension(extension::AUTHENTICATION, 16)
        .extension(extension::DESTINATION, 8);
    rows.push(ours("every extension header once", chain.bytes(), V6, Reason::Syn));
    rows.push(Row(
        "not protected, IPv4",
        Packet::syn(CLIENT4, "198.51.100.99").bytes(),
        None,
        Reason::NotOurs,
    ));
    rows.push(Row(
        "not protected, IPv6",
        Packet::syn(CLIENT6, "2001:db8:1::99").bytes(),
        None,
        Reason::NotOurs,
    ));
    rows.push(Row("ARP", ethernet(0x0806, 28), None, Reason::NotIp));
    rows.push(Row("LLDP", ethernet(0x88cc, 50), None, Reason::NotIp));
    rows
}

pub(crate) fn ethernet(ether_type: u16, payload: usize) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
    frame.extend(ether_type.to_be_bytes());
    frame.resize(14 + payload, 0);
    frame
}

pub(crate) fn transports() -> Vec<Row> {
    let mut rows = Vec::new();
    let tcp = |flags| move |s: &str, d: &str| Packet::tcp(s, d, flags).bytes();
    rows.extend(both("SYN", tcp(flag::SYN), Reason::Syn));
    rows.extend(both("SYN with ECN", tcp(0xc2), Reason::Syn));
    rows.extend(both("SYN with data (Fast Open)", payload(flag::SYN, 100), Reason::Syn));
    rows.extend(both("SYN-ACK", tcp(flag::SYN | flag::ACK), Reason::Tcp));
    rows.extend(both("ACK", tcp(flag::ACK), Reason::Tcp));
    rows.extend(both("data", payload(flag::ACK | flag::PSH, 1_400), Reason::Tcp));
    rows.extend(both("FIN", tcp(flag::FIN | flag::ACK), Reason::Tcp));
    rows.extend(both("RST", tcp(flag::RST), Reason::Tcp));
    rows.extend(both(
        "data beyond the linear part",
        payload(flag::ACK, 6_000),
        Reason::Tcp,
    ));
    rows.extend(both(
        "UDP",
        |s, d| Packet::new(s, d, Transport::Udp { payload: 100 }).bytes(),
        Reason::Udp,
    ));
    rows.extend(both(
        "empty UDP",
        |s, d| Packet::new(s, d, Transport::Udp { payload: 0 }).bytes(),
        Reason::Udp,
    ));
    rows.extend(both(
        "ping",
        |s, d| Packet::new(s, d, Transport::Icmp(8)).bytes(),
        Reason::Icmp,
    ));
    rows.extend(both(
        "GRE",
        |s, d| Packet::new(s, d, Transport::Raw(47, vec![0; 24])).bytes(),
        Reason::Other,
    ));
    rows.extend(both(
        "ESP",
        |s, d| Packet::new(s, d, Transport::Raw(50, vec![0; 24])).bytes(),
        Reason::Other,
    ));
    rows.extend(both("padded to Ethernet's minimum", padded, Reason::Tcp));
    rows
}

pub(crate) fn payload(flags: u8, payload: usize) -> impl Fn(&str, &str) -> Vec<u8> {
    move |s, d| {
        Packet::new(
            s,
            d,
            Transport::Tcp {
                flags,
                options: 12,
                payload,
            },
        )
        .bytes()
    }
}

pub(crate) fn padded(source: &str, destination: &str) -> Vec<u8> {
    let mut frame = Packet::tcp(source, destination, flag::ACK).bytes();
    frame.resize(frame.len() + 18, 0);
    frame
}
