//! Ticks as they are recorded: one in JSON on each line. What was written by an earlier version still reads.

use std::{fs, path::PathBuf};

use agent::detect::{Tick, What};

use crate::{
    run::{TICK, Watch},
    scenarios::address,
    world::{Load, Place, Setup, World},
};

fn fixture() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/detect/fixtures/step.jsonl")
}

/// Two seconds around the beginning of a flood.
fn ticks() -> Vec<Tick> {
    let mut world = World::new(5, vec![Place::new(address(1), Setup::default())]);
    let load = |tick: u32| Load {
        customers: 500.0,
        flood: if tick < 10 { 0.0 } else { 80_000.0 },
        ..Load::default()
    };
    (0..20).map(|tick| world.tick(TICK, |_| load(tick))).collect()
}

#[test]
fn recorded_ticks_replay_to_the_same_detections() {
    let text = fs::read_to_string(fixture()).expect("the fixture");
    let read: Vec<Tick> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("a tick"))
        .collect();
    let told = |ticks: &[Tick]| {
        let mut watch = Watch::new();
        ticks.iter().flat_map(|tick| watch.feed(tick)).collect::<Vec<_>>()
    };
    let events = told(&read);
    assert!(
        matches!(&events[..], [event] if matches!(event.what, What::AttackStarted { delay_ms: 300, .. })),
        "{events:?}"
    );
    // Written again, ticks lose the last digit of a rate at most.
    let written: Vec<Tick> = ticks()
        .iter()
        .map(|tick| {
            serde_json::to_string(tick)
                .and_then(|text| serde_json::from_str(&text))
                .expect("it reads back")
        })
        .collect();
    assert_eq!(told(&written), events);
}

#[test]
fn what_a_later_version_leaves_out_is_zero() {
    let line = r#"{"at":{"wall":"2025-06-02T00:00:00Z","mono":5},"seconds":1.0,"host":{},"subjects":[{"subject":"203.0.113.1",
        "rates":{"syn":5.5},"standing":{"syn_threshold":null,"excess":false,"rung":"limit","counts_handshakes":true}}]}"#;
    let tick: Tick = serde_json::from_str(line).expect("a tick");
    assert!((tick.subjects[0].rates.syn - 5.5).abs() < 1e-9 && tick.subjects[0].rates.udp == 0.0);
}

#[test]
#[ignore = "writes the fixture, when the format of ticks changes"]
fn write_the_fixture() {
    let text: String = ticks()
        .iter()
        .map(|tick| serde_json::to_string(tick).expect("it is written") + "\n")
        .collect();
    fs::create_dir_all(fixture().parent().expect("a directory")).expect("the directory");
    fs::write(fixture(), text).expect("the fixture can be written");
}
