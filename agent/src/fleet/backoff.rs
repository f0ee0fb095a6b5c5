//! When to try etcd again: soon while nobody answers, which costs nobody much, and seldom where it answers with a refusal; each
//! time by chance a little shorter, so that a fleet does not come back in step.

use std::time::Duration;

use super::pace;

/// After the first failure.
const FIRST: Duration = Duration::from_millis(200);
/// At most while nobody answers, in a small fleet: what others decide holds within two seconds of a cut that has healed. Where a
/// thousand nodes come back at once, they would keep each other from it.
const MOST_PASSING: Duration = Duration::from_millis(500);
/// At most where etcd refuses: each try may cost it a password's hash.
const MOST_LASTING: Duration = Duration::from_secs(5);

/// Counts failures in a row.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// It worked.
    pub const fn reset(&mut self) {
        self.failures = 0;
    }

    /// It failed again: how long to wait in a fleet of so many nodes. `chance` is any number.
    #[must_use]
    pub fn wait(&mut self, is_passing: bool, nodes: u32, chance: u32) -> Duration {
        let most = if is_passing {
            MOST_PASSING * pace::slower(nodes)
        } else {
            MOST_LASTING
        };
        let whole = FIRST.saturating_mul(1 << self.failures.min(8)).min(most);
        self.failures = self.failures.saturating_add(1);
        whole.mul_f64(0.5 + 0.5 * f64::from(chance) / f64::from(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_etcd_is_tried_soon_and_one_that_refuses_seldom() {
        let waits = |is_passing: bool| {
            let mut backoff = Backoff::default();
            (0..7)
                .map(|_| backoff.wait(is_passing, 3, u32::MAX).as_millis())
                .collect::<Vec<_>>()
        };
        assert_eq!(waits(true), [200, 400, 500, 500, 500, 500, 500]);
        let mut many = Backoff::default();
        assert_eq!(
            (0..7).map(|_| many.wait(true, 1_000, u32::MAX).as_millis()).max(),
            Some(5_000)
        );
        assert_eq!(waits(false), [200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
        let mut backoff = Backoff::default();
        assert_eq!(backoff.wait(true, 3, 0), FIRST / 2);
        backoff.reset();
        assert_eq!(backoff.wait(true, 1_000, u32::MAX), FIRST);
    }
}
