//! Evidence: for how long each cause of an attack holds. One odd tick is none.

use std::collections::BTreeSet;

use super::{
    AttackVector,
    bars::Bars,
    signal::{OTHERS, Parts, Signals},
};

/// Unproven SYNs of two ticks running over the higher bar.
const SHARP: usize = 0;
/// Unproven SYNs over the higher bar in the mean of a second: also pulses shorter than a tick.
const HARD: usize = 1;
/// Unproven SYNs over the lower bar.
const SOFT: usize = 2;
/// The first of the other vectors.
const FIRST_OTHER: usize = 3;
/// Unproven SYNs over the higher bar together with those at the other nodes.
const WIDE: usize = FIRST_OTHER + OTHERS.len();
const CAUSES: usize = WIDE + 1;

/// Causes that hold, one bit each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Causes(u16);

impl Causes {
    /// What holds for these signals.
    pub(super) fn of(signals: &Signals, bars: &Bars, excess_needed: bool) -> Self {
        let mut causes = Self::steady(&signals.mean, bars);
        causes.set(SHARP, signals.sharp > bars.hard);
        if excess_needed {
            causes.0 &= !(1 << SHARP | 1 << HARD);
        }
        causes
    }

    /// What holds for rates that go on.
    pub(super) fn steady(parts: &Parts, bars: &Bars) -> Self {
        let mut causes = Self::default();
        causes.set(HARD, parts.unproven() > bars.hard);
        causes.set(SOFT, bars.is_soft(parts));
        for (index, vector) in OTHERS.iter().enumerate() {
            // A crowd brings segments with its handshakes: they are many only beyond that.
            let crowd = match vector {
                AttackVector::Tcp => parts.answered * bars.expected.segments * 2.0,
                _ => 0.0,
            };
            causes.set(FIRST_OTHER + index, parts.others[index] - crowd > bars.others[index]);
        }
        if let Some(index) = bars.refused(parts) {
            causes.set(FIRST_OTHER + index, true);
        }
        causes
    }

    /// True if an attack that is open goes on in this tick: half of each bar is enough.
    pub(super) fn go_on(signals: &Signals, bars: &Bars) -> bool {
        let now = &signals.now;
        // The mean too: one odd tick is no excess.
        now.unproven().min(signals.mean.unproven()) > bars.end
            || now.over_vectors > bars.refused / 2.0
            || OTHERS.iter().enumerate().any(|(index, vector)| {
                let half = bars.others[index] / 2.0;
                match vector {
                    AttackVector::Tcp => now.others[index] - now.answered * bars.expected.segments * 2.0 > half,
                    _ => now.others[index] > half,
                }
            })
    }

    /// With that of the sum of all nodes.
    pub(super) const fn with_wide(mut self, holds: bool) -> Self {
        self.set(WIDE, holds);
        self
    }

    /// True if that of the sum of all nodes holds.
    pub(super) const fn is_wide(self) -> bool {
        self.0 & (1 << WIDE) != 0
    }

    /// True if one holds for what arrives at this node.
    pub(super) const fn is_here(self) -> bool {
        self.0 & !(1 << WIDE) != 0
    }

    const fn set(&mut self, cause: usize, holds: bool) {
        if holds {
            self.0 |= 1 << cause;
        }
    }

    /// True if none holds.
    pub(super) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The vectors that they stand for.
    pub(super) fn vectors(self) -> BTreeSet<AttackVector> {
        let holds = |cause: &usize| self.0 & (1 << cause) != 0;
        (0..CAUSES)
            .filter(holds)
            .map(|cause| match cause.checked_sub(FIRST_OTHER) {
                None => AttackVector::Syn,
                Some(_) if cause == WIDE => AttackVector::Syn,
                Some(index) => OTHERS[index],
            })
            .collect()
    }
}

/// Seconds after which a cause counts. Sharp: the second of two ticks of a tenth, also with a quiet one between. So is the sum of
/// all nodes, which is made of means of a second.
const fn needed(cause: usize) -> f64 {
    match cause {
        SHARP | WIDE => 0.14,
        HARD => 1.0,
        SOFT => 3.0,
        other => match OTHERS[other - FIRST_OTHER] {
            AttackVector::Amplified => 0.45,
            AttackVector::Tcp => 3.0,
            _ => 0.95,
        },
    }
}

/// For how long each cause held lately, in seconds.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Evidence {
    seconds: [f64; CAUSES],
    some: bool,
}

impl Evidence {
    /// Weighs a tick; gives the causes that count now. `haste` is how much more than time counts for the lower bar.
    pub(super) fn weigh(&mut self, causes: Causes, seconds: f64, haste: f64) -> Causes {
        let mut counting = Causes::default();
        if causes.is_empty() && !self.some {
            return counting;
        }
        self.some = false;
        for (cause, held) in self.seconds.iter_mut().enumerate() {
            let needed = needed(cause);
            if causes.0 & (1 << cause) == 0 {
                *held = (*held - seconds / 2.0).max(0.0);
            } else {
                let weight = if cause == SOFT { haste } else { 1.0 };
                *held = (*held + weight * seconds).min(needed);
                counting.set(cause, *held >= needed);
            }
            self.some |= *held > 0.0;
        }
        counting
    }
}
