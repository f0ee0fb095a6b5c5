//! The same random packets through the loaded program (`BPF_PROG_TEST_RUN`) and through the judge on the host, over tables
//! in plain memory: the same verdict for each, and the same counters.
//!
//! Time does not matter, because nothing that is drawn here comes near an instant: rates are either so high that nothing
//! exceeds them, or so low that what is used up comes back only after seconds (one SYN a second; 1,000 bits a second, with
//! frames whose lengths are multiples of 500 bytes, of which 31 fit the burst, and the next one 2.9 s later). All tables begin
//! anew with each batch, which takes a fraction of that; one that was slower is done again.
//!
//! Seeds are printed. `LEVEE_DIFFERENTIAL_PACKETS` sets how many packets there are, `LEVEE_DIFFERENTIAL_SEED` repeats a run:
//! `LEVEE_DIFFERENTIAL_PACKETS=5000000 cargo test -p tests --test differential -- --nocapture`.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops there, and says where")]

use std::{
    collections::BTreeMap,
    env,
    net::IpAddr,
    str::FromStr,
    time::{Duration, Instant},
};

use agent::{
    clock::Now,
    config::units::{Amplification, Burst, Rate},
    kernel::Capacity,
    tables::{
        AddressState, Blackhole, Counts, ForcedRung, GroupState, KernelSettings, KernelTables as _, KnownFor, Ladder,
        Limit, ListAction, ListEntry, Method, Mode, Rung, Vectors,
    },
    vectors::VectorRates,
};
use lab::{
    cores::Cores,
    host_tables::HostTables,
    prog_run::ProgRun,
    random_packet::{Random, World},
};
use nix::{
    sched::{CpuSet, sched_setaffinity},
    unistd::Pid,
};
use xdp_common::{Action, Address, Preset, Reason, listener::state};
use xdp_ebpf::Listener;

/// Packets of the short form.
const PACKETS: usize = 200_000;
/// Packets between two looks at the counters.
const BATCH: usize = 1_000;
/// Addresses that the packets of a batch go to.
const ADDRESSES_AT_ONCE: usize = 5;
/// A batch must not take longer, or time would begin to matter.
const BATCH_AT_MOST: Duration = Duration::from_millis(700);
/// How often a batch is done again that was too slow.
const TRIES: usize = 20;

const GROUPS: [&str; 2] = ["198.51.100.64/28", "2001:db8:1::40/124"];
const RESOLVERS: [&str; 2] = ["192.0.2.53", "2001:db8:53::53"];
const KNOWN: [&str; 2] = ["203.0.113.1", "2001:db8:2:1::1"];
const STRANGERS: [&str; 4] = ["203.0.113.2", "192.0.2.7", "2001:db8:2:2::1", "2001:db8:bad::1"];

type Verdicts = BTreeMap<(Option<IpAddr>, &'static str), u64>;

fn limit(rate: u32, burst: u32) -> Limit {
    Limit {
        syn_rate: Rate::new(rate).unwrap(),
        syn_burst: Burst::new(burst).unwrap(),
    }
}

fn high() -> Limit {
    limit(10_000_000, 100_000_000)
}

fn lowest() -> Vectors {
    Vectors::from_each(|_| VectorRates {
        bits: "1k".parse().unwrap(),
        ..VectorRates::default()
    })
}

/// Addresses of both families, each with a policy of its own.
fn addresses() -> Vec<AddressState> {
    let forced = |rung| Some(ForcedRung { rung, until: None });
    let endless = |all| Some(Blackhole { until: None, all });
    let by = |most, method| Ladder {
        most,
        method,
        hold: Duration::from_secs(3_600),
    };
    let mut states = Vec::new();
    for number in 0..17u8 {
        for prefix in ["198.51.100.", "2001:db8:1::"] {
            // The last three are in the groups.
            let host = if number < 14 { number } else { 0x40 + number - 14 };
            let address = match prefix {
                "198.51.100." => format!("{prefix}{host}"),
                _ => format!("{prefix}{host:x}"),
            };
            let mut state = AddressState::new(address.parse().unwrap(), high());
            let every = Amplification::from_bits(Preset::EVERY);
            let some = Amplification::from_bits(Preset::Dns.bit() | Preset::Memcached.bit());
            match number {
                0 => {}
                1 => (state.local, state.vectors) = (true, lowest()),
                2 => state.vectors = lowest(),
                3 => (state.local, state.amplification) = (true, every),
                4 => (state.amplification, state.vectors) = (some, lowest()),
                5 => state.blackhole = endless(false),
                6 => (state.local, state.blackhole) = (true, endless(false)),
                7 => state.blackhole = endless(true),
                8 => (state.rung, state.ladder.method) = (forced(Rung::Verify), Method::Challenge),
                9 => (state.rung, state.ladder.method, state.local) = (forced(Rung::Verify), Method::Cookie, true),
                10 => (state.rung, state.ladder.method) = (forced(Rung::Known), Method::Challenge),
                11 => (state.rung, state.vectors, state.amplification) = (forced(Rung::Observe), lowest(), every),
                12 => state.limit = limit(1, 10),
                13 => (state.limit, state.ladder) = (limit(1, 10), by(Rung::Verify, Method::Challenge)),
                14 => state.ladder = by(Rung::Verify, Method::Challenge),
                15 => state.ladder = by(Rung::Limit, Method::Drop),
                _ => (state.ladder, state.vectors) = (by(Rung::Verify, Method::Drop), lowest()),
            }
            let group = GROUPS.map(|group| group.parse::<ipnet::IpNet>().unwrap());
            state.group = group.into_iter().find(|group| group.contains(&state.address));
            states.push(state);
        }
    }
    states
}

fn groups() -> [GroupState; 2] {
    GROUPS.map(|prefix| GroupState {
        prefix: prefix.parse().unwrap(),
        limit: Some(limit(1, 10)),
        vectors: lowest(),
        hold: Duration::from_secs(3_600),
    })
}

fn list() -> [ListEntry; 4] {
    [
        ("192.0.2.0/24", ListAction::Block),
        ("192.0.2.53/32", ListAction::Allow),
        ("2001:db8:bad::/48", ListAction::Block),
        ("100.64.0.0/10", ListAction::Block),
    ]
    .map(|(prefix, action)| ListEntry {
        prefix: prefix.parse().unwrap(),
        action,
        until: None,
    })
}

fn settings() -> KernelSettings {
    let [v4, v6] = RESOLVERS.map(|resolver| Some(resolver.parse().unwrap()));
    KernelSettings {
        resolvers: [v4, v6, None, None],
        known_for: KnownFor::from_ticks(1_000),
        ..KernelSettings::new(Mode::Enforce, high())
    }
}

fn world() -> World {
    let sources = RESOLVERS.into_iter().chain(KNOWN).chain(STRANGERS);
    let states = addresses();
    let challenged = states.iter().filter(|state| state.ladder.method == Method::Challenge);
    let not_ours = ["198.51.100.250", "2001:db8:1::250"].map(|address| address.parse().unwrap());
    World {
        sources: sources.map(|source| source.parse().unwrap()).collect(),
        destinations: states.iter().map(|state| state.address).chain(not_ours).collect(),
        without_resets: challenged.map(|state| state.address).collect(),
    }
}

/// The loaded program.
struct Kernel(ProgRun);

impl Kernel {
    fn new() -> Self {
        let mut run = ProgRun::load_with(Capacity {
            retry_lines: 1 << 17,
            ..ProgRun::CAPACITY
        })
        .unwrap();
        run.kernel.put_settings(&settings()).unwrap();
        for entry in list() {
            run.kernel.put_entry(&entry).unwrap();
        }
        Self(run)
    }

    /// Addresses and groups as if they had just come, with empty buckets.
    fn renew(&mut self) {
        let kernel = &mut self.0.kernel;
        for group in groups() {
            kernel.remove_group(group.prefix).unwrap();
            kernel.put_group(&group).unwrap();
        }
        for state in addresses() {
            kernel.remove_address(state.address).unwrap();
            kernel.put_address(&state).unwrap();
        }
        let known = KNOWN.map(|source| source.parse().unwrap());
        kernel.remember(&known, Now::read().mono).unwrap();
    }

    fn actions(&mut self, frames: &[Vec<u8>]) -> Vec<Action> {
        frames
            .iter()
            .map(|frame| self.0.kernel.run(frame, 1).unwrap().action)
            .collect()
    }

    fn verdicts(&self) -> BTreeMap<Option<IpAddr>, Counts> {
        let reading = self.0.kernel.counters().unwrap();
        reading
            .addresses
            .into_iter()
            .map(|found| (found.address, found.counts))
            .collect()
    }
}

fn host() -> HostTables {
    let mut host = HostTables::default();
    host.put_settings(&settings());
    for group in groups() {
        host.put_group(&group);
    }
    for state in addresses() {
        host.put_address(&state);
    }
    for entry in list() {
        host.put_entry(&entry);
    }
    for source in KNOWN {
        host.make_known(Address::from(source.parse::<IpAddr>().unwrap()));
    }
    host.listener.set(Listener {
        state: state::NONE,
        ..Listener::NONE
    });
    host
}

/// What the model says of each frame, and all of them by address and reason.
fn modelled(frames: &[Vec<u8>]) -> (Vec<Reason>, Verdicts) {
    let host = host();
    let ours: Vec<IpAddr> = addresses().iter().map(|state| state.address).collect();
    let mut verdicts = Verdicts::new();
    let reasons = frames.iter().map(|frame| {
        let judgement = host.reply(frame).0;
        let address = (judgement.slot() != 0).then(|| ours[judgement.slot() as usize - 1]);
        *verdicts.entry((address, judgement.reason.name())).or_default() += 1;
        judgement.reason
    });
    (reasons.collect(), verdicts)
}

fn since(now: &BTreeMap<Option<IpAddr>, Counts>, before: &BTreeMap<Option<IpAddr>, Counts>) -> Verdicts {
    let moved = now.iter().flat_map(|(address, counts)| {
        let counts = before
            .get(address)
            .map_or_else(|| counts.clone(), |before| counts.since(before));
        let met: Vec<_> = counts
            .nonzero()
            .map(|(reason, packets)| ((*address, reason.name()), packets))
            .collect();
        met
    });
    moved.collect()
}

/// One batch; `None` when it was too slow to tell anything.
fn batch(kernel: &mut Kernel, frames: &[Vec<u8>], seed: u64) -> Option<Vec<Reason>> {
    kernel.renew();
    let before = kernel.verdicts();
    let start = Instant::now();
    let actions = kernel.actions(frames);
    let took = start.elapsed();
    let verdicts = since(&kernel.verdicts(), &before);
    let (reasons, expected) = modelled(frames);
    if took > BATCH_AT_MOST {
        return None;
    }
    for (at, (action, reason)) in actions.iter().zip(&reasons).enumerate() {
        assert_eq!(
            *action,
            reason.action(),
            "seed {seed}, packet {at}: the model says {reason:?}: {:02x?}",
            frames[at]
        );
    }
    assert_eq!(
        verdicts, expected,
        "seed {seed}: the counters differ (kernel left, model right)"
    );
    Some(reasons)
}

fn setting<T: FromStr>(name: &str) -> Option<T> {
    let text = env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

#[test]
fn kernel_and_model_agree_on_every_packet() {
    let packets = setting("LEVEE_DIFFERENTIAL_PACKETS").unwrap_or(PACKETS);
    let first_seed = setting("LEVEE_DIFFERENTIAL_SEED").unwrap_or_else(|| Now::read().mono.0);
    eprintln!("{packets} packets from LEVEE_DIFFERENTIAL_SEED={first_seed} on");
    // What a CPU holds of a bucket, only it can spend.
    let mut core = CpuSet::new();
    core.set(Cores::detect().unwrap().others).unwrap();
    sched_setaffinity(Pid::from_raw(0), &core).unwrap();
    let (world, mut kernel) = (world(), Kernel::new());
    let mut met: BTreeMap<&'static str, usize> = BTreeMap::new();
    for number in 0..packets.div_ceil(BATCH) as u64 {
        let seed = first_seed.wrapping_add(number);
        let mut random = Random::new(seed);
        // Few addresses at a time, so that their rates are tried.
        let world = world.of_some(&mut random, ADDRESSES_AT_ONCE);
        let frames: Vec<Vec<u8>> = (0..BATCH).map(|_| world.frame(&mut random)).collect();
        let reasons = (0..TRIES)
            .find_map(|_| batch(&mut kernel, &frames, seed))
            .expect("the machine is too slow: each batch takes longer than what is used up stays so");
        for reason in reasons {
            *met.entry(reason.name()).or_default() += 1;
        }
    }
    eprintln!("met: {met:?}");
    let never: Vec<&str> = Reason::ALL
        .iter()
        .map(|reason| reason.name())
        .filter(|name| !met.contains_key(name))
        .collect();
    eprintln!("never met: {never:?}");
    assert!(met.len() > 40, "the packets are too much alike: only {met:?}");
}
