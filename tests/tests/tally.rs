//! The tally of sources and prefixes: the judge's own code against exact counts, on the host and in the kernel.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops there, and says where")]

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr},
};

use agent::{
    clock::Now,
    config::units::{Burst, Rate},
    detect::{Talkers, Tally},
    tables::{AddressState, KernelSettings, KernelTables as _, Limit, ListAction, ListEntry, Mode},
};
use lab::{
    comparison::Comparator,
    host_tables::HostTables,
    packet::{Packet, Transport, flag},
    prog_run::ProgRun,
};
use xdp_common::{Address, Reason, distinct, sketch, tally::Kind};
use xdp_ebpf::tally;

const V4: &str = "198.51.100.10";
const V6: &str = "2001:db8:1::10";

/// A stream of random numbers that a failure can be repeated with (xorshift64*, Vigna 2016).
struct Random(u64);

/// The seed that the environment sets.
fn wanted_seed() -> Option<u64> {
    std::env::var("LAB_SEED")
        .ok()
        .map(|text| text.parse().expect("LAB_SEED is a number"))
}

impl Random {
    /// Says its seed, which the environment may set.
    fn new() -> Self {
        let seed = wanted_seed().unwrap_or_else(|| u64::from(std::process::id()) << 32 | 0x5eed);
        eprintln!("LAB_SEED={seed}");
        Self(seed)
    }

    /// Draws for what is right by chance, more often or less: always the same ones, so that a change of the code is what
    /// changes an outcome. The environment may set another one.
    fn draws() -> impl Iterator<Item = Self> {
        let wanted = wanted_seed();
        let seeds = wanted.map_or(1..=4, |seed| seed..=seed);
        seeds.inspect(|seed| eprintln!("LAB_SEED={seed}")).map(Self)
    }

    fn word(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// From 0 to 1.
    fn fraction(&mut self) -> f64 {
        (self.word() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Members of whom the n-th sends as much as 1 / n^exponent.
struct Zipf(Vec<f64>);

impl Zipf {
    fn new(members: usize, exponent: f64) -> Self {
        let mut sum = 0.0;
        let mut ends: Vec<f64> = (1..=members)
            .map(|n| {
                sum += (n as f64).powf(-exponent);
                sum
            })
            .collect();
        ends.iter_mut().for_each(|end| *end /= sum);
        Self(ends)
    }

    fn member(&self, fraction: f64) -> u32 {
        self.0.partition_point(|end| *end < fraction) as u32
    }
}

/// One packet's source.
type Stream<'a> = dyn FnMut(&mut Random) -> Ipv4Addr + 'a;

/// What was found against what was sent.
#[derive(Debug)]
struct Outcome {
    /// Of the hundred keys called heaviest, those that are among the hundred heaviest.
    precise: usize,
    /// Of them, those that sent at least nine tenths of what the hundredth heaviest did.
    nearly: usize,
    /// Mean error of the counts of the hundred.
    error: f64,
}

fn outcome(found: &[(Address, u64)], exact: &HashMap<Address, u64>) -> Outcome {
    let mut counts: Vec<u64> = exact.values().copied().collect();
    counts.sort_unstable_by(|a, b| b.cmp(a));
    let hundredth = counts[99];
    let real = |key: &Address| exact.get(key).copied().unwrap_or(0);
    let top = &found[..100];
    Outcome {
        precise: top.iter().filter(|(key, _)| real(key) >= hundredth).count(),
        nearly: top.iter().filter(|(key, _)| real(key) * 10 >= hundredth * 9).count(),
        error: top
            .iter()
            .map(|(key, count)| (*count as f64 / real(key) as f64 - 1.0).abs())
            .sum::<f64>()
            / 100.0,
    }
}

/// Sends packets of a stream at a rate through the judge's tally on the host; by kind, what it found.
fn on_the_host(stream: &mut Stream<'_>, pps: u64, packets: u64, random: &mut Random) -> [Outcome; 2] {
    let mut tables = HostTables::default();
    tables.settings.seed = [random.word(), random.word()];
    let start = tables.now_ns.get();
    let mut exact: [HashMap<Address, u64>; 2] = Default::default();
    let ours = address(V4);
    for n in 0..packets {
        tables
            .now_ns
            .set(start + n * 1_000_000_000 / pps / 4_000_000 * 4_000_000);
        let source = Address::from(IpAddr::V4(stream(random)));
        let packet = xdp_ebpf::Packet {
            frame_len: 60,
            ..xdp_ebpf::Packet::between(source, ours)
        };
        for kind in Kind::ALL {
            *exact[kind as usize].entry(kind.key(source)).or_default() += 1;
        }
        if tally::meet(&packet, &tables) {
            tally::look(&packet, Reason::Udp, &tables);
        }
    }
    Kind::ALL.map(|kind| {
        let mut found = tables.tallied(kind);
        found.sort_unstable_by_key(|(_, seen)| std::cmp::Reverse(seen.packets));
        let found: Vec<_> = found.into_iter().map(|(key, seen)| (key, seen.packets)).collect();
        outcome(&found, &exact[kind as usize])
    })
}

fn address(text: &str) -> Address {
    Address::from(text.parse::<IpAddr>().unwrap())
}

/// Customers, a botnet spread over many networks, and twice as many forged sources as either.
fn mixed() -> impl FnMut(&mut Random) -> Ipv4Addr {
    let customers = Zipf::new(20_000, 1.1);
    let bots = Zipf::new(400, 0.3);
    move |random| {
        let which = random.fraction();
        Ipv4Addr::from(if which < 0.5 {
            0x4000_0000 | (random.word() >> 35) as u32
        } else if which < 0.8 {
            0xc612_0000 | bots.member(random.fraction()).wrapping_mul(2_654_435_761) >> 15
        } else {
            0x0a00_0000 + 37 * customers.member(random.fraction())
        })
    }
}

fn hundred_are_found(outcomes: [Outcome; 2]) {
    for outcome in outcomes {
        eprintln!("{outcome:?}");
        assert!(
            outcome.precise >= 83 && outcome.nearly >= 93 && outcome.error < 0.15,
            "{outcome:?}"
        );
    }
}

#[test]
fn the_hundred_heaviest_of_a_mixed_load_are_found() {
    for mut random in Random::draws() {
        hundred_are_found(on_the_host(&mut mixed(), 300_000, 3_000_000, &mut random));
    }
}

#[test]
fn the_hundred_heaviest_of_zipfs_customers_are_found() {
    let customers = Zipf::new(50_000, 1.1);
    let mut stream = |random: &mut Random| Ipv4Addr::from(0x0a00_0000 + 257 * customers.member(random.fraction()));
    for mut random in Random::draws() {
        hundred_are_found(on_the_host(&mut stream, 300_000, 3_000_000, &mut random));
    }
}

/// A thousand sources of the same rate: there is no right order, but each is measured right.
#[test]
fn uniform_sources_are_measured_alike() {
    let mut random = Random::new();
    let mut stream = |random: &mut Random| Ipv4Addr::from(0x0a00_0000 + 257 * (random.word() % 1_000) as u32);
    for outcome in on_the_host(&mut stream, 300_000, 3_000_000, &mut random) {
        assert!(outcome.nearly >= 95 && outcome.error < 0.5, "{outcome:?}");
    }
}

/// Who knows this code and a seed that is not ours gathers keys that all fall into the set of a customer, and under the same hash
/// as the customer.
fn gathered(around: Address, seed: [u64; 2], want: usize) -> Vec<Address> {
    let set = |address| xdp_common::tally::set_of(sketch::hash(address, seed), Kind::Source);
    (0x4000_0000u32..)
        .map(|n| Address::from_v4_bytes(n.to_be_bytes()))
        .filter(|candidate| set(*candidate) == set(around))
        .take(want)
        .collect()
}

#[test]
fn who_does_not_know_the_seed_pushes_nobody_out_and_makes_nobody_heavy() {
    let mut random = Random::new();
    let customer = address("203.0.113.7");
    let stranger = address("203.0.113.8");
    let guessed = [random.word(), random.word()];
    let mut tables = HostTables::default();
    tables.settings.seed = [random.word(), random.word()];
    let keys = gathered(customer, guessed, 3_000);
    let ours = address(V4);
    let send = |source: Address| {
        let packet = xdp_ebpf::Packet {
            frame_len: 60,
            ..xdp_ebpf::Packet::between(source, ours)
        };
        if tally::meet(&packet, &tables) {
            tally::look(&packet, Reason::Udp, &tables);
        }
    };
    let start = tables.now_ns.get();
    for n in 0..1_000_000u64 {
        tables.now_ns.set(start + n * 1_000);
        send(match n % 500 {
            0 => customer,
            1 if n < 1_000 => stranger,
            _ => keys[(random.word() % keys.len() as u64) as usize],
        });
    }
    let found: HashMap<_, _> = tables.tallied(Kind::Source).into_iter().collect();
    let packets = found[&customer].packets;
    assert!(
        (1_000..3_000).contains(&packets),
        "{packets} of the customer's 2,000 packets"
    );
    // Counts are those of the key alone: two packets are at most two looks.
    let most = found.get(&stranger).map_or(0, |seen| seen.packets);
    assert!(
        most <= 2 * xdp_common::turn::STRIDE_MAX,
        "{most} packets of a stranger who sent two"
    );
}

/// The same against the sketch that decides who gets a SYN bucket: a stranger stays light in the midst of gathered keys.
#[test]
fn who_does_not_know_the_seed_makes_no_stranger_heavy_in_the_sketch() {
    let mut random = Random::new();
    let (guessed, seed) = ([random.word(), random.word()], [random.word(), random.word()]);
    let stranger = address("203.0.113.8");
    let place = |address, seed| {
        let hash = sketch::hash(address, seed);
        (sketch::block_of(hash), hash >> 32 & 0x1ff)
    };
    let keys = (0x4000_0000u32..0x6000_0000)
        .map(|n| Address::from_v4_bytes(n.to_be_bytes()))
        .filter(|key| place(*key, guessed) == place(stranger, guessed))
        .take(20);
    let keys: Vec<Address> = keys.collect();
    let estimate = |seed: [u64; 2]| {
        let mut blocks = vec![sketch::Block::default(); sketch::BLOCKS as usize];
        let mut count = |key| {
            let hash = sketch::hash(key, seed);
            blocks[sketch::block_of(hash) as usize].count(hash, 1, 0)
        };
        for _ in 0..10 {
            for key in &keys {
                count(*key);
            }
        }
        count(stranger)
    };
    assert!(estimate(guessed) > 100, "the attack works for who knows the seed");
    assert!(estimate(seed) <= 20, "{} with a seed that nobody knows", estimate(seed));
}

fn limit(rate: u32) -> Limit {
    Limit {
        syn_rate: Rate::new(rate).unwrap(),
        syn_burst: Burst::new(rate).unwrap(),
    }
}

fn program() -> ProgRun {
    let mut run = ProgRun::load().unwrap();
    let settings = KernelSettings::new(Mode::Enforce, limit(1_000));
    run.kernel.put_settings(&settings).unwrap();
    for ours in [V4, V6] {
        let state = AddressState::new(ours.parse().unwrap(), limit(2_000));
        run.kernel.put_address(&state).unwrap();
    }
    run
}

/// Takes one more reading.
fn read(run: &ProgRun, tally: &mut Tally) -> Talkers {
    let now = Now::read();
    tally.next(&run.kernel.tally(now.mono).unwrap(), now)
}

/// Few runs, each of many packets: a run of a program that is attached nowhere takes 20 ms, whatever it runs.
#[test]
fn the_program_finds_them_in_a_spoofed_flood() {
    const SOURCES: u32 = 250;
    let mut random = Random::new();
    let run = &mut program();
    let mut spoofed = Comparator::load("random_source", Some(run.kernel.program_id().unwrap())).unwrap();
    let mut tally = Tally::default();
    read(run, &mut tally);
    let frame = |source: Ipv4Addr| Packet::new(&source.to_string(), V4, Transport::Udp { payload: 100 }).bytes();
    // Each of them sends in two parts, in no order.
    let mut parts: Vec<u32> = (0..2 * SOURCES).map(|part| part / 2).collect();
    for at in (1..parts.len()).rev() {
        parts.swap(at, (random.word() % (at as u64 + 1)) as usize);
    }
    let mut exact: [HashMap<Address, u64>; 2] = Default::default();
    let mut sent = 0u64;
    for (turn, member) in parts.into_iter().enumerate() {
        let source = Ipv4Addr::from(0x0a00_0000 + 999 * member);
        let packets = (200_000.0 * f64::from(member + 1).powf(-0.8)) as u64;
        run.kernel.run(&frame(source), packets as u32).unwrap();
        sent += packets;
        for kind in Kind::ALL {
            let key = kind.key(Address::from(IpAddr::V4(source)));
            *exact[kind as usize].entry(key).or_default() += packets;
        }
        if turn.is_multiple_of(20) {
            spoofed.test_run_ns(&frame(source), 100_000).unwrap();
            sent += 100_000;
        }
    }
    let talkers = read(run, &mut tally);
    let counted = talkers.total.packets_pps * talkers.seconds;
    assert!(
        (counted / sent as f64 - 1.0).abs() < 0.05,
        "{counted} of {sent} packets"
    );
    for (kind, talkers) in Kind::ALL.into_iter().zip([&talkers.sources, &talkers.prefixes]) {
        let found: Vec<_> = talkers
            .iter()
            .map(|talker| {
                let bytes = 14.0 + 20.0 + 8.0 + 100.0;
                let bits = talker.rates.bits_per_s / talker.rates.packets_pps;
                assert!((bits / 8.0 - bytes).abs() < 0.5, "{talker:?}");
                let packets = talker.share * counted;
                (Address::from(talker.prefix.network()), packets as u64)
            })
            .collect();
        let outcome = outcome(&found, &exact[kind as usize]);
        eprintln!("{kind:?}: {outcome:?}");
        assert!(outcome.precise >= 85 && outcome.nearly >= 90, "{kind:?}: {outcome:?}");
    }
}

/// Whatever is looked at, the verdict is that of the same packet when it is not looked at.
#[test]
fn no_verdict_depends_on_being_looked_at() {
    let run = &mut program();
    let blocked = ListEntry {
        prefix: "192.0.2.0/24".parse().unwrap(),
        action: ListAction::Block,
        until: None,
    };
    run.kernel.put_entry(&blocked).unwrap();
    let udp = |from: &str, to: &str| Packet::new(from, to, Transport::Udp { payload: 64 }).bytes();
    let rows = [
        ("ACK", Packet::tcp("203.0.113.7", V4, flag::ACK).bytes(), Reason::Tcp),
        ("ACK", Packet::tcp("2001:db8:2::7", V6, flag::ACK).bytes(), Reason::Tcp),
        ("UDP", udp("203.0.113.7", V4), Reason::Udp),
        ("UDP", udp("2001:db8:2::7", V6), Reason::Udp),
        ("blocked", udp("192.0.2.9", V4), Reason::Blocked),
        ("not ours", udp("203.0.113.7", "198.51.100.99"), Reason::NotOurs),
    ];
    for (what, frame, reason) in rows {
        let before = run.kernel.counters().unwrap();
        let repeated = run.kernel.run(&frame, 10_000).unwrap();
        assert_eq!(repeated.action, reason.action(), "{what}");
        assert_eq!(repeated.frame, frame, "{what}: the frame is as it was");
        let after = run.kernel.counters().unwrap();
        let moved: u64 = after
            .addresses
            .iter()
            .zip(&before.addresses)
            .map(|(now, then)| now.counts.get(reason) - then.counts.get(reason))
            .sum();
        assert_eq!(moved, 10_000, "{what}: each of them met {}", reason.name());
    }
}

#[test]
fn different_sources_of_a_second_are_counted() {
    let run = &mut program();
    let mut spoofed = Comparator::load("random_source", Some(run.kernel.program_id().unwrap())).unwrap();
    let frame = Packet::new("203.0.113.1", V4, Transport::Udp { payload: 0 }).bytes();
    let start = Now::read().mono.0;
    let (mut packets, mut estimate) = (0, 0.0);
    while Now::read().mono.0 - start < 4_000_000_000 {
        spoofed.test_run_ns(&frame, 20_000).unwrap();
        packets += 20_000;
        estimate = run.kernel.tally(Now::read().mono).unwrap().distinct_sources.unwrap();
    }
    let seconds = (Now::read().mono.0 - start) as f64 / 1e9;
    let in_a_window = f64::from(packets) / seconds * f64::from(1 << distinct::WINDOW_SHIFT) / 1e9;
    let error = estimate / in_a_window - 1.0;
    assert!(error.abs() < 0.3, "{estimate} of {in_a_window}");
}
