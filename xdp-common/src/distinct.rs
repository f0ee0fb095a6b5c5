//! How many different sources there are, in fixed memory: each of [`REGISTERS`] registers keeps the least hash of the sources
//! that fall to it (Giroire, "Order statistics and estimating cardinalities of massive data sets", Discrete Applied
//! Mathematics 157, 2009). Every packet counts, none writes unless its source is news; registers of several CPUs are merged by their
//! least. A register whose window has ended is kept for a window longer, for user space to read.
//!
//! Why not HyperLogLog: its registers want the leading zeros of a hash, for which BPF has no instruction.

use crate::Address;

/// Registers of a window. The standard error is 1 / √(REGISTERS − 2), 6.3 %.
pub const REGISTERS: usize = 256;
/// A window is 2^30 ns, 1.07 s.
pub const WINDOW_SHIFT: u32 = 30;
/// A register that met nobody.
const NOBODY: u32 = u32::MAX;

/// One CPU's registers.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Distinct {
    /// The window that is counted now; its registers are in the bank of its lowest bit.
    pub window: u64,
    /// The windows that the banks are of.
    pub windows: [u64; 2],
    /// The registers.
    pub banks: [[u32; REGISTERS]; 2],
}

impl Default for Distinct {
    fn default() -> Self {
        Self {
            window: 0,
            windows: [0; 2],
            banks: [[0; REGISTERS]; 2],
        }
    }
}

/// Keyed hash of a source: cheaper than [`crate::sketch::hash`], because it is computed for each packet. An IPv6 address
/// counts as its /64.
#[inline(always)]
pub const fn hash(source: Address, seed: [u64; 2]) -> u64 {
    let [first, second] = source.words();
    // The first half of an IPv4-mapped address is zero; that of an IPv6 address is its /64.
    let key = if first == 0 { second } else { first };
    // Turned, so that the bytes of an IPv4 address are low and the products mix them. The constant is MurmurHash3's.
    let mut h = (key.rotate_left(32) ^ seed[0]).wrapping_mul(0xff51_afd7_ed55_8ccd);
    h ^= h >> 32;
    h.wrapping_mul(seed[1] | 1)
}

impl Distinct {
    /// Counts a packet of the source with this [`hash`].
    #[inline(always)]
    pub const fn meet(&mut self, hash: u64) {
        let register = (hash >> 56) as usize & (REGISTERS - 1);
        let value = (hash >> 24) as u32;
        let bank = &mut self.banks[(self.window & 1) as usize];
        if value < bank[register] {
            bank[register] = value;
        }
    }

    /// Goes over to the window of this instant, CLOCK_MONOTONIC ns, if it is another.
    #[inline(always)]
    pub fn turn_to(&mut self, now_ns: u64) {
        let window = now_ns >> WINDOW_SHIFT;
        if window == self.window {
            return;
        }
        let bank = (window & 1) as usize;
        self.windows[bank] = window;
        self.banks[bank] = [NOBODY; REGISTERS];
        self.window = window;
    }

    /// The registers of a window, if they are still (or already) here.
    pub fn of_window(&self, window: u64) -> Option<&[u32; REGISTERS]> {
        let bank = (window & 1) as usize;
        (self.windows[bank] == window && window != 0).then_some(&self.banks[bank])
    }
}

/// The number of sources that all these registers (of several CPUs, of one window) met.
pub fn estimate<'a>(registers: impl Iterator<Item = &'a [u32; REGISTERS]>) -> f64 {
    let mut least = [NOBODY; REGISTERS];
    for cpu in registers {
        for (least, value) in least.iter_mut().zip(cpu) {
            *least = (*least).min(*value);
        }
    }
    let met = least.iter().filter(|value| **value != NOBODY).count();
    // The least of each register, as a fraction of all hashes: with n sources in m registers, distributed exponentially with
    // the mean m / n, and cut off at 1. This is the maximum-likelihood estimate of n; the one less, when no register is
    // empty, takes away its bias.
    let sum: f64 = least
        .iter()
        .map(|value| (f64::from(*value) + 0.5) / 4_294_967_296.0)
        .sum();
    let unbiased = if met == REGISTERS { met - 1 } else { met };
    (REGISTERS * unbiased) as f64 / sum
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::{Distinct, WINDOW_SHIFT, estimate, hash};
    use crate::Address;

    const SEED: [u64; 2] = [0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210];
    const NOW: u64 = 1000 << WINDOW_SHIFT;

    fn estimate_of(sources: impl Iterator<Item = Address>, cpus: usize) -> f64 {
        let mut counted = std::vec![Distinct::default(); cpus];
        for cpu in &mut counted {
            cpu.turn_to(NOW);
        }
        for (n, source) in sources.enumerate() {
            counted[n % cpus].meet(hash(source, SEED));
        }
        estimate(counted.iter().filter_map(|cpu| cpu.of_window(NOW >> WINDOW_SHIFT)))
    }

    fn v4(n: u32) -> Address {
        Address::from_v4_bytes(n.to_be_bytes())
    }

    #[test]
    fn few_and_many_sources_are_estimated_within_three_standard_errors() {
        for many in [1u32, 10, 100, 1_000, 10_000, 100_000, 3_000_000] {
            // Neighbours, and one in each /24.
            for step in [1, 256] {
                let sources = (0..many).map(|n| v4(0x4000_0000 + n * step));
                let estimated = estimate_of(sources, 1);
                let error = estimated / f64::from(many) - 1.0;
                assert!(error.abs() < 0.19, "{many} sources, {step} apart: {estimated}");
            }
        }
    }

    #[test]
    fn packets_of_one_source_on_many_cpus_are_one_source() {
        let estimated = estimate_of((0..100_000u32).map(|n| v4(n % 500)), 4);
        assert!((425.0..575.0).contains(&estimated), "{estimated}");
    }

    #[test]
    fn addresses_of_one_64_are_one_source() {
        let source = |n: u8| {
            let mut bytes = [0x20, 1, 0xd, 0xb8, 0, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0];
            bytes[15] = n;
            Address::from_bytes(bytes)
        };
        let estimated = estimate_of((0..=255).map(source), 1);
        assert!((0.9..1.1).contains(&estimated), "{estimated}");
    }

    #[test]
    fn a_window_is_kept_until_the_one_after_the_next() {
        let mut cpu = Distinct::default();
        let window = NOW >> WINDOW_SHIFT;
        cpu.turn_to(NOW);
        cpu.meet(hash(v4(1), SEED));
        cpu.turn_to((window + 1) << WINDOW_SHIFT);
        assert!(cpu.of_window(window).is_some() && cpu.of_window(window + 1).is_some());
        cpu.turn_to((window + 2) << WINDOW_SHIFT);
        assert!(cpu.of_window(window).is_none());
        assert!(estimate(cpu.of_window(window + 2).into_iter()) < 0.5, "begins empty");
    }
}
