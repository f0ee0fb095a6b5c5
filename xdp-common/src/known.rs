//! Sources that completed a handshake lately, in fixed memory: buckets of four fingerprints, each with the time of the
//! latest handshake. A full bucket forgets the one that was longest silent.
//!
//! A stranger is taken for a known source once in 16,384 looks at a full bucket (four fingerprints of 16 bits); which
//! addresses that are depends on a secret. What a known source may do is limited as any other's is.

/// Sources that fit a bucket.
pub const WAYS: u32 = 4;
/// A tick of the stamps is 2^36 ns, 69 s: a shift, and 16 bits last 52 days.
const TICK_SHIFT: u32 = 36;
/// Two entries in each word.
const WORDS: usize = (WAYS / 2) as usize;

/// Four entries of 32 bits: fingerprint (upper half, never 0) and stamp. All zero: empty.
#[repr(C, align(16))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KnownBucket {
    /// Two entries each.
    pub words: [u64; WORDS],
}

/// Ticks that a lifetime of `ns` has, 1 to 32,767.
pub const fn ticks(ns: u64) -> u32 {
    match ns >> TICK_SHIFT {
        0 => 1,
        ticks if ticks > 0x7fff => 0x7fff,
        ticks => ticks as u32,
    }
}

/// The bucket of a source with this hash (see [`crate::sketch::hash`]); `mask` is the number of buckets less one.
#[inline(always)]
pub const fn bucket_of(hash: u64, mask: u32) -> u32 {
    (hash >> 12) as u32 & mask
}

/// The fingerprint of a source with this hash, 1 to 65,535.
#[inline(always)]
const fn fingerprint(hash: u64) -> u64 {
    let print = hash >> 48;
    if print == 0 { 1 } else { print }
}

#[inline(always)]
const fn stamp(now_ns: u64) -> u64 {
    (now_ns >> TICK_SHIFT) & 0xffff
}

impl KnownBucket {
    /// Whether the source with this hash completed a handshake within the last `ticks`.
    #[inline(always)]
    pub const fn has(&self, hash: u64, now_ns: u64, ticks: u32) -> bool {
        let print = fingerprint(hash);
        let now = stamp(now_ns);
        let mut entry = 0;
        while entry < WAYS {
            let value = self.entry(entry);
            if value >> 16 == print && (now.wrapping_sub(value) & 0xffff) <= ticks as u64 {
                return true;
            }
            entry += 1;
        }
        false
    }

    /// Remembers the source: the word to write and where, or `None` when the bucket says so already.
    #[inline(always)]
    pub const fn remember(&self, hash: u64, now_ns: u64) -> Option<(usize, u64)> {
        let print = fingerprint(hash);
        let now = stamp(now_ns);
        let mut place = 0;
        let mut most = 0;
        let mut entry = 0;
        while entry < WAYS {
            let value = self.entry(entry);
            let age = now.wrapping_sub(value) & 0xffff;
            let worth = if value >> 16 == print {
                if age == 0 {
                    return None;
                }
                u64::MAX
            } else if value == 0 {
                0x1_0000
            } else {
                age
            };
            if worth > most || entry == 0 {
                most = worth;
                place = entry;
            }
            entry += 1;
        }
        let word = (place >> 1) as usize & (WORDS - 1);
        let shift = (place & 1) * 32;
        let others = self.words[word] & !(0xffff_ffff << shift);
        Some((word, others | ((print << 16 | now) << shift)))
    }

    #[inline(always)]
    const fn entry(&self, entry: u32) -> u64 {
        (self.words[(entry >> 1) as usize & (WORDS - 1)] >> ((entry & 1) * 32)) & 0xffff_ffff
    }
}

/// Elements in front of the buckets; a power of two. 4,096 of 16 bytes are 64 KiB, which a core keeps close.
pub const MAYBE_PAIRS: u32 = 1 << 12;
/// Bits of a word that remember; the upper 8 say whose epoch it is.
const MAYBE_BITS: u64 = 56;

/// A Bloom filter in front of the buckets, because most strangers of a flood are in none, and a look at them costs a
/// cache miss: one bit of a word for each source, and a word for each of two epochs, as long as sources are known.
/// A source that is known has its bit in the current epoch or in the one before.
#[repr(C, align(16))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MaybeKnown {
    /// Epoch `e` is in word `e % 2`: 56 bits, and the lower 8 bits of `e` above them.
    pub words: [u64; 2],
}

/// The epoch of an instant, when sources are known for so many `ticks` (at least 1).
#[inline(always)]
pub const fn epoch(now_ns: u64, ticks: u32) -> u64 {
    (now_ns >> TICK_SHIFT) / if ticks == 0 { 1 } else { ticks as u64 }
}

/// The element of a source with this hash.
#[inline(always)]
pub const fn maybe_of(hash: u64) -> u32 {
    hash as u32 & (MAYBE_PAIRS - 1)
}

impl MaybeKnown {
    #[inline(always)]
    const fn bit(hash: u64) -> u64 {
        1 << (((hash >> 16 & 0xfff) * MAYBE_BITS) >> 12)
    }

    /// False when the source with this hash is not known; true when it may be.
    #[inline(always)]
    pub const fn may_be(&self, hash: u64, epoch: u64) -> bool {
        let (current, previous) = self.by_age(epoch);
        let mut set = 0;
        if current >> MAYBE_BITS == epoch & 0xff {
            set = current;
        }
        if previous >> MAYBE_BITS == epoch.wrapping_sub(1) & 0xff {
            set |= previous;
        }
        set & Self::bit(hash) != 0
    }

    /// The words of this epoch and of the one before. Chosen, not indexed: the verifier has it easier with registers.
    #[inline(always)]
    const fn by_age(&self, epoch: u64) -> (u64, u64) {
        let [even, odd] = self.words;
        if epoch & 1 == 0 { (even, odd) } else { (odd, even) }
    }

    /// Remembers the source: the word to write and where, or `None` when its bit is set already.
    #[inline(always)]
    pub const fn remember(&self, hash: u64, epoch: u64) -> Option<(usize, u64)> {
        let at = (epoch % 2) as usize;
        let stamp = (epoch & 0xff) << MAYBE_BITS;
        let (word, _) = self.by_age(epoch);
        let kept = if word >> MAYBE_BITS == epoch & 0xff {
            word
        } else {
            stamp
        };
        let with = kept | Self::bit(hash);
        if with == word { None } else { Some((at, with)) }
    }
}

#[cfg(test)]
mod tests {
    use super::{KnownBucket, MaybeKnown, TICK_SHIFT, WAYS, epoch, ticks};

    const TICK: u64 = 1 << TICK_SHIFT;

    fn remember(bucket: &mut KnownBucket, hash: u64, now_ns: u64) {
        if let Some((word, value)) = bucket.remember(hash, now_ns) {
            bucket.words[word] = value;
        }
    }

    fn hash(source: u64) -> u64 {
        (source + 1) << 48
    }

    #[test]
    fn a_source_is_known_for_its_time() {
        let mut bucket = KnownBucket::default();
        let start = 100 * TICK;
        assert!(!bucket.has(hash(7), start, 10));
        remember(&mut bucket, hash(7), start);
        assert!(bucket.has(hash(7), start + 10 * TICK, 10));
        assert!(!bucket.has(hash(7), start + 11 * TICK, 10));
        assert!(!bucket.has(hash(8), start, 10));
    }

    #[test]
    fn a_full_bucket_forgets_who_was_longest_silent() {
        let mut bucket = KnownBucket::default();
        for source in 0..u64::from(WAYS) {
            remember(&mut bucket, hash(source), (100 + source) * TICK);
        }
        remember(&mut bucket, hash(0), 110 * TICK);
        remember(&mut bucket, hash(9), 111 * TICK);
        let now = 111 * TICK;
        assert!(bucket.has(hash(0), now, 100), "it came again");
        assert!(!bucket.has(hash(1), now, 100), "the longest silent one gave way");
        assert!([2, 3, 9].iter().all(|&source| bucket.has(hash(source), now, 100)));
    }

    #[test]
    fn a_source_that_is_known_just_now_is_not_written_again() {
        let mut bucket = KnownBucket::default();
        remember(&mut bucket, hash(3), 5 * TICK);
        assert_eq!(bucket.remember(hash(3), 5 * TICK), None);
    }

    #[test]
    fn a_known_source_may_be_known_as_long_as_it_is() {
        let mut maybe = MaybeKnown::default();
        let lifetime = 10;
        for tick in [5u64, 19, 2_554, 2_569] {
            let hash = tick << 16;
            let (at, word) = maybe.remember(hash, epoch(tick * TICK, lifetime)).expect("news");
            maybe.words[at] = word;
            assert_eq!(maybe.remember(hash, epoch(tick * TICK, lifetime)), None);
            assert!((tick..=tick + u64::from(lifetime)).all(|now| maybe.may_be(hash, epoch(now * TICK, lifetime))));
            assert!(!maybe.may_be(hash, epoch((tick + 2 * u64::from(lifetime)) * TICK, lifetime)));
            assert!(!maybe.may_be(!hash, epoch(tick * TICK, lifetime)), "a stranger");
        }
    }

    #[test]
    fn stamps_wrap() {
        let mut bucket = KnownBucket::default();
        remember(&mut bucket, hash(3), 0xffff * TICK);
        assert!(bucket.has(hash(3), 0x1_0001 * TICK, 5));
    }

    #[test]
    fn lifetimes_fit_the_stamps() {
        assert_eq!(ticks(0), 1);
        assert_eq!(ticks(3_600_000_000_000), 52);
        assert_eq!(ticks(u64::MAX), 0x7fff);
    }
}
