//! One bit for each IPv4 /20 (and each hashed IPv6 /32): set where the source list has any entry, so that most packets
//! never walk the list's trie. A bit too many costs time, never a verdict; a missing one would: set bits first.
//!
//! In front of them stands one bit for each sixteen, 8 KiB in all, which stay in the processor's nearest caches whatever the
//! sources are: in the 128 KiB behind them, a random source mostly meets a line that is not there.

use crate::Address;

/// IPv4 addresses share a bit by so many leading bits.
pub const V4_BITS: u32 = 20;
/// IPv6 addresses share a (hashed) bit by so many leading bits.
pub const V6_BITS: u32 = 32;
/// Words of 64 bits that have the bits themselves: 2^20 bits, 128 KiB.
pub const FINE_WORDS: u32 = 1 << (V4_BITS - 6);
/// So many neighbours (a power of two) share a bit of those in front.
const NEIGHBOURS_SHIFT: u32 = 4;
/// All words: the bits, behind them the 2^16 that are asked first.
pub const WORDS: u32 = FINE_WORDS + (FINE_WORDS >> NEIGHBOURS_SHIFT);

/// The bit of an address, 0 to 2^20 − 1.
#[inline(always)]
pub const fn bit_of(address: Address) -> u32 {
    if address.is_v4() {
        u32::from_be_bytes(address.v4_bytes()) >> (32 - V4_BITS)
    } else {
        bit_of_v6(u32::from_be(address.words()[0] as u32))
    }
}

/// The bit of the IPv6 addresses with these 32 leading bits (Fibonacci hashing, Knuth, TAOCP 3, 6.4).
#[inline(always)]
pub const fn bit_of_v6(leading: u32) -> u32 {
    leading.wrapping_mul(0x9e37_79b1) >> (32 - V4_BITS)
}

/// The word and the mask of a bit.
#[inline(always)]
pub const fn place(bit: u32) -> (u32, u64) {
    (bit >> 6, 1 << (bit & 63))
}

/// The word and the mask of the bit in front of it, which is set if it or one of its neighbours is.
#[inline(always)]
pub const fn place_in_front(bit: u32) -> (u32, u64) {
    let (word, mask) = place(bit >> NEIGHBOURS_SHIFT);
    (FINE_WORDS + word, mask)
}

#[cfg(test)]
mod tests {
    use super::{FINE_WORDS, WORDS, bit_of, place, place_in_front};
    use crate::Address;

    #[test]
    fn neighbours_share_a_bit_and_all_fit() {
        let bit = |bytes| bit_of(Address::from_v4_bytes(bytes));
        assert_eq!(bit([10, 1, 0, 1]), bit([10, 1, 15, 255]));
        assert_ne!(bit([10, 1, 0, 1]), bit([10, 1, 16, 0]));
        assert!(place(bit([255, 255, 255, 255])).0 < FINE_WORDS);
        assert!((FINE_WORDS..WORDS).contains(&place_in_front(bit([255, 255, 255, 255])).0));
        assert_eq!(place_in_front(bit([10, 1, 0, 1])), place_in_front(bit([10, 1, 255, 1])));
        assert_ne!(place_in_front(bit([10, 1, 0, 1])), place_in_front(bit([10, 2, 0, 1])));
        let v6 = |last| {
            let mut bytes = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            bytes[3] ^= last;
            bytes[9] = last;
            bit_of(Address::from_bytes(bytes))
        };
        assert_ne!(v6(0), v6(1));
        assert!(place(v6(7)).0 < FINE_WORDS);
    }
}
