//! What a node does of what all decided: guard rails of its own, ends, restarts, failures, and what it tells of them.

use std::{sync::Arc, time::Duration};

use agent::{
    control::view,
    detect::What,
    engine::Engine,
    fleet::{Board, By, Content, Decision, FleetState, Link, Sum, Sums, is_from_fleet},
    host::HostFacts,
    ladder::Rung,
    tables::ListAction,
};

use super::fake::{FLEET, decision, state};
use crate::support::{Bench, address, config, host, later, noon};

const BLOCK: Option<Content> = Some(Content::Entry(ListAction::Block));
const HOLE: Option<Content> = Some(Content::Blackhole { all: false });

fn board(decisions: &[(&str, Option<Content>)]) -> Board {
    let mut board = Board::default();
    for (target, content) in decisions {
        let key = (target.parse().expect("target"), By::Human);
        board
            .put(key, decision("lb2", noon().wall, *content), noon().wall)
            .expect("sound");
    }
    board
}

fn engine(bench: &Bench) -> Engine {
    let mut engine = bench.start(config(FLEET), noon()).expect("starts");
    engine.note_host(HostFacts {
        gateways: vec![address("192.0.2.1")],
        resolvers: vec![address("192.0.2.53")],
        ..host()
    });
    engine
}

fn entries(bench: &Bench) -> Vec<String> {
    bench.kernel.lock().entries.keys().map(ToString::to_string).collect()
}

fn told(events: &mut tokio::sync::broadcast::Receiver<Arc<agent::detect::NumberedEvent>>) -> Vec<What> {
    std::iter::from_fn(|| events.try_recv().ok())
        .map(|event| event.what.clone())
        .collect()
}

#[test]
fn what_would_cut_this_node_off_is_left_out_and_named_once() {
    let bench = Bench::default();
    let mut engine = engine(&bench);
    let mut events = engine.events().subscribe();
    let board = board(&[
        ("entry/192.0.2.0/28", BLOCK),
        ("entry/192.0.2.53/32", BLOCK),
        ("entry/203.0.113.0/29", BLOCK),
        ("entry/198.51.100.0/24", BLOCK),
        ("entry/192.0.2.0/24", Some(Content::Entry(ListAction::Allow))),
    ]);
    engine.take_fleet(state(&board), noon());
    assert_eq!(
        entries(&bench),
        ["192.0.2.0/24", "198.51.100.0/24"],
        "the others are done"
    );
    let told_first = told(&mut events);
    let held_back = told_first
        .iter()
        .filter(|what| matches!(what, What::FleetHeldBack { .. }))
        .count();
    assert_eq!(held_back, 3, "{told_first:?}");
    let warnings = engine.snapshots().borrow().warnings.clone();
    for named in ["the default gateway", "a resolver", "our own address"] {
        assert!(
            warnings.iter().any(|warning| warning.contains(named)),
            "{named}: {warnings:?}"
        );
    }
    engine.take_fleet(state(&board), later(noon(), 1));
    engine.tick(later(noon(), 2));
    assert_eq!(told(&mut events), [], "once");
    let refused = engine
        .journal((noon().wall, later(noon(), 9).wall), 100)
        .expect("journal");
    assert_eq!(
        refused.iter().filter(|entry| !entry.succeeded).count(),
        3,
        "{refused:?}"
    );
    // Taken back, it is no warning any more.
    engine.take_fleet(state(&Board::default()), later(noon(), 3));
    let warnings = engine.snapshots().borrow().warnings.clone();
    assert!(
        !warnings.iter().any(|warning| warning.contains("not done here")),
        "{warnings:?}"
    );
}

#[test]
fn the_last_reachable_address_stays_unless_that_was_forced() {
    let bench = Bench::default();
    let mut engine = engine(&bench);
    let both = board(&[("blackhole/203.0.113.7", HOLE), ("blackhole/203.0.113.8", HOLE)]);
    engine.take_fleet(state(&both), noon());
    let holes = |bench: &Bench| -> Vec<bool> {
        let kernel = bench.kernel.lock();
        kernel
            .addresses
            .values()
            .map(|state| state.blackhole.is_some())
            .collect()
    };
    assert_eq!(holes(&bench), [true, false], "one of them is left");
    engine.tick(later(noon(), 2));
    assert_eq!(holes(&bench), [true, false], "it stays so");
    let mut forced = Board::default();
    for (&key, decision) in both.iter() {
        let decision = Decision {
            force: true,
            at: later(noon(), 3).wall,
            ..decision.clone()
        };
        forced.put(key, decision, later(noon(), 3).wall).expect("sound");
    }
    engine.take_fleet(state(&forced), later(noon(), 3));
    assert_eq!(holes(&bench), [true, true]);
}

#[test]
fn it_ends_by_itself_and_a_restart_that_is_cut_off_goes_on_with_it() {
    let bench = Bench::default();
    let mut engine = engine(&bench);
    let mut ends = Board::default();
    let until = noon().plus(Duration::from_secs(60)).wall;
    let decision = Decision {
        until: Some(until),
        ..decision("lb2", noon().wall, BLOCK)
    };
    ends.put(
        ("entry/198.51.100.0/24".parse().expect("target"), By::Human),
        decision,
        noon().wall,
    )
    .expect("sound");
    engine.take_fleet(state(&ends), noon());
    drop(engine);
    let mut engine = bench.start(config(FLEET), later(noon(), 10)).expect("starts");
    assert_eq!(entries(&bench), ["198.51.100.0/24"]);
    let origin = engine
        .snapshots()
        .borrow()
        .overrides
        .list
        .values()
        .next()
        .expect("held")
        .origin
        .clone();
    assert!(
        is_from_fleet(&origin) && origin.actor == "fleet: uid=0 (root) on lb2",
        "{origin:?}"
    );
    let cut_off = FleetState {
        link: Link::Down {
            since: noon().wall,
            why: "connection refused".to_owned(),
        },
        ..state(&ends)
    };
    engine.take_fleet(cut_off.clone(), later(noon(), 11));
    assert_eq!(entries(&bench), ["198.51.100.0/24"]);
    engine.tick(later(noon(), 61));
    assert_eq!(entries(&bench), [""; 0], "by its own clock");
    engine.take_fleet(cut_off, later(noon(), 62));
    assert_eq!(entries(&bench), [""; 0], "and nothing that ended comes back");
}

#[test]
fn what_the_kernel_refuses_is_tried_again_and_keeps_nothing_else_from_being_done() {
    let bench = Bench::default();
    let mut engine = engine(&bench);
    bench.kernel.lock().room = 2;
    let many = board(&[
        ("entry/198.51.100.1/32", BLOCK),
        ("entry/198.51.100.2/32", BLOCK),
        ("entry/198.51.100.3/32", BLOCK),
    ]);
    engine.take_fleet(state(&many), noon());
    assert_eq!(entries(&bench).len(), 2, "as much as there is room for");
    let warnings = engine.snapshots().borrow().warnings.clone();
    assert!(
        warnings.iter().any(|warning| warning.contains("tried again")),
        "{warnings:?}"
    );
    bench.kernel.lock().room = 10;
    engine.tick(later(noon(), 2));
    assert_eq!(entries(&bench).len(), 3);
    let warnings = engine.snapshots().borrow().warnings.clone();
    assert!(
        !warnings.iter().any(|warning| warning.contains("tried again")),
        "{warnings:?}"
    );
}

#[test]
fn the_view_says_what_holds_where_and_why_not() {
    let bench = Bench::default();
    let mut engine = engine(&bench);
    let board = board(&[
        ("entry/192.0.2.0/28", BLOCK),
        ("rung/203.0.113.7", Some(Content::Rung(Rung::Verify))),
    ]);
    engine.take_fleet(state(&board), noon());
    let view = view::fleet(&engine.snapshots().borrow());
    let lines: Vec<(&str, &str, bool)> = view
        .decisions
        .iter()
        .map(|one| (one.kind.as_str(), one.holds.as_str(), one.here))
        .collect();
    assert_eq!(lines, [("entry", "blocked", false), ("rung", "verify", true)]);
    assert!(
        view.problems.iter().any(|problem| problem.contains("default gateway")),
        "{view:?}"
    );
}

#[test]
fn an_attack_that_is_thin_everywhere_is_told_once_by_the_node_that_adds_up() {
    let bench = Bench::default();
    let mut engine = engine(&bench);
    let mut events = engine.events().subscribe();
    let seen = |unproven: f64, leader: &str| {
        let sum = Sum {
            address: address("203.0.113.7"),
            unproven,
            syn: unproven,
            threshold: 1_000.0,
            nodes: 3,
            attacked: 0,
            rung: Rung::Limit,
        };
        FleetState {
            sums: Arc::new(Sums {
                nodes: 3,
                sums: vec![sum],
                ..Sums::default()
            }),
            leader: Some(leader.to_owned()),
            ..state(&Board::default())
        }
    };
    engine.take_fleet(seen(1_500.0, "lb2"), noon());
    assert_eq!(told(&mut events), [], "another node tells");
    engine.take_fleet(seen(1_500.0, "lb1"), noon());
    engine.take_fleet(seen(1_600.0, "lb1"), noon());
    let attack = |unproven| What::FleetAttack {
        unproven,
        threshold: 1_000.0,
        nodes: 3,
    };
    assert_eq!(told(&mut events), [attack(1_500.0)]);
    engine.take_fleet(seen(100.0, "lb1"), noon());
    engine.take_fleet(seen(1_700.0, "lb1"), noon());
    assert_eq!(told(&mut events), [attack(1_700.0)], "calm came between");
}
