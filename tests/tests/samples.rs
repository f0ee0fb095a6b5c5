//! Which dropped headers are sampled: of floods that come in bursts, not always the same one of each burst.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops there, and says where")]

use std::{
    thread,
    time::{Duration, Instant},
};

use agent::tables::{AddressState, Blackhole, KernelSettings, KernelTables as _, Limit, Mode};
use lab::{differential::stay_on_one_cpu, packet::Packet, prog_run::ProgRun};

const ADDRESSES: [&str; 2] = ["198.51.100.10", "198.51.100.11"];
const SOURCE: &str = "203.0.113.7";
/// On one CPU this is a sample in 100 ms.
const PER_SECOND: u32 = 10;
const BURSTS: usize = 20;
/// Until a sample is due again.
const PAUSE: Duration = Duration::from_millis(210);
/// Packets of a burst to the first address, and of those that follow to the second.
const HALF: u32 = 400;

/// A program that drops whatever comes to the addresses, and samples it.
fn program() -> ProgRun {
    let mut run = ProgRun::load().unwrap();
    let limit = Limit {
        syn_rate: "1M/s".parse().unwrap(),
        syn_burst: "1M".parse().unwrap(),
    };
    run.kernel
        .put_settings(&KernelSettings {
            samples_per_second: PER_SECOND,
            ..KernelSettings::new(Mode::Enforce, limit)
        })
        .unwrap();
    for address in ADDRESSES {
        let state = AddressState {
            blackhole: Some(Blackhole { until: None, all: true }),
            ..AddressState::new(address.parse().unwrap(), limit)
        };
        run.kernel.put_address(&state).unwrap();
    }
    run
}

/// Each burst begins with the same packets, and the clock by which samples are taken stands still during it. Were the first
/// packet after a pause taken and no other, or others near it, an operator would see nothing of half of the flood.
#[test]
fn a_flood_in_bursts_is_sampled_in_all_its_parts() {
    stay_on_one_cpu().unwrap();
    let mut run = program();
    let [first, rest] = ADDRESSES.map(|address| Packet::syn(SOURCE, address).bytes());
    let start = Instant::now();
    for _ in 0..BURSTS {
        run.kernel.run(&first, HALF).unwrap();
        run.kernel.run(&rest, HALF).unwrap();
        thread::sleep(PAUSE);
    }
    let took = start.elapsed();
    let samples = run.kernel.drain_samples(10_000);
    let of = |frame: &[u8]| {
        samples
            .iter()
            .filter(|sample| frame.starts_with(&sample.header))
            .count()
    };
    let (first, rest) = (of(&first), of(&rest));
    assert_eq!(first + rest, samples.len(), "samples are headers of what was sent");
    assert!(first > BURSTS / 4 && rest > BURSTS / 10, "{first} and {rest}");
    // Two at once where none were due before, and the clock is read once in a jiffy.
    let at_most = 2.0 + 1.1 * f64::from(PER_SECOND) * took.as_secs_f64();
    assert!(samples.len() as f64 <= at_most, "{} in {took:?}", samples.len());
}
