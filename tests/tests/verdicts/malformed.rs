//! Rows of packets that no stack would send.

use lab::packet::{Packet, Transport, extension, flag};
use xdp_common::Reason;

use crate::rows::{CLIENT4, CLIENT6, Row, V4, V6, both, ours};

pub(crate) fn ipv4() -> Vec<Row> {
    let syn = Packet::syn(CLIENT4, V4);
    let bad = |what, frame| ours(what, frame, V4, Reason::Ipv4Malformed);
    vec![
        Row("version 5", syn.patched(0, &[0x55]), None, Reason::Unreadable),
        Row(
            "IPv6 in an IPv4 frame",
            syn.patched(0, &[0x65]),
            None,
            Reason::Unreadable,
        ),
        Row("cut in the IPv4 header", syn.cut(19), None, Reason::Unreadable),
        bad("IHL 4", syn.patched(0, &[0x44])),
        bad("IHL 0", syn.patched(0, &[0x40])),
        bad("total length under the header", syn.patched(2, &[0, 19])),
        bad("total length 0", syn.patched(2, &[0, 0])),
        bad(
            "total length under the options",
            Packet::syn(CLIENT4, V4).ip_options(8).patched(2, &[0, 24]),
        ),
        bad("total length past the frame", syn.patched(2, &[0, 61])),
        bad("total length far past the frame", syn.patched(2, &[0xff, 0xff])),
    ]
}

pub(crate) fn ipv6() -> Vec<Row> {
    let syn = Packet::syn(CLIENT6, V6);
    let mut long = Packet::syn(CLIENT6, V6);
    for _ in 0..8 {
        long = long.extension(extension::DESTINATION, 8);
    }
    let lying = Packet::syn(CLIENT6, V6).extension(extension::DESTINATION, 8);
    vec![
        Row("version 4", syn.patched(0, &[0x40]), None, Reason::Unreadable),
        Row("cut in the IPv6 header", syn.cut(39), None, Reason::Unreadable),
        ours(
            "payload length past the frame",
            syn.patched(4, &[0, 200]),
            V6,
            Reason::Ipv6Malformed,
        ),
        ours(
            "jumbogram",
            Packet::syn(CLIENT6, V6).extension(0, 8).patched(4, &[0, 0]),
            V6,
            Reason::Ipv6Malformed,
        ),
        ours("chain too long", long.bytes(), V6, Reason::Ipv6Chain),
        ours(
            "extension header past the packet",
            lying.patched(41, &[200]),
            V6,
            Reason::Ipv6Chain,
        ),
        ours("chain ends in an extension header", cut_chain(), V6, Reason::Ipv6Chain),
    ]
}

/// The payload length says: one destination options header, and nothing behind it.
pub(crate) fn cut_chain() -> Vec<u8> {
    let bare = Packet::new(CLIENT6, V6, Transport::Raw(extension::DESTINATION, Vec::new()));
    bare.extension(extension::DESTINATION, 8).bytes()
}

pub(crate) fn transports() -> Vec<Row> {
    let mut rows = Vec::new();
    let raw = |protocol: u8, len: usize| {
        move |s: &str, d: &str| Packet::new(s, d, Transport::Raw(protocol, vec![0x50; len])).bytes()
    };
    for len in [0, 1, 13, 19] {
        rows.extend(both("TCP header cut off", raw(6, len), Reason::TcpMalformed));
    }
    for len in [0, 7] {
        rows.extend(both("UDP header cut off", raw(17, len), Reason::UdpMalformed));
    }
    rows.push(ours(
        "ICMP header cut off",
        Packet::new(CLIENT4, V4, Transport::Raw(1, vec![8, 0, 0])).bytes(),
        V4,
        Reason::IcmpMalformed,
    ));
    rows.push(ours(
        "ICMPv6 header cut off",
        Packet::new(CLIENT6, V6, Transport::Raw(58, vec![128, 0, 0])).bytes(),
        V6,
        Reason::IcmpMalformed,
    ));
    for (what, offset) in [
        ("data offset 4", 0x40),
        ("data offset 0", 0x00),
        ("data offset past the packet", 0xf0),
    ] {
        rows.extend(both(what, transport_patch(flag::SYN, 12, offset), Reason::TcpMalformed));
    }
    for (what, len) in [
        ("UDP length 7", 7u8),
        ("UDP length 0", 0),
        ("UDP length past the packet", 109),
    ] {
        rows.extend(both(what, udp_len(len), Reason::UdpMalformed));
    }
    rows
}

/// A segment with one byte of the TCP header changed.
pub(crate) fn transport_patch(flags: u8, at: usize, byte: u8) -> impl Fn(&str, &str) -> Vec<u8> {
    move |s, d| {
        let header = if s.contains(':') { 40 } else { 20 };
        Packet::tcp(s, d, flags).patched(header + at, &[byte])
    }
}

pub(crate) fn udp_len(len: u8) -> impl Fn(&str, &str) -> Vec<u8> {
    move |s, d| {
        let header = if s.contains(':') { 40 } else { 20 };
        Packet::new(s, d, Transport::Udp { payload: 100 }).patched(header + 4, &[0, len])
    }
}

pub(crate) fn fragments() -> Vec<Row> {
    let mut rows = Vec::new();
    let udp = |payload| Transport::Udp { payload };
    rows.extend(both(
        "first fragment",
        |s, d| Packet::new(s, d, udp(1_000)).fragment(0, true).bytes(),
        Reason::Udp,
    ));
    rows.extend(both(
        "first fragment of TCP",
        |s, d| Packet::syn(s, d).fragment(0, true).bytes(),
        Reason::Syn,
    ));
    rows.extend(both(
        "later fragment",
        |s, d| {
            Packet::new(s, d, Transport::Raw(17, vec![0; 64]))
                .fragment(100, true)
                .bytes()
        },
        Reason::Fragment,
    ));
    rows.extend(both(
        "last fragment",
        |s, d| {
            Packet::new(s, d, Transport::Raw(17, vec![0; 5]))
                .fragment(185, false)
                .bytes()
        },
        Reason::Fragment,
    ));
    rows.extend(both(
        "first fragment hides the TCP header",
        |s, d| {
            Packet::new(s, d, Transport::Raw(6, vec![0; 16]))
                .fragment(0, true)
                .bytes()
        },
        Reason::FragmentMalformed,
    ));
    rows.extend(both(
        "first fragment without any header",
        |s, d| {
            Packet::new(s, d, Transport::Raw(17, Vec::new()))
                .fragment(0, true)
                .bytes()
        },
        Reason::FragmentMalformed,
    ));
    rows.extend(both(
        "fragment past 65,535 bytes (ping of death)",
        |s, d| {
            Packet::new(s, d, Transport::Raw(1, vec![0; 64]))
                .fragment(0x1fff, false)
                .bytes()
        },
        Reason::FragmentMalformed,
    ));
    let overlap = Packet::new(CLIENT4, V4, Transport::Raw(6, vec![0; 32]))
        .fragment(1, false)
        .bytes();
    rows.push(ours(
        "fragment over the TCP flags",
        overlap,
        V4,
        Reason::FragmentMalformed,
    ));
    let atomic = Packet::syn(CLIENT6, V6).fragment(0, false).bytes();
    rows.push(ours("atomic fragment (RFC 6946)", atomic, V6, Reason::Syn));
    let hidden = Packet::new(CLIENT6, V6, Transport::Raw(extension::DESTINATION, Vec::new()))
        .fragment(0, true)
        .bytes();
    rows.push(ours(
        "first fragment without the whole chain (RFC 7112)",
        hidden,
        V6,
        Reason::FragmentMalformed,
    ));
    rows
}

pub(crate) fn impossible() -> Vec<Row> {
    let mut rows = Vec::new();
    for (what, flags) in [
        ("null", 0),
        ("Xmas", 0x29),
        ("SYN FIN", 0x03),
        ("SYN RST", 0x06),
        ("FIN", 0x01),
        ("FIN RST ACK", 0x15),
    ] {
        rows.extend(both(
            what,
            move |s, d| Packet::tcp(s, d, flags).bytes(),
            Reason::TcpFlags,
        ));
    }
    for source in ["127.0.0.1", "0.1.2.3", "224.0.0.5", "255.255.255.255", V4] {
        rows.push(ours(
            "impossible source",
            Packet::syn(source, V4).bytes(),
            V4,
            Reason::ImpossibleSource,
        ));
    }
    for source in ["::1", "::", "ff02::1", V6] {
        rows.push(ours(
            "impossible source",
            Packet::syn(source, V6).bytes(),
            V6,
            Reason::ImpossibleSource,
        ));
    }
    let probe = Packet::new("::", V6, Transport::Icmp(135)).bytes();
    rows.push(ours("duplicate address detection", probe, V6, Reason::Icmp));
    rows
}
