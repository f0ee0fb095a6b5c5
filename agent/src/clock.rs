//! The two clocks and the bridge between them. The kernel's entries expire by `CLOCK_MONOTONIC`; people, the ledger and
//! reboots need the wall clock. Whatever lives in memory carries both, so that a step of the wall clock ends nothing early.

use std::{sync::OnceLock, time::Duration};

use jiff::Timestamp;
use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use crate::tables::MonotonicNs;

/// One instant on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Now {
    /// Wall clock.
    pub wall: Timestamp,
    /// `CLOCK_MONOTONIC`.
    pub mono: MonotonicNs,
}

/// When something ends, on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiry {
    /// Wall clock: for people and the ledger.
    pub wall: Timestamp,
    /// `CLOCK_MONOTONIC` of this boot: for the kernel, and what decides.
    pub mono: MonotonicNs,
}

/// Nanoseconds of a duration; 584 years at most.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl Now {
    /// Reads both clocks.
    ///
    /// # Panics
    /// Never on Linux: both clocks always exist.
    #[must_use]
    pub fn read() -> Self {
        let mono = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("CLOCK_MONOTONIC exists on every Linux");
        Self {
            wall: Timestamp::now(),
            mono: kernels(nanos(Duration::from(mono)), *OFFSET.get_or_init(offset)),
        }
    }

    /// The instant this long from now.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Expiry {
        Expiry {
            wall: self.wall.checked_add(duration).unwrap_or(Timestamp::MAX),
            mono: MonotonicNs(self.mono.0.saturating_add(nanos(duration))),
        }
    }

    /// An instant of the wall clock; `None` if it is past.
    #[must_use]
    pub fn until_wall(self, wall: Timestamp) -> Option<Expiry> {
        let left = Duration::try_from(wall.duration_since(self.wall))
            .ok()
            .filter(|left| !left.is_zero())?;
        Some(Expiry {
            wall,
            mono: self.plus(left).mono,
        })
    }

    /// An instant of `CLOCK_MONOTONIC`; `None` if it is past.
    #[must_use]
    pub fn until_mono(self, mono: MonotonicNs) -> Option<Expiry> {
        let left = mono.0.checked_sub(self.mono.0).filter(|left| *left > 0)?;
        Some(Expiry {
            wall: self.plus(Duration::from_nanos(left)).wall,
            mono,
        })
    }

    /// The wall clock at an instant of this boot's `CLOCK_MONOTONIC`, past or to come.
    #[must_use]
    pub fn wall_of(self, mono: MonotonicNs) -> Timestamp {
        if mono >= self.mono {
            return self.plus(Duration::from_nanos(mono.0 - self.mono.0)).wall;
        }
        self.wall
            .checked_sub(Duration::from_nanos(self.mono.0 - mono.0))
            .unwrap_or(Timestamp::MIN)
    }
}

/// What this process's time namespace adds to the kernel's own `CLOCK_MONOTONIC`, in nanoseconds.
static OFFSET: OnceLock<i64> = OnceLock::new();

/// A container may have a time namespace (time_namespaces(7)); the kernel's entries know nothing of it.
fn kernels(ours: u64, offset: i64) -> MonotonicNs {
    MonotonicNs(ours.saturating_add_signed(offset.saturating_neg()))
}

fn offset() -> i64 {
    // A kernel without time namespaces has no such file.
    std::fs::read_to_string("/proc/self/timens_offsets").map_or(0, |text| parse_offset(&text))
}

/// The line of `CLOCK_MONOTONIC`: its name, seconds (which may be negative), nanoseconds.
fn parse_offset(text: &str) -> i64 {
    let of = |line: &str| {
        let mut words = line.split_whitespace();
        let ("monotonic", seconds, nanos) = (words.next()?, words.next()?, words.next()?) else {
            return None;
        };
        let seconds: i64 = seconds.parse().ok()?;
        seconds.checked_mul(1_000_000_000)?.checked_add(nanos.parse().ok()?)
    };
    text.lines().find_map(of).unwrap_or(0)
}

/// Identity of this boot of the kernel; `CLOCK_MONOTONIC` and map ids mean nothing across two of them.
#[must_use]
pub fn boot_id() -> String {
    // Without procfs there is no boot id: then nothing counts as installed by an earlier run, which is the safe side.
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|id| id.trim().to_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Now {
        Now {
            wall: "2025-06-01T12:00:00Z".parse().expect("timestamp"),
            mono: MonotonicNs(5_000_000_000),
        }
    }

    #[test]
    fn a_lifetime_ends_at_the_same_instant_on_both_clocks() {
        let expiry = now().plus(Duration::from_secs(60));
        assert_eq!(expiry.wall.to_string(), "2025-06-01T12:01:00Z");
        assert_eq!(expiry.mono, MonotonicNs(65_000_000_000));
        assert_eq!(now().until_wall(expiry.wall), Some(expiry));
        assert_eq!(now().until_mono(expiry.mono), Some(expiry));
    }

    #[test]
    fn what_is_past_is_over() {
        let now = now();
        assert_eq!(now.until_wall(now.wall), None);
        assert_eq!(now.until_wall("2025-06-01T11:59:59Z".parse().expect("timestamp")), None);
        assert_eq!(now.until_mono(now.mono), None);
        assert_eq!(now.until_mono(MonotonicNs(1)), None);
    }

    #[test]
    fn the_wall_clock_of_a_monotonic_instant() {
        assert_eq!(
            now().wall_of(MonotonicNs(4_000_000_000)).to_string(),
            "2025-06-01T11:59:59Z"
        );
        assert_eq!(
            now().wall_of(MonotonicNs(6_000_000_000)).to_string(),
            "2025-06-01T12:00:01Z"
        );
    }

    #[test]
    fn a_reboot_keeps_the_time_that_is_left() {
        let expiry = now().plus(Duration::from_secs(3600));
        let rebooted = Now {
            wall: "2025-06-01T12:30:00Z".parse().expect("timestamp"),
            mono: MonotonicNs(7),
        };
        let kept = rebooted.until_wall(expiry.wall).expect("half an hour is left");
        assert_eq!(kept.mono, MonotonicNs(1_800_000_000_007));
    }

    #[test]
    fn a_time_namespace_is_taken_out() {
        let text = "monotonic           0         0\nboottime            0         0\n";
        assert_eq!(parse_offset(text), 0);
        let text = "monotonic    86400 500000000\nboottime       0         0\n";
        assert_eq!(parse_offset(text), 86_400_500_000_000);
        assert_eq!(kernels(86_400_500_000_007, 86_400_500_000_000), MonotonicNs(7));
        assert_eq!(parse_offset("monotonic -10 0\n"), -10_000_000_000);
        assert_eq!(kernels(5, -10_000_000_000), MonotonicNs(10_000_000_005));
        assert_eq!(parse_offset("nothing of the kind"), 0);
    }

    #[test]
    fn the_longest_lifetime_does_not_overflow() {
        let expiry = now().plus(Duration::MAX);
        assert_eq!(expiry.mono, MonotonicNs(u64::MAX));
    }
}
