//! The options of a SYN, read as the kernel reads them (`tcp_parse_options` in its net/ipv4/tcp_input.c): an option with an
//! impossible length ends the reading, and what came before counts.

use crate::{cursor::FrameMut, packet::Packet};

/// Option kinds (IANA "TCP Option Kind Numbers").
mod kind {
    pub(super) const END: u8 = 0;
    pub(super) const NOP: u8 = 1;
    pub(super) const MSS: u8 = 2;
    pub(super) const WINDOW_SCALE: u8 = 3;
    pub(super) const SACK_PERMITTED: u8 = 4;
    pub(super) const TIMESTAMPS: u8 = 8;
    pub(super) const MD5: u8 = 19;
    pub(super) const AUTHENTICATION: u8 = 29;
    pub(super) const FAST_OPEN: u8 = 34;
}

/// The longest that options can be, bytes (RFC 9293, section 3.1).
pub const LEN_MAX: usize = 40;
/// Words of [`LEN_MAX`].
pub const WORDS: usize = LEN_MAX / 4;
/// The largest window scale (RFC 7323, section 2.3).
const WINDOW_SCALE_MAX: u8 = 14;

/// What a SYN offers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Options {
    /// Timestamp value, as on the wire; meaningless without `timestamps`.
    pub timestamp: u32,
    /// Largest segment; 0 for none said.
    pub mss: u16,
    /// Window scale, at most 14; `NO_SCALE` for none.
    pub window_scale: u8,
    /// Bits of [`offers`].
    pub offers: u8,
}

/// No window scaling.
pub const NO_SCALE: u8 = 0xff;

/// Bits of [`Options::offers`].
pub mod offers {
    /// Timestamps (RFC 7323).
    pub const TIMESTAMPS: u8 = 1;
    /// Selective acknowledgement (RFC 2018).
    pub const SACK: u8 = 2;
    /// Signed segments: MD5 (RFC 2385) or TCP-AO (RFC 5925).
    pub const SIGNED: u8 = 4;
    /// Fast Open (RFC 7413).
    pub const FAST_OPEN: u8 = 8;
    /// An option that cannot be.
    pub const MALFORMED: u8 = 16;
}

impl Options {
    /// No options.
    pub const NONE: Self = Self {
        timestamp: 0,
        mss: 0,
        window_scale: NO_SCALE,
        offers: 0,
    };

    /// All of it in one word.
    #[inline(always)]
    pub const fn to_word(self) -> u64 {
        self.timestamp as u64 | (self.mss as u64) << 32 | (self.window_scale as u64) << 48 | (self.offers as u64) << 56
    }

    /// From [`Self::to_word`].
    #[inline(always)]
    pub const fn from_word(word: u64) -> Self {
        Self {
            timestamp: word as u32,
            mss: (word >> 32) as u16,
            window_scale: (word >> 48) as u8,
            offers: (word >> 56) as u8,
        }
    }

    /// True when the bit of [`offers`] is set.
    #[inline(always)]
    pub const fn has(&self, offer: u8) -> bool {
        self.offers & offer != 0
    }
}

/// The words of a SYN's options, zero behind their end, and their length in bytes.
#[inline(always)]
pub fn words<F: FrameMut>(frame: &F, packet: &Packet) -> ([u32; WORDS], usize) {
    const FIXED: usize = 20;
    let mut words = [0; WORDS];
    let len = usize::from(packet.tcp_header_len).saturating_sub(FIXED) & 63;
    let from = usize::from(packet.transport_at & 0xfff) + FIXED;
    let mut index = 0;
    while index < WORDS && 4 * index < len {
        [words[index]] = frame.words(from + 4 * index);
        index += 1;
    }
    (words, len)
}

/// What a SYN offers, whatever its layout.
#[inline(always)]
pub fn of<F: FrameMut>(frame: &F, packet: &Packet) -> Options {
    let (words, len) = words(frame, packet);
    let mut bytes = [0; 64];
    let mut index = 0;
    while index < WORDS {
        let at = 4 * index;
        [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]] = words[index].to_ne_bytes();
        index += 1;
    }
    as_linux(&words, len).unwrap_or_else(|| read(&bytes, len, |word| word))
}

/// The layout that Linux clients send: MSS, SACK permitted, timestamps, NOP, window scale. No loop is needed to read it.
#[inline(always)]
pub fn as_linux(words: &[u32; WORDS], len: usize) -> Option<Options> {
    const HEAD: u32 = u32::from_ne_bytes([kind::MSS, 4, 0, 0]);
    const HEAD_MASK: u32 = u32::from_ne_bytes([0xff, 0xff, 0, 0]);
    const MIDDLE: u32 = u32::from_ne_bytes([kind::SACK_PERMITTED, 2, kind::TIMESTAMPS, 10]);
    const TAIL: u32 = u32::from_ne_bytes([kind::NOP, kind::WINDOW_SCALE, 3, 0]);
    const TAIL_MASK: u32 = u32::from_ne_bytes([0xff, 0xff, 0xff, 0]);
    if len != 20 || words[0] & HEAD_MASK != HEAD || words[1] != MIDDLE || words[4] & TAIL_MASK != TAIL {
        return None;
    }
    let [_, _, high, low] = words[0].to_ne_bytes();
    let [_, _, _, scale] = words[4].to_ne_bytes();
    Some(Options {
        timestamp: words[2],
        mss: u16::from_be_bytes([high, low]),
        window_scale: at_most(scale, WINDOW_SCALE_MAX),
        offers: offers::TIMESTAMPS | offers::SACK,
    })
}

/// Reads `len` bytes of options (at most [`LEN_MAX`]). `forget` returns a word as it was; the kernel's side makes the
/// verifier forget it, which would otherwise walk all sequences of options.
#[inline(always)]
pub fn read(bytes: &[u8; 64], len: usize, forget: impl Fn(u64) -> u64) -> Options {
    let mut options = Options::NONE;
    let mut at = 0;
    for _ in 0..LEN_MAX {
        at = forget(at as u64) as usize & 63;
        options = Options::from_word(forget(options.to_word()));
        if at >= len {
            break;
        }
        match bytes[at] {
            kind::END => break,
            kind::NOP => at += 1,
            kind => {
                let size = usize::from(bytes[(at + 1) & 63]);
                if at + 2 > len || size < 2 || at + size > len {
                    options.offers |= offers::MALFORMED;
                    break;
                }
                take(&mut options, bytes, at, kind, size);
                at += size;
            }
        }
    }
    options
}

/// One option of `size` bytes at `at`.
#[inline(always)]
fn take(options: &mut Options, bytes: &[u8; 64], at: usize, kind: u8, size: usize) {
    let byte = |offset: usize| bytes[(at + offset) & 63];
    match (kind, size) {
        (kind::MSS, 4) => {
            let mss = u16::from_be_bytes([byte(2), byte(3)]);
            if mss != 0 {
                options.mss = mss;
            }
        }
        (kind::WINDOW_SCALE, 3) => options.window_scale = at_most(byte(2), WINDOW_SCALE_MAX),
        (kind::SACK_PERMITTED, 2) => options.offers |= offers::SACK,
        (kind::TIMESTAMPS, 10) => {
            options.timestamp = u32::from_ne_bytes([byte(2), byte(3), byte(4), byte(5)]);
            options.offers |= offers::TIMESTAMPS;
        }
        (kind::MD5 | kind::AUTHENTICATION, _) => options.offers |= offers::SIGNED,
        (kind::FAST_OPEN, _) => options.offers |= offers::FAST_OPEN,
        _ => {}
    }
}

#[inline(always)]
const fn at_most(value: u8, most: u8) -> u8 {
    if value < most { value } else { most }
}

#[cfg(test)]
mod tests {
    use super::{LEN_MAX, NO_SCALE, Options, WORDS, as_linux, offers, read};

    fn parse(options: &[u8]) -> Options {
        let mut bytes = [0; 64];
        bytes[..options.len()].copy_from_slice(options);
        read(&bytes, options.len(), |word| word)
    }

    fn as_words(options: &[u8]) -> [u32; WORDS] {
        let mut bytes = [0; LEN_MAX];
        bytes[..options.len()].copy_from_slice(options);
        core::array::from_fn(|n| {
            u32::from_ne_bytes([bytes[4 * n], bytes[4 * n + 1], bytes[4 * n + 2], bytes[4 * n + 3]])
        })
    }

    const LINUX: [u8; 20] = [2, 4, 5, 0xb4, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7];

    #[test]
    fn a_linux_syn_reads_the_same_both_ways() {
        let options = parse(&LINUX);
        assert_eq!(
            options,
            Options {
                timestamp: u32::from_ne_bytes([1, 2, 3, 4]),
                mss: 1_460,
                window_scale: 7,
                offers: offers::SACK | offers::TIMESTAMPS,
            }
        );
        assert_eq!(as_linux(&as_words(&LINUX), LINUX.len()), Some(options));
        assert_eq!(as_linux(&as_words(&LINUX[..16]), 16), None);
    }

    #[test]
    fn a_windows_syn_has_no_timestamps() {
        let options = parse(&[2, 4, 5, 0xb4, 1, 3, 3, 8, 1, 1, 4, 2]);
        assert_eq!(
            (options.mss, options.window_scale, options.offers),
            (1_460, 8, offers::SACK)
        );
    }

    #[test]
    fn no_options_are_none() {
        assert_eq!(parse(&[]), Options::NONE);
        assert_eq!(parse(&[0, 0, 0, 0]), Options::NONE);
        assert_eq!(parse(&[1; LEN_MAX]), Options::NONE);
    }

    #[test]
    fn what_came_before_a_fault_counts() {
        for fault in [&[8u8, 0][..], &[8, 1], &[8, 20], &[8]] {
            let mut bytes = [1u8; 12];
            bytes[..4].copy_from_slice(&[2, 4, 5, 0xb4]);
            let len = 4 + fault.len();
            bytes[4..len].copy_from_slice(fault);
            let options = parse(&bytes[..len]);
            assert_eq!((options.mss, options.offers), (1_460, offers::MALFORMED), "{fault:?}");
        }
    }

    #[test]
    fn the_last_of_repeated_options_counts_and_scales_are_bounded() {
        let options = parse(&[2, 4, 1, 0, 2, 4, 2, 0, 3, 3, 99, 1]);
        assert_eq!((options.mss, options.window_scale), (0x200, 14));
        assert_eq!(
            parse(&[3, 4, 7, 0]).window_scale,
            NO_SCALE,
            "a wrong size is passed over"
        );
    }

    #[test]
    fn signatures_and_fast_open_are_seen() {
        let mut md5 = [0u8; 20];
        (md5[0], md5[1]) = (19, 18);
        assert!(parse(&md5).has(offers::SIGNED));
        assert!(parse(&[29, 4, 1, 1]).has(offers::SIGNED));
        assert!(parse(&[34, 2, 1, 1]).has(offers::FAST_OPEN));
    }
}
