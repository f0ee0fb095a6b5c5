//! The engine while it runs: ends, failures half-way, thresholds, modes, rates, samples.

use std::time::Duration;

use crate::support::{Bench, address, block, config, later, noon, order, remove};
use agent::{
    clock::Now,
    command::Command,
    config::units::{Burst, Rate},
    control::{
        api::{BlockRequest, ModeRequest, ThresholdRequest, UnsetRequest},
        view,
    },
    decide::refusal::Kind,
    ledger::Ledger,
    tables::{Mode, MonotonicNs},
};

#[test]
fn what_ends_is_taken_out_and_never_comes_back() {
    let bench = Bench::default();
    let mut engine = bench.engine();
    let request = BlockRequest {
        ttl: "10s".parse().ok(),
        ..block("192.0.2.200")
    };
    order(&mut engine, Command::Block(request), noon()).expect("blocked");
    engine.tick(later(noon(), 9));
    assert_eq!(bench.kernel.lock().entries.len(), 1);
    engine.tick(later(noon(), 10));
    assert_eq!(bench.kernel.lock().entries.len(), 0);
    drop(engine);
    bench.start(config(""), later(noon(), 11)).expect("starts");
    assert_eq!(bench.kernel.lock().entries.len(), 0);
}

#[test]
fn a_step_of_the_wall_clock_ends_nothing_early() {
    let bench = Bench::default();
    let mut engine = bench.engine();
    order(&mut engine, Command::Block(block("192.0.2.200")), noon()).expect("blocked for an hour");
    let stepped = Now {
        wall: later(noon(), 86_400).wall,
        mono: later(noon(), 5).mono,
    };
    engine.tick(stepped);
    assert_eq!(bench.kernel.lock().entries.len(), 1);
}

#[test]
fn a_failure_half_way_leaves_everything_as_it_was() {
    let bench = Bench::default();
    let mut engine = bench.engine();
    order(&mut engine, Command::Block(block("192.0.2.200")), noon()).expect("blocked");
    let before = bench.kernel.lock().addresses.clone();
    let writes = bench.kernel.lock().writes;
    // Two blackholes: the second write fails, the first is taken back.
    bench.kernel.lock().fail_at = Some(writes + 2);
    let request = BlockRequest {
        force: true,
        block_as: Some(agent::control::api::BlockAs::Destination),
        ..block("203.0.113.0/24")
    };
    let refusal = order(&mut engine, Command::Block(request), noon()).expect_err("fails");
    assert_eq!(refusal.kind, Kind::Failed);
    assert!(refusal.error.contains("limits.list_entries"), "{refusal}");
    assert_eq!(bench.kernel.lock().addresses, before);
    assert!(view::list(&engine.snapshots().borrow()).blackholes.is_empty());
}

#[test]
fn every_command_is_in_the_journal_also_the_refused_ones() {
    let bench = Bench::default();
    let mut engine = bench.engine();
    let request = BlockRequest {
        reason: Some("T4711".to_owned()),
        ..block("192.0.2.200")
    };
    order(&mut engine, Command::Block(request), noon()).expect("blocked");
    order(&mut engine, Command::Unblock(remove("192.0.2.1")), noon()).expect_err("not blocked");
    drop(engine);
    let (mut ledger, _) = Ledger::open(bench.directory.path(), noon().wall);
    let journal = ledger.journal(10).expect("reads");
    assert_eq!(journal.len(), 2);
    assert_eq!(
        (journal[1].command.as_str(), journal[1].reason.as_deref()),
        ("block-ip 192.0.2.200", Some("T4711"))
    );
    assert!(journal[1].succeeded && !journal[0].succeeded);
    assert!(journal[0].result.contains("is not blocked"));
}

#[test]
fn thresholds_are_set_for_one_for_all_and_for_sources() {
    let bench = Bench::default();
    let mut engine = bench.engine();
    let set = |target: &str, rate, burst| {
        let request = ThresholdRequest {
            vectors: agent::vectors::VectorsOverride::default(),
            target: target.to_owned(),
            syn_rate: Rate::new(rate),
            syn_burst: Burst::new(burst),
            ttl: None,
            reason: None,
            ..ThresholdRequest::default()
        };
        Command::SetThreshold(request)
    };
    order(&mut engine, set("203.0.113.7", 5_000, 0), noon()).expect("set");
    order(&mut engine, set("address", 7_000, 9_000), noon()).expect("set");
    order(&mut engine, set("source", 0, 50), noon()).expect("set");
    {
        let fake = bench.kernel.lock();
        let limit = |text| fake.addresses[&address(text)].limit;
        assert_eq!(
            (
                limit("203.0.113.7").syn_rate.per_second(),
                limit("203.0.113.7").syn_burst.events()
            ),
            (5_000, 9_000)
        );
        assert_eq!(
            (
                limit("203.0.113.8").syn_rate.per_second(),
                limit("203.0.113.8").syn_burst.events()
            ),
            (7_000, 9_000)
        );
        let source = fake.settings.source_limit;
        assert_eq!((source.syn_rate.per_second(), source.syn_burst.events()), (1_000, 50));
    }
    let unset = |target: &str| {
        Command::UnsetThreshold(UnsetRequest {
            target: target.to_owned(),
            ..UnsetRequest::default()
        })
    };
    for target in ["203.0.113.7", "address", "source"] {
        order(&mut engine, unset(target), noon()).expect("unset");
    }
    assert_eq!(
        bench.kernel.lock().addresses[&address("203.0.113.7")]
            .limit
            .syn_rate
            .per_second(),
        100_000
    );
    assert_eq!(
        order(&mut engine, unset("source"), noon()).expect_err("not set").kind,
        Kind::NotFound
    );
    assert_eq!(
        order(&mut engine, set("192.0.2.1", 5, 5), noon())
            .expect_err("not ours")
            .kind,
        Kind::Invalid
    );
    assert_eq!(
        order(&mut engine, set("source", 0, 0), noon())
            .expect_err("nothing")
            .kind,
        Kind::Invalid
    );
}

#[test]
fn a_mode_for_a_while() {
    let bench = Bench::default();
    let mut engine = bench.engine();
    let request = ModeRequest {
        mode: Some(Mode::Monitor),
        ttl: "1m".parse().ok(),
        reason: None,
        ..ModeRequest::default()
    };
    order(&mut engine, Command::SetMode(request), noon()).expect("set");
    assert_eq!(bench.kernel.lock().settings.mode, Mode::Monitor);
    engine.tick(later(noon(), 60));
    assert_eq!(bench.kernel.lock().settings.mode, Mode::Enforce);
}

#[test]
fn a_full_second_passes_between_two_rates() {
    let bench = Bench::default();
    let mut engine = bench.engine();
    let mut counts = agent::tables::Counts::default();
    let reading = |counts: &agent::tables::Counts| {
        vec![agent::tables::AddressCounts {
            address: Some(address("203.0.113.7")),
            counts: counts.clone(),
            ..agent::tables::AddressCounts::default()
        }]
    };
    counts.add(xdp_common::Reason::Syn, 100);
    bench.kernel.lock().counts = reading(&counts);
    engine.tick(later(noon(), 1));
    counts.add(xdp_common::Reason::Syn, 50);
    counts.add(xdp_common::Reason::SourceRate, 150);
    bench.kernel.lock().counts = reading(&counts);
    let now = noon().plus(Duration::from_secs(3));
    engine.tick(Now {
        wall: now.wall,
        mono: now.mono,
    });
    let stats = view::stats(&engine.snapshots().borrow(), Some(address("203.0.113.7"))).expect("protected");
    assert!((stats.addresses[0].rates.syn_pps - 100.0).abs() < 1e-9, "{stats:?}");
    assert!((stats.addresses[0].rates.drop_pps - 75.0).abs() < 1e-9, "{stats:?}");
    assert_eq!(stats.addresses[0].packets["source_rate"], 150);
}

#[test]
fn the_latest_samples_are_kept() {
    let bench = Bench::default();
    let mut engine = bench.engine();
    for second in 1..=3 {
        let sample = |index| agent::tables::Sample {
            ifindex: 2,
            at: MonotonicNs(second * 1_000 + index),
            reason: xdp_common::Reason::Blocked,
            header: vec![0xab],
            frame_len: 74,
        };
        bench.kernel.lock().samples = (0..100).map(sample).collect();
        engine.tick(later(noon(), second));
    }
    let samples = view::samples(&engine.snapshots().borrow());
    assert_eq!(samples.len(), 256);
    assert_eq!(
        (samples[0].reason.as_str(), samples[0].header_hex.as_str()),
        ("blocked", "ab")
    );
    let newest = engine.snapshots().borrow().samples.last().map(|sample| sample.at);
    assert_eq!(newest, Some(MonotonicNs(3_099)));
}
