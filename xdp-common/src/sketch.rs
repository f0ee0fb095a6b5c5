//! The sketch that counts the SYNs of every source in fixed memory: a count-min sketch (Cormode & Muthukrishnan 2005)
//! whose three counters of a source lie in one 32-byte block, corrected for collisions as count-mean-min does (Deng &
//! Rafiei 2007), and aged by halving at each window, lazily, by the first packet that meets the block.
//!
//! It only decides which sources deserve an exact bucket; races between CPUs may lose a count, never more. Under a
//! flood from random sources the correction grows with the noise, so that strangers do not look heavy.

use crate::Address;

/// Blocks in the sketch; a power of two. 32,768 blocks of 32 bytes are 1 MiB.
pub const BLOCKS: u32 = 1 << 15;
/// A window is 2^30 ns, 1.07 s: a shift, not a division.
pub const WINDOW_SHIFT: u32 = 30;
/// Counters in a row of a block.
const COLUMNS: u64 = 8;
/// The least significant bit of each counter of a row.
const ONES: u64 = 0x0101_0101_0101_0101;
/// SYNs a window at which a source is heavy, unless its limit is lower: safely above the noise of 10 M random SYN/s.
const PROMOTE_MAX: u32 = 64;

/// One block: three rows of eight 8-bit counters, and the window of its last change.
#[repr(C, align(32))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// Window in which the rows were last aged.
    pub window: u64,
    /// Eight counters each.
    pub rows: [u64; 3],
}

/// The estimate at which a source under a limit of `rate` per second and `burst` gets its own bucket. At most the
/// rate, so that a source over its limit stays heavy from window to window, and half the burst, which it has then used.
pub const fn promote_at(rate: u32, burst: u32) -> u32 {
    let mut at = if burst / 2 < rate { burst / 2 } else { rate };
    if at > PROMOTE_MAX {
        at = PROMOTE_MAX;
    }
    if at == 0 { 1 } else { at }
}

/// Keyed hash of a source: two rounds of the 64-bit finalizer of MurmurHash3 with a secret of 128 bits. `seed` is
/// drawn anew at each boot; nothing that an attacker sees depends on it.
#[inline(always)]
pub const fn hash(source: Address, seed: [u64; 2]) -> u64 {
    let [high, low] = source.words();
    let mut h = low ^ seed[0];
    h ^= h >> 33;
    h = h.wrapping_mul(0xff51_afd7_ed55_8ccd);
    h ^= high ^ seed[1];
    h ^= h >> 33;
    h = h.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    h ^ (h >> 33)
}

/// The block of a source with this hash.
#[inline(always)]
pub const fn block_of(hash: u64) -> u32 {
    (hash as u32) & (BLOCKS - 1)
}

impl Block {
    /// Counts `syns` SYNs (1 to 64, see [`crate::source::SAMPLING`]) of the source with this `hash`; the answer is the estimate of its SYNs in this window,
    /// after the correction for others.
    #[inline(always)]
    pub fn count(&mut self, hash: u64, syns: u64, now_ns: u64) -> u32 {
        self.age(now_ns >> WINDOW_SHIFT);
        let columns = hash >> 32;
        let mut least = u64::MAX;
        let mut row = 0;
        while row < 3 {
            let shift = ((columns >> (row * 3)) & (COLUMNS - 1)) * 8;
            let counters = self.rows[row];
            let counter = (counters >> shift) & 0xff;
            let counted = if counter + syns < 0xff { counter + syns } else { 0xff };
            self.rows[row] = counters + ((counted - counter) << shift);
            let noise = (sum(counters) - counter) / COLUMNS;
            let own = counted.saturating_sub(noise);
            if own < least {
                least = own;
            }
            row += 1;
        }
        least as u32
    }

    /// Halves the counters once for each window that passed.
    #[inline(always)]
    fn age(&mut self, window: u64) {
        let passed = window.wrapping_sub(self.window);
        if passed == 0 {
            return;
        }
        let (shift, keep) = if passed < 8 {
            (passed, (0xff >> passed) * ONES)
        } else {
            (0, 0)
        };
        let mut row = 0;
        while row < 3 {
            self.rows[row] = (self.rows[row] >> shift) & keep;
            row += 1;
        }
        self.window = window;
    }
}

/// Sum of the eight counters of a row.
#[inline(always)]
const fn sum(row: u64) -> u64 {
    const EVEN: u64 = 0x00ff_00ff_00ff_00ff;
    let pairs = (row & EVEN) + ((row >> 8) & EVEN);
    pairs.wrapping_mul(0x0001_0001_0001_0001) >> 48
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::{BLOCKS, Block, WINDOW_SHIFT, block_of, hash, promote_at, sum};
    use crate::Address;
    use std::vec;
    use std::vec::Vec;

    const SEED: [u64; 2] = [0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210];

    fn v4(n: u32) -> Address {
        Address::from_v4_bytes(n.to_be_bytes())
    }

    #[test]
    fn sums_without_overflow() {
        assert_eq!(sum(u64::MAX), 8 * 255);
        assert_eq!(sum(0x0102_0304_0506_0708), 36);
    }

    #[test]
    fn a_lonely_source_is_counted_exactly_and_halved_by_windows() {
        let mut block = Block::default();
        let h = hash(v4(1), SEED);
        for n in 1..=40 {
            assert_eq!(block.count(h, 1, 0), n);
        }
        assert_eq!(block.count(h, 1, 1 << WINDOW_SHIFT), 21);
        assert_eq!(block.count(h, 1, 20 << WINDOW_SHIFT), 1);
    }

    /// A million random SYNs in one window beside fifty sources of 500 each: the fifty are found, strangers are not.
    #[test]
    fn heavy_sources_stand_out_of_a_spoofed_flood() {
        let mut blocks = vec![Block::default(); BLOCKS as usize];
        let mut state = 88_172_645_463_325_252u64;
        let mut strangers_called_heavy = 0;
        let mut found: Vec<bool> = vec![false; 50];
        for n in 0..1_025_000u32 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let heavy = n % 41 == 0;
            let source = if heavy {
                v4(n / 41 % 50)
            } else {
                v4(0x4000_0000 | (state as u32 >> 3))
            };
            let h = hash(source, SEED);
            let estimate = blocks[block_of(h) as usize].count(h, 1, 0);
            if estimate >= promote_at(1_000, 1_000) {
                match heavy {
                    true => found[(n / 41 % 50) as usize] = true,
                    false => strangers_called_heavy += 1,
                }
            }
        }
        assert!(found.iter().all(|&f| f), "not every heavy source was found: {found:?}");
        assert!(
            strangers_called_heavy < 100,
            "{strangers_called_heavy} of a million random sources looked heavy"
        );
    }

    #[test]
    fn promotion_never_waits_past_the_limit() {
        assert_eq!(promote_at(1, 1), 1);
        assert_eq!(promote_at(20, 40), 20);
        assert_eq!(promote_at(1_000, 20), 10);
        assert_eq!(promote_at(100_000, 100_000), 64);
    }
}
