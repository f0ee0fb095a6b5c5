//! SYNs that were not answered, remembered for four seconds in fixed memory, so that their retransmissions are told from
//! a spoofed flood, which never comes back: a Bloom filter (Bloom 1970) blocked into cache lines (Putze, Sanders & Singler
//! 2007), with a window of half a second in each word of a line.
//!
//! Nothing is ever cleared: each word says to which window it belongs, and the first SYN of another window takes it over.
//! A retransmission comes a second after the SYN or later (RFC 6298, section 2); one that comes 1.0 to 3.5 s after it is
//! always recognised, one that comes within half a second never is. A stranger is taken for a retransmission as often as
//! two bits of a word are set by others (two windows at 4 M SYN/s over 2^18 lines: one in eleven), which costs an answer.

/// Windows in a line, one word each.
const WINDOWS: u64 = 8;
/// Bits of a word that remember; the upper 8 say whose window it is.
const BITS: u64 = 56;
/// Length of a window, ns.
pub const WINDOW_NS: u64 = 500_000_000;
/// The nearest window that is looked at: younger SYNs are duplicates, not retransmissions.
const NEAREST: u64 = 2;
/// The furthest window that is always looked at.
const NEAR: u64 = 3;

/// One cache line.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetryLine {
    /// Window `w` is in word `w % 8`: 56 bits, and the lower 8 bits of `w` above them.
    pub words: [u64; WINDOWS as usize],
}

/// How far back a SYN is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Up to 1.5 s: the first retransmission. Half the false positives.
    Near,
    /// Up to 3.5 s.
    Far,
}

/// What stands for a SYN: its source, and what stays the same when it is sent again.
#[inline(always)]
pub const fn flow_hash(source_hash: u64, ports: u32, sequence: u32, slot: u32) -> u64 {
    let mut h = source_hash ^ ((sequence as u64) << 32 | ports as u64) ^ ((slot as u64) << 20);
    h = h.wrapping_mul(0xff51_afd7_ed55_8ccd);
    h ^= h >> 32;
    h = h.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    h ^ (h >> 29)
}

/// The line of a SYN with this hash; `mask` is the number of lines less one.
#[inline(always)]
pub const fn line_of(hash: u64, mask: u32) -> u32 {
    hash as u32 & mask
}

/// The two bits of a SYN.
#[inline(always)]
const fn bits(hash: u64) -> u64 {
    let first = ((hash >> 32 & 0xfff) * BITS) >> 12;
    let second = ((hash >> 44 & 0xfff) * BITS) >> 12;
    1 << first | 1 << second
}

impl RetryLine {
    /// Whether this SYN came before, half a second ago or longer.
    #[inline(always)]
    pub const fn has(&self, hash: u64, window: u64, reach: Reach) -> bool {
        let bits = bits(hash);
        let furthest = match reach {
            Reach::Near => NEAR,
            Reach::Far => WINDOWS - 1,
        };
        let mut ago = NEAREST;
        while ago < WINDOWS {
            let then = window.wrapping_sub(ago);
            let word = self.words[(then % WINDOWS) as usize];
            if word >> BITS == then & 0xff && word & bits == bits {
                return true;
            }
            if ago == furthest {
                break;
            }
            ago += 1;
        }
        false
    }

    /// The word with this SYN in it, and where it goes.
    #[inline(always)]
    pub const fn remember(&self, hash: u64, window: u64) -> (usize, u64) {
        let at = (window % WINDOWS) as usize;
        let word = self.words[at];
        let stamp = (window & 0xff) << BITS;
        let kept = if word >> BITS == window & 0xff { word } else { stamp };
        (at, kept | bits(hash))
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::{Reach, RetryLine, flow_hash, line_of};
    use std::{vec, vec::Vec};

    fn remember(lines: &mut [RetryLine], hash: u64, window: u64) {
        let line = &mut lines[line_of(hash, lines.len() as u32 - 1) as usize];
        let (at, word) = line.remember(hash, window);
        line.words[at] = word;
    }

    fn has(lines: &[RetryLine], hash: u64, window: u64, reach: Reach) -> bool {
        lines[line_of(hash, lines.len() as u32 - 1) as usize].has(hash, window, reach)
    }

    #[test]
    fn a_retransmission_is_known_by_its_age() {
        let mut lines = [RetryLine::default(); 1];
        let syn = flow_hash(1, 2, 3, 4);
        remember(&mut lines, syn, 1_000);
        for (ago, near, far) in [
            (0, false, false),
            (1, false, false),
            (2, true, true),
            (3, true, true),
            (4, false, true),
            (7, false, true),
            (8, false, false),
        ] {
            assert_eq!(has(&lines, syn, 1_000 + ago, Reach::Near), near, "{ago} windows later");
            assert_eq!(has(&lines, syn, 1_000 + ago, Reach::Far), far, "{ago} windows later");
        }
    }

    #[test]
    fn another_port_or_sequence_number_is_another_syn() {
        let mut lines = [RetryLine::default(); 1];
        remember(&mut lines, flow_hash(1, 2, 3, 4), 9);
        let others = [
            flow_hash(1, 3, 3, 4),
            flow_hash(1, 2, 4, 4),
            flow_hash(2, 2, 3, 4),
            flow_hash(1, 2, 3, 5),
        ];
        assert!(others.iter().all(|&other| !has(&lines, other, 11, Reach::Far)));
    }

    /// No SYN is ever forgotten within the windows, however full the filter; and few strangers are let in at 2 M SYN/s.
    #[test]
    fn nothing_is_forgotten_and_few_strangers_match() {
        let mut lines = vec![RetryLine::default(); 1 << 13];
        let per_window = 1_000_000 / 32;
        let mut state = 88_172_645_463_325_252u64;
        let mut random = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        let syns: Vec<Vec<u64>> = (0..3)
            .map(|window| {
                (0..per_window)
                    .map(|_| {
                        let hash = flow_hash(random(), random() as u32, random() as u32, 1);
                        remember(&mut lines, hash, window);
                        hash
                    })
                    .collect()
            })
            .collect();
        assert!(syns[0].iter().all(|&syn| has(&lines, syn, 3, Reach::Near)));
        assert!(syns[1].iter().all(|&syn| has(&lines, syn, 3, Reach::Near)));
        let strangers = (0..100_000)
            .filter(|_| {
                let hash = flow_hash(random(), random() as u32, random() as u32, 1);
                has(&lines, hash, 3, Reach::Near)
            })
            .count();
        assert!(
            strangers < 5_000,
            "{strangers} of 100,000 strangers were taken for retransmissions"
        );
    }
}
