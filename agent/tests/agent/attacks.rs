//! From counters to attacks: what the engine's polls see, tell and show.

use std::time::Duration;

use agent::{
    clock::Now,
    control::view,
    detect::{AttackVector, NumberedEvent, What},
    ledger::Ledger,
    tables::MonotonicNs,
    traffic::{Tallied, TallyReading, Traffic},
};
use xdp_common::Reason;

use crate::{
    support::{address, config, noon},
    watched::{VICTIM, Watched},
};

fn names(events: &[NumberedEvent]) -> Vec<&'static str> {
    events.iter().map(|event| event.what.name()).collect()
}

#[test]
fn a_flood_is_told_shown_and_over() {
    let mut lab = Watched::with(config(""));
    lab.go_on(3, Reason::Syn, 100);
    assert_eq!((lab.told(), lab.shown()), (vec![], vec![]), "calm");
    lab.go_on(1, Reason::AddressRate, 400_000);
    let events = lab.told();
    assert_eq!(names(&events), ["attack_started"]);
    assert_eq!(
        events[0].subject.map(|subject| subject.to_string()).as_deref(),
        Some(VICTIM)
    );
    let What::AttackStarted { vectors, delay_ms, .. } = &events[0].what else {
        panic!("{events:?}")
    };
    assert_eq!(vectors.iter().collect::<Vec<_>>(), [&AttackVector::Syn]);
    assert!(*delay_ms <= 1_000, "{delay_ms} ms");
    let shown = lab.shown();
    assert_eq!((shown.len(), shown[0].id, shown[0].ended), (1, 1, None));

    lab.go_on(3, Reason::UdpRate, 300_000);
    assert!(names(&lab.told()).contains(&"vector_added"));
    assert!(lab.shown()[0].vectors.contains(&AttackVector::Udp));

    lab.go_on(40, Reason::Syn, 100);
    assert_eq!(names(&lab.told()), ["attack_ended"]);
    assert_eq!(lab.shown(), []);
}

#[test]
fn rates_and_who_sends_most_are_kept_of_an_attack() {
    let mut lab = Watched::with(config(""));
    let begun = lab.now.wall;
    let mut sent = 0;
    let mut go_on = |lab: &mut Watched, reason, per_second: u64| {
        sent += per_second;
        let traffic = Traffic {
            packets: sent,
            bytes: sent * 64,
            syns: sent,
            drops: sent,
        };
        lab.bench.kernel.lock().tally = TallyReading {
            totals: vec![traffic],
            sources: vec![Tallied {
                cpu: 0,
                prefix: crate::support::net("198.51.100.9"),
                traffic,
                since: noon().mono,
                last: lab.now.mono,
            }],
            ..TallyReading::default()
        };
        lab.go_on(1, reason, per_second);
    };
    for _ in 0..40 {
        go_on(&mut lab, Reason::Syn, 100);
    }
    for _ in 0..30 {
        go_on(&mut lab, Reason::AddressRate, 400_000);
    }
    for _ in 0..120 {
        go_on(&mut lab, Reason::Syn, 100);
    }
    let names = names(&lab.told());
    assert!(
        names.contains(&"attack_started") && names.contains(&"attack_ended"),
        "{names:?}"
    );
    let span = (begun, lab.now.wall);
    drop(lab.engine);
    let (ledger, _) = Ledger::open(lab.bench.directory.path(), lab.now.wall);
    let attack = ledger.attack(1).expect("reads").expect("is there");
    assert!(attack.ended.is_some());
    let subject = attack.subject;
    let (talkers, seconds) = ledger
        .history()
        .ask_now(move |reader| Ok((reader.talkers(1)?, reader.seconds(subject, span)?)))
        .expect("reads");
    let heaviest = talkers.sources.first().expect("a source");
    assert_eq!(heaviest.prefix, crate::support::net("198.51.100.9"));
    let all = 30.0 * 400_000.0;
    assert!((heaviest.packets / all - 1.0).abs() < 0.1, "{heaviest:?}");
    let before = seconds.iter().filter(|second| second.from < attack.started).count();
    assert!((28..=31).contains(&before), "half a minute before it: {before}");
    let syns: f64 = seconds
        .iter()
        .map(|second| second.rates.syn)
        .filter(|syn| *syn > 1_000.0)
        .sum();
    assert!((syns / all - 1.0).abs() < 0.01, "{syns}");
    let minutes = ledger.rates(span, None).expect("reads");
    let observed: f64 = minutes.iter().map(|minute| minute.seconds).sum();
    assert!((observed - 190.0).abs() < 1.0, "{observed}");
}

#[test]
fn an_attack_is_shown_before_the_next_refresh() {
    let mut lab = Watched::with(config(""));
    lab.go_on(3, Reason::Syn, 100);
    let begun = lab.now;
    while lab.shown().is_empty() {
        lab.counts[0].add(Reason::AddressRate, 50_000);
        lab.poll_after(Duration::from_millis(100));
        assert!(lab.now.mono.0 - begun.mono.0 < 1_000_000_000, "not within a second");
    }
    let snapshots = lab.engine.snapshots();
    assert_eq!(snapshots.borrow().now, lab.now, "told at once");
}

#[test]
fn real_customers_in_a_crowd_are_no_attack() {
    let mut lab = Watched::with(config(""));
    lab.go_on(3, Reason::Syn, 100);
    for _ in 0..100 {
        lab.counts[0].add(Reason::Syn, 6_000);
        lab.handshakes += 6_000;
        lab.poll_after(Duration::from_millis(100));
    }
    assert!(!names(&lab.told()).contains(&"attack_started"));
    assert_eq!(lab.shown(), []);
}

#[test]
fn monitor_mode_detects_as_well() {
    let text = "interfaces = [\"eth0\"]\nprotect = [\"203.0.113.7\", \"203.0.113.8\"]\nmode = \"monitor\"\n";
    let config = agent::config::load_text(
        text,
        std::path::Path::new("/etc/levee/agent.toml"),
        &crate::support::host(),
    );
    let mut lab = Watched::with(config.expect("sound"));
    lab.go_on(1, Reason::AddressRate, 400_000);
    assert_eq!(names(&lab.told()), ["attack_started"]);
}

#[test]
fn what_is_switched_off_tells_nothing_and_ends_what_was_open() {
    let off = config("[detect]\nenabled = false\n");
    let mut lab = Watched::with(off.clone());
    lab.go_on(2, Reason::AddressRate, 400_000);
    assert_eq!((lab.told(), lab.shown()), (vec![], vec![]));
    let status = view::status(&lab.engine.snapshots().borrow());
    assert!(status.detection.is_some_and(|detection| !detection.enabled));

    let mut lab = Watched::with(config(""));
    lab.go_on(1, Reason::AddressRate, 400_000);
    let command = agent::command::Command::Reload(Box::new(off));
    crate::support::order(&mut lab.engine, command, lab.now).expect("reloads");
    lab.go_on(1, Reason::AddressRate, 400_000);
    assert_eq!(names(&lab.told()), ["attack_started", "attack_ended"]);
    assert_eq!(lab.shown(), []);
}

/// The wall clock steps by hours, the machine sleeps: neither makes rates, ends or attacks.
#[test]
fn clocks_may_step_and_polls_may_pause() {
    let mut lab = Watched::with(config(""));
    lab.go_on(3, Reason::Syn, 100);
    for hours in [5, -9, 4] {
        let wall = lab
            .now
            .wall
            .checked_add(jiff::SignedDuration::from_hours(hours))
            .expect("in range");
        lab.now = Now { wall, ..lab.now };
        lab.go_on(2, Reason::Syn, 100);
    }
    // Stopped for a minute, in which the usual came.
    lab.counts[0].add(Reason::Syn, 6_000);
    lab.poll_after(Duration::from_secs(60));
    // Twice at the same instant, and (which the kernel's clock never does) a little earlier.
    lab.poll_after(Duration::ZERO);
    lab.now.mono = MonotonicNs(lab.now.mono.0 - 1);
    lab.poll_after(Duration::ZERO);
    lab.now.mono = MonotonicNs(lab.now.mono.0 + 1);
    lab.go_on(2, Reason::Syn, 100);
    assert_eq!(lab.told(), []);
    let stats = view::stats(&lab.engine.snapshots().borrow(), Some(address(VICTIM))).expect("protected");
    let syn_pps = stats.addresses[0].rates.syn_pps;
    assert!((80.0..120.0).contains(&syn_pps), "{syn_pps}");

    let wall = lab.now.wall.checked_sub(Duration::from_secs(86_400)).expect("in range");
    lab.now = Now { wall, ..lab.now };
    lab.go_on(1, Reason::AddressRate, 400_000);
    lab.go_on(40, Reason::Syn, 100);
    assert_eq!(names(&lab.told()), ["attack_started", "attack_ended"]);
}

#[test]
fn people_see_rates_over_a_second_however_often_it_is_polled() {
    let mut lab = Watched::with(config(""));
    let shown_at = |lab: &Watched| lab.engine.snapshots().borrow().now.mono.0;
    let mut times = std::collections::BTreeSet::new();
    // The first reading has no rates.
    lab.go_on(1, Reason::Syn, 500);
    for _ in 0..30 {
        lab.go_on(1, Reason::Syn, 500);
        times.insert(shown_at(&lab));
        let stats = view::stats(&lab.engine.snapshots().borrow(), Some(address(VICTIM))).expect("protected");
        assert!((stats.addresses[0].rates.syn_pps - 500.0).abs() < 1.0, "{stats:?}");
        let seconds = lab.engine.snapshots().borrow().meter.seconds;
        assert!((0.9..1.1).contains(&seconds), "{seconds}");
    }
    assert_eq!(times.len(), 30);
}

#[test]
fn what_an_address_had_counted_before_it_came_is_no_attack() {
    let mut lab = Watched::with(config(""));
    lab.go_on(1, Reason::Syn, 100);
    lab.bench.kernel.lock().counts.truncate(2);
    let then = lab.now.plus(Duration::from_millis(100));
    lab.now = Now {
        wall: then.wall,
        mono: then.mono,
    };
    lab.engine.tick(lab.now);
    lab.counts[1].add(Reason::UdpRate, 5_000_000);
    lab.go_on(1, Reason::Syn, 100);
    assert_eq!(lab.told(), []);
    lab.counts[1].add(Reason::UdpRate, 5_000_000);
    lab.go_on(1, Reason::Syn, 100);
    assert_eq!(names(&lab.told()), ["attack_started"], "what comes from then on is");
}

#[test]
fn an_attack_that_goes_on_outlives_the_agent() {
    let mut lab = Watched::with(config(""));
    lab.go_on(2, Reason::AddressRate, 400_000);
    let before = lab.shown();
    assert_eq!(before.len(), 1);
    drop(lab.engine);
    lab.engine = lab.bench.start(config(""), lab.now).expect("starts again");
    lab.events = lab.engine.events().subscribe();
    lab.go_on(1, Reason::AddressRate, 400_000);
    assert_eq!(lab.told(), [], "it is the same attack");
    let after = lab.shown();
    assert_eq!(
        (after.len(), after[0].id, after[0].started),
        (1, before[0].id, before[0].started)
    );
    lab.go_on(40, Reason::Syn, 100);
    assert_eq!(names(&lab.told()), ["attack_ended"]);
    lab.go_on(1, Reason::AddressRate, 400_000);
    assert_eq!(lab.shown()[0].id, before[0].id + 1, "numbers never come again");
}
