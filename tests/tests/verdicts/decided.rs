//! Rows that lists and blackholes decide.

use agent::tables::ListAction;
use lab::packet::{Packet, Transport, flag};
use xdp_common::Reason;

use crate::rows::{CLIENT4, CLIENT6, HOLE_ALL4, HOLE_LOCAL4, HOLE_PAST4, HOLE4, HOLE6, Row, V4, V6, ours};

/// Entries of the source list; the last value: seconds until it ends, negative for the past.
pub(crate) const LIST: [(&str, ListAction, i64); 9] = [
    ("192.0.2.0/24", ListAction::Block, 60),
    ("192.0.2.128/25", ListAction::Allow, 60),
    ("192.0.2.200/32", ListAction::Block, 60),
    ("192.0.2.1/32", ListAction::Allow, -1),
    ("192.0.2.130/32", ListAction::Block, -1),
    ("203.0.113.200/32", ListAction::Block, -1),
    ("2001:db8:bad::/48", ListAction::Block, 60),
    ("2001:db8:bad:1::/64", ListAction::Allow, 60),
    ("2001:db8:bad:2::/64", ListAction::Allow, -1),
];

pub(crate) fn lists() -> Vec<Row> {
    let syn = |source: &str, destination: &str| Packet::syn(source, destination).bytes();
    vec![
        ours("blocked prefix", syn("192.0.2.5", V4), V4, Reason::Blocked),
        ours("longer allow in it", syn("192.0.2.150", V4), V4, Reason::Allowed),
        ours("longer block in that", syn("192.0.2.200", V4), V4, Reason::Blocked),
        ours(
            "expired allow gives way to the block around it",
            syn("192.0.2.1", V4),
            V4,
            Reason::Blocked,
        ),
        ours(
            "expired block gives way to the allow around it",
            syn("192.0.2.130", V4),
            V4,
            Reason::Allowed,
        ),
        ours("expired block alone", syn("203.0.113.200", V4), V4, Reason::Syn),
        Row(
            "blocked for addresses that are not ours too",
            syn("192.0.2.5", "198.51.100.99"),
            None,
            Reason::Blocked,
        ),
        ours(
            "blocked UDP",
            Packet::new("192.0.2.5", V4, Transport::Udp { payload: 1 }).bytes(),
            V4,
            Reason::Blocked,
        ),
        ours("blocked, IPv6", syn("2001:db8:bad:ffff::1", V6), V6, Reason::Blocked),
        ours("allowed, IPv6", syn("2001:db8:bad:1::1", V6), V6, Reason::Allowed),
        ours("expired allow, IPv6", syn("2001:db8:bad:2::1", V6), V6, Reason::Blocked),
        ours(
            "allowed even where malformed",
            Packet::tcp("192.0.2.150", V4, 0).bytes(),
            V4,
            Reason::Allowed,
        ),
        ours(
            "allowed into a blackhole",
            syn("192.0.2.150", HOLE4),
            HOLE4,
            Reason::Allowed,
        ),
    ]
}

pub(crate) fn blackholes() -> Vec<Row> {
    let tcp = |to: &str, flags| Packet::tcp(CLIENT4, to, flags).bytes();
    let icmp = |to: &str, kind| {
        let from = if to.contains(':') { CLIENT6 } else { CLIENT4 };
        Packet::new(from, to, Transport::Icmp(kind)).bytes()
    };
    let hole = |what, frame, reason| ours(what, frame, HOLE4, reason);
    vec![
        hole("new connection", tcp(HOLE4, flag::SYN), Reason::Blackhole),
        hole("established", tcp(HOLE4, flag::ACK), Reason::BlackholeEstablished),
        hole(
            "reply to ours",
            tcp(HOLE4, flag::SYN | flag::ACK),
            Reason::BlackholeEstablished,
        ),
        hole("malformed", tcp_cut(HOLE4), Reason::Blackhole),
        hole(
            "UDP of nobody",
            Packet::new(CLIENT4, HOLE4, Transport::Udp { payload: 1 }).bytes(),
            Reason::Blackhole,
        ),
        hole("ping", icmp(HOLE4, 8), Reason::Blackhole),
        hole("echo reply", icmp(HOLE4, 0), Reason::BlackholeReply),
        hole("unreachable", icmp(HOLE4, 3), Reason::BlackholeControl),
        hole(
            "GRE",
            Packet::new(CLIENT4, HOLE4, Transport::Raw(47, vec![0; 8])).bytes(),
            Reason::Blackhole,
        ),
        hole(
            "later fragment",
            Packet::new(CLIENT4, HOLE4, Transport::Raw(17, vec![0; 8]))
                .fragment(9, false)
                .bytes(),
            Reason::Blackhole,
        ),
        ours(
            "IPv6: new connection",
            Packet::syn(CLIENT6, HOLE6).bytes(),
            HOLE6,
            Reason::Blackhole,
        ),
        ours(
            "IPv6: established",
            Packet::tcp(CLIENT6, HOLE6, flag::ACK).bytes(),
            HOLE6,
            Reason::BlackholeEstablished,
        ),
        ours("IPv6: packet too big", icmp(HOLE6, 2), HOLE6, Reason::BlackholeControl),
        ours(
            "IPv6: neighbour solicitation",
            icmp(HOLE6, 135),
            HOLE6,
            Reason::BlackholeControl,
        ),
        ours("IPv6: echo reply", icmp(HOLE6, 129), HOLE6, Reason::BlackholeReply),
        ours("IPv6: ping", icmp(HOLE6, 128), HOLE6, Reason::Blackhole),
        ours(
            "all: established too",
            tcp(HOLE_ALL4, flag::ACK),
            HOLE_ALL4,
            Reason::Blackhole,
        ),
        ours("all: errors too", icmp(HOLE_ALL4, 3), HOLE_ALL4, Reason::Blackhole),
        ours(
            "local: no such connection",
            tcp(HOLE_LOCAL4, flag::ACK),
            HOLE_LOCAL4,
            Reason::Blackhole,
        ),
        ours(
            "local: SYN-ACK nobody asked for",
            tcp(HOLE_LOCAL4, flag::SYN | flag::ACK),
            HOLE_LOCAL4,
            Reason::Blackhole,
        ),
        ours("over", tcp(HOLE_PAST4, flag::SYN), HOLE_PAST4, Reason::Syn),
    ]
}

pub(crate) fn tcp_cut(to: &str) -> Vec<u8> {
    Packet::new(CLIENT4, to, Transport::Raw(6, vec![0; 8])).bytes()
}
