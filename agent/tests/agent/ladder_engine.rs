//! The ladder in the engine: what it decides is in the kernel's tables, in the journal and in the views, survives a restart,
//! gives way to people; and whether an address can be put back.

use std::collections::BTreeSet;

use agent::{
    clock::Now,
    command::Command,
    config::Config,
    control::{
        api::{RungRequest, RungView},
        view,
    },
    detect::{Attack, AttackVector, HostObservation, Observation, Peaks, Rates, Standing, Subject, Tick},
    engine::Engine,
    ledger::Ledger,
    tables::{ForcedRung, Rung},
};

use crate::support::{Bench, address, block, config, later, noon, order, remove, tcp};

const ADDRESS: &str = "203.0.113.7";

fn ladder() -> Config {
    config("[ladder]\nhighest = \"blackhole\"\n[ladder.known]\nafter = \"5s\"\n[ladder.blackhole]\nafter = \"5s\"\n")
}

fn attack_on(subject: Subject, since: Now) -> Attack {
    Attack {
        id: 7,
        subject,
        started: since.wall,
        detected: since.wall,
        last_excess: since.wall,
        ended: None,
        vectors: BTreeSet::from([AttackVector::Syn]),
        rungs: BTreeSet::new(),
        peaks: Peaks::default(),
        impact_seconds: 0.0,
        fleet: None,
    }
}

/// So many seconds of traffic, a tick each; the rung is the one in force. The engine's own polls would see the fake's counters.
fn observe(engine: &mut Engine, from: Now, seconds: u64, arriving: f64, under_attack: bool) -> Now {
    let subject = Subject::Address(address(ADDRESS));
    for second in 1..=seconds {
        let at = later(from, second);
        engine.look(Ok(Box::new(tcp())), at);
        let rung = rung_of(engine);
        let blackholed = rung == Rung::Blackhole.name();
        let tick = Tick {
            elsewhere: std::collections::BTreeMap::new(),
            at,
            seconds: 1.0,
            subjects: vec![Observation {
                subject,
                rates: Rates {
                    syn: if blackholed { 0.0 } else { arriving },
                    blackholed: if blackholed { arriving } else { 0.0 },
                    dropped: arriving,
                    ..Rates::default()
                },
                standing: Standing {
                    syn_threshold: Some(100_000.0),
                    excess: under_attack,
                    // What the kernel side does by itself is not in these tables.
                    rung: Rung::ALL
                        .into_iter()
                        .find(|known| known.name() == rung)
                        .expect("a rung")
                        .max(if under_attack { Rung::Verify } else { Rung::Limit }),
                    counts_handshakes: true,
                },
            }],
            host: HostObservation {
                receive_drops: 1e6,
                softirq: 1.0,
                ..HostObservation::default()
            },
        };
        let attacks: Vec<Attack> = under_attack.then(|| attack_on(subject, from)).into_iter().collect();
        engine.climb(&tick, &attacks, under_attack);
    }
    let end = later(from, seconds);
    // Makes a new picture for the views.
    engine.look(Ok(Box::new(tcp())), end);
    end
}

fn line_of(engine: &Engine) -> RungView {
    let views = view::rungs(&engine.snapshots().borrow());
    let found = views.into_iter().find(|view| view.address == address(ADDRESS));
    found.expect("protected")
}

fn rung_of(engine: &Engine) -> String {
    line_of(engine).rung
}

fn forced(bench: &Bench) -> Option<ForcedRung> {
    bench.kernel.lock().addresses[&address(ADDRESS)].rung
}

#[test]
fn what_it_takes_is_in_force_with_an_end_and_under_its_own_name() {
    let bench = Bench::default();
    let mut engine = bench.start(ladder(), noon()).expect("starts");
    let now = observe(&mut engine, noon(), 8, 300_000.0, true);
    let until = forced(&bench).expect("known").until.expect("an end");
    assert_eq!(forced(&bench).map(|forced| forced.rung), Some(Rung::Known));
    assert!(until > now.mono && until <= later(now, 300).mono, "{until:?}");
    let view = line_of(&engine);
    assert_eq!((view.rung.as_str(), &view.forced), ("known", &None), "nobody forced it");
    let automatic = view.automatic.expect("by itself");
    assert_eq!((automatic.rung, automatic.dry_run), (Rung::Known, false));
    assert!(automatic.reason.contains("this host is saturated"), "{automatic:?}");
    assert!((50..=60).contains(&automatic.hold_left_seconds), "{automatic:?}");
    assert_eq!(view.since, Some(automatic.since));
    drop(engine);
    let (mut ledger, _) = Ledger::open(bench.directory.path(), now.wall);
    let journal = ledger.journal(10).expect("reads");
    let entry = journal.iter().find(|entry| entry.actor == "ladder").expect("recorded");
    assert_eq!(entry.command, "rung 203.0.113.7 known");
    assert!(
        entry.reason.as_deref().is_some_and(|why| why.contains("saturated")),
        "{entry:?}"
    );
}

#[test]
fn it_is_renewed_while_there_is_need_and_without_a_line_in_the_journal() {
    let bench = Bench::default();
    let slow = config("[ladder]\nhighest = \"known\"\nttl = \"20s\"\n[ladder.known]\nafter = \"5s\"\n");
    let mut engine = bench.start(slow, noon()).expect("starts");
    let now = observe(&mut engine, noon(), 100, 300_000.0, true);
    let until = forced(&bench).expect("known").until.expect("an end");
    assert!(until > now.mono && until <= later(now, 20).mono, "{until:?} at {now:?}");
    drop(engine);
    let (mut ledger, _) = Ledger::open(bench.directory.path(), now.wall);
    let entries = ledger.journal(100).expect("reads");
    let own = entries.iter().filter(|entry| entry.actor == "ladder").count();
    assert_eq!(own, 1, "{entries:?}");
}

#[test]
fn a_restart_goes_on_with_it_and_does_not_take_it_for_a_persons() {
    let bench = Bench::default();
    let mut engine = bench.start(ladder(), noon()).expect("starts");
    let now = observe(&mut engine, noon(), 8, 300_000.0, true);
    drop(engine);
    let writes = bench.kernel.lock().writes;
    let mut engine = bench.start(ladder(), later(now, 5)).expect("starts");
    assert_eq!(bench.kernel.lock().writes, writes, "not one write");
    let now = observe(&mut engine, later(now, 5), 2, 300_000.0, true);
    let view = line_of(&engine);
    assert_eq!((view.rung.as_str(), view.forced), ("known", None));
    assert_eq!(view.automatic.map(|automatic| automatic.rung), Some(Rung::Known));
    // Calm: it goes down as it would have without the restart.
    let now = observe(&mut engine, now, 120, 100.0, false);
    assert_eq!(forced(&bench), None, "{:?}", line_of(&engine));
    assert!(line_of(&engine).automatic.is_none());
    assert!(now.mono > noon().mono);
}

#[test]
fn a_person_wins_and_is_shown() {
    let bench = Bench::default();
    let mut engine = bench.start(ladder(), noon()).expect("starts");
    let now = observe(&mut engine, noon(), 8, 300_000.0, true);
    let request = |rung| RungRequest {
        target: ADDRESS.to_owned(),
        rung,
        ttl: None,
        reason: Some("T4711".to_owned()),
        force: false,
        ..RungRequest::default()
    };
    let refusal = order(&mut engine, Command::SetRung(request(None)), now).expect_err("nobody forced it");
    assert!(refusal.to_string().contains("it took known by itself"), "{refusal}");
    order(&mut engine, Command::SetRung(request(Some(Rung::Limit))), now).expect("forced");
    assert_eq!(forced(&bench).map(|forced| forced.rung), Some(Rung::Limit), "at once");
    let now = observe(&mut engine, now, 60, 300_000.0, true);
    assert_eq!(forced(&bench).map(|forced| forced.rung), Some(Rung::Limit));
    let view = line_of(&engine);
    assert_eq!(view.forced.expect("forced").reason.as_deref(), Some("T4711"));
    assert!(view.automatic.is_none());
    order(&mut engine, Command::SetRung(request(None)), now).expect("taken back");
    observe(&mut engine, now, 8, 300_000.0, true);
    assert_eq!(
        forced(&bench).map(|forced| forced.rung),
        Some(Rung::Known),
        "by itself again"
    );
}

#[test]
fn who_takes_its_blackhole_back_is_warned_and_obeyed() {
    let bench = Bench::default();
    let mut engine = bench.start(ladder(), noon()).expect("starts");
    let now = observe(&mut engine, noon(), 20, 300_000.0, true);
    assert_eq!(rung_of(&engine), "blackhole");
    let listed = view::list(&engine.snapshots().borrow());
    assert_eq!(listed.blackholes[0].origin.actor, "ladder");
    let done = order(&mut engine, Command::Unblock(remove(ADDRESS)), now).expect("obeyed");
    assert_eq!(done.not_safe, [address(ADDRESS)]);
    let said = |part: &str| done.warnings.iter().any(|warning| warning.contains(part));
    assert!(
        said("it was not safe to put 203.0.113.7 back: attack 7 goes on"),
        "{done:?}"
    );
    assert!(said("the ladder will not blackhole 203.0.113.7 until"), "{done:?}");
    let now = observe(&mut engine, now, 120, 300_000.0, true);
    assert_eq!(rung_of(&engine), "known", "as high as the person lets it");
    assert_eq!(line_of(&engine).ceiling.expect("by whom").actor, "uid=0 (root) pid=1");
    let auto = RungRequest {
        target: ADDRESS.to_owned(),
        rung: None,
        ttl: None,
        reason: None,
        force: false,
        ..RungRequest::default()
    };
    order(&mut engine, Command::SetRung(auto), now).expect("lets it");
    observe(&mut engine, now, 30, 300_000.0, true);
    assert_eq!(rung_of(&engine), "blackhole");
}

#[test]
fn safe_says_no_until_the_flood_was_over_for_the_cooldown() {
    let bench = Bench::default();
    let mut engine = bench.engine();
    let safe = |engine: &Engine, target: &str| view::safe(&engine.snapshots().borrow(), target);
    assert!(safe(&engine, ADDRESS).expect("protected").safe, "nothing is going on");
    order(&mut engine, Command::Block(block(ADDRESS)), noon()).expect("blackholed");
    let now = observe(&mut engine, noon(), 5, 300_000.0, true);
    let answer = safe(&engine, ADDRESS).expect("protected");
    assert!(!answer.safe && answer.why.starts_with("attack 7 goes on"), "{answer:?}");
    assert!((answer.residual_pps - 300_000.0).abs() < 1.0, "{answer:?}");
    let now = observe(&mut engine, now, 10, 50.0, false);
    let answer = safe(&engine, ADDRESS).expect("protected");
    assert!(!answer.safe && answer.why.ends_with("wait 20s more"), "{answer:?}");
    assert!(
        !safe(&engine, "203.0.113.0/24").expect("holds some").safe,
        "one of two is not"
    );
    let now = observe(&mut engine, now, 21, 50.0, false);
    let answer = safe(&engine, ADDRESS).expect("protected");
    assert!(answer.safe, "{answer:?}");
    let all = safe(&engine, "203.0.113.0/24").expect("holds some");
    assert!(all.safe && all.addresses.len() == 2, "{all:?}");
    let done = order(&mut engine, Command::Unblock(remove(ADDRESS)), now).expect("put back");
    assert_eq!(done.not_safe.len(), 0, "{done:?}");
    assert!(done.warnings.is_empty(), "{done:?}");
    let refusal = safe(&engine, "198.51.100.1").expect_err("not ours");
    assert!(refusal.error.contains("is not a protected address"), "{refusal}");
}

#[test]
fn what_the_kernel_refuses_is_tried_again() {
    let bench = Bench::default();
    let mut engine = bench.start(ladder(), noon()).expect("starts");
    let now = observe(&mut engine, noon(), 4, 300_000.0, true);
    {
        let mut fake = bench.kernel.lock();
        fake.fail_at = Some(fake.writes + 1);
    }
    let now = observe(&mut engine, now, 1, 300_000.0, true);
    assert_eq!(forced(&bench), None);
    let warnings = engine.snapshots().borrow().warnings.clone();
    assert!(
        warnings
            .iter()
            .any(|text| text.contains("what the ladder decided is not in force")),
        "{warnings:?}"
    );
    observe(&mut engine, now, 2, 300_000.0, true);
    assert_eq!(forced(&bench).map(|forced| forced.rung), Some(Rung::Known));
}
