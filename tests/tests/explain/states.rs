//! Each state that an operator asks about, in the loaded program.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops there, and says where")]

use std::{
    net::{IpAddr, TcpListener, TcpStream},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use agent::{
    clock::Now,
    config::units::{Burst, Rate},
    explain::{Flag, Probe, Proto, probe::Wish},
    feeds::{
        flatten::{Part, flatten},
        prefixes::Prefixes,
    },
    kernel::Explainer,
    tables::{
        AddressState, Blackhole, Explains as _, Explanation, ForcedRung, KernelSettings, KernelTables as _, Ladder,
        Limit, ListAction, ListEntry, ListHead, Method, Mode, Rung, Syncookies, TableError,
    },
    vectors::VectorRates,
};
use etherparse::PacketBuilder;
use lab::{expect, prog_run::ProgRun};
use nix::{
    sched::{CloneFlags, CpuSet, sched_setaffinity, unshare},
    unistd::Pid,
};
use xdp_common::Reason;

/// Of both families: at rest, blackholed and forwarded, blackholed and of this host, with little UDP, of small rate, in verify by
/// cookie, by challenge, not at all, open to known sources only.
const CALM: [&str; 2] = ["198.51.100.10", "2001:db8:1::10"];
const HOLE: [&str; 2] = ["198.51.100.11", "2001:db8:1::11"];
const HOLE_LOCAL: [&str; 2] = ["198.51.100.12", "2001:db8:1::12"];
const LITTLE_UDP: [&str; 2] = ["198.51.100.13", "2001:db8:1::13"];
const SMALL: [&str; 2] = ["198.51.100.14", "2001:db8:1::14"];
const COOKIE: [&str; 2] = ["198.51.100.15", "2001:db8:1::15"];
const CHALLENGE: [&str; 2] = ["198.51.100.16", "2001:db8:1::16"];
const DROPS: [&str; 2] = ["198.51.100.17", "2001:db8:1::17"];
const KNOWN_ONLY: [&str; 2] = ["198.51.100.18", "2001:db8:1::18"];
const NOBODYS: [&str; 2] = ["198.51.100.99", "2001:db8:1::99"];

const CUSTOMER: [&str; 2] = ["203.0.113.7", "2001:db8:2:7::7"];
const KNOWN: [&str; 2] = ["203.0.113.8", "2001:db8:2:8::8"];
const BOT: [&str; 2] = ["203.0.113.66", "2001:db8:2:66::1"];
const BLOCKED: [&str; 2] = ["192.0.2.9", "2001:db8:bad::9"];
const ALLOWED: [&str; 2] = ["192.0.2.10", "2001:db8:bad::10"];
const LISTED: [&str; 2] = ["10.9.9.9", "2001:db8:115::9"];

const OPEN: u16 = 443;
const CLOSED: u16 = 444;

fn limit(rate: u32, burst: u32) -> Limit {
    Limit {
        syn_rate: Rate::new(rate).unwrap(),
        syn_burst: Burst::new(burst).unwrap(),
    }
}

fn settings(mode: Mode, answers: Option<u32>) -> KernelSettings {
    KernelSettings {
        syncookies: Syncookies::Always,
        answers_per_second: answers.map(|rate| Rate::new(rate).unwrap()),
        ..KernelSettings::new(mode, limit(1, 20))
    }
}

fn state(address: &str) -> AddressState {
    let forced = |rung| Some(ForcedRung { rung, until: None });
    let mut state = AddressState::new(address.parse().unwrap(), limit(100_000, 100_000));
    let is = |of: [&str; 2]| of.contains(&address);
    if is(HOLE) || is(HOLE_LOCAL) {
        state.blackhole = Some(Blackhole {
            until: None,
            all: false,
        });
    }
    state.local = is(HOLE_LOCAL) || is(COOKIE) || is(KNOWN_ONLY);
    if is(LITTLE_UDP) {
        state.vectors.udp = VectorRates {
            bits: "1k".parse().unwrap(),
            ..VectorRates::default()
        };
    }
    if is(SMALL) {
        state.limit = limit(1, 5);
    }
    if is(COOKIE) || is(CHALLENGE) || is(DROPS) {
        state.rung = forced(Rung::Verify);
    }
    if is(KNOWN_ONLY) {
        state.rung = forced(Rung::Known);
    }
    state.ladder = Ladder {
        method: match address {
            _ if is(CHALLENGE) => Method::Challenge,
            _ if is(DROPS) => Method::Drop,
            _ => Method::Cookie,
        },
        ..Ladder::default()
    };
    state
}

/// A program with all of these addresses and lists, on one CPU.
struct World {
    run: ProgRun,
    explainer: Explainer,
    cpu: u32,
}

impl World {
    fn new() -> Self {
        let mut core = CpuSet::new();
        core.set(0).unwrap();
        sched_setaffinity(Pid::from_raw(0), &core).unwrap();
        let mut run = ProgRun::load().unwrap();
        let kernel = &mut run.kernel;
        kernel.put_settings(&settings(Mode::Enforce, None)).unwrap();
        let ours = [
            CALM, HOLE, HOLE_LOCAL, LITTLE_UDP, SMALL, COOKIE, CHALLENGE, DROPS, KNOWN_ONLY,
        ];
        for address in ours.iter().flatten() {
            kernel.put_address(&state(address)).unwrap();
        }
        for (prefix, action) in [
            ("192.0.2.0/24", ListAction::Block),
            ("192.0.2.10/32", ListAction::Allow),
            ("2001:db8:bad::/48", ListAction::Block),
            ("2001:db8:bad::10/128", ListAction::Allow),
        ] {
            let prefix = prefix.parse().unwrap();
            let entry = ListEntry {
                prefix,
                action,
                until: None,
            };
            kernel.put_entry(&entry).unwrap();
        }
        put_list(&mut run);
        let known = KNOWN.map(|source| source.parse().unwrap());
        run.kernel.remember(&known, Now::read().mono).unwrap();
        let explainer = run.explainer();
        Self { run, explainer, cpu: 0 }
    }

    fn explain(&self, frame: &[u8]) -> Explanation {
        let all = self.explainer.explain(frame).unwrap();
        *all.iter()
            .find(|told| told.cpu == self.cpu)
            .expect("every CPU is asked")
    }

    /// What a frame meets, by the counters.
    fn meets(&mut self, frame: &[u8]) -> Reason {
        let (_, moved) = self.run.frame(frame).unwrap();
        match expect::moved(&moved)[..] {
            [(_, reason, 1)] => reason,
            ref other => panic!("one counter should have moved by one: {other:?}"),
        }
    }

    /// Explained twice without a trace, and then met.
    fn check(&mut self, what: &str, frame: &[u8], reason: Reason) -> Explanation {
        let before = self.run.kernel.counters().unwrap();
        let told = self.explain(frame);
        assert_eq!(told.reason, reason, "{what}: explained");
        assert_eq!(self.explain(frame).reason, reason, "{what}: explained again");
        let after = self.run.kernel.counters().unwrap();
        assert_eq!(before.addresses, after.addresses, "{what}: asking moved a counter");
        assert_eq!(before.host, after.host, "{what}: asking moved a counter of the host");
        assert_eq!(self.meets(frame), reason, "{what}: met");
        told
    }
}

fn put_list(run: &mut ProgRun) {
    let mut prefixes = Prefixes::default();
    for prefix in ["10.9.0.0/16", "2001:db8:115::/48"] {
        prefixes.push(prefix.parse().unwrap());
    }
    let prefixes = prefixes.sorted();
    let head = ListHead {
        number: 3,
        name: "drop".to_owned(),
        action: ListAction::Block,
        until: None,
        read_at: 1,
        v4: 1,
        v6: 1,
    };
    let flat = flatten(&[Part {
        head: &head,
        prefixes: &prefixes,
    }]);
    run.kernel.put_lists(&flat.image).unwrap();
}

fn frame(between: (&str, &str), proto: Proto, flags: &[Flag], port: u16, sequence: u32) -> Vec<u8> {
    let wish = Wish {
        between: (between.0.parse().unwrap(), between.1.parse().unwrap()),
        proto,
        port: (proto != Proto::Icmp).then_some(port),
        source_port: None,
        flags,
    };
    Probe::new(&wish, |_| false).unwrap().frame(sequence)
}

/// A UDP frame of 2,942 or 2,962 bytes.
fn large_datagram(source: &str, destination: &str) -> Vec<u8> {
    let link = PacketBuilder::ethernet2([2; 6], [4; 6]);
    let ip = match (source.parse().unwrap(), destination.parse().unwrap()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => link.ipv4(from.octets(), to.octets(), 55),
        (IpAddr::V6(from), IpAddr::V6(to)) => link.ipv6(from.octets(), to.octets(), 55),
        mixed => panic!("of two families: {mixed:?}"),
    };
    let mut frame = Vec::new();
    ip.udp(50_000, OPEN).write(&mut frame, &[0; 2_900]).unwrap();
    frame
}

fn syn(source: &str, destination: &str) -> Vec<u8> {
    frame((source, destination), Proto::Tcp, &[], OPEN, 1)
}

/// In a namespace where these addresses are the host's own, with a listener for all of them.
fn in_namespace(test: impl FnOnce() + Send + 'static) {
    lab::require::root().unwrap();
    let outcome = thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        ip("link set lo up");
        for address in [HOLE_LOCAL, COOKIE, CUSTOMER].iter().flatten() {
            let len = if address.contains(':') { 128 } else { 32 };
            ip(&format!("address add {address}/{len} dev lo"));
        }
        std::fs::write("/proc/sys/net/ipv4/tcp_syncookies", "2").unwrap();
        let _listener = TcpListener::bind(("::", OPEN)).unwrap();
        test();
    })
    .join();
    assert!(outcome.is_ok(), "the test failed in its namespace");
}

fn ip(arguments: &str) {
    let status = Command::new("ip").args(arguments.split(' ')).status().unwrap();
    assert!(status.success(), "ip {arguments}");
}

#[test]
fn lists_and_addresses_explain_themselves() {
    let mut world = World::new();
    for family in 0..2 {
        let calm = CALM[family];
        let told = world.check("a customer", &syn(CUSTOMER[family], calm), Reason::Syn);
        assert_eq!((told.listed, told.known), (None, false));
        world.check("not ours", &syn(CUSTOMER[family], NOBODYS[family]), Reason::NotOurs);
        world.check("blocked by hand", &syn(BLOCKED[family], calm), Reason::Blocked);
        world.check("allowed by hand", &syn(ALLOWED[family], HOLE[family]), Reason::Allowed);
        let told = world.check("blocked by a large list", &syn(LISTED[family], calm), Reason::Blocked);
        let listed = told.listed.expect("it is in the list");
        assert_eq!((listed.number, listed.action), (3, ListAction::Block));
        assert_eq!(listed.prefix_bits, [96 + 16, 48][family]);
        world.check(
            "a listed one elsewhere",
            &syn(LISTED[family], NOBODYS[family]),
            Reason::Blocked,
        );
        for (proto, reason) in [(Proto::Udp, Reason::Udp), (Proto::Icmp, Reason::Icmp)] {
            let frame = frame((CUSTOMER[family], calm), proto, &[], OPEN, 1);
            world.check("not TCP", &frame, reason);
        }
        for (flags, reason) in [
            (&[Flag::Ack][..], Reason::Tcp),
            (&[Flag::Fin, Flag::Ack], Reason::Tcp),
            (&[Flag::None], Reason::TcpFlags),
            (&[Flag::Syn, Flag::Fin], Reason::TcpFlags),
        ] {
            let frame = frame((CUSTOMER[family], calm), Proto::Tcp, flags, OPEN, 1);
            world.check("other TCP", &frame, reason);
        }
        world.check("itself", &syn(calm, calm), Reason::ImpossibleSource);
    }
}

#[test]
fn blackholes_explain_themselves() {
    in_namespace(|| {
        let mut world = World::new();
        for family in 0..2 {
            let (from, forwarded, local) = (CUSTOMER[family], HOLE[family], HOLE_LOCAL[family]);
            let ack = |to| frame((from, to), Proto::Tcp, &[Flag::Ack], OPEN, 1);
            world.check("new", &syn(from, forwarded), Reason::Blackhole);
            world.check("no SYN, forwarded", &ack(forwarded), Reason::BlackholeEstablished);
            world.check("no connection here", &ack(local), Reason::Blackhole);
            // One that was there before.
            let stream = TcpStream::connect((local.parse::<IpAddr>().unwrap(), OPEN)).unwrap();
            let own = stream.local_addr().unwrap();
            let wish = Wish {
                between: (own.ip(), local.parse().unwrap()),
                proto: Proto::Tcp,
                port: Some(OPEN),
                source_port: Some(own.port()),
                flags: &[Flag::Ack],
            };
            let segment = Probe::new(&wish, |_| false).unwrap().frame(1);
            world.check("established", &segment, Reason::BlackholeEstablished);
        }
    });
}

#[test]
fn rates_explain_themselves_before_and_after_they_are_exceeded() {
    let mut world = World::new();
    for family in 0..2 {
        let small = SMALL[family];
        let told = world.check("the address is at rest", &syn(CUSTOMER[family], small), Reason::Syn);
        assert_eq!(told.address_used_until, None, "nothing was used yet");
        for _ in 0..6 {
            world.meets(&syn(CUSTOMER[family], small));
        }
        let told = world.check(
            "the address is over its rate",
            &syn(KNOWN[family], small),
            Reason::AddressRate,
        );
        assert!(told.address_used_until.is_some() && told.known, "{told:?}");
        let bot = syn(BOT[family], CALM[family]);
        assert_eq!(world.explain(&bot).reason, Reason::Syn);
        for _ in 0..40 {
            world.meets(&bot);
        }
        let told = world.check("the source is over its rate", &bot, Reason::SourceRate);
        assert!(told.recorded && told.source_used_until.is_some(), "{told:?}");
        world.check("another source is not", &syn(KNOWN[family], CALM[family]), Reason::Syn);
        let udp = frame((CUSTOMER[family], LITTLE_UDP[family]), Proto::Udp, &[], OPEN, 1);
        world.check("the first datagram", &udp, Reason::Udp);
        // The burst is ten full frames, 15,140 bytes; the frame that takes more than is left has the next ones wait for 20 s.
        let large = large_datagram(CUSTOMER[family], LITTLE_UDP[family]);
        let admitted = (0..20).take_while(|_| world.meets(&large) == Reason::Udp).count();
        assert_eq!(admitted, 6, "of {} bytes each", large.len());
        world.check("too much UDP", &udp, Reason::UdpRate);
    }
}

#[test]
fn verify_explains_itself() {
    in_namespace(|| {
        let mut world = World::new();
        for family in 0..2 {
            let from = CUSTOMER[family];
            world.check("by cookie", &syn(from, COOKIE[family]), Reason::ReplyCookiePlain);
            let closed = frame((from, COOKIE[family]), Proto::Tcp, &[], CLOSED, 1);
            world.check("nobody listens", &closed, Reason::NoListener);
            let ack = frame((from, COOKIE[family]), Proto::Tcp, &[Flag::Ack], OPEN, 1);
            world.check("belongs to nothing", &ack, Reason::Guard);
            world.check("by challenge", &syn(from, CHALLENGE[family]), Reason::ReplyChallenge);
            world.check("by nothing", &syn(from, DROPS[family]), Reason::AddressRate);
            world.check("known only", &syn(from, KNOWN_ONLY[family]), Reason::NotKnown);
            for to in [COOKIE, CHALLENGE, DROPS, KNOWN_ONLY] {
                let told = world.check("known", &syn(KNOWN[family], to[family]), Reason::Known);
                assert!(told.known);
            }
        }
        // Nothing is left to answer by, until the clock moves on far enough.
        world
            .run
            .kernel
            .put_settings(&settings(Mode::Enforce, Some(1)))
            .unwrap();
        // Each from a source of its own, within its rate. A CPU takes up a new budget with its next jiffy.
        let spend = |client: u32| {
            let source = format!("203.0.{}.{}", client / 256, client % 256);
            frame((&source, COOKIE[0]), Proto::Tcp, &[], OPEN, client)
        };
        let start = Instant::now();
        let mut client = 0;
        while world.meets(&spend(client)) != Reason::Retry {
            client += 1;
            assert!(
                start.elapsed() < Duration::from_secs(5),
                "the budget of one answer a second is never spent"
            );
        }
        let told = world.check("no budget", &spend(client + 1), Reason::Retry);
        assert!(!told.can_answer);
    });
}

#[test]
fn monitor_mode_changes_no_reason() {
    let mut world = World::new();
    world.run.kernel.put_settings(&settings(Mode::Monitor, None)).unwrap();
    world.check("blocked", &syn(BLOCKED[0], CALM[0]), Reason::Blocked);
    world.check("challenged", &syn(CUSTOMER[0], CHALLENGE[0]), Reason::ReplyChallenge);
}

#[test]
fn without_pinned_maps_there_is_nobody_to_ask_and_none_are_made() {
    lab::require::root().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let refused = Explainer::at(directory.path())
        .explain(&syn(CUSTOMER[0], CALM[0]))
        .unwrap_err();
    assert!(matches!(refused, TableError::NotPinned(_)), "{refused}");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}
