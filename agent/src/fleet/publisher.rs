//! What this node tells the others, and when. A calm node tells nothing; one under attack writes once a second, or twice while rates
//! rise.
//!
//! ```text
//! every tick      engine    report_of(pressing, nodes, top, before) → Snapshot::report, a snapshot at once if it is new
//! every snapshot, task      Publisher::due → put or delete reports/NODE → Publisher::wrote(revision of the answer), or ::failed
//! and at least
//! 4 times a second
//! new sums        task      Publisher::believed(sums) → FleetState::sums and FleetState::own
//! ```
//!
//! **Nobody counts itself twice.** What arrives elsewhere is the sum less what this node put into it, and that must be the very report
//! that was added up: a newer one would leave the difference to be taken for an attack. etcd numbers all changes in one order, so the
//! sum says up to which revision it knows reports, and [`Publisher`] remembers which of its own was in force then.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use super::{Pressure, Report, Sums, report::MOST_PRESSURES};
use crate::{detect::Pressing, tables::MonotonicNs};

/// All nodes together keep less than one part in so many of an address's threshold to themselves.
const HIDDEN_PARTS: f64 = 4.0;
/// Fewer unproven SYNs per second are not told, however large the fleet is.
const LEAST_PPS: f64 = 1.0;
/// No fleet is larger; whoever says so must not bring all nodes to tell everything.
const MOST_NODES: u32 = 10_000;
/// A rate that moved by more than this share is news to the others ..
const MOVED: f64 = 0.25;
/// .. and by this much to the task that tells them, so that what it tells is hardly older.
pub(crate) const NOTED: f64 = 0.1;
/// Between two writings ..
const PAUSE: Duration = Duration::from_secs(1);
/// .. and before one that tells of a rise: of an attack that has just begun the mean of a second knows only a part.
const PAUSE_OF_RISE: Duration = Duration::from_millis(500);
/// What goes on is told again after so long.
const AGAIN: Duration = Duration::from_secs(10);
/// Own reports that are remembered, those that the sums do not know yet: more than come in the time in which sums grow old.
const REMEMBERED: usize = 64;

/// What this node has to tell: addresses with more unproven SYNs than its part of a quarter of their threshold, those nearest to their
/// threshold first, `top` at most. `nodes` are all of the fleet; `top` is `fleet.top`. What it told `before` it tells until there is
/// less than half of that, so that a rate near the bar does not come and go.
///
/// What is usual at this time of day is not told, so that what fails everywhere every day does not add up to an attack: of what is
/// counted the same part of a quarter at most, so that no more than a quarter is hidden by all nodes; of what is estimated, all.
#[must_use]
pub fn report_of(pressing: &[Pressing], nodes: u32, top: usize, before: &Report) -> Report {
    let nodes = f64::from(nodes.clamp(1, MOST_NODES));
    let told = pressing.iter().filter_map(|one| {
        if !one.threshold.is_finite() || one.threshold <= 0.0 {
            return None;
        }
        let part = (one.threshold / (HIDDEN_PARTS * nodes)).max(LEAST_PPS);
        let over = if one.is_counted {
            one.unproven
        } else {
            one.unproven - one.usual
        };
        let usual = if one.is_counted { one.usual.min(part) } else { one.usual };
        let bar = before.of(one.address).map_or(part, |_| part / 2.0);
        (over > bar).then(|| Pressure {
            address: one.address,
            unproven: (one.unproven - usual).max(0.0),
            syn: one.syn,
            threshold: one.threshold,
            rung: one.rung,
            attacked: one.attacked,
        })
    });
    let mut pressures: Vec<Pressure> = told.collect();
    pressures.sort_by(|a, b| b.share().total_cmp(&a.share()).then(a.address.cmp(&b.address)));
    pressures.truncate(top.min(MOST_PRESSURES));
    Report { pressures }
}

/// What is to be done with this node's report in etcd.
#[derive(Debug, Clone, PartialEq)]
pub enum Write {
    /// It holds this now.
    Put(Arc<Report>),
    /// There is nothing to tell.
    Delete,
}

/// A report of this node that etcd knows, and since which revision.
#[derive(Debug, Clone)]
struct Known {
    revision: i64,
    report: Arc<Report>,
}

/// Decides when this node writes, and remembers what it wrote. It has no clock and does no I/O.
#[derive(Debug, Default)]
pub struct Publisher {
    /// What etcd holds, as far as is known; `None` where that is not clear.
    held: Option<Arc<Report>>,
    /// The latest attempt.
    tried: Option<MonotonicNs>,
    /// Under way.
    writing: Option<Arc<Report>>,
    /// Perhaps written: the answer never came.
    doubtful: Option<Arc<Report>>,
    /// Own reports from the one that the sums know on, the oldest first.
    known: VecDeque<Known>,
}

impl Publisher {
    /// What is to be written now, if anything. After that comes [`Publisher::wrote`] or [`Publisher::failed`]; until then there is
    /// nothing to be written. The first one is always there: what an earlier run of this node wrote is replaced.
    pub fn due(&mut self, report: &Arc<Report>, now: MonotonicNs) -> Option<Write> {
        if self.writing.is_some() {
            return None;
        }
        let since = self.tried.map_or(Duration::MAX, |tried| since(tried, now));
        let pause = match &self.held {
            // Not clear what is there: no sooner than anything else.
            None => PAUSE,
            Some(held) if report.rises_over(held) => PAUSE_OF_RISE,
            Some(held) if report.differs(held, MOVED) => PAUSE,
            Some(_) if !report.pressures.is_empty() => AGAIN,
            Some(_) => return None,
        };
        if since < pause {
            return None;
        }
        self.tried = Some(now);
        self.writing = Some(Arc::clone(report));
        Some(if report.pressures.is_empty() {
            Write::Delete
        } else {
            Write::Put(Arc::clone(report))
        })
    }

    /// It was written, at this revision of etcd (that of the answer's header).
    pub fn wrote(&mut self, revision: i64) {
        let Some(report) = self.writing.take() else {
            return;
        };
        self.held = Some(Arc::clone(&report));
        self.doubtful = None;
        self.known.push_back(Known { revision, report });
        if self.known.len() > REMEMBERED {
            // The two oldest become one that is no less than either: rather too little elsewhere than too much.
            let (first, second) = (self.known.pop_front(), self.known.pop_front());
            if let (Some(first), Some(second)) = (first, second) {
                let report = Arc::new(first.report.highest(&second.report));
                self.known.push_front(Known { report, ..first });
            }
        }
    }

    /// It may have been written or not. It is tried again.
    pub fn failed(&mut self) {
        if let Some(report) = self.writing.take() {
            self.doubtful = Some(match self.doubtful.take() {
                Some(doubtful) => Arc::new(doubtful.highest(&report)),
                None => report,
            });
        }
        self.held = None;
    }

    /// The lease was lost, and the report with it: it is written again.
    pub fn lost(&mut self) {
        self.held = None;
    }

    /// What can be believed of sums, and what of them is this node's own, for [`super::FleetState`]. Before they know anything of
    /// this run of the node there may be what an earlier one wrote: then nothing is believed but how many nodes there are.
    pub fn believed(&mut self, sums: &Arc<Sums>) -> (Arc<Sums>, Arc<Report>) {
        while self.known.get(1).is_some_and(|next| next.revision <= sums.revision) {
            self.known.pop_front();
        }
        let Some(known) = self.known.front().filter(|known| known.revision <= sums.revision) else {
            let unclear = Sums {
                sums: Vec::new(),
                ..**sums
            };
            return (Arc::new(unclear), Arc::default());
        };
        // What is under way may be in the sums before its answer is here.
        let perhaps = self.writing.iter().chain(&self.doubtful);
        let own = perhaps.fold(Arc::clone(&known.report), |own, perhaps| Arc::new(own.highest(perhaps)));
        (Arc::clone(sums), own)
    }
}

fn since(earlier: MonotonicNs, now: MonotonicNs) -> Duration {
    Duration::from_nanos(now.0.saturating_sub(earlier.0))
}

impl Report {
    /// Whether another one says something else: an address came or went, stands otherwise, or a rate moved by more than a share.
    #[must_use]
    pub fn differs(&self, other: &Self, share: f64) -> bool {
        self.pressures.len() != other.pressures.len()
            || self.pressures.iter().any(|one| {
                other.of(one.address).is_none_or(|before| {
                    let moved = |now: f64, before: f64| (now - before).abs() > share * now.max(before);
                    (one.attacked, one.rung) != (before.attacked, before.rung)
                        || moved(one.unproven, before.unproven)
                        || moved(one.syn, before.syn)
                })
            })
    }

    /// Whether an address came, or has so many more unproven SYNs than before that it is news.
    fn rises_over(&self, before: &Self) -> bool {
        self.pressures.iter().any(|one| {
            let before = before.of(one.address).map_or(0.0, |before| before.unproven);
            one.unproven > before * (1.0 + MOVED)
        })
    }

    /// Of each address whatever is more.
    fn highest(&self, other: &Self) -> Self {
        let mut pressures = self.pressures.clone();
        for more in &other.pressures {
            match pressures.iter_mut().find(|one| one.address == more.address) {
                Some(one) => {
                    one.unproven = one.unproven.max(more.unproven);
                    one.syn = one.syn.max(more.syn);
                    one.attacked |= more.attacked;
                }
                None => pressures.push(*more),
            }
        }
        Self { pressures }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use proptest::prelude::*;

    use super::*;
    use crate::ladder::Rung;

    const THRESHOLD: f64 = 20_000.0;

    fn address(n: u16) -> IpAddr {
        format!("203.0.{}.{}", n / 256, n % 256).parse().expect("address")
    }

    fn pressing(n: u16, unproven: f64, usual: f64) -> Pressing {
        Pressing {
            address: address(n),
            unproven,
            usual,
            is_counted: true,
            syn: unproven,
            threshold: THRESHOLD,
            rung: Rung::Limit,
            attacked: false,
        }
    }

    fn told(rates: &[f64]) -> Arc<Report> {
        let pressing: Vec<Pressing> = (0..).zip(rates).map(|(n, rate)| pressing(n, *rate, 0.0)).collect();
        Arc::new(report_of(&pressing, 4, 64, &Report::default()))
    }

    fn at(millis: u64) -> MonotonicNs {
        MonotonicNs(1_000_000_000 + millis * 1_000_000)
    }

    fn sums(revision: i64, report: &Report) -> Arc<Sums> {
        Arc::new(Sums::of(3, revision, [report]))
    }

    #[test]
    fn the_most_are_told_and_the_rest_is_little() {
        let one = |n, rate| pressing(n, rate, 0.0);
        let nearer = Pressing {
            threshold: 2_000.0,
            ..one(4, 1_900.0)
        };
        let all = [one(1, 1_250.0), one(2, 1_251.0), one(3, 9_000.0), nearer];
        let named = |report: &Report| report.pressures.iter().map(|one| one.address).collect::<Vec<_>>();
        let report = report_of(&all, 4, 64, &Report::default());
        assert_eq!(named(&report), [address(4), address(3), address(2)]);
        assert_eq!(named(&report_of(&all, 4, 1, &Report::default())), [address(4)]);
        assert_eq!(
            named(&report_of(&[one(2, 626.0)], 4, 64, &report)),
            [address(2)],
            "told before"
        );
        assert!(named(&report_of(&[one(2, 624.0)], 4, 64, &report)).is_empty());
    }

    #[test]
    fn what_is_usual_is_not_told_a_quarter_of_the_threshold_at_most() {
        let told = |one: Pressing| {
            let report = report_of(&[one], 4, 64, &Report::default());
            report.pressures.first().map(|one| one.unproven)
        };
        assert_eq!(told(pressing(1, 3_000.0, 1_000.0)), Some(2_000.0));
        assert_eq!(told(pressing(1, 3_000.0, 2_900.0)), Some(1_750.0));
        let estimated = Pressing {
            is_counted: false,
            ..pressing(1, 3_000.0, 1_000.0)
        };
        assert_eq!(told(estimated), Some(2_000.0));
        assert_eq!(
            told(Pressing {
                usual: 2_900.0,
                ..estimated
            }),
            None
        );
    }

    #[test]
    fn a_node_writes_when_it_matters() {
        let mut publisher = Publisher::default();
        let (nothing, some, little_more, much_more) = (told(&[]), told(&[4_000.0]), told(&[4_900.0]), told(&[5_100.0]));
        let mut next = |report: &Arc<Report>, millis: u64| {
            let write = publisher.due(report, at(millis));
            publisher.wrote(1);
            write
        };
        assert_eq!(next(&nothing, 0), Some(Write::Delete), "of an earlier run");
        assert_eq!(next(&some, 400), None, "too soon");
        assert_eq!(next(&some, 500), Some(Write::Put(Arc::clone(&some))));
        assert_eq!(next(&little_more, 1_500), None);
        assert_eq!(
            next(&much_more, 1_500),
            Some(Write::Put(Arc::clone(&much_more))),
            "it rises"
        );
        assert_eq!(next(&some, 2_400), None, "it falls: once a second");
        assert_eq!(next(&some, 2_500), None, "by less than a quarter of what it was");
        assert_eq!(next(&told(&[3_000.0]), 2_500), Some(Write::Put(told(&[3_000.0]))));
        assert_eq!(next(&told(&[3_000.0]), 12_400), None);
        assert_eq!(
            next(&told(&[3_000.0]), 12_500),
            Some(Write::Put(told(&[3_000.0]))),
            "it goes on"
        );
        assert_eq!(next(&nothing, 13_500), Some(Write::Delete));
        assert_eq!(next(&nothing, 60_000), None, "calm costs nothing");
    }

    #[test]
    fn what_failed_is_tried_again_and_what_was_lost_is_written_again() {
        let mut publisher = Publisher::default();
        let some = told(&[4_000.0]);
        assert!(publisher.due(&some, at(0)).is_some());
        assert_eq!(publisher.due(&some, at(5_000)), None, "it is under way");
        publisher.failed();
        assert!(publisher.due(&some, at(5_000)).is_some());
        publisher.wrote(7);
        assert_eq!(publisher.due(&some, at(6_000)), None);
        publisher.lost();
        assert!(publisher.due(&some, at(6_000)).is_some());
    }

    #[test]
    fn sums_that_may_hold_what_an_earlier_run_wrote_are_not_believed() {
        let mut publisher = Publisher::default();
        let other = told(&[9_000.0]);
        assert_eq!(publisher.believed(&sums(5, &other)).0.sums, []);
        assert!(publisher.due(&told(&[]), at(0)).is_some());
        assert_eq!(
            publisher.believed(&sums(9, &other)).0.sums,
            [],
            "its answer is not here"
        );
        publisher.wrote(7);
        assert_eq!(publisher.believed(&sums(6, &other)).0.sums, []);
        let (believed, own) = publisher.believed(&sums(7, &other));
        assert_eq!((believed.sums.len(), own.pressures.len()), (1, 0));
    }

    #[test]
    fn a_write_that_may_have_happened_counts_as_own() {
        let mut publisher = Publisher::default();
        publisher.due(&told(&[]), at(0));
        publisher.wrote(1);
        publisher.due(&told(&[4_000.0]), at(1_000));
        let own = |publisher: &mut Publisher| publisher.believed(&sums(2, &told(&[4_000.0]))).1;
        assert_eq!(own(&mut publisher), told(&[4_000.0]), "under way");
        publisher.failed();
        assert_eq!(own(&mut publisher), told(&[4_000.0]), "doubtful");
        publisher.due(&told(&[]), at(3_000));
        publisher.wrote(3);
        assert_eq!(own(&mut publisher), told(&[]), "the sums are older than what is known");
    }

    proptest! {
        /// However a fleet's rates jump and however old the sums are that a node sees: what it takes for the others' is exactly what
        /// they had told then.
        #[test]
        fn nobody_counts_itself(
            steps in prop::collection::vec((0usize..3, 0.0..20_000.0f64, 0u64..3), 1..120),
        ) {
            let mut publishers = [Publisher::default(), Publisher::default(), Publisher::default()];
            let mut held: [Arc<Report>; 3] = std::array::from_fn(|_| Arc::default());
            let mut history = Vec::new();
            let mut revision = 0;
            for (index, publisher) in publishers.iter_mut().enumerate() {
                publisher.due(&held[index], at(0));
                revision += 1;
                publisher.wrote(revision);
            }
            let mut oldest = 0;
            for (number, (node, rate, age)) in (1u64..).zip(steps) {
                let report = told(&[rate]);
                if publishers[node].due(&report, at(number * 700)).is_some() {
                    revision += 1;
                    publishers[node].wrote(revision);
                    held[node] = report;
                }
                let sums = Arc::new(Sums::of(3, revision, held.iter().map(|report| &**report)));
                history.push((sums, held.clone()));
                // Sums come late, but never older ones after newer ones.
                oldest = oldest.max(history.len() - 1 - usize::try_from(age).expect("small").min(history.len() - 1));
                let (sums, then) = &history[oldest];
                for (index, publisher) in publishers.iter_mut().enumerate() {
                    let (sums, own) = publisher.believed(sums);
                    let state = super::super::FleetState {
                        link: super::super::Link::Up { since: jiff::Timestamp::UNIX_EPOCH },
                        sums,
                        own,
                        ..super::super::FleetState::default()
                    };
                    let others = (0..3).filter(|other| *other != index);
                    let real: f64 = others.filter_map(|other| then[other].of(address(0))).map(|one| one.unproven).sum();
                    let seen = state.elsewhere(address(0)).unproven;
                    prop_assert!((seen - real).abs() < 1e-6, "{} instead of {}", seen, real);
                }
            }
        }

        /// However a rate is spread over however many nodes: what they keep to themselves is less than a quarter of the threshold.
        #[test]
        fn little_is_hidden(
            shares in prop::collection::vec(0.0..1.0f64, 1..200), rate in 0.0..60_000.0f64, usual in 0.0..500.0f64,
        ) {
            let all: f64 = shares.iter().sum::<f64>().max(1e-9);
            let nodes = u32::try_from(shares.len()).expect("few");
            let reports: Vec<Report> = shares
                .iter()
                .map(|share| report_of(&[pressing(1, share / all * rate, usual)], nodes, 64, &Report::default()))
                .collect();
            let sum = Sums::of(shares.len(), 1, &reports).get(address(1)).map_or(0.0, |sum| sum.unproven);
            let rate = if shares.iter().any(|share| *share > 0.0) { rate } else { 0.0 };
            prop_assert!(sum <= rate + 1e-6 && rate - sum <= THRESHOLD / 4.0 + 1e-6, "{} of {}", sum, rate);
        }
    }
}
