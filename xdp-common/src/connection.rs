//! What a CPU remembers of segments whose connection it has just found: the socket look-up costs more than all else that a
//! segment of an established connection meets, so it is made anew only twice or four times a second for each connection.
//!
//! A word of a direct-mapped table holds 48 bits of the connection's hash and when it was seen, in steps of 268 ms. A
//! connection that has ended is remembered for half a second more: what comes by then reaches the kernel, as it does in
//! calm.

/// Words of a page; a power of two. A per-CPU map looks up its elements through one more table, which pages keep small.
pub const PAGE_WORDS: usize = 1 << 9;
/// Pages of a CPU's table; a power of two. 128 KiB.
pub const PAGES: u32 = 1 << 5;
/// A step of time is 2^28 ns: a shift, not a division.
const STEP_SHIFT: u32 = 28;
/// The bits of a word that say when.
const WHEN: u64 = 0xffff;

/// A page of words.
pub type Page = [u64; PAGE_WORDS];

/// Page and word by which a connection with this hash is remembered.
#[inline(always)]
pub const fn place(hash: u64) -> (u32, usize) {
    (hash as u32 & (PAGES - 1), hash as usize >> 5 & (PAGE_WORDS - 1))
}

/// The word for a connection that was seen at `now_ns`.
#[inline(always)]
pub const fn seen(hash: u64, now_ns: u64) -> u64 {
    (hash & !WHEN) | (now_ns >> STEP_SHIFT & WHEN)
}

/// Whether the word says that this connection was seen just now: 268 to 536 ms ago at most.
#[inline(always)]
pub const fn is_seen(word: u64, hash: u64, now_ns: u64) -> bool {
    let age = (now_ns >> STEP_SHIFT).wrapping_sub(word) & WHEN;
    (word ^ hash) <= WHEN && age <= 1
}

#[cfg(test)]
mod tests {
    use super::{PAGE_WORDS, PAGES, STEP_SHIFT, is_seen, place, seen};

    const HASH: u64 = 0x1234_5678_9abc_def0;
    const STEP: u64 = 1 << STEP_SHIFT;

    #[test]
    fn a_connection_is_remembered_for_a_moment() {
        for start in [7, 0xffff * STEP, 0x1_0000 * STEP + 5] {
            let word = seen(HASH, start);
            assert!(is_seen(word, HASH, start) && is_seen(word, HASH, start + STEP));
            assert!(!is_seen(word, HASH, start + 2 * STEP));
        }
    }

    #[test]
    fn another_connection_is_none() {
        let word = seen(HASH, STEP);
        assert!(!is_seen(word, HASH ^ 1 << 16, STEP));
        assert!(!is_seen(word, HASH ^ 1 << 63, STEP));
        assert!(!is_seen(0, HASH, STEP), "nor is an empty word");
    }

    #[test]
    fn every_place_is_in_the_table() {
        for hash in [0, u64::MAX, HASH] {
            let (page, word) = place(hash);
            assert!(page < PAGES && word < PAGE_WORDS);
        }
    }
}
