//! Attacks that are thin on every node: many worlds side by side, each with its own detector, that tell each other what they see by
//! the parts that the agent uses, with an etcd that takes a tick.

use std::sync::Arc;

use agent::{
    detect::{Attack, What},
    fleet::{Adder, FleetState, Link, Publisher, Report, Sums, Write, report_of},
};
use jiff::Timestamp;
use proptest::prelude::*;

use crate::{
    run::{TICK, Watch},
    scenarios::address,
    world::{Load, Place, Setup, World},
};

/// When something begins, in seconds.
const ONSET: f64 = 5.0;
/// All must have found it after so long.
const WITHIN: f64 = 2.0;
/// An engine tells its task what moved by more than this share.
const NOTED: f64 = 0.1;

struct Node {
    world: World,
    watch: Watch,
    publisher: Publisher,
    report: Arc<Report>,
    state: FleetState,
    /// When it found its first attack, from the onset.
    found: Option<f64>,
}

struct Fleet {
    nodes: Vec<Node>,
    adder: Adder,
    revision: i64,
    sums: Arc<Sums>,
    at: f64,
}

impl Fleet {
    fn new(count: usize, setup: Setup) -> Self {
        let node = |seed| Node {
            world: World::new(seed, vec![Place::new(address(1), setup)]),
            watch: Watch::new(),
            publisher: Publisher::default(),
            report: Arc::default(),
            state: FleetState {
                node: Some(format!("lb{seed}")),
                link: Link::Up {
                    since: Timestamp::UNIX_EPOCH,
                },
                ..FleetState::default()
            },
            found: None,
        };
        Self {
            nodes: (0..count as u64).map(node).collect(),
            adder: Adder::after(&Sums::default()),
            revision: 1,
            sums: Arc::default(),
            at: 0.0,
        }
    }

    /// A tick of all of them: what each meets, by its number and the time.
    fn tick(&mut self, load: &impl Fn(f64, usize) -> Load) {
        let mut now = None;
        for (index, node) in self.nodes.iter_mut().enumerate() {
            let (sums, own) = node.publisher.believed(&self.sums);
            (node.state.sums, node.state.own) = (sums, own);
            let mut tick = node.world.tick(TICK, |_| load(self.at, index));
            tick.elsewhere = node.state.all_elsewhere();
            let events = node.watch.feed(&tick);
            let is_found = events
                .iter()
                .any(|event| matches!(event.what, What::AttackStarted { .. }));
            if is_found {
                node.found.get_or_insert(self.at + TICK - ONSET);
            }
            let pressing = node.watch.detector.pressing();
            let report = report_of(pressing, node.state.sums.nodes, 64, &node.report);
            if report.differs(&node.report, NOTED) {
                node.report = Arc::new(report);
            }
            let mono = tick.at.mono;
            now = Some(mono);
            if let Some(write) = node.publisher.due(&node.report, mono) {
                self.revision += 1;
                let name = index.to_string();
                match write {
                    Write::Put(report) => {
                        let read = Report::read(&report.write()).expect("what a node writes makes sense");
                        self.adder.put(&name, read, self.revision);
                    }
                    Write::Delete => self.adder.remove(&name, self.revision),
                }
                node.publisher.wrote(self.revision);
            }
        }
        let due = now.and_then(|now| self.adder.due(self.nodes.len(), &self.sums, now));
        if let Some(sums) = due {
            self.sums = Arc::new(Sums::read(&sums.write()).expect("what the leader writes makes sense"));
        }
        self.at += TICK;
    }

    fn run(mut self, seconds: f64, load: impl Fn(f64, usize) -> Load) -> Self {
        let end = self.at + seconds - TICK / 2.0;
        while self.at < end {
            self.tick(&load);
        }
        self
    }

    /// The slowest node, if all have found it.
    fn all_found_after(&self) -> Option<f64> {
        let found: Option<Vec<f64>> = self.nodes.iter().map(|node| node.found).collect();
        Some(found?.into_iter().fold(0.0, f64::max))
    }

    fn attacks(&self) -> impl Iterator<Item = &Attack> {
        self.nodes.iter().flat_map(|node| node.watch.detector.attacks())
    }

    fn assert_nothing(&self) {
        let found: Vec<_> = self.nodes.iter().map(|node| node.found).collect();
        assert!(found.iter().all(Option::is_none), "{found:?}");
    }
}

/// So many forged SYNs per second from the onset on, beside customers.
fn thin(flood: f64, customers: f64) -> impl Fn(f64, usize) -> Load {
    move |at, _| Load {
        customers,
        flood: if at >= ONSET { flood } else { 0.0 },
        ..Load::default()
    }
}

#[test]
fn what_is_thin_on_every_node_is_found_on_every_node() {
    for (nodes, customers) in [(3, 300.0), (100, 100.0)] {
        let share = 21_000.0 / f64::from(nodes);
        let fleet = Fleet::new(nodes as usize, Setup::default()).run(ONSET + 4.0, thin(share, customers));
        let after = fleet.all_found_after().expect("all of them find it");
        assert!(after <= WITHIN, "{nodes} nodes: {after} s");
        for attack in fleet.attacks() {
            let elsewhere = attack.fleet.expect("it is fleet-wide");
            assert!(elsewhere.nodes == nodes - 1 && elsewhere.attacked == 0, "{attack:?}");
            assert!(
                elsewhere.unproven > 12_000.0 && elsewhere.unproven < 22_000.0,
                "{attack:?}"
            );
        }
        // One of them alone sees nothing in it.
        Fleet::new(1, Setup::default())
            .run(ONSET + 4.0, thin(share, customers))
            .assert_nothing();
    }
}

#[test]
fn where_no_handshake_is_counted_it_is_found_too() {
    let forwards = Setup {
        terminates: false,
        ..Setup::default()
    };
    let fleet = Fleet::new(3, forwards).run(ONSET + 4.0, thin(7_000.0, 300.0));
    let after = fleet.all_found_after().expect("all of them find it");
    assert!(after <= WITHIN, "{after} s");
}

#[test]
fn it_is_over_on_every_node_once_the_sum_is_gone() {
    let load = |at, _| Load {
        customers: 300.0,
        flood: if (ONSET..ONSET + 20.0).contains(&at) {
            7_000.0
        } else {
            0.0
        },
        ..Load::default()
    };
    let fleet = Fleet::new(3, Setup::default()).run(ONSET + 45.0, load);
    assert_eq!(fleet.attacks().count(), 3, "for 30 seconds more");
    let fleet = fleet.run(15.0, load);
    assert_eq!(fleet.attacks().count(), 0);
}

#[test]
fn half_of_it_is_none() {
    for nodes in [3, 100] {
        let share = 9_000.0 / f64::from(nodes);
        Fleet::new(nodes as usize, Setup::default())
            .run(ONSET + 15.0, thin(share, 300.0))
            .assert_nothing();
    }
}

#[test]
fn a_crowd_at_all_nodes_is_none() {
    for (nodes, before, then) in [(3, 300.0, 10_000.0), (100, 10.0, 300.0)] {
        let load = |at: f64, _| Load {
            customers: before + (then - before) * ((at - ONSET) / 2.0).clamp(0.0, 1.0),
            ..Load::default()
        };
        Fleet::new(nodes, Setup::default())
            .run(ONSET + 15.0, load)
            .assert_nothing();
    }
}

#[test]
fn a_flood_at_one_node_is_no_attack_at_the_others() {
    let load = |at, index| Load {
        customers: 300.0,
        flood: if at >= ONSET && index == 0 { 200_000.0 } else { 0.0 },
        ..Load::default()
    };
    let fleet = Fleet::new(3, Setup::default()).run(ONSET + 10.0, load);
    let found: Vec<bool> = fleet.nodes.iter().map(|node| node.found.is_some()).collect();
    assert_eq!(found, [true, false, false]);
    let attack = fleet.attacks().next().expect("at the first one");
    assert_eq!(attack.fleet, None, "it was told by what arrives there");
    let sum = fleet
        .sums
        .get("203.0.113.1".parse().expect("address"))
        .expect("it is told");
    assert_eq!((sum.nodes, sum.attacked), (1, 1));
}

#[test]
fn rates_that_rise_and_fall_everywhere_at_once_are_counted_once() {
    // 4,000 at each of two nodes: counted twice, one of them would be over 10,000.
    for period in [0.6, 0.9, 1.3, 1.7, 2.6] {
        let load = |at: f64, _| Load {
            flood: if at >= ONSET && ((at / period).floor() as u64).is_multiple_of(2) {
                4_000.0
            } else {
                0.0
            },
            ..Load::default()
        };
        Fleet::new(2, Setup::default()).run(ONSET + 30.0, load).assert_nothing();
    }
}

#[test]
fn a_node_that_lies_cannot_attack_where_nothing_arrives() {
    for lie in [12_000.0, 1e12] {
        let mut fleet = Fleet::new(3, Setup::default()).run(ONSET, thin(0.0, 300.0));
        let text = format!(
            r#"{{"pressures":[{{"address":"203.0.113.1","unproven":{lie},"syn":1.0,"threshold":1.0,"rung":"limit"}}]}}"#
        );
        let report = Report::read(text.as_bytes()).expect("it could be");
        fleet.revision += 1;
        fleet.adder.put("liar", report, fleet.revision);
        fleet.run(10.0, thin(0.0, 300.0)).assert_nothing();
    }
    for lie in ["1e13", "-1", "1e999", "\"NaN\"", "null"] {
        let text = format!(
            r#"{{"pressures":[{{"address":"203.0.113.1","unproven":{lie},"syn":1.0,"threshold":1.0,"rung":"limit"}}]}}"#
        );
        Report::read(text.as_bytes()).expect_err(lie);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// However what is over the threshold is spread: every node that gets some of it finds it in time.
    #[test]
    fn any_split_over_the_threshold_is_found(
        shares in prop::collection::vec(0.05..1.0f64, 2..30), rate in 20_500.0..40_000.0f64,
    ) {
        let all: f64 = shares.iter().sum();
        let load = |at: f64, index: usize| Load {
            flood: if at >= ONSET { shares[index] / all * rate } else { 0.0 },
            ..Load::default()
        };
        let fleet = Fleet::new(shares.len(), Setup::default()).run(ONSET + 3.0, load);
        let after = fleet.all_found_after();
        prop_assert!(after.is_some_and(|after| after <= WITHIN), "{:?}", after);
    }

    /// And what is under half of it is none, however it is spread.
    #[test]
    fn no_split_under_half_the_threshold_is_found(
        shares in prop::collection::vec(0.0..1.0f64, 2..30), rate in 0.0..9_000.0f64,
    ) {
        let all = shares.iter().sum::<f64>().max(1e-9);
        let load = |at: f64, index: usize| Load {
            flood: if at >= ONSET { shares[index] / all * rate } else { 0.0 },
            ..Load::default()
        };
        let fleet = Fleet::new(shares.len(), Setup::default()).run(ONSET + 8.0, load);
        prop_assert!(fleet.nodes.iter().all(|node| node.found.is_none()));
    }
}
