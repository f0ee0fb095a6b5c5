//! Large lists: up to millions of prefixes of both families in one array of words, which is replaced as a whole.
//!
//! The prefixes of all lists are flattened into intervals that do not overlap: at each boundary stands what decides from
//! there on, which is the longest prefix that holds the address. Every address falls into a bucket of its family, whose
//! boundaries lie side by side and are searched by bisection. In front there is a bit for each IPv4 /22 and each (hashed)
//! IPv6 /32, which says whether any prefix meets it: most sources are looked for no further.
//!
//! IPv6 prefixes of more than 64 bits, and those outside of 2000::/3 (the unicast space that is given out, RFC 4291), are not
//! for this table: the source list's trie has room for the few there are.

use crate::{Address, ListAction};

/// Leading bits by which IPv4 addresses share a bit of the filter.
const FILTER_V4_BITS: u32 = 22;
/// Leading bits by which IPv6 addresses share a (hashed) bit of the filter.
pub const FILTER_V6_BITS: u32 = 32;
/// Words of one family's filter: 2^22 bits, 512 KiB.
pub const FILTER_WORDS: u32 = 1 << (FILTER_V4_BITS - 6);
/// Buckets of IPv4: so many that the boundaries of one lie on a line or two of the cache, however long the lists are.
pub const V4_BUCKETS: u32 = 1 << 20;
/// Buckets of IPv6; their numbers come after those of IPv4.
pub const V6_BUCKETS: u32 = 1 << 16;
/// Where the buckets are. Of IPv4 two share a word: the first boundary of the even one in the lower half, how many there are of
/// it in the next 16 bits, and of the odd one (which follow those) in the last 16. An IPv6 bucket has a word of its own: the first
/// boundary, and how many there are in the upper half.
pub const INDEX_AT: u32 = 2 * FILTER_WORDS;
/// Where those of IPv6 are.
pub const V6_INDEX_AT: u32 = INDEX_AT + V4_BUCKETS / 2;
/// Where the boundaries are.
pub const BOUNDS_AT: u32 = V6_INDEX_AT + V6_BUCKETS;
/// Bits of an IPv4 address within its bucket.
pub const V4_REST_BITS: u32 = 12;
/// Boundaries that there is room for besides two for each prefix: a prefix that holds whole buckets has one in each.
const SPARE_BOUNDS: u32 = 1 << 17;
/// Bits of an IPv6 address within its bucket: the first three are the same for all, 16 tell the bucket, and beyond the 64th
/// nothing counts.
pub const V6_REST_BITS: u32 = 45;
/// IPv6 prefixes in the table have at most so many bits.
pub const V6_LEN_MAX: u8 = 64;
/// Steps of the bisection: enough for 2^23 boundaries in one bucket.
pub const STEPS: u32 = 23;
/// Boundaries at most: what so many steps find.
pub const BOUNDS_MAX: u32 = 1 << STEPS;

/// The record that belongs to no list: its action is to allow when any list's is.
pub const ALL: u32 = 0;
/// Lists at most, numbered from 1: a list's number is its place among the records.
pub const LISTS_MAX: u32 = 255;
/// Bytes of a list's name at most.
pub const NAME_MAX: usize = 32;

/// Words of a table for so many prefixes.
pub const fn words(prefixes: u32) -> u32 {
    BOUNDS_AT + SPARE_BOUNDS + 2 * prefixes
}

/// Prefixes that a table of so many words is for.
pub const fn prefixes(words: u32) -> u32 {
    words.saturating_sub(BOUNDS_AT + SPARE_BOUNDS) / 2
}

/// What decides about an interval: a list's number, what it does, and the length of the prefix. 0: nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Listed(u16);

impl Listed {
    /// Nothing.
    pub const NONE: Self = Self(0);

    /// A prefix of `prefix_len` bits (of 128, at least 1) of the list with this number (1 to [`LISTS_MAX`]).
    pub const fn new(list: u8, action: ListAction, prefix_len: u32) -> Self {
        let host_bits = (128 - prefix_len) as u16 & 0x7f;
        let block = matches!(action, ListAction::Block) as u16;
        Self(list as u16 | host_bits << 8 | block << 15)
    }

    /// As it was stored.
    #[inline(always)]
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits)
    }

    /// To be stored.
    #[inline(always)]
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// The list's number; 0 for nothing.
    #[inline(always)]
    pub const fn list(self) -> u32 {
        self.0 as u32 & 0xff
    }

    /// True for nothing.
    #[inline(always)]
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// True where the list blocks.
    #[inline(always)]
    pub const fn blocks(self) -> bool {
        self.0 & 1 << 15 != 0
    }

    /// Bits of the prefix, of the 16-byte address.
    #[inline(always)]
    pub const fn prefix_len(self) -> u32 {
        128 - (self.0 as u32 >> 8 & 0x7f)
    }
}

/// One list, as the kernel side knows it and as an agent finds it again. Its packets are counted beside it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListRecord {
    /// It holds until then: CLOCK_MONOTONIC ns, `u64::MAX` for no end; 0 in a record that is free.
    pub until_ns: u64,
    /// When its source was last read: seconds since 1970.
    pub read_at: u64,
    /// Its name, then zeros. The record 0, which is no list's, has the words of a table in `v4` and no name.
    pub name: [u8; NAME_MAX],
    /// IPv4 prefixes.
    pub v4: u32,
    /// IPv6 prefixes.
    pub v6: u32,
    /// A [`ListAction`].
    pub action: u8,
    /// Zero.
    pub reserved: [u8; 7],
}

/// True for addresses that the table can hold.
#[inline(always)]
pub const fn is_for_table(address: Address) -> bool {
    address.is_v4() || u64::from_be(address.words()[0]) >> 61 == 1
}

/// Where an address is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The word of the filter.
    pub filter_word: u32,
    /// The bit in that word.
    pub filter_mask: u64,
    /// The bucket, over both families.
    pub bucket: u32,
    /// Where in the bucket: less than 2^[`V6_REST_BITS`].
    pub rest: u64,
}

/// The place of an address that [`is_for_table`].
#[inline(always)]
pub const fn place(address: Address) -> Place {
    if address.is_v4() {
        let bits = u32::from_be_bytes(address.v4_bytes());
        place_at(
            bits >> (32 - FILTER_V4_BITS),
            bits >> V4_REST_BITS,
            bits as u64 & ((1 << V4_REST_BITS) - 1),
        )
    } else {
        let high = u64::from_be(address.words()[0]);
        place_at(
            filter_bit_v6((high >> 32) as u32),
            V4_BUCKETS + ((high >> V6_REST_BITS) as u32 & (V6_BUCKETS - 1)),
            high & ((1 << V6_REST_BITS) - 1),
        )
    }
}

#[inline(always)]
const fn place_at(filter_bit: u32, bucket: u32, rest: u64) -> Place {
    Place {
        filter_word: filter_bit >> 6,
        filter_mask: 1 << (filter_bit & 63),
        bucket,
        rest,
    }
}

/// The filter's bit of the IPv6 addresses with these 32 leading bits (Fibonacci hashing, Knuth, TAOCP 3, 6.4).
#[inline(always)]
pub const fn filter_bit_v6(leading: u32) -> u32 {
    (leading.wrapping_mul(0x9e37_79b1) >> (32 - FILTER_V4_BITS)) | 1 << FILTER_V4_BITS
}

/// All ones of a number with its highest bit set, zero of others. The kernel side has its own, which the code generator cannot
/// turn into a branch.
pub const fn sign(word: u64) -> u64 {
    (word.cast_signed() >> 63).cast_unsigned()
}

/// A boundary: from `rest` on, `listed` decides.
#[inline(always)]
pub const fn bound(rest: u64, listed: Listed) -> u64 {
    rest << 16 | listed.bits() as u64
}

/// What decides at a place. `word` reads a word of the table; without one (which cannot be) nothing is listed. `sign` makes all
/// ones of a number with its highest bit set, and zero of others: see [`sign`].
#[inline(always)]
pub fn find(bucket: u32, rest: u64, word: impl Fn(u32) -> Option<u64>, sign: impl Fn(u64) -> u64) -> Listed {
    let is_v6 = bucket >= V4_BUCKETS;
    let index = if is_v6 {
        V6_INDEX_AT + (bucket - V4_BUCKETS)
    } else {
        INDEX_AT + bucket / 2
    };
    let Some(range) = word(index) else {
        return Listed::NONE;
    };
    let mut at = range & 0xffff_ffff;
    let mut left = range >> 32;
    if !is_v6 && bucket & 1 == 0 {
        left &= 0xffff;
    } else if !is_v6 {
        at += left & 0xffff;
        left >>= 16;
    }
    if left == 0 {
        return Listed::NONE;
    }
    let wanted = bound(rest, Listed(u16::MAX));
    // The last boundary at or before `rest`.
    for _ in 0..STEPS {
        if left <= 1 {
            break;
        }
        let half = left >> 1;
        let Some(found) = word((at + half) as u32) else {
            return Listed::NONE;
        };
        // Arithmetic, no branch: the processor would guess wrong each second time, and the verifier would go both ways.
        at += half & !sign(wanted.wrapping_sub(found));
        left -= half;
    }
    match word(at as u32) {
        // Before the first boundary of a bucket nothing is listed.
        Some(found) if found <= wanted => Listed(found as u16),
        _ => Listed::NONE,
    }
}

#[cfg(test)]
mod tests {
    use super::{
        BOUNDS_AT, FILTER_WORDS, INDEX_AT, Listed, V4_BUCKETS, V6_INDEX_AT, bound, find, is_for_table, place, sign,
    };
    use crate::{Address, ListAction};

    fn v6(groups: [u16; 4]) -> Address {
        let mut bytes = [0; 16];
        for (at, group) in groups.iter().enumerate() {
            bytes[2 * at..2 * at + 2].copy_from_slice(&group.to_be_bytes());
        }
        Address::from_bytes(bytes)
    }

    #[test]
    fn what_is_listed_reads_back() {
        for (list, action, len) in [
            (1, ListAction::Allow, 128),
            (255, ListAction::Block, 97),
            (7, ListAction::Block, 3),
            (7, ListAction::Allow, 64),
        ] {
            let listed = Listed::new(list, action, len);
            assert!(!listed.is_none());
            assert_eq!((listed.list(), listed.prefix_len()), (u32::from(list), len));
            assert_eq!(listed.blocks(), action == ListAction::Block);
            assert_eq!(Listed::from_bits(listed.bits()), listed);
        }
        assert!(Listed::NONE.is_none() && Listed::default().is_none());
    }

    #[test]
    fn places() {
        let v4 = place(Address::from_v4_bytes([203, 0, 113, 7]));
        assert_eq!((v4.bucket, v4.rest), (203 << 12 | 7, 0x107));
        assert!(v4.filter_word < FILTER_WORDS);
        let low = place(v6([0x2000, 0, 0, 0]));
        let high = place(v6([0x3fff, 0xffff, 0xffff, 0xffff]));
        assert_eq!((low.bucket, low.rest), (V4_BUCKETS, 0));
        assert_eq!((high.bucket, high.rest), (V4_BUCKETS + 0xffff, (1 << 45) - 1));
        assert!((FILTER_WORDS..2 * FILTER_WORDS).contains(&high.filter_word));
        assert!(is_for_table(v6([0x2001, 0xdb8, 0, 0])) && is_for_table(Address::from_v4_bytes([1, 2, 3, 4])));
        assert!(!is_for_table(v6([0xfe80, 0, 0, 0])) && !is_for_table(v6([0, 0, 1, 0])));
    }

    #[test]
    fn bisection_finds_the_last_boundary_before() {
        let listed = |list| Listed::new(list, ListAction::Block, 100);
        for count in 1u64..40 {
            // Boundaries at 10, 20, 30, …: list 1, 2, 3, … The even bucket has seven of its own in front.
            for (bucket, index, range) in [
                (V4_BUCKETS + 5, V6_INDEX_AT + 5, u64::from(BOUNDS_AT) | count << 32),
                (4, INDEX_AT + 2, u64::from(BOUNDS_AT) | count << 32 | 9 << 48),
                (5, INDEX_AT + 2, u64::from(BOUNDS_AT - 7) | 7 << 32 | count << 48),
            ] {
                let word = |at: u32| match at {
                    at if at == index => Some(range),
                    at if at >= BOUNDS_AT => {
                        let n = u64::from(at - BOUNDS_AT) + 1;
                        Some(bound(10 * n, listed(n as u8)))
                    }
                    _ => Some(0),
                };
                for rest in 0..10 * count + 30 {
                    let wanted = match (rest / 10).min(count) as u8 {
                        0 => Listed::NONE,
                        list => listed(list),
                    };
                    assert_eq!(find(bucket, rest, word, sign), wanted, "{rest} of {count} in {bucket}");
                }
                assert_eq!(find(bucket + 2, 3, word, sign), Listed::NONE, "an empty bucket");
            }
        }
        assert_eq!(find(0, 0, |_| None, sign), Listed::NONE);
    }
}
