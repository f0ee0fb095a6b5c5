//! An attack that is thin on every node is told once for all of them, by the node that adds up. Each node's own detector finds it by
//! the same bar and has its own record of it (`detect/wide.rs`): this is the one word to people.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::Duration,
};

use super::Engine;
use crate::{
    clock::Now,
    detect::{Subject, What},
    fleet::Sum,
    tables::MonotonicNs,
};

/// Another node that added up for so long has told it: who takes over from it does not tell it again.
const TOLD_BY_ANOTHER: Duration = Duration::from_secs(5);

/// Addresses whose attack is thin on every node.
#[derive(Debug, Default)]
pub(super) struct Thin {
    known: BTreeMap<IpAddr, Known>,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    since: MonotonicNs,
    told: bool,
}

impl Thin {
    /// What is to be told now. `share` of its threshold is an attack, as detection has it; `open` are the addresses whose fleet-wide
    /// attack goes on here: it is the same one until that has ended, however its rate comes and goes.
    fn next(&mut self, sums: &[Sum], share: f64, open: &BTreeSet<IpAddr>, tells: bool, now: MonotonicNs) -> Vec<Sum> {
        let over = |sum: &Sum, part: f64| sum.unproven > sum.threshold * share * part;
        let goes_on = |address: &IpAddr| sums.iter().any(|sum| sum.address == *address && over(sum, 0.5));
        self.known
            .retain(|address, _| open.contains(address) || goes_on(address));
        let mut news = Vec::new();
        // Where one node finds it by itself, that node tells it.
        for sum in sums
            .iter()
            .filter(|sum| over(sum, 1.0) && sum.attacked == 0 && sum.nodes > 1)
        {
            let known = self.known.entry(sum.address).or_insert(Known {
                since: now,
                told: false,
            });
            if tells && !known.told {
                known.told = true;
                let age = Duration::from_nanos(now.0.saturating_sub(known.since.0));
                news.extend((age < TOLD_BY_ANOTHER).then_some(*sum));
            }
        }
        news
    }
}

impl Engine {
    /// Tells of attacks that are thin on every node, if this node is the one that does.
    pub(super) fn tell_thin(&mut self, now: Now) {
        let state = &self.fleet;
        let tells = state.is_up() && state.leader.is_some() && state.leader == state.node;
        let attacks = self.detecting.attacks().iter();
        let open = attacks.filter(|attack| attack.fleet.is_some() && attack.ended.is_none());
        let open = open
            .filter_map(|attack| match attack.subject {
                Subject::Address(address) => Some(address),
                Subject::Group(_) => None,
            })
            .collect();
        let share = self.config.detect.policy().threshold_share;
        let news = self
            .following
            .thin
            .next(&state.sums.sums, share, &open, tells, now.mono);
        for sum in news {
            let what = What::FleetAttack {
                unproven: sum.unproven,
                threshold: sum.threshold,
                nodes: sum.nodes,
            };
            self.tell_of_fleet(Some(Subject::Address(sum.address)), what, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ladder::Rung;

    fn sum(unproven: f64, attacked: u32) -> Sum {
        Sum {
            address: "203.0.113.7".parse().expect("address"),
            unproven,
            syn: unproven,
            threshold: 1_000.0,
            nodes: 3,
            attacked,
            rung: Rung::Limit,
        }
    }

    fn at(second: u64) -> MonotonicNs {
        MonotonicNs((1_000 + second) * 1_000_000_000)
    }

    #[test]
    fn it_is_told_by_the_bar_that_detection_has() {
        let (none, mut thin) = (BTreeSet::new(), Thin::default());
        let mut told = |unproven, attacked| {
            !thin
                .next(&[sum(unproven, attacked)], 0.5, &none, true, at(0))
                .is_empty()
        };
        assert!(!told(499.0, 0));
        assert!(!told(600.0, 1), "that node tells it");
        assert!(told(501.0, 0), "an attack at every node");
        assert!(!told(900.0, 0), "told");
        assert!(!told(300.0, 0));
        assert!(!told(900.0, 0), "it was not calm");
        assert!(!told(200.0, 0));
        assert!(told(900.0, 0), "calm came between");
    }

    #[test]
    fn an_attack_that_goes_on_is_told_once_however_it_pulses() {
        let (open, mut thin) = (BTreeSet::from([sum(0.0, 0).address]), Thin::default());
        let mut told = |sums: &[Sum], second| thin.next(sums, 0.5, &open, true, at(second)).len();
        assert_eq!(told(&[sum(900.0, 0)], 0), 1);
        assert_eq!(told(&[], 10), 0);
        assert_eq!(told(&[sum(900.0, 1)], 12), 0);
        assert_eq!(told(&[sum(900.0, 0)], 13), 0);
    }

    #[test]
    fn who_takes_over_does_not_tell_again_what_was_told() {
        let none = BTreeSet::new();
        let taken_over = |second| {
            let mut thin = Thin::default();
            assert_eq!(
                thin.next(&[sum(900.0, 0)], 0.5, &none, false, at(0)),
                [],
                "another tells"
            );
            [second, second + 1].map(|second| thin.next(&[sum(900.0, 0)], 0.5, &none, true, at(second)).len())
        };
        assert_eq!(taken_over(1), [1, 0], "it may not have come to that");
        assert_eq!(taken_over(60), [0, 0]);
    }
}
