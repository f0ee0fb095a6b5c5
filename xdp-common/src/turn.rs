//! Which packets are looked at closely: one in `stride` on average, after a random number of others, so that no periodic
//! traffic meets the same turn again and again. A packet that is looked at stands for `stride` packets; gaps are drawn with that mean, so
//! sums are right on average, whatever the order of the packets.
//!
//! The stride follows the load of the CPU: few packets are looked at one by one, a flood one in [`STRIDE_MAX`]. So little traffic
//! is counted exactly, and a lot of it at a price that does not grow.

/// The largest stride.
pub const STRIDE_MAX: u64 = 256;
/// At most so many looks in a period before the stride doubles.
const LOOKS: u64 = 64;
/// A period, ns.
const PERIOD_NS: u64 = 4_000_000;

/// One CPU's turn. All zero: every packet, for now.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// Packets until the next look.
    pub left: u64,
    /// Packets that the next look stands for; 0 before the first.
    pub stride: u64,
    /// When the period began, CLOCK_MONOTONIC ns.
    pub since_ns: u64,
    /// Looks in it.
    pub looks: u64,
    /// State of the random numbers.
    pub random: u64,
}

impl Turn {
    /// One packet more; true when it is to be looked at.
    #[inline(always)]
    pub const fn comes(&mut self) -> bool {
        if self.left > 1 {
            self.left -= 1;
            return false;
        }
        true
    }

    /// The packets that the packet which is looked at stands for. Draws the next one.
    #[inline(always)]
    pub const fn take(&mut self, now_ns: u64) -> u64 {
        let stands_for = if self.stride == 0 { 1 } else { self.stride };
        self.stride = stands_for;
        if now_ns.wrapping_sub(self.since_ns) >= PERIOD_NS {
            if self.looks < LOOKS / 2 && self.stride > 1 {
                self.stride /= 2;
            }
            self.since_ns = now_ns;
            self.looks = 0;
            // The clock's lowest bits are nobody's to foresee.
            self.random ^= now_ns;
        }
        self.looks += 1;
        if self.looks >= LOOKS {
            // Half of them, so that the period's end does not halve at once what was just doubled.
            self.looks = LOOKS / 2;
            if self.stride < STRIDE_MAX {
                self.stride *= 2;
            }
        }
        // From 1 to 2 × stride − 1, evenly.
        self.left = 1 + ((self.draw() as u64 * (2 * self.stride - 1)) >> 32);
        stands_for
    }

    /// A random number: the upper half of xorshift64* (Marsaglia 2003; Vigna 2016).
    #[inline(always)]
    pub const fn draw(&mut self) -> u32 {
        let mut state = if self.random == 0 {
            0x9e37_79b9_7f4a_7c15
        } else {
            self.random
        };
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        self.random = state;
        (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::{LOOKS, PERIOD_NS, STRIDE_MAX, Turn};

    /// What packets at this rate, all in turn from `kinds` senders, look like after so many: (looks, packets that they stand for
    /// by sender).
    fn run<const N: usize>(pps: u64, packets: u64) -> (u64, [u64; N]) {
        let mut turn = Turn::default();
        let (mut looks, mut stand_for) = (0, [0; N]);
        for n in 0..packets {
            // A clock that is read once a jiffy.
            let now_ns = 1_000_000_000_000 + n * 1_000_000_000 / pps / 4_000_000 * 4_000_000;
            if turn.comes() {
                looks += 1;
                stand_for[(n % N as u64) as usize] += turn.take(now_ns);
            }
        }
        (looks, stand_for)
    }

    #[test]
    fn little_traffic_is_looked_at_packet_by_packet() {
        assert_eq!(run::<1>(2_000, 10_000), (10_000, [10_000]));
    }

    #[test]
    fn looks_stand_for_all_packets_at_a_price_that_stays_flat() {
        for pps in [20_000, 200_000, 1_000_000, 10_000_000] {
            let (looks, [packets]) = run::<1>(pps, 2 * pps);
            let within_periods = 2_000_000_000 / PERIOD_NS * LOOKS;
            assert!(
                looks <= within_periods + 2 * pps / STRIDE_MAX * 11 / 10,
                "{looks} looks at {pps}/s"
            );
            let right = packets as f64 / (2 * pps) as f64;
            assert!((right - 1.0).abs() < 0.02, "{packets} of {} at {pps}/s", 2 * pps);
        }
    }

    /// Senders in a period that the stride divides: with a fixed stride, one of them would be all there is.
    #[test]
    fn periodic_traffic_does_not_alias() {
        let (_, by_sender) = run::<64>(4_000_000, 16_000_000);
        for packets in by_sender {
            let share = packets as f64 / 16_000_000.0 * 64.0;
            assert!((share - 1.0).abs() < 0.15, "{by_sender:?}");
        }
    }

    #[test]
    fn the_stride_goes_back_when_a_flood_ends() {
        let mut turn = Turn {
            stride: STRIDE_MAX,
            ..Turn::default()
        };
        // The gaps of all strides together, at their longest.
        for n in 1..=4 * STRIDE_MAX {
            if turn.comes() {
                turn.take(n * 10_000_000);
            }
        }
        assert_eq!(turn.stride, 1);
    }
}
