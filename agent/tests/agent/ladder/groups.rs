//! A group that is attacked as a whole: all its addresses climb, for one reason, and that is told once.

use std::{collections::BTreeSet, time::Duration};

use agent::{
    decide::{
        KernelState,
        ladder::{Ladder, View},
    },
    detect::{Attack, AttackVector, HostObservation, Observation, Peaks, Rates, Standing, Subject, Tick, What},
    overrides::Overrides,
    tables::Rung,
};

use super::world::{TICK, after};
use crate::support::{address, config, net, noon, tcp};

const GROUP: &str = "203.0.113.0/24";
const MEMBERS: [&str; 2] = ["203.0.113.7", "203.0.113.8"];

/// Half of all SYNs to the group to each member, far below its own rate.
fn observation(subject: Subject, syn: f64, threshold: f64, rung: Rung) -> Observation {
    Observation {
        subject,
        rates: Rates {
            syn,
            unanswered: syn * 0.8,
            dropped: syn,
            ..Rates::default()
        },
        standing: Standing {
            syn_threshold: Some(threshold),
            excess: true,
            rung,
            counts_handshakes: true,
        },
    }
}

#[test]
fn all_addresses_of_a_group_climb_and_it_is_told_once() {
    let config = config(
        "[ladder]\nhighest = \"known\"\n[ladder.known]\nafter = \"5s\"\n\
         [[group]]\nprefix = \"203.0.113.0/24\"\nsyn_rate = \"10k/s\"\n",
    );
    let mut overrides = Overrides::default();
    let mut ladder = Ladder::new(&overrides, noon());
    let group = Subject::Group(net(GROUP));
    let mut attack = Attack {
        id: 3,
        subject: group,
        started: noon().wall,
        detected: noon().wall,
        last_excess: noon().wall,
        ended: None,
        vectors: BTreeSet::from([AttackVector::Syn]),
        rungs: BTreeSet::new(),
        peaks: Peaks::default(),
        impact_seconds: 0.0,
        fleet: None,
    };
    let (mut now, mut told) = (noon(), Vec::new());
    for _ in 0..20 {
        now = after(now, TICK);
        attack.impact_seconds += TICK.as_secs_f64();
        let kernel = KernelState::wanted(&config, &overrides, &tcp());
        let members = MEMBERS.map(|member| {
            let rung = kernel.addresses[&address(member)]
                .rung
                .map_or(Rung::Limit, |forced| forced.rung);
            observation(Subject::Address(address(member)), 20_000.0, 100_000.0, rung)
        });
        let mut subjects = members.to_vec();
        subjects.push(observation(group, 40_000.0, 10_000.0, Rung::Verify));
        let tick = Tick {
            elsewhere: std::collections::BTreeMap::new(),
            at: now,
            seconds: TICK.as_secs_f64(),
            subjects,
            host: HostObservation::default(),
        };
        let outcome = ladder.tick(&View {
            tick: &tick,
            attacks: std::slice::from_ref(&attack),
            saturated: false,
            protected: &config.protected,
            kernel: &kernel,
            overrides: &overrides,
        });
        for step in &outcome.steps {
            overrides.apply(&step.change);
            assert_eq!(
                &*step.why,
                "32000 of 40000 SYNs/s are more than this host can answer, and fewer customers get in"
            );
        }
        told.extend(outcome.events);
    }
    assert!(
        MEMBERS
            .iter()
            .all(|member| overrides.taken[&address(member)].rung == Rung::Known)
    );
    let changes: Vec<_> = told
        .iter()
        .filter(|event| matches!(event.what, What::RungChanged { to: Rung::Known, .. }))
        .collect();
    assert_eq!(changes.len(), 1, "{told:?}");
    assert_eq!((changes[0].subject, changes[0].attack), (Some(group), Some(3)));
    assert!(Duration::from_secs(5) > TICK, "more than one tick was needed");
}
