//! Large lists: which prefix decides, in the kernel and on the host; who is asked when; and that a source which two versions
//! hold is never seen without, however often one replaces the other.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops there, and says where")]

use std::{
    net::IpAddr,
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use agent::{
    clock::Now,
    config::units::{Burst, Rate},
    feeds::{
        flatten::{Part, flatten},
        prefixes::Prefixes,
    },
    kernel::Kernel,
    ladder::{ForcedRung, Ladder, Method, Rung},
    tables::{
        AddressState, KernelSettings, KernelTables, Limit, ListAction, ListEntry, ListHead, ListImage, Mode,
        MonotonicNs,
    },
};
use ipnet::IpNet;
use lab::{
    host_tables::HostTables,
    packet::{Packet, Transport, flag},
    prog_run::ProgRun,
};
use xdp_common::{Action, Address, AddressPolicy, Listed, Reason, list_table, rate};

const V4: &str = "198.51.100.10";
const V6: &str = "2001:db8:1::10";
/// Takes ten SYNs, then one a second; the excess is dropped.
const SMALL: &str = "198.51.100.11";
/// Makes SYNs prove their sources by a challenge, at its rate or not.
const VERIFIED: &str = "198.51.100.12";

/// A list: name, action, whether it has ended, prefixes. In the order of the configuration.
const LISTS: [(&str, ListAction, bool, &[&str]); 3] = [
    (
        "first",
        ListAction::Block,
        false,
        &[
            "10.0.0.0/8",
            "172.16.0.0/12",
            "192.0.2.0/24",
            "203.0.113.66/32",
            "2001:db8:bad::/48",
            "2001:db8:bad:5:1::/80",
            "fd12::/32",
        ],
    ),
    (
        "second",
        ListAction::Allow,
        false,
        &[
            "10.1.0.0/16",
            "192.0.2.0/24",
            "2001:db8:bad:1::/64",
            "2001:db8:bad:2::9/128",
            "fd12:0:1::/48",
        ],
    ),
    (
        "third",
        ListAction::Block,
        true,
        &["198.18.0.0/15", "10.1.5.0/24", "fd12:0:1:2::/64"],
    ),
];

/// Made by hand: prefix, action, whether it has ended.
const BY_HAND: [(&str, ListAction, bool); 5] = [
    ("10.1.2.0/24", ListAction::Block, false),
    ("10.2.0.0/16", ListAction::Allow, false),
    ("10.4.0.0/16", ListAction::Allow, true),
    ("172.16.0.0/12", ListAction::Allow, false),
    ("2001:db8:bad:1:8::/80", ListAction::Block, false),
];

/// One row: what it shows, the source, the reason that its SYN meets, the list that counts it.
struct Row(&'static str, &'static str, Reason, Option<&'static str>);

const ROWS: [Row; 21] = [
    Row("in a list that blocks", "10.0.0.1", Reason::Blocked, Some("first")),
    Row("one address", "203.0.113.66", Reason::Blocked, Some("first")),
    Row("beside it", "203.0.113.67", Reason::Syn, None),
    Row(
        "a longer prefix of another list",
        "10.1.0.1",
        Reason::Allowed,
        Some("second"),
    ),
    Row("a longer one made by hand, in both", "10.1.2.1", Reason::Blocked, None),
    Row(
        "allowed by hand in a list that blocks",
        "10.2.3.4",
        Reason::Allowed,
        None,
    ),
    Row(
        "its end reached, the list around it",
        "10.4.3.4",
        Reason::Blocked,
        Some("first"),
    ),
    Row(
        "the same prefix by hand and in a list",
        "172.17.0.1",
        Reason::Allowed,
        None,
    ),
    Row(
        "the same prefix in two lists",
        "192.0.2.9",
        Reason::Blocked,
        Some("first"),
    ),
    Row("a list that has ended", "198.18.0.1", Reason::Syn, None),
    Row(
        "an ended list's prefix hides the shorter one",
        "10.1.5.1",
        Reason::Syn,
        None,
    ),
    Row("in no list", "8.8.8.8", Reason::Syn, None),
    Row(
        "IPv6, in a list that blocks",
        "2001:db8:bad:ffff::1",
        Reason::Blocked,
        Some("first"),
    ),
    Row(
        "IPv6, a longer prefix of another list",
        "2001:db8:bad:1::1",
        Reason::Allowed,
        Some("second"),
    ),
    Row(
        "IPv6, longer than /64 by hand",
        "2001:db8:bad:1:8::1",
        Reason::Blocked,
        None,
    ),
    Row(
        "IPv6, longer than /64 in a list",
        "2001:db8:bad:2::9",
        Reason::Allowed,
        Some("second"),
    ),
    Row("beside it", "2001:db8:bad:2::8", Reason::Blocked, Some("first")),
    Row(
        "IPv6, longer than /64, the same list",
        "2001:db8:bad:5:1::7",
        Reason::Blocked,
        Some("first"),
    ),
    Row(
        "IPv6 outside of 2000::/3",
        "fd12:0:ffff::1",
        Reason::Blocked,
        Some("first"),
    ),
    Row(
        "there, a longer prefix of another list",
        "fd12:0:1::1",
        Reason::Allowed,
        Some("second"),
    ),
    Row(
        "there, an ended list's prefix gives way",
        "fd12:0:1:2::1",
        Reason::Allowed,
        Some("second"),
    ),
];

fn image(now: Now) -> (ListImage, Vec<usize>) {
    let made: Vec<(ListHead, Prefixes)> = (1..)
        .zip(LISTS)
        .map(|(number, (name, action, ended, texts))| {
            let prefixes = prefixes(texts.iter().map(|text| text.parse().unwrap()));
            let until = ended.then_some(MonotonicNs(now.mono.0 - 1_000_000_000));
            (head(number, name, action, until, &prefixes), prefixes)
        })
        .collect();
    flat(&made)
}

fn flat(made: &[(ListHead, Prefixes)]) -> (ListImage, Vec<usize>) {
    let parts: Vec<Part<'_>> = made.iter().map(|(head, prefixes)| Part { head, prefixes }).collect();
    let flat = flatten(&parts);
    (flat.image, flat.conflicts)
}

fn prefixes(nets: impl Iterator<Item = IpNet>) -> Prefixes {
    let mut prefixes = Prefixes::default();
    nets.for_each(|net| prefixes.push(net));
    prefixes.sorted()
}

fn head(number: u8, name: &str, action: ListAction, until: Option<MonotonicNs>, prefixes: &Prefixes) -> ListHead {
    ListHead {
        number,
        name: name.to_owned(),
        action,
        until,
        read_at: 1_700_000_000,
        v4: prefixes.v4.len() as u32,
        v6: (prefixes.v6.len() + prefixes.long.len()) as u32,
    }
}

fn limit(rate: u32, burst: u32) -> Limit {
    Limit {
        syn_rate: Rate::new(rate).unwrap(),
        syn_burst: Burst::new(burst).unwrap(),
    }
}

fn addresses() -> [AddressState; 4] {
    let plain = |address: &str| AddressState::new(address.parse().unwrap(), limit(100_000, 100_000));
    [
        plain(V4),
        plain(V6),
        AddressState {
            limit: limit(1, 10),
            ladder: Ladder {
                most: Rung::Limit,
                ..Ladder::default()
            },
            ..plain(SMALL)
        },
        AddressState {
            rung: Some(ForcedRung {
                rung: Rung::Verify,
                until: None,
            }),
            ladder: Ladder {
                method: Method::Challenge,
                ..Ladder::default()
            },
            ..plain(VERIFIED)
        },
    ]
}

fn kernel() -> ProgRun {
    let mut run = ProgRun::load().unwrap();
    let now = Now::read();
    let settings = KernelSettings::new(Mode::Enforce, limit(100_000, 100_000));
    run.kernel.put_settings(&settings).unwrap();
    for address in addresses() {
        run.kernel.put_address(&address).unwrap();
    }
    for (prefix, action, ended) in BY_HAND {
        let entry = ListEntry {
            prefix: prefix.parse().unwrap(),
            action,
            until: ended.then_some(MonotonicNs(now.mono.0 - 1_000_000_000)),
        };
        run.kernel.put_entry(&entry).unwrap();
    }
    run.kernel.put_lists(&image(now).0).unwrap();
    run
}

fn host() -> HostTables {
    let mut tables = HostTables::default();
    let past = tables.now_ns.get() - 1_000_000_000;
    tables.settings.source_syn = rate::Limit::new(100_000, 100_000);
    for (slot, state) in (1..).zip(addresses()) {
        let policy = AddressPolicy {
            syn: rate::Limit::new(state.limit.syn_rate.per_second(), state.limit.syn_burst.events()),
            slot,
            rung_until_ns: if state.rung.is_some() { u64::MAX } else { 0 },
            rung: xdp_common::Rung::Verify as u8,
            rung_most: match state.ladder.most {
                Rung::Limit => xdp_common::Rung::Limit,
                _ => xdp_common::Rung::Verify,
            } as u8,
            method: xdp_common::Method::Challenge as u8,
            ..AddressPolicy::default()
        };
        tables.policies.insert(Address::from(state.address), policy);
    }
    for (number, (_, action, ended, texts)) in (1u8..).zip(LISTS) {
        if ended {
            tables.list_ends_ns.insert(u32::from(number), past);
        }
        for text in texts {
            let net: IpNet = text.parse().unwrap();
            let last = Address::from(net.broadcast());
            let short = net.addr().is_ipv4() || net.prefix_len() <= list_table::V6_LEN_MAX;
            if short && list_table::is_for_table(last) {
                tables.insert_large(
                    net.network().into(),
                    Listed::new(number, kernel_action(action), bits(net)),
                );
            } else {
                let until = if ended { past } else { u64::MAX };
                let entry = xdp_common::ListEntry::new(kernel_action(action), bits(net), until).of_list(number);
                tables.insert_list(net.network().into(), entry);
            }
        }
    }
    for (text, action, ended) in BY_HAND {
        let net: IpNet = text.parse().unwrap();
        let until = if ended { past } else { u64::MAX };
        let entry = xdp_common::ListEntry::new(kernel_action(action), bits(net), until);
        tables.insert_list(net.network().into(), entry);
    }
    tables
}

fn bits(net: IpNet) -> u32 {
    u32::from(net.prefix_len()) + if net.addr().is_ipv4() { 96 } else { 0 }
}

const fn kernel_action(action: ListAction) -> xdp_common::ListAction {
    match action {
        ListAction::Allow => xdp_common::ListAction::Allow,
        ListAction::Block => xdp_common::ListAction::Block,
    }
}

/// The address that a source's family goes to.
fn ours(source: &str) -> &'static str {
    if source.contains(':') { V6 } else { V4 }
}

/// A SYN, and a datagram: who goes to the large lists at once, and who later, must meet the same.
fn frames(source: &str) -> [(Vec<u8>, Reason); 2] {
    [
        (Packet::syn(source, ours(source)).bytes(), Reason::Syn),
        (
            Packet::new(source, ours(source), Transport::Udp { payload: 1 }).bytes(),
            Reason::Udp,
        ),
    ]
}

/// What a frame of a row meets.
fn met(row: Reason, unlisted: Reason) -> Reason {
    if row == Reason::Syn { unlisted } else { row }
}

/// Packets that each list decided about.
fn counted(kernel: &Kernel) -> Vec<(String, u64)> {
    let lists = kernel.lists().unwrap().into_iter();
    lists.map(|list| (list.head.name, list.packets)).collect()
}

/// Lists whose counts have changed, by how much.
fn moved(before: &[(String, u64)], after: &[(String, u64)]) -> Vec<(String, u64)> {
    let pairs = before.iter().zip(after).filter(|(then, now)| then != now);
    pairs.map(|(then, now)| (now.0.clone(), now.1 - then.1)).collect()
}

#[test]
fn every_row_in_the_kernel() {
    let mut run = kernel();
    for Row(what, source, reason, list) in ROWS {
        for (frame, unlisted) in frames(source) {
            let before = counted(&run.kernel);
            let (outcome, reading) = run.frame(&frame).unwrap();
            let reason = met(reason, unlisted);
            let to: IpAddr = ours(source).parse().unwrap();
            assert_eq!(lab::expect::moved(&reading), [(Some(to), reason, 1)], "{what}");
            assert_eq!(outcome.action, reason.action(), "{what}");
            let wanted: Vec<(String, u64)> = list.iter().map(|list| ((*list).to_owned(), 1)).collect();
            assert_eq!(moved(&before, &counted(&run.kernel)), wanted, "{what}");
        }
    }
}

#[test]
fn every_row_on_the_host() {
    let tables = host();
    for Row(what, source, reason, list) in ROWS {
        for (frame, unlisted) in frames(source) {
            let before = tables.list_packets.borrow().clone();
            assert_eq!(tables.examine(&frame).reason, met(reason, unlisted), "{what}");
            let after = tables.list_packets.borrow().clone();
            let number = list.map(|name| LISTS.iter().position(|(known, ..)| *known == name).unwrap() as u32 + 1);
            for other in 1..=3 {
                let then = before.get(&other).copied().unwrap_or(0);
                let now = after.get(&other).copied().unwrap_or(0);
                assert_eq!(now - then, u64::from(number == Some(other)), "{what}");
            }
        }
    }
}

#[test]
fn conflicts_are_counted_for_the_list_that_gives_way() {
    assert_eq!(image(Now::read()).1, [0, 1, 0]);
}

#[test]
fn lists_go_as_they_came() {
    let mut run = kernel();
    let blocked = Packet::syn("10.0.0.1", V4).bytes();
    let long = Packet::syn("2001:db8:bad:5:1::7", V6).bytes();
    let by_hand = Packet::syn("10.2.3.4", V4).bytes();
    assert_eq!(run.kernel.run(&blocked, 1).unwrap().action, Action::Drop);
    run.kernel.put_lists(&ListImage::default()).unwrap();
    assert_eq!(run.kernel.lists().unwrap(), [], "no list is left");
    for frame in [&blocked, &long] {
        assert_eq!(run.kernel.run(frame, 1).unwrap().action, Action::Pass);
    }
    let (_, reading) = run.frame(&by_hand).unwrap();
    assert_eq!(
        lab::expect::moved(&reading)[0].1,
        Reason::Allowed,
        "what was made by hand stays"
    );
    run.kernel.remove_entry("172.16.0.0/12".parse().unwrap()).unwrap();
    run.kernel.put_lists(&image(Now::read()).0).unwrap();
    assert_eq!(run.kernel.run(&blocked, 1).unwrap().action, Action::Drop);
    let (_, reading) = run.frame(&Packet::syn("172.16.0.1", V4).bytes()).unwrap();
    assert_eq!(
        lab::expect::moved(&reading)[0].1,
        Reason::Blocked,
        "not allowed by hand any more"
    );
}

#[test]
fn another_process_finds_what_is_there() {
    let mut run = kernel();
    let heads = |kernel: &Kernel| {
        kernel
            .lists()
            .unwrap()
            .into_iter()
            .map(|list| list.head)
            .collect::<Vec<_>>()
    };
    let mut second = run.second().unwrap();
    assert_eq!(heads(&second), heads(&run.kernel));
    assert_eq!(
        second.entries().unwrap(),
        run.kernel.entries().unwrap(),
        "only what was made by hand"
    );
    // Somebody changes the list by hand meanwhile: an allow of a large list keeps its place in the filter.
    second
        .put_entry(&ListEntry {
            prefix: "10.9.0.0/16".parse().unwrap(),
            action: ListAction::Block,
            until: None,
        })
        .unwrap();
    second.remove_entry("10.9.0.0/16".parse().unwrap()).unwrap();
    let (_, reading) = run.frame(&Packet::syn("10.1.0.1", V4).bytes()).unwrap();
    assert_eq!(lab::expect::moved(&reading)[0].1, Reason::Allowed);
}

#[test]
fn a_version_that_does_not_fit_is_refused_and_the_one_before_stays() {
    let mut run = kernel();
    let many = prefixes((0..150_000u32).map(|n| IpNet::new(IpAddr::from((n << 8).to_be_bytes()), 32).unwrap()));
    let (image, _) = flat(&[(head(9, "many", ListAction::Block, None, &many), many)]);
    let error = run.kernel.put_lists(&image).unwrap_err().to_string();
    assert!(error.contains("limits.list_prefixes"), "{error}");
    let long = prefixes(
        (0..600u64).map(|n| IpNet::new(IpAddr::from((0x2001_u128 << 112 | u128::from(n)).to_be_bytes()), 128).unwrap()),
    );
    let (image, _) = flat(&[(head(9, "long", ListAction::Block, None, &long), long)]);
    let error = run.kernel.put_lists(&image).unwrap_err().to_string();
    assert!(error.contains("limits.list_entries"), "{error}");
    for Row(what, source, reason, _) in ROWS {
        let (_, reading) = run.frame(&Packet::syn(source, ours(source)).bytes()).unwrap();
        assert_eq!(lab::expect::moved(&reading)[0].1, reason, "{what}");
    }
}

/// The reasons that SYNs from a source meet, each as often as it did.
fn reasons(run: &mut ProgRun, source: &str, to: &str, syns: u32) -> Vec<(Reason, u64)> {
    let frame = Packet::syn(source, to).bytes();
    let mut all: Vec<(Reason, u64)> = Vec::new();
    for _ in 0..syns {
        let (_, reading) = run.frame(&frame).unwrap();
        let (_, reason, _) = lab::expect::moved(&reading)[0];
        match all.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, count)) => *count += 1,
            None => all.push((reason, 1)),
        }
    }
    all.sort_by_key(|(reason, _)| reason.index());
    all
}

#[test]
fn blocked_sources_spend_nothing_and_are_not_looked_for_where_all_is_dropped() {
    let mut run = kernel();
    assert_eq!(reasons(&mut run, "10.0.0.1", SMALL, 40), [(Reason::Blocked, 40)]);
    let strangers = reasons(&mut run, "8.8.8.8", SMALL, 20);
    assert_eq!(
        strangers[0],
        (Reason::Syn, 10),
        "the whole burst was left: {strangers:?}"
    );
    // Now nothing is left: all are dropped for the address's rate, and none is looked for.
    let blocked = reasons(&mut run, "10.0.0.1", SMALL, 32);
    let of = |wanted| {
        blocked
            .iter()
            .find(|(reason, _)| *reason == wanted)
            .map_or(0, |(_, count)| *count)
    };
    assert_eq!(of(Reason::Blocked) + of(Reason::AddressRate), 32, "{blocked:?}");
    assert!(
        of(Reason::AddressRate) >= 31,
        "at most the one that a second brings: {blocked:?}"
    );
    assert_eq!(
        reasons(&mut run, "10.1.0.1", SMALL, 40),
        [(Reason::Allowed, 40)],
        "allow wins over every drop"
    );
    assert_eq!(
        reasons(&mut run, "10.2.0.1", SMALL, 40),
        [(Reason::Allowed, 40)],
        "by hand, too"
    );
}

#[test]
fn no_blocked_source_is_answered() {
    let mut run = kernel();
    assert_eq!(reasons(&mut run, "8.8.8.8", VERIFIED, 3), [(Reason::ReplyChallenge, 3)]);
    assert_eq!(reasons(&mut run, "10.0.0.1", VERIFIED, 40), [(Reason::Blocked, 40)]);
    let host = host();
    let frame = |source: &str| Packet::syn(source, VERIFIED).bytes();
    host.answers.set((1, 1));
    assert_eq!(host.examine(&frame("10.0.0.1")).reason, Reason::Blocked);
    assert_eq!(host.answers.get(), (1, 1), "no budget paid for it");
    assert_eq!(host.examine(&frame("8.8.8.8")).reason, Reason::ReplyChallenge);
}

#[test]
fn no_swap_shows_a_source_that_both_versions_hold_unblocked() {
    let mut run = kernel();
    // What both have, and so much else in one of them that everything stands elsewhere in it.
    let common: Vec<IpNet> = (0..64u32)
        .map(|n| IpNet::new(IpAddr::from((0x2d00_0000 + n * 0x0003_1107).to_be_bytes()), 32).unwrap())
        .chain((0..8u16).map(|n| format!("2400:{n:x}:7::/48").parse().unwrap()))
        .chain((0..4u16).map(|n| format!("2400:{n:x}:8::1/128").parse().unwrap()))
        .collect();
    let version = |number: u8, seed: u32| {
        let others = (0..20_000u32).map(move |n| {
            let bits = (n ^ seed).wrapping_mul(0x9e37_79b1);
            IpNet::new(IpAddr::from((0x2d00_0000 | bits >> 8).to_be_bytes()), 32).unwrap()
        });
        let prefixes = prefixes(common.iter().copied().chain(others));
        flat(&[(
            head(number, &format!("version-{number}"), ListAction::Block, None, &prefixes),
            prefixes,
        )])
        .0
    };
    let versions = [version(1, 0), version(2, 0x5555_0000)];
    run.kernel.put_lists(&versions[0]).unwrap();
    let frames: Vec<Vec<u8>> = common
        .iter()
        .flat_map(|net| {
            let source = net.addr().to_string();
            [
                Packet::syn(&source, ours(&source)).bytes(),
                Packet::tcp(&source, ours(&source), flag::ACK).bytes(),
            ]
        })
        .collect();
    let mut swapper = run.second().unwrap();
    let (stop, swaps) = (AtomicBool::new(false), AtomicU32::new(0));
    let runs = thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let at = swaps.fetch_add(1, Ordering::Relaxed) as usize + 1;
                swapper.put_lists(&versions[at % 2]).unwrap();
            }
        });
        let begun = Instant::now();
        let mut runs = 0u64;
        while begun.elapsed() < Duration::from_secs(4) {
            for frame in &frames {
                assert_eq!(run.kernel.run(frame, 50).unwrap().action, Action::Drop);
                runs += 50;
            }
        }
        stop.store(true, Ordering::Relaxed);
        runs
    });
    let reading = run.kernel.counters().unwrap();
    let all: Vec<(Reason, u64)> = lab::expect::moved(&reading)
        .into_iter()
        .map(|(_, reason, count)| (reason, count))
        .collect();
    let blocked: u64 = all
        .iter()
        .filter(|(reason, _)| *reason == Reason::Blocked)
        .map(|(_, count)| count)
        .sum();
    assert_eq!(
        (blocked, all.iter().all(|(reason, _)| *reason == Reason::Blocked)),
        (runs, true),
        "{all:?}"
    );
    assert!(swaps.load(Ordering::Relaxed) > 10, "{swaps:?} swaps");
    println!("{runs} packets met {} swaps", swaps.load(Ordering::Relaxed));
}
