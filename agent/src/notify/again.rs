//! When to try again: at growing distances, each by chance a little shorter, so that a fleet that lost the same endpoint
//! does not come back to it in step.

use std::time::Duration;

/// After the first failure.
const FIRST: Duration = Duration::from_secs(1);
/// At most: an endpoint that is back is found within this.
const MOST: Duration = Duration::from_secs(30);
/// An endpoint may ask for more, but not for more than this.
const MOST_ASKED: Duration = Duration::from_secs(300);

/// Counts failures in a row.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// It worked.
    pub(super) const fn reset(&mut self) {
        self.failures = 0;
    }

    /// It failed again: how long to wait. `asked` is what the endpoint asked for, `chance` any number.
    pub(super) fn wait(&mut self, asked: Option<Duration>, chance: u32) -> Duration {
        let whole = FIRST.saturating_mul(1 << self.failures.min(8)).min(MOST);
        self.failures = self.failures.saturating_add(1);
        let share = 0.5 + 0.5 * f64::from(chance) / f64::from(u32::MAX);
        let own = whole.mul_f64(share);
        asked.map_or(own, |asked| asked.min(MOST_ASKED).max(own))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_double_up_to_a_bound_and_begin_anew() {
        let mut backoff = Backoff::default();
        let waits: Vec<u64> = (0..7).map(|_| backoff.wait(None, u32::MAX).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30]);
        backoff.reset();
        assert_eq!(backoff.wait(None, 0), Duration::from_millis(500));
    }

    #[test]
    fn what_the_endpoint_asks_for_is_given_within_reason() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.wait(Some(Duration::from_secs(7)), 0), Duration::from_secs(7));
        assert_eq!(backoff.wait(Some(Duration::MAX), 0), MOST_ASKED);
        assert_eq!(
            backoff.wait(Some(Duration::ZERO), 0),
            Duration::from_secs(2),
            "its own is longer"
        );
    }
}
