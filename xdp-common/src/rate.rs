//! Rate limits as GCRA buckets (the virtual scheduling algorithm of ITU-T I.371, annex A; ATM Forum TM 4.1, 4.4.2),
//! shared by all CPUs and taken in batches, so that no packet of a flood writes a line that other CPUs read.
//!
//! A bucket is one word: the theoretical arrival time (TAT) in nanoseconds. A packet conforms while TAT − now stays
//! within the burst. A CPU takes a batch of admissions with one compare-and-swap and spends them from its own
//! memory; when the bucket has none, it remembers until when, and does not look at the shared word before.

use crate::word::SharedWord;

/// Nanoseconds in a second.
const SECOND_NS: u64 = 1_000_000_000;
/// How often a lost race for the shared word is tried again before the packet counts as over the rate.
const TRIES: u32 = 4;
/// The largest batch: bounds what idle CPUs may hold back from busy ones.
const BATCH_MAX: u32 = 64;
/// How far the clocks of two CPUs may differ: each is read once a jiffy, and a jiffy is 10 ms at most.
const CLOCK_SKEW_NS: u64 = 20_000_000;

/// A rate with a burst, as the kernel side computes with it. `interval_ns` of 0 means unlimited.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limit {
    /// Nanoseconds between two admissions at the rate.
    pub interval_ns: u64,
    /// How far the TAT may run ahead of the clock: (burst − 1) × interval.
    pub burst_ns: u64,
    /// Admissions that a CPU takes at once: a millisecond's worth, 1 to 64.
    pub batch: u32,
    /// SYNs within the sketch's window at which a source gets a bucket of its own (sources only).
    pub promote_at: u32,
}

impl Limit {
    /// No limit at all.
    pub const UNLIMITED: Self = Self {
        interval_ns: 0,
        burst_ns: 0,
        batch: 0,
        promote_at: u32::MAX,
    };
    /// The highest rate that nanoseconds still express within 1 %, in packets per second.
    pub const RATE_MAX: u32 = 10_000_000;

    /// `rate` in packets per second (1 to [`Self::RATE_MAX`]), `burst` in packets (at least 1).
    pub const fn new(rate: u32, burst: u32) -> Self {
        let interval_ns = SECOND_NS / rate as u64;
        let batch = rate / 1_000;
        let batch = if batch == 0 {
            1
        } else if batch > BATCH_MAX {
            BATCH_MAX
        } else {
            batch
        };
        Self {
            interval_ns,
            burst_ns: (burst as u64 - 1) * interval_ns,
            batch: if batch > burst { burst } else { batch },
            promote_at: crate::sketch::promote_at(rate, burst),
        }
    }

    /// True when nothing is limited.
    #[inline(always)]
    pub const fn is_unlimited(self) -> bool {
        self.interval_ns == 0
    }

    /// The TAT to reckon with when the shared word says `seen`: not in the past, and no further ahead than this limit
    /// can have written it. A word from another limit counts as a bucket that is just used up, so that changing a
    /// rate cannot shut an address for long.
    #[inline(always)]
    const fn sound(&self, seen: u64, now_ns: u64) -> u64 {
        let furthest = now_ns + self.burst_ns + self.interval_ns * BATCH_MAX as u64 + CLOCK_SKEW_NS;
        if seen < now_ns {
            now_ns
        } else if seen > furthest {
            now_ns + self.burst_ns
        } else {
            seen
        }
    }

    /// Packets per second, rounded; `None` when unlimited.
    pub const fn rate(self) -> Option<u32> {
        match self.interval_ns {
            0 => None,
            interval => Some(((SECOND_NS + interval / 2) / interval) as u32),
        }
    }

    /// Packets that may come at once; `None` when unlimited.
    pub const fn burst(self) -> Option<u32> {
        match self.interval_ns {
            0 => None,
            interval => Some((self.burst_ns / interval) as u32 + 1),
        }
    }
}

/// What one CPU holds of a shared bucket.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LocalBucket {
    /// The shared bucket had nothing to give before this instant (CLOCK_MONOTONIC, ns).
    pub dry_until_ns: u64,
    /// Admissions taken and not yet spent.
    pub credit: u64,
}

impl LocalBucket {
    /// True while this CPU knows that the bucket has nothing to give.
    #[inline(always)]
    pub const fn is_dry(&self, now_ns: u64) -> bool {
        self.credit == 0 && now_ns < self.dry_until_ns
    }

    /// Admits one packet at `now_ns`, or not. `shared` is the bucket's TAT.
    #[inline(always)]
    pub fn admit(&mut self, shared: &impl SharedWord, limit: &Limit, now_ns: u64) -> bool {
        if limit.is_unlimited() {
            return true;
        }
        if self.credit > 0 {
            self.credit -= 1;
            return true;
        }
        if now_ns < self.dry_until_ns {
            return false;
        }
        self.take_batch(shared, limit, now_ns)
    }

    /// Moves up to a batch from the shared bucket and spends one of it.
    #[inline(always)]
    fn take_batch(&mut self, shared: &impl SharedWord, limit: &Limit, now_ns: u64) -> bool {
        let mut seen = shared.load();
        for _ in 0..TRIES {
            let tat = limit.sound(seen, now_ns);
            let ahead = tat - now_ns;
            if ahead > limit.burst_ns {
                self.dry_until_ns = now_ns + (ahead - limit.burst_ns);
                return false;
            }
            let room = (limit.burst_ns - ahead) / limit.interval_ns + 1;
            let batch = if room < u64::from(limit.batch) {
                room
            } else {
                u64::from(limit.batch)
            };
            let next = tat + batch * limit.interval_ns;
            match shared.replace(seen, next) {
                Ok(()) => {
                    self.credit = batch - 1;
                    return true;
                }
                Err(now_there) => seen = now_there,
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::{Limit, LocalBucket, SECOND_NS};
    use core::sync::atomic::AtomicU64;
    use proptest::prelude::*;
    use std::vec;

    const START: u64 = 5 * SECOND_NS;

    /// Offers packets by `cpus` CPUs with the given weights, on a clock of 4 ms steps; returns how many were admitted.
    fn admitted(limit: Limit, offered_pps: u64, seconds: u64, weights: &[u64]) -> u64 {
        let shared = AtomicU64::new(0);
        let mut locals = vec![LocalBucket::default(); weights.len()];
        let total: u64 = weights.iter().sum();
        let mut admitted = 0;
        for tick in 0..seconds * 250 {
            let now = START + tick * 4_000_000;
            for (local, weight) in locals.iter_mut().zip(weights) {
                for _ in 0..offered_pps / 250 * weight / total {
                    admitted += u64::from(local.admit(&shared, &limit, now));
                }
            }
        }
        admitted
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn the_admitted_rate_is_the_threshold_however_the_load_is_spread(
            rate in 250u32..50_000,
            weights in proptest::collection::vec(1u64..100, 1..16),
        ) {
            let limit = Limit::new(rate, rate / 4 + 1);
            let seconds = 4;
            let got = admitted(limit, u64::from(rate) * 20, seconds, &weights) as f64;
            let want = f64::from(rate) * seconds as f64 + f64::from(rate / 4 + 1);
            prop_assert!((got - want).abs() <= want * 0.05, "admitted {got}, threshold allows {want}");
        }

        #[test]
        fn below_the_rate_nothing_is_dropped(rate in 1_000u32..50_000, cpus in 1usize..8) {
            let limit = Limit::new(rate, rate);
            let offered = u64::from(rate) / 2;
            let per_cpu_tick = offered / 250 / cpus as u64;
            let got = admitted(limit, offered, 2, &vec![1; cpus]);
            prop_assert_eq!(got, per_cpu_tick * cpus as u64 * 500);
        }

        #[test]
        fn rate_and_burst_survive_the_conversion(rate in 1u32..1_000_000, burst in 1u32..1_000_000) {
            let limit = Limit::new(rate, burst);
            prop_assert_eq!(limit.burst(), Some(burst));
            let back = f64::from(limit.rate().unwrap());
            prop_assert!((back / f64::from(rate) - 1.0).abs() < 0.001, "{back}");
        }
    }

    #[test]
    fn a_burst_passes_whole_and_the_next_packet_does_not() {
        let limit = Limit::new(100, 10);
        let shared = AtomicU64::new(0);
        let mut local = LocalBucket::default();
        assert!((0..10).all(|_| local.admit(&shared, &limit, START)));
        assert!(!local.admit(&shared, &limit, START));
        assert!(!local.admit(&shared, &limit, START + 9_000_000));
        assert!(local.admit(&shared, &limit, START + 10_000_000));
    }

    #[test]
    fn a_bucket_left_by_another_limit_does_not_shut_the_address() {
        let shared = AtomicU64::new(START + 3_600 * SECOND_NS);
        let limit = Limit::new(1_000, 1_000);
        let mut local = LocalBucket::default();
        let admitted = (0..1_000)
            .filter(|ms| local.admit(&shared, &limit, START + ms * 1_000_000))
            .count();
        assert!((990..=1_010).contains(&admitted), "{admitted}");
    }

    #[test]
    fn unlimited_admits() {
        let shared = AtomicU64::new(u64::MAX);
        assert!(LocalBucket::default().admit(&shared, &Limit::UNLIMITED, START));
    }
}
