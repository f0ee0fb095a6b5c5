//! What the leader does with the reports of all nodes, and when it writes what they come to. It has no clock and does no I/O.
//!
//! The leader writes `sums` under its own lease: they go with it, and so nobody is misled by a leader that is gone for longer than
//! that. A leader that hangs is not believed for longer than [`BELIEVED`].

use std::{collections::BTreeMap, time::Duration};

use super::{Report, Sums};
use crate::tables::MonotonicNs;

/// What moved by more than this share is news.
const MOVED: f64 = 0.03;
/// Between two writings.
const PAUSE: Duration = Duration::from_millis(500);
/// Reports came that say nearly the same: those who wrote them want to know that they are in the sums.
const TOLD: Duration = Duration::from_secs(2);
/// What goes on is written again after so long ..
const AGAIN: Duration = Duration::from_secs(10);
/// .. and sums that are older than this say nothing any more.
pub const BELIEVED: Duration = Duration::from_secs(15);

/// Adds up.
#[derive(Debug, Default)]
pub struct Adder {
    reports: BTreeMap<String, Report>,
    revision: i64,
    round: u64,
    /// What etcd holds, as far as is known.
    written: Option<Sums>,
    tried: Option<MonotonicNs>,
}

impl Adder {
    /// Begins without reports, after the sums that are there.
    #[must_use]
    pub fn after(before: &Sums) -> Self {
        Self {
            round: before.round.wrapping_add(1),
            ..Self::default()
        }
    }

    /// How many reports there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.reports.len()
    }

    /// What they come to where there are so many nodes.
    #[must_use]
    pub fn sums(&self, nodes: usize) -> Sums {
        Sums::of(nodes, self.revision, self.reports.values())
    }

    /// A node wrote a report, at this revision (its key's `mod_revision`).
    pub fn put(&mut self, node: &str, report: Report, revision: i64) {
        self.revision = self.revision.max(revision);
        self.reports.insert(node.to_owned(), report);
    }

    /// A node's report is gone since this revision, or is garbage.
    pub fn remove(&mut self, node: &str, revision: i64) {
        self.revision = self.revision.max(revision);
        self.reports.remove(node);
    }

    /// What is to be written now, if anything, where there are so many nodes. Sums without an address are written too: who reads
    /// them knows how many nodes there are. `held` is what etcd is seen to hold: others' sums are written over.
    pub fn due(&mut self, nodes: usize, held: &Sums, now: MonotonicNs) -> Option<Sums> {
        let since = self.tried.map_or(Duration::MAX, |tried| {
            Duration::from_nanos(now.0.saturating_sub(tried.0))
        });
        if since < PAUSE {
            return None;
        }
        let sums = self.sums(nodes);
        let pause = match &self.written {
            None => PAUSE,
            Some(written) if sums.differs(written, MOVED) => PAUSE,
            Some(written) if written.round != held.round => TOLD,
            Some(_) if sums.sums.is_empty() => return None,
            Some(written) if sums.revision > written.revision => TOLD,
            Some(_) => AGAIN,
        };
        if since < pause {
            return None;
        }
        self.tried = Some(now);
        self.round = self.round.wrapping_add(1);
        let sums = Sums {
            round: self.round,
            ..sums
        };
        self.written = Some(sums.clone());
        Some(sums)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{fleet::Pressure, ladder::Rung};

    fn report(rate: f64) -> Report {
        Report {
            pressures: vec![Pressure {
                address: "203.0.113.7".parse().expect("address"),
                unproven: rate,
                syn: rate,
                threshold: 20_000.0,
                rung: Rung::Limit,
                attacked: false,
            }],
        }
    }

    fn at(millis: u64) -> MonotonicNs {
        MonotonicNs(millis * 1_000_000)
    }

    #[test]
    fn the_leader_writes_when_it_matters() {
        let mut adder = Adder::after(&Sums::default());
        adder.remove("lb9", 3);
        let mut held = Sums::default();
        let mut due = |adder: &mut Adder, nodes, millis| {
            let sums = adder.due(nodes, &held, at(millis));
            held = sums.clone().unwrap_or_else(|| held.clone());
            sums
        };
        let first = due(&mut adder, 3, 0).expect("how many nodes there are");
        assert_eq!((first.nodes, first.revision, first.sums.len()), (3, 3, 0));
        assert_eq!(due(&mut adder, 3, 60_000), None, "calm costs nothing");
        assert!(due(&mut adder, 4, 60_000).is_some(), "a node came");
        adder.put("lb1", report(5_000.0), 4);
        assert_eq!(due(&mut adder, 4, 60_400), None, "twice a second at most");
        assert!(due(&mut adder, 4, 60_500).is_some());
        adder.put("lb1", report(5_100.0), 5);
        assert_eq!(due(&mut adder, 4, 62_400), None, "nearly the same");
        let told = due(&mut adder, 4, 62_500).expect("lb1 wants to know that its report is known");
        assert_eq!(told.revision, 5);
        assert_eq!(due(&mut adder, 4, 72_400), None);
        let again = due(&mut adder, 4, 72_500).expect("it goes on");
        assert_eq!(again.round, told.round + 1, "and is seen to do so");
        adder.remove("lb1", 9);
        let over = due(&mut adder, 4, 73_000).expect("nothing is left");
        assert_eq!((over.revision, over.sums.len()), (9, 0));
        assert_eq!(due(&mut adder, 4, 90_000), None);
        assert!(
            adder.due(4, &Sums::default(), at(92_000)).is_some(),
            "somebody took them away"
        );
    }

    #[test]
    fn sums_of_another_leader_are_followed_by_others() {
        let before = Sums {
            round: u64::MAX,
            ..Sums::default()
        };
        let mut adder = Adder::after(&before);
        adder.put("lb1", report(5_000.0), 1);
        let sums = adder.due(1, &before, at(0)).expect("there is a report");
        assert_ne!(sums.round, before.round);
    }
}
