//! Large lists: which prefix decides, in the kernel and on the host; who is asked when; and that a source which two versions
//! hold is never seen without, however often one replaces the other.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops there, and says where")]

mod rows;
mod world;

use std::{
    net::IpAddr,
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use agent::{
    clock::Now,
    kernel::Kernel,
    tables::{KernelTables, ListAction, ListEntry, ListImage},
};
use ipnet::IpNet;
use lab::packet::{Packet, flag};
use xdp_common::{Action, Reason};

use rows::*;
use world::*;

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
