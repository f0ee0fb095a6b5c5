//! A proposed configuration is scored on what was recorded: minutes with their highest second.

use std::collections::BTreeMap;

use agent::detect::{
    Attack, Baselines, DetectPolicy, Rates, Subject,
    replay::{Proposal, Recorded, RecordedRow, Replay, Score},
};
use jiff::{SignedDuration, Timestamp};

use crate::{
    run::{TICK, Watch},
    scenarios::address,
    world::{Load, MONDAY, Place, Setup, World},
};

const MINUTE: f64 = 60.0;

fn monday() -> Timestamp {
    MONDAY.parse().expect("timestamp")
}

fn proposal(threshold: f64) -> Proposal {
    Proposal {
        thresholds: BTreeMap::from([(address(1), Some(threshold)), (address(2), Some(threshold))]),
        policy: DetectPolicy::default(),
    }
}

/// A minute of customers on the first address, and a flood.
fn minute(number: i64, customers: f64, peak: f64, flood: f64) -> Recorded {
    Recorded {
        from: monday() + SignedDuration::from_mins(number),
        seconds: MINUTE,
        rows: vec![RecordedRow {
            subject: address(1),
            rates: Rates {
                syn: customers + flood,
                handshakes: customers,
                tcp: customers * 10.0,
                ..Rates::default()
            },
            peak_syn: peak + flood,
            counts_handshakes: true,
        }],
    }
}

fn score(threshold: f64, attacks: Vec<Attack>, minutes: impl IntoIterator<Item = Recorded>) -> Score {
    let mut replay = Replay::new(proposal(threshold), Baselines::default(), attacks, monday());
    for minute in minutes {
        replay.take(&minute);
    }
    replay.finish(monday() + SignedDuration::from_hours(10))
}

/// An hour with a crowd from the 20th to the 24th minute.
fn crowd() -> Vec<Recorded> {
    let busy = |number: i64| (20..25).contains(&number);
    (0..60)
        .map(|number| {
            if busy(number) {
                minute(number, 8_000.0, 9_500.0, 0.0)
            } else {
                minute(number, 900.0, 1_200.0, 0.0)
            }
        })
        .collect()
}

fn attack(started_minute: i64, minutes: i64) -> Attack {
    let started = monday() + SignedDuration::from_mins(started_minute);
    let ended = started + SignedDuration::from_mins(minutes);
    // As the detector writes it.
    let mut world = World::new(1, vec![Place::new(address(1), Setup::default())]);
    let mut watch = Watch::new();
    for _ in 0..30 {
        watch.feed(&world.tick(TICK, |_| Load {
            customers: 900.0,
            flood: 90_000.0,
            ..Load::default()
        }));
    }
    Attack {
        id: 7,
        started,
        detected: started,
        last_excess: ended,
        ended: Some(ended),
        ..watch.detector.attacks()[0].clone()
    }
}

#[test]
fn a_threshold_that_is_too_low_touches_customers() {
    let low = score(5_000.0, Vec::new(), crowd());
    let touched = &low.subjects[&address(1)];
    assert!((touched.touched_seconds - 300.0).abs() < 1e-6, "{touched:?}");
    assert!(
        (touched.touched_handshakes - 300.0 * 8_000.0).abs() < 1e-3,
        "{touched:?}"
    );
    assert!((touched.highest_calm_syn - 9_500.0).abs() < 1e-6, "{touched:?}");
    assert!(
        low.more.is_empty() && low.attacks.is_empty(),
        "a crowd is no attack: {low:?}"
    );
    let high = score(10_000.0, Vec::new(), crowd());
    assert!(high.subjects[&address(1)].touched_seconds < 1e-6, "{high:?}");
    assert!(
        high.subjects[&address(2)].touched_seconds < 1e-6,
        "who had no traffic is not touched"
    );
}

#[test]
fn recorded_attacks_are_caught_or_missed_and_are_no_customers() {
    let minutes = || {
        (0..60).map(|number| {
            let flood = if (30..40).contains(&number) { 30_000.0 } else { 0.0 };
            minute(number, 900.0, 1_200.0, flood)
        })
    };
    let caught = score(20_000.0, vec![attack(30, 10)], minutes());
    let [found] = &caught.attacks[..] else {
        panic!("{caught:?}")
    };
    assert!(
        found.found_after_seconds.is_some_and(|after| after <= 120.0),
        "{found:?}"
    );
    assert!(
        (found.resolution_seconds - MINUTE).abs() < 1e-6 && found.id == 7,
        "{found:?}"
    );
    assert!(caught.more.is_empty(), "it is the same: {:?}", caught.more);
    assert!(
        caught.subjects[&address(1)].touched_seconds < 1e-6,
        "an attack is no customer"
    );
    let missed = score(100_000.0, vec![attack(30, 10)], minutes());
    assert_eq!(
        missed.attacks[0].found_after_seconds, None,
        "half of the threshold was never reached"
    );
    let new = score(20_000.0, Vec::new(), minutes());
    assert_eq!(new.more.len(), 1);
    assert_eq!(
        (new.more[0].subject, &new.more[0].vectors[..]),
        (address(1), &["syn"][..])
    );
}

#[test]
fn what_was_recorded_by_the_second_is_looked_at_by_the_second() {
    let mut replay = Replay::new(proposal(20_000.0), Baselines::default(), vec![attack(30, 10)], monday());
    let from = monday() + SignedDuration::from_mins(30) - SignedDuration::from_secs(20);
    let seconds: Vec<(Timestamp, RecordedRow)> = (0..60)
        .map(|second| {
            let flood = if second < 20 { 0.0 } else { 90_000.0 };
            let row = minute(0, 900.0, 1_200.0, flood).rows[0];
            (from + SignedDuration::from_secs(second), row)
        })
        .collect();
    replay.look_closely(&attack(30, 10), &seconds);
    let score = replay.finish(monday());
    let [found] = &score.attacks[..] else {
        panic!("{score:?}")
    };
    assert!(found.found_after_seconds.is_some_and(|after| after <= 3.0), "{found:?}");
    assert!((found.resolution_seconds - 1.0).abs() < 1e-6);
}

#[test]
fn missing_data_is_told() {
    let kept = |number: &i64| !(10..25).contains(number) && *number != 40;
    let gappy = score(
        5_000.0,
        Vec::new(),
        (5..60).filter(kept).map(|number| minute(number, 900.0, 1_200.0, 0.0)),
    );
    let gap = |from: i64, until: i64| {
        (
            monday() + SignedDuration::from_mins(from),
            monday() + SignedDuration::from_mins(until),
        )
    };
    let gaps: Vec<_> = gappy.gaps.iter().map(|gap| (gap.from, gap.until)).collect();
    assert_eq!(gaps, [gap(0, 5), gap(10, 25), gap(40, 41)]);
    assert!(
        (gappy.missing_seconds - 21.0 * MINUTE).abs() < 1e-6,
        "{}",
        gappy.missing_seconds
    );
    let nothing = score(5_000.0, vec![attack(30, 10)], []);
    assert_eq!((nothing.from, nothing.until), (None, None));
    assert!((nothing.missing_seconds - 36_000.0).abs() < 1e-6);
    assert_eq!(nothing.attacks[0].found_after_seconds, None);
}

#[test]
fn garbage_and_disorder_are_left_out() {
    let mut pieces = crowd();
    pieces.swap(3, 4);
    pieces.push(Recorded {
        seconds: f64::NAN,
        ..minute(70, 1.0, 1.0, 0.0)
    });
    pieces.push(minute(10, 1e6, 1e6, 1e6));
    let other: Subject = "198.51.100.1".parse().expect("subject");
    pieces.push(Recorded {
        rows: vec![RecordedRow {
            subject: other,
            ..minute(61, 1.0, 1.0, 1.0).rows[0]
        }],
        ..minute(61, 1.0, 1.0, 0.0)
    });
    let score = score(20_000.0, Vec::new(), pieces);
    assert!(
        (score.recorded_seconds - 60.0 * MINUTE).abs() < 1e-6,
        "{}",
        score.recorded_seconds
    );
    assert!(score.more.is_empty() && !score.subjects.contains_key(&other));
}
