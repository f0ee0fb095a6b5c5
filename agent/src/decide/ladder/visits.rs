//! How often an address came back to each rung: the more often, the longer it is held there.

use std::time::Duration;

use super::seen::Seen;
use crate::{clock::Now, ladder::Rung, tables::MonotonicNs};

/// Holds double so often at most: then they are at `hold_max` whatever they began with.
const DOUBLINGS: u32 = 20;

/// One rung.
#[derive(Debug, Clone, Copy, Default)]
struct Visit {
    left: Option<MonotonicNs>,
    again: u32,
    /// Away from it for so long, all begins anew.
    memory: Duration,
}

/// All rungs.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Visits([Visit; Rung::ALL.len()]);

impl Visits {
    /// It comes to a rung; true if it was there lately.
    pub(super) fn come(&mut self, rung: Rung, seen: &Seen<'_>) -> bool {
        let visit = &mut self.0[rung as usize];
        let lately = visit
            .left
            .is_some_and(|left| since(left, seen.now) < seen.policy.hold_max);
        visit.again = if lately { (visit.again + 1).min(DOUBLINGS) } else { 0 };
        lately
    }

    /// It goes away from one.
    pub(super) fn leave(&mut self, rung: Rung, seen: &Seen<'_>) {
        let visit = &mut self.0[rung as usize];
        visit.left = Some(seen.now.mono);
        visit.memory = seen.policy.hold_max;
    }

    /// It goes down to a rung. Those between were not left when it climbed on from them: it is from now on that it is away.
    pub(super) fn leave_above(&mut self, to: Rung, from: Rung, seen: &Seen<'_>) {
        for left in Rung::ALL.into_iter().filter(|left| *left > to && *left <= from) {
            self.leave(left, seen);
        }
    }

    /// How long a rung is held this time: twice as long as the time before.
    pub(super) fn hold(&self, rung: Rung, seen: &Seen<'_>) -> Duration {
        let first = seen.policy.hold(rung);
        let doubled = first.saturating_mul(1 << self.0[rung as usize].again);
        doubled.min(seen.policy.hold_max.max(first))
    }

    /// Whether anything is left to be remembered.
    pub(super) fn remember(&self, now: Now) -> bool {
        let remembers = |visit: &Visit| visit.left.is_some_and(|left| since(left, now) < visit.memory);
        self.0.iter().any(remembers)
    }
}

/// The time since an instant.
pub(super) fn since(earlier: MonotonicNs, now: Now) -> Duration {
    Duration::from_nanos(now.mono.0.saturating_sub(earlier.0))
}
