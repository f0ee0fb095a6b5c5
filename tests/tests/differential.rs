//! The same random packets through the loaded program and through its model on the host (see `lab::differential`).
//!
//! Seeds are printed. `LEVEE_DIFFERENTIAL_PACKETS` sets how many packets there are, `LEVEE_DIFFERENTIAL_SEED` repeats a run:
//! `LEVEE_DIFFERENTIAL_PACKETS=5000000 cargo test -p tests --test differential -- --nocapture`. Packets that a fuzzer chooses go
//! the same way: `cargo xtask fuzz kernel`.

use std::{collections::BTreeMap, env, str::FromStr};

use agent::{clock::Now, kernel::Form};
use lab::{
    differential::{Kernel, TakenForRetransmission, protected::world, stay_on_one_cpu},
    random_packet::Random,
};
use xdp_common::Reason;

/// Packets of the short form.
const PACKETS: usize = 200_000;
/// The same of the program in steps, which has the same stages.
const PACKETS_IN_STEPS: usize = 50_000;
/// The same of the test in which some are explained, one by one.
const PACKETS_EXPLAINED: usize = 50_000;
/// Packets between two looks at the counters.
const BATCH: usize = 1_000;
/// Of those, the last are explained, when rates are used up.
const EXPLAINED: usize = 100;
/// Addresses that the packets of a batch go to.
const ADDRESSES_AT_ONCE: usize = 5;
/// What some packets of any run must meet: each is met in more than a fourth of all batches.
const CERTAIN: [Reason; 20] = [
    Reason::AddressRate,
    Reason::Allowed,
    Reason::Blackhole,
    Reason::Blocked,
    Reason::ReplyChallenge,
    Reason::Fragment,
    Reason::FragmentRate,
    Reason::GroupRate,
    Reason::GroupVectorRate,
    Reason::Icmp,
    Reason::ImpossibleSource,
    Reason::NotKnown,
    Reason::NotOurs,
    Reason::OutOfState,
    Reason::Syn,
    Reason::Tcp,
    Reason::TcpFlags,
    Reason::Udp,
    Reason::UdpRate,
    Reason::Unreadable,
];
/// Of so many packets, one may be taken for a retransmission by chance: more than ten times as often as it was seen.
const PACKETS_A_CHANCE: usize = 500_000;
/// How often a batch is done again that was too slow.
const TRIES: usize = 20;

fn setting<T: FromStr>(name: &str) -> Option<T> {
    let text = env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// Draws batches until there were `packets`, and gives each to `compare` until it was fast enough; prints what was met.
fn in_batches(packets: usize, mut compare: impl FnMut(&[Vec<u8>]) -> anyhow::Result<Option<Vec<Reason>>>) {
    let first_seed = setting("LEVEE_DIFFERENTIAL_SEED").unwrap_or_else(|| Now::read().mono.0);
    eprintln!("{packets} packets from LEVEE_DIFFERENTIAL_SEED={first_seed} on");
    let world = world();
    let mut met: BTreeMap<&'static str, usize> = BTreeMap::new();
    // The program takes one stranger in some hundred thousand for one whose SYN comes again (two bits of a filter, see
    // `xdp_common::retry`). The same batch with other sequence numbers is another draw of that, and of nothing else.
    let mut by_chance = 0;
    for number in 0..packets.div_ceil(BATCH) as u64 {
        let seed = first_seed.wrapping_add(number);
        let mut random = Random::new(seed);
        // Few addresses at a time, so that their rates are tried.
        let world = world.of_some(&mut random, ADDRESSES_AT_ONCE);
        let frames: Vec<Vec<u8>> = (0..BATCH).map(|_| world.frame(&mut random)).collect();
        let mut judged = || {
            (0..TRIES)
                .find_map(|_| compare(&frames).transpose())
                .expect("the machine is too slow: each batch takes longer than what is used up stays so")
        };
        let reasons = judged().or_else(|error| {
            if !error.is::<TakenForRetransmission>() {
                return Err(error);
            }
            eprintln!("seed {seed}, once: {error:#}");
            by_chance += 1;
            judged()
        });
        let reasons = reasons.unwrap_or_else(|error| panic!("seed {seed}: {error:#}"));
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
    assert!(
        by_chance <= 1 + packets / PACKETS_A_CHANCE,
        "{by_chance} batches differed once"
    );
    if packets < PACKETS_EXPLAINED {
        // Some seeds again.
        return;
    }
    let missing = CERTAIN.iter().filter(|reason| !met.contains_key(reason.name()));
    let missing: Vec<&Reason> = missing.collect();
    assert!(
        missing.is_empty(),
        "the packets are too much alike: none met {missing:?}"
    );
}

/// The action one by one, and the reasons by the counters.
#[test]
fn what_is_explained_is_what_each_packet_meets() {
    let packets = setting("LEVEE_DIFFERENTIAL_PACKETS").unwrap_or(PACKETS_EXPLAINED);
    let cpu = stay_on_one_cpu().unwrap() as u32;
    let mut kernel = Kernel::new(Form::Whole).unwrap();
    let explainer = kernel.explainer();
    in_batches(packets, |frames| kernel.explains(&explainer, cpu, frames, EXPLAINED));
}

fn kernel_and_model_agree(form: Form, packets: usize) {
    let packets = setting("LEVEE_DIFFERENTIAL_PACKETS").unwrap_or(packets);
    stay_on_one_cpu().expect("a thread may choose its CPU");
    let mut kernel = Kernel::new(form).expect("the kernel takes the form");
    in_batches(packets, |frames| kernel.agrees(frames));
}

#[test]
fn kernel_and_model_agree_on_every_packet() {
    kernel_and_model_agree(Form::Whole, PACKETS);
}

#[test]
fn kernel_and_model_agree_on_every_packet_in_steps() {
    kernel_and_model_agree(Form::Steps, PACKETS_IN_STEPS);
}
