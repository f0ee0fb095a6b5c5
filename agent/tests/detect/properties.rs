//! What holds whatever comes.

use std::collections::{BTreeMap, BTreeSet};

use agent::{
    clock::Now,
    detect::{Event, HostObservation, Observation, Rates, Standing, Subject, Tick, What},
    ladder::Rung,
    tables::MonotonicNs,
};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use crate::{run::Watch, scenarios::address, world::MONDAY};

/// A rate: mostly sound, sometimes garbage.
/// Boxed, here and below: in one piece they are too large for a test's stack.
fn rate() -> BoxedStrategy<f64> {
    prop_oneof![
        6 => 0.0..1_000.0f64,
        4 => 1_000.0..1_000_000.0f64,
        1 => Just(0.0),
        1 => prop_oneof![Just(f64::NAN), Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(-5.0), Just(f64::MAX)],
    ]
    .boxed()
}

fn rates() -> impl Strategy<Value = Rates> {
    prop::array::uniform16(rate()).prop_map(|numbers| Rates::of_numbers(&numbers))
}

fn seen(subject: Subject) -> BoxedStrategy<Observation> {
    let threshold = prop_oneof![Just(None), rate().prop_map(Some)];
    (rates(), threshold, any::<bool>(), any::<bool>())
        .prop_map(move |(rates, syn_threshold, excess, counts)| Observation {
            subject,
            rates,
            standing: Standing {
                syn_threshold,
                excess,
                rung: Rung::Limit,
                counts_handshakes: counts,
            },
        })
        .boxed()
}

/// Two addresses and their group; sometimes one of them is not protected.
fn subjects() -> impl Strategy<Value = Vec<Observation>> {
    let group = Subject::Group("203.0.113.0/24".parse().expect("prefix"));
    (seen(address(1)), seen(address(2)), seen(group), 0..12u8).prop_map(|(one, two, group, missing)| {
        let mut all = vec![one, two, group];
        if missing < 3 {
            all.remove(usize::from(missing));
        }
        all
    })
}

#[derive(Debug, Clone)]
struct Step {
    seconds: f64,
    /// What somebody does to the wall clock meanwhile.
    jump: i64,
    subjects: Vec<Observation>,
    host: HostObservation,
}

fn step() -> impl Strategy<Value = Step> {
    let seconds = prop_oneof![
        12 => Just(0.1),
        3 => 0.0..30.0f64,
        1 => prop_oneof![Just(f64::NAN), Just(0.0), Just(-1.0), Just(1e9), Just(f64::INFINITY)],
    ];
    let jump = prop_oneof![20 => Just(0i64), 1 => -1_000_000..1_000_000i64];
    let host = (rate(), rate()).prop_map(|(receive_drops, softirq)| HostObservation {
        receive_drops,
        softirq,
        distinct_sources: Some(receive_drops),
        concentration: softirq,
    });
    (seconds, jump, subjects(), host).prop_map(|(seconds, jump, subjects, host)| Step {
        seconds,
        jump,
        subjects,
        host,
    })
}

fn calm(subject: Subject) -> Observation {
    Observation {
        subject,
        rates: Rates::default(),
        standing: Standing {
            syn_threshold: Some(1_000.0),
            excess: false,
            rung: Rung::Limit,
            counts_handshakes: true,
        },
    }
}

/// Follows events, and complains of what must never be.
#[derive(Default)]
struct Judge {
    open: BTreeMap<u64, Subject>,
    ids: BTreeSet<u64>,
}

impl Judge {
    fn take(&mut self, event: &Event) {
        match event.what {
            What::AttackStarted { .. } => {
                let (id, subject) = (event.attack.expect("an id"), event.subject.expect("a subject"));
                assert!(self.ids.insert(id), "id {id} twice");
                assert!(
                    !self.open.values().any(|open| *open == subject),
                    "two attacks of {subject}"
                );
                self.open.insert(id, subject);
            }
            What::AttackEnded { seconds } => {
                let id = event.attack.expect("an id");
                assert!(self.open.remove(&id).is_some(), "{id} was not open");
                assert!(seconds.is_finite() && seconds >= 0.0, "{seconds}");
            }
            What::VectorAdded { .. } => assert!(self.open.contains_key(&event.attack.expect("an id"))),
            _ => {}
        }
    }

    fn compare(&self, watch: &Watch) {
        let attacks = watch.detector.attacks();
        let open: Vec<u64> = attacks
            .iter()
            .filter(|attack| attack.ended.is_none())
            .map(|attack| attack.id)
            .collect();
        assert_eq!(
            open,
            self.open.keys().copied().collect::<Vec<_>>(),
            "events and attacks say the same"
        );
        for attack in attacks {
            assert!(
                attack.started <= attack.detected || attack.started <= attack.last_excess,
                "{attack:?}"
            );
            assert!(attack.ended.is_none_or(|ended| ended >= attack.started), "{attack:?}");
            assert!(
                attack.impact_seconds.is_finite() && !attack.vectors.is_empty(),
                "{attack:?}"
            );
            let peaks = attack.peaks;
            for peak in [
                peaks.syn,
                peaks.unproven,
                peaks.packets,
                peaks.dropped,
                peaks.distinct_sources,
            ] {
                assert!(peak.is_finite() && peak >= 0.0, "{attack:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn attacks_are_sound_whatever_comes(steps in prop::collection::vec(step(), 1..120)) {
        let (mut watch, mut judge) = (Watch::new(), Judge::default());
        let mut now = Now { wall: MONDAY.parse::<Timestamp>().expect("timestamp"), mono: MonotonicNs(0) };
        for step in steps {
            now.mono.0 += 100_000_000;
            now.wall += SignedDuration::from_millis(100 + 1_000 * step.jump);
            let tick = Tick { elsewhere: BTreeMap::new(), at: now, seconds: step.seconds, subjects: step.subjects, host: step.host };
            watch.feed(&tick).iter().for_each(|event| judge.take(event));
            judge.compare(&watch);
        }
        // Enough calm ends everything.
        for _ in 0..400 {
            now.mono.0 += 100_000_000;
            now.wall += SignedDuration::from_millis(100);
            let subjects = vec![calm(address(1)), calm(address(2))];
            let tick = Tick { elsewhere: BTreeMap::new(), at: now, seconds: 0.1, subjects, host: HostObservation::default() };
            watch.feed(&tick).iter().for_each(|event| judge.take(event));
            judge.compare(&watch);
        }
        prop_assert!(judge.open.is_empty(), "{:?}", judge.open);
        prop_assert!(!watch.detector.is_host_saturated());
    }
}
