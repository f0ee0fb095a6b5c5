//! The packet table: each row runs through the loaded program in both modes, and through the host build of its pure
//! modules; verdict and counters must be the same, and what the row says.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops there, and says where")]

use std::net::IpAddr;

use agent::tables::{
    AddressState, Blackhole, KernelSettings, KernelTables as _, Limit, ListAction, ListEntry, Mode, MonotonicNs,
};
use ipnet::IpNet;
use lab::{
    expect,
    host_tables::HostTables,
    packet::{Packet, Transport, extension, flag},
    prog_run::ProgRun,
};
use xdp_common::{Action, Address, AddressPolicy, Preset, Reason, rate};

const V4: &str = "198.51.100.10";
const V6: &str = "2001:db8:1::10";
const CLIENT4: &str = "203.0.113.7";
const CLIENT6: &str = "2001:db8:2::7";
/// Blackholed, but not for what was there before; not on this host.
const HOLE4: &str = "198.51.100.20";
const HOLE6: &str = "2001:db8:1::20";
/// Blackholed for everything.
const HOLE_ALL4: &str = "198.51.100.21";
/// Blackholed, and of this host: its (absent) sockets are asked.
const HOLE_LOCAL4: &str = "198.51.100.22";
/// Blackholed once.
const HOLE_PAST4: &str = "198.51.100.23";

/// One row: what it shows, the frame, the address it counts for (`None`: none of ours), the reason.
struct Row(&'static str, Vec<u8>, Option<&'static str>, Reason);

/// The same row for both families.
fn both(what: &'static str, make: impl Fn(&str, &str) -> Vec<u8>, reason: Reason) -> [Row; 2] {
    [
        Row(what, make(CLIENT4, V4), Some(V4), reason),
        Row(what, make(CLIENT6, V6), Some(V6), reason),
    ]
}

fn ours(what: &'static str, frame: Vec<u8>, address: &'static str, reason: Reason) -> Row {
    Row(what, frame, Some(address), reason)
}

fn table() -> Vec<Row> {
    let mut rows = Vec::new();
    rows.extend(header_stacks());
    rows.extend(transports());
    rows.extend(malformed_ipv4());
    rows.extend(malformed_ipv6());
    rows.extend(malformed_transports());
    rows.extend(fragments());
    rows.extend(impossible());
    rows.extend(lists());
    rows.extend(blackholes());
    rows
}

fn header_stacks() -> Vec<Row> {
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

fn ethernet(ether_type: u16, payload: usize) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
    frame.extend(ether_type.to_be_bytes());
    frame.resize(14 + payload, 0);
    frame
}

fn transports() -> Vec<Row> {
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

fn payload(flags: u8, payload: usize) -> impl Fn(&str, &str) -> Vec<u8> {
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

fn padded(source: &str, destination: &str) -> Vec<u8> {
    let mut frame = Packet::tcp(source, destination, flag::ACK).bytes();
    frame.resize(frame.len() + 18, 0);
    frame
}

fn malformed_ipv4() -> Vec<Row> {
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

fn malformed_ipv6() -> Vec<Row> {
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
fn cut_chain() -> Vec<u8> {
    let bare = Packet::new(CLIENT6, V6, Transport::Raw(extension::DESTINATION, Vec::new()));
    bare.extension(extension::DESTINATION, 8).bytes()
}

fn malformed_transports() -> Vec<Row> {
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
fn transport_patch(flags: u8, at: usize, byte: u8) -> impl Fn(&str, &str) -> Vec<u8> {
    move |s, d| {
        let header = if s.contains(':') { 40 } else { 20 };
        Packet::tcp(s, d, flags).patched(header + at, &[byte])
    }
}

fn udp_len(len: u8) -> impl Fn(&str, &str) -> Vec<u8> {
    move |s, d| {
        let header = if s.contains(':') { 40 } else { 20 };
        Packet::new(s, d, Transport::Udp { payload: 100 }).patched(header + 4, &[0, len])
    }
}

fn fragments() -> Vec<Row> {
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

fn impossible() -> Vec<Row> {
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

/// Entries of the source list; the last value: seconds until it ends, negative for the past.
const LIST: [(&str, ListAction, i64); 9] = [
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

fn lists() -> Vec<Row> {
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

fn blackholes() -> Vec<Row> {
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

fn tcp_cut(to: &str) -> Vec<u8> {
    Packet::new(CLIENT4, to, Transport::Raw(6, vec![0; 8])).bytes()
}

fn monotonic_ns() -> u64 {
    agent::clock::Now::read().mono.0
}

fn at(now_ns: u64, seconds: i64) -> u64 {
    now_ns.saturating_add_signed(seconds * 1_000_000_000)
}

fn limit() -> Limit {
    use agent::config::units::{Burst, Rate};
    Limit {
        syn_rate: Rate::new(100_000).unwrap(),
        syn_burst: Burst::new(100_000).unwrap(),
    }
}

/// Protected addresses with their blackholes: (address, blackholed for seconds, all, local).
const ADDRESSES: [(&str, Option<i64>, bool, bool); 7] = [
    (V4, None, false, true),
    (V6, None, false, true),
    (HOLE4, Some(60), false, false),
    (HOLE6, Some(60), false, false),
    (HOLE_ALL4, Some(60), true, false),
    (HOLE_LOCAL4, Some(60), false, true),
    (HOLE_PAST4, Some(-1), false, false),
];

fn fill_kernel(run: &mut ProgRun, now_ns: u64) {
    for (address, blackhole, all, local) in ADDRESSES {
        let blackhole = blackhole.map(|seconds| Blackhole {
            until: Some(MonotonicNs(at(now_ns, seconds))),
            all,
        });
        let state = AddressState {
            blackhole,
            local,
            ..AddressState::new(address.parse().unwrap(), limit())
        };
        run.kernel.put_address(&state).unwrap();
    }
    for (prefix, action, seconds) in LIST {
        let entry = ListEntry {
            prefix: prefix.parse().unwrap(),
            action,
            until: Some(MonotonicNs(at(now_ns, seconds))),
        };
        run.kernel.put_entry(&entry).unwrap();
    }
}

fn set_mode(run: &mut ProgRun, mode: Mode) {
    let settings = KernelSettings {
        samples_per_second: 10,
        ..KernelSettings::new(mode, limit())
    };
    run.kernel.put_settings(&settings).unwrap();
}

fn host_tables(now_ns: u64) -> HostTables {
    let mut tables = HostTables::default();
    tables.now_ns.set(now_ns);
    tables.settings.source_syn = rate::Limit::new(100_000, 100_000);
    for (slot, (address, blackhole, all, local)) in (1..).zip(ADDRESSES) {
        let policy = AddressPolicy {
            syn: rate::Limit::new(100_000, 100_000),
            blackhole_until_ns: blackhole.map_or(0, |seconds| at(now_ns, seconds)),
            slot,
            local: u8::from(local),
            blackhole_all: u8::from(all),
            ..AddressPolicy::default()
        };
        tables
            .policies
            .insert(Address::from(address.parse::<IpAddr>().unwrap()), policy);
    }
    for (prefix, action, seconds) in LIST {
        let prefix: IpNet = prefix.parse().unwrap();
        let bits = u32::from(prefix.prefix_len()) + if prefix.addr().is_ipv4() { 96 } else { 0 };
        let action = match action {
            ListAction::Allow => xdp_common::ListAction::Allow,
            ListAction::Block => xdp_common::ListAction::Block,
        };
        tables.insert_list(
            prefix.network().into(),
            xdp_common::ListEntry::new(action, bits, at(now_ns, seconds)),
        );
    }
    tables
}

#[test]
fn every_row_in_the_kernel_in_both_modes() {
    let mut run = ProgRun::load().unwrap();
    fill_kernel(&mut run, monotonic_ns());
    for mode in [Mode::Monitor, Mode::Enforce] {
        set_mode(&mut run, mode);
        let enforce = mode == Mode::Enforce;
        for Row(what, frame, address, reason) in table() {
            // The kernel's test run refuses frames without a whole Ethernet header and a byte behind it.
            let (outcome, moved) = run.frame(&frame).unwrap_or_else(|error| panic!("{what}: {error:#}"));
            let address = address.map(|address| address.parse::<IpAddr>().unwrap());
            assert_eq!(
                expect::moved(&moved),
                [(address, reason, 1)],
                "{what}, {mode}: {frame:02x?}"
            );
            assert_eq!(outcome.action, expect::action(reason, enforce), "{what}, {mode}");
            let drops = u64::from(reason.action() == Action::Drop);
            let (dropped, would_drop) = if enforce { (drops, 0) } else { (0, drops) };
            assert_eq!(
                (moved.host.dropped, moved.host.would_drop),
                (dropped, would_drop),
                "{what}, {mode}"
            );
        }
    }
}

#[test]
fn every_row_on_the_host() {
    let tables = host_tables(1_000_000_000_000);
    for Row(what, frame, address, reason) in table() {
        let judgement = tables.examine(&frame);
        assert_eq!(judgement.reason, reason, "{what}: {frame:02x?}");
        let slot = address.map_or(0, |address| {
            ADDRESSES
                .iter()
                .position(|(known, ..)| *known == address)
                .expect("the row's address is known")
                + 1
        });
        assert_eq!(judgement.slot() as usize, slot, "{what}");
    }
}

/// Frames that end before anything can be read: only the host build can be given them.
#[test]
fn frames_shorter_than_ethernet() {
    let tables = host_tables(1_000_000_000_000);
    for len in 0..14 {
        let judgement = tables.examine(&Packet::syn(CLIENT4, V4).bytes()[..len]);
        assert_eq!(
            (judgement.slot(), judgement.reason),
            (0, Reason::Unreadable),
            "{len} bytes"
        );
    }
}

/// Reasons that need more than one packet, or sockets, have tests of their own (`rates.rs`, `vectors.rs`, `groups.rs`,
/// `blackhole.rs`, `proofs.rs`).
#[test]
fn the_table_meets_every_reason() {
    let needs_more = [
        Reason::SourceRate,
        Reason::AddressRate,
        Reason::Known,
        Reason::SynKernel,
        Reason::CookieAck,
        Reason::Retransmitted,
        Reason::Retry,
        Reason::NotKnown,
        Reason::NoListener,
        Reason::AcceptFull,
        Reason::Guard,
        Reason::ChallengePassed,
        Reason::ReplyCookie,
        Reason::ReplyCookiePlain,
        Reason::ReplyCookieData,
        Reason::ReplyCookieMalformed,
        Reason::ReplyChallenge,
        Reason::UdpRate,
        Reason::IcmpRate,
        Reason::OtherRate,
        Reason::FragmentRate,
        Reason::OutOfState,
        Reason::GroupRate,
        Reason::GroupVectorRate,
    ];
    let amplified = Preset::ALL.iter().map(|preset| preset.reason());
    let needs_more: Vec<Reason> = needs_more.into_iter().chain(amplified).collect();
    let rows = table();
    for reason in Reason::ALL {
        let met = rows.iter().any(|Row(.., row)| row == reason);
        assert!(met || needs_more.contains(reason), "no row for {reason:?}");
    }
}
