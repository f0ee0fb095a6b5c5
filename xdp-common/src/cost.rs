//! Rates whose events differ in cost (bytes of a frame), as the same GCRA buckets as in [`crate::rate`]: one shared word,
//! the theoretical arrival time (TAT) in nanoseconds, taken in batches by compare-and-swap.
//!
//! At 100 Gbit/s a byte lasts 0.08 ns, so an interval is a fixed-point number with 20 bits below the nanosecond, and it is
//! a whole batch, not each packet, whose cost is rounded to nanoseconds: to 1 in 10,000 at 1 Tbit/s.

use crate::word::SharedWord;

/// Bits of an interval below the nanosecond.
const FRACTION: u32 = 20;
/// One second in intervals' unit.
const SECOND: u128 = 1_000_000_000 << FRACTION;
/// How often a lost race for the shared word is tried again before the packet counts as over the rate.
const TRIES: u32 = 4;
/// The largest batches: they bound what idle CPUs may hold back from busy ones.
const PACKETS_MAX: u64 = 64;
const BYTES_MAX: u64 = 1 << 17;
/// The longest frame, bytes: several pages of a multi-buffer frame.
const FRAME_MAX: u32 = 1 << 16;
/// The smallest burst: packets, and bytes of as many full frames.
const BURST_PACKETS: u64 = 10;
const BURST_BYTES: u64 = 10 * 1_514;
/// Of a second's worth, what may come at once.
const BURST_PART: u64 = 4;
/// How far the clocks of two CPUs may differ: each is read once a jiffy, and a jiffy is 10 ms at most.
const CLOCK_SKEW_NS: u64 = 20_000_000;

/// A rate as the kernel side computes with it. All zero: no limit.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CostLimit {
    /// Time between two units (packets or bytes) at the rate, 2^-20 ns; 0: no limit.
    pub interval: u64,
    /// How far the TAT may run ahead of the clock, ns: a quarter of a second's worth, ten packets at least.
    pub burst_ns: u64,
    /// Units that a CPU takes at once.
    pub batch: u32,
    /// The most that one packet costs, units.
    pub largest: u32,
}

impl CostLimit {
    /// No limit at all.
    pub const UNLIMITED: Self = Self {
        interval: 0,
        burst_ns: 0,
        batch: 0,
        largest: 0,
    };
    /// The highest rate of packets, per second.
    pub const PACKETS_MOST: u64 = 1_000_000_000;
    /// The lowest rate of bits, per second.
    pub const BITS_LEAST: u64 = 1_000;
    /// The highest rate of bits, per second.
    pub const BITS_MOST: u64 = 1_000_000_000_000;

    /// So many packets per second (1 to [`Self::PACKETS_MOST`]).
    pub const fn packets(per_second: u64) -> Self {
        let interval = (SECOND / per_second as u128) as u64;
        Self {
            interval,
            burst_ns: burst_ns(interval, per_second, BURST_PACKETS),
            batch: batch(per_second, 1, PACKETS_MAX),
            largest: 1,
        }
    }

    /// So many bits per second ([`Self::BITS_LEAST`] to [`Self::BITS_MOST`]), in units of bytes.
    pub const fn bits(per_second: u64) -> Self {
        let interval = (SECOND * 8 / per_second as u128) as u64;
        Self {
            interval,
            burst_ns: burst_ns(interval, per_second / 8, BURST_BYTES),
            batch: batch(per_second / 8, 1, BYTES_MAX),
            largest: FRAME_MAX,
        }
    }

    /// Units per second, rounded; `None` without a limit.
    pub const fn per_second(self) -> Option<u64> {
        match self.interval {
            0 => None,
            interval => Some(((SECOND + interval as u128 / 2) / interval as u128) as u64),
        }
    }

    /// Bits per second of a limit in bytes; `None` without a limit.
    pub const fn bits_per_second(self) -> Option<u64> {
        match self.interval {
            0 => None,
            interval => Some(((SECOND * 8 + interval as u128 / 2) / interval as u128) as u64),
        }
    }

    /// True when nothing is limited.
    #[inline(always)]
    pub const fn is_unlimited(&self) -> bool {
        self.interval == 0
    }

    /// What so many units last at the rate, ns.
    #[inline(always)]
    const fn time_ns(&self, units: u64) -> u64 {
        (units * self.interval) >> FRACTION
    }

    /// The TAT to reckon with when the shared word says `seen`: not in the past, and no further ahead than this limit can
    /// have written it (see [`crate::rate`]).
    #[inline(always)]
    const fn sound(&self, seen: u64, now_ns: u64) -> u64 {
        let most = if self.batch > self.largest {
            self.batch
        } else {
            self.largest
        };
        if seen < now_ns {
            now_ns
        } else if seen > now_ns + self.burst_ns + self.time_ns(most as u64) + CLOCK_SKEW_NS {
            now_ns + self.burst_ns
        } else {
            seen
        }
    }

    /// Spends `cost` units of `credit`, which this CPU has, and takes a batch of the shared bucket (whose TAT is `shared`)
    /// when that is not enough. 0 when they could be spent; else the instant before which there is nothing to take, ns.
    #[inline(always)]
    pub fn spend(&self, credit: &mut u32, shared: &impl SharedWord, cost: u32, now_ns: u64) -> u64 {
        if self.is_unlimited() {
            return 0;
        }
        if *credit >= cost {
            *credit -= cost;
            return 0;
        }
        let need = u64::from(cost - *credit);
        let mut seen = shared.load();
        for _ in 0..TRIES {
            let tat = self.sound(seen, now_ns);
            let ahead = tat - now_ns;
            if ahead > self.burst_ns {
                return now_ns + (ahead - self.burst_ns);
            }
            // A packet conforms while anything is left, whatever it costs: what it takes too much, later ones wait for.
            let room = ((self.burst_ns - ahead) << FRACTION) / self.interval;
            let batch = u64::from(self.batch);
            let batch = if room < batch { room } else { batch };
            let taken = if need > batch { need } else { batch };
            match shared.replace(seen, tat + self.time_ns(taken)) {
                Ok(()) => {
                    *credit = (taken - need) as u32;
                    return 0;
                }
                Err(now_there) => seen = now_there,
            }
        }
        now_ns
    }

    /// Gives back what was spent on a packet that another budget refused.
    #[inline(always)]
    pub fn refund(&self, credit: &mut u32, cost: u32) {
        if !self.is_unlimited() {
            *credit += cost;
        }
    }
}

/// What may come at once, in time.
const fn burst_ns(interval: u64, units_per_second: u64, least: u64) -> u64 {
    let quarter = units_per_second / BURST_PART;
    let units = if quarter < least { least } else { quarter };
    (((units - 1) as u128 * interval as u128) >> FRACTION) as u64
}

/// A millisecond's worth.
const fn batch(units_per_second: u64, least: u64, most: u64) -> u32 {
    let units = units_per_second / 1_000;
    if units < least {
        least as u32
    } else if units > most {
        most as u32
    } else {
        units as u32
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::{BURST_BYTES, BURST_PART, CostLimit};
    use core::sync::atomic::AtomicU64;
    use proptest::prelude::*;
    use std::{vec, vec::Vec};

    const START: u64 = 5_000_000_000;
    const JIFFY_NS: u64 = 4_000_000;

    /// Offers frames of these lengths by CPUs with the given weights, `offered` units each second in all, on a clock of 4 ms
    /// steps; returns the units that were admitted. What a CPU sends beyond its share of a step with a whole frame, it sends
    /// less in the next: many CPUs with small shares do not add up to more than is offered.
    fn admitted(limit: CostLimit, offered: u64, seconds: u64, weights: &[u64], lengths: &[u32]) -> u64 {
        let shared = AtomicU64::new(0);
        let mut credits = vec![0u32; weights.len()];
        let mut dry = vec![0u64; weights.len()];
        let mut owed = vec![0i64; weights.len()];
        let total: u64 = weights.iter().sum();
        let (mut admitted, mut turn) = (0, 0);
        for tick in 0..seconds * 250 {
            let now = START + tick * JIFFY_NS;
            for (cpu, weight) in weights.iter().enumerate() {
                owed[cpu] += (offered / 250 * weight / total) as i64;
                while owed[cpu] > 0 {
                    let cost = lengths[turn % lengths.len()];
                    turn += 1;
                    owed[cpu] -= i64::from(cost);
                    if now < dry[cpu] {
                        continue;
                    }
                    dry[cpu] = limit.spend(&mut credits[cpu], &shared, cost, now);
                    admitted += if dry[cpu] == 0 { u64::from(cost) } else { 0 };
                }
            }
        }
        admitted
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn the_admitted_bit_rate_is_the_threshold_however_the_load_is_spread(
            megabits in 8u64..1_000,
            weights in proptest::collection::vec(1u64..100, 1..16),
            lengths in proptest::collection::vec(60u32..1_515, 1..20),
        ) {
            let (limit, bytes) = (CostLimit::bits(megabits * 1_000_000), megabits * 125_000);
            let seconds = 4;
            let got = admitted(limit, bytes * 4, seconds, &weights, &lengths) as f64;
            let want = (bytes * seconds + (bytes / BURST_PART).max(BURST_BYTES)) as f64;
            prop_assert!((got - want).abs() <= want * 0.05, "admitted {got} bytes, threshold allows {want}");
        }

        #[test]
        fn the_admitted_packet_rate_is_the_threshold_however_the_load_is_spread(
            rate in 250u64..200_000,
            weights in proptest::collection::vec(1u64..100, 1..16),
        ) {
            let seconds = 4;
            let got = admitted(CostLimit::packets(rate), rate * 20, seconds, &weights, &[1]) as f64;
            let want = (rate * seconds + rate / BURST_PART) as f64;
            prop_assert!((got - want).abs() <= want * 0.05, "admitted {got}, threshold allows {want}");
        }

        #[test]
        fn below_the_rate_nothing_is_dropped(
            megabits in 8u64..1_000,
            cpus in 1usize..8,
            lengths in proptest::collection::vec(60u32..1_515, 1..20),
        ) {
            let bytes = megabits * 125_000;
            let unlimited = admitted(CostLimit::UNLIMITED, bytes / 2, 2, &vec![1; cpus], &lengths);
            prop_assert_eq!(admitted(CostLimit::bits(megabits * 1_000_000), bytes / 2, 2, &vec![1; cpus], &lengths), unlimited);
        }

        #[test]
        fn rates_survive_the_conversion(packets in 1u64..CostLimit::PACKETS_MOST, bits in CostLimit::BITS_LEAST..CostLimit::BITS_MOST) {
            for (back, rate) in [
                (CostLimit::packets(packets).per_second(), packets),
                (CostLimit::bits(bits).bits_per_second(), bits),
            ] {
                let back = back.unwrap() as f64;
                prop_assert!((back / rate as f64 - 1.0).abs() < 0.001, "{back} for {rate}");
            }
        }
    }

    /// A byte lasts 0.08 ns there: what is admitted is still right to a thousandth.
    #[test]
    fn a_hundred_gigabits_are_a_hundred_gigabits() {
        let bytes = 12_500_000_000u64;
        let limit = CostLimit::bits(bytes * 8);
        let got = admitted(limit, bytes * 2, 1, &[3, 1], &[1_514, 60, 9_014]) as f64;
        let want = (bytes + bytes / BURST_PART) as f64;
        assert!((got / want - 1.0).abs() < 0.02, "{got} of {want}");
    }

    #[test]
    fn a_frame_larger_than_the_burst_passes_and_later_ones_wait_for_it() {
        let limit = CostLimit::bits(80_000);
        let (shared, mut credit) = (AtomicU64::new(0), 0);
        assert_eq!(limit.spend(&mut credit, &shared, 60_000, START), 0);
        let until = limit.spend(&mut credit, &shared, 60, START);
        // 60,000 bytes last 6 s at 10,000 bytes per second, of which the burst of 15,140 bytes is free.
        assert!(
            (4_400_000_000..4_600_000_000).contains(&(until - START)),
            "{}",
            until - START
        );
        assert_ne!(limit.spend(&mut credit, &shared, 60, until - 1), 0);
        assert_eq!(limit.spend(&mut credit, &shared, 60, until), 0);
    }

    #[test]
    fn the_lowest_and_the_highest_rates_fit_their_words() {
        for limit in [
            CostLimit::packets(1),
            CostLimit::packets(CostLimit::PACKETS_MOST),
            CostLimit::bits(CostLimit::BITS_LEAST),
            CostLimit::bits(CostLimit::BITS_MOST),
        ] {
            let shared = AtomicU64::new(0);
            let mut credit = 0;
            // A clock of three hundred years.
            let now = u64::MAX / 2;
            let refused: Vec<u64> = (0..20_000_000)
                .map(|_| limit.spend(&mut credit, &shared, limit.largest, now))
                .skip_while(|&until| until == 0)
                .take(1)
                .collect();
            assert!(refused.iter().all(|&until| until > now), "{limit:?}: {refused:?}");
        }
    }

    #[test]
    fn a_bucket_left_by_another_limit_does_not_shut_the_address() {
        let shared = AtomicU64::new(START + 3_600_000_000_000);
        let limit = CostLimit::packets(1_000);
        let mut credit = 0;
        let admitted = (0..1_000).filter(|ms| limit.spend(&mut credit, &shared, 1, START + ms * 1_000_000) == 0);
        assert!((990..=1_010).contains(&admitted.count()));
    }
}
