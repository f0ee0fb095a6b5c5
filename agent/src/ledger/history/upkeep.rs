//! Keeps the history within its bounds: by rows, by age, by size. What is oldest goes first.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use rusqlite::Connection;

use super::{attacks, events};
use crate::ledger::rates::upkeep::{self as rates, Bounds};

/// How much is kept. The ledger beside it takes 20 MB at most.
pub(in crate::ledger) const BOUNDS: Bounds = Bounds {
    bytes: 72_000_000,
    fine_days: 7,
    days: 31,
};
/// A clock that was stepped, or has just been started, is not trusted for so long.
const SETTLES: Duration = Duration::from_secs(3_600);
/// More than this between the two clocks is a step.
const STEP: Duration = Duration::from_secs(60);

/// Drops what is too much. Without a clock that can be trusted nothing goes by its age: a clock that is a year ahead for a moment
/// must not cost the history.
pub(super) fn keep_within(connection: &Connection, now: Option<Timestamp>, bounds: &Bounds) -> rusqlite::Result<()> {
    connection.execute(
        "DELETE FROM attacks WHERE id <= (SELECT MAX(id) FROM attacks) - ?1",
        [attacks::KEEP_ROWS],
    )?;
    connection.execute(
        "DELETE FROM attack_talkers WHERE attack < (SELECT MIN(id) FROM attacks)",
        [],
    )?;
    connection.execute(
        "DELETE FROM events WHERE id <= (SELECT MAX(id) FROM events) - ?1",
        [events::KEEP_ROWS],
    )?;
    rates::pack(connection)?;
    if let Some(now) = now {
        rates::age(connection, now, bounds)?;
    }
    rates::fit(connection, bounds)
}

/// Tells whether the wall clock can be trusted, by another clock that nobody sets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trust {
    steady: Instant,
    wall: Timestamp,
}

impl Trust {
    pub(super) const fn new(steady: Instant, wall: Timestamp) -> Self {
        Self { steady, wall }
    }

    /// The wall clock, if it went as the other one did for an hour.
    pub(super) fn check(&mut self, steady: Instant, wall: Timestamp) -> Option<Timestamp> {
        let went = steady.saturating_duration_since(self.steady);
        let off = wall.duration_since(self.wall).as_secs_f64() - went.as_secs_f64();
        if off.abs() > STEP.as_secs_f64() {
            *self = Self::new(steady, wall);
            return None;
        }
        (went >= SETTLES).then_some(wall)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_steps_is_not_trusted_for_an_hour() {
        let begin = Instant::now();
        let wall = Timestamp::UNIX_EPOCH;
        let mut trust = Trust::new(begin, wall);
        let hours = |hours: u64| Duration::from_secs(hours * 3_600);
        assert_eq!(trust.check(begin + hours(0), wall), None);
        assert_eq!(trust.check(begin + hours(2), wall + hours(2)), Some(wall + hours(2)));
        // A year ahead, and back again.
        assert_eq!(trust.check(begin + hours(3), wall + hours(8_760)), None);
        assert_eq!(trust.check(begin + hours(4), wall + hours(4)), None);
        assert_eq!(trust.check(begin + hours(5), wall + hours(5)), Some(wall + hours(5)));
    }
}
