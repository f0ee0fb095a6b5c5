//! The address ranges that flood sources are taken from. The lab routes nothing back to them: answers die in the wire.

/// An IPv4 range: everything that equals `base` under `mask` (both in host byte order).
#[derive(Clone, Copy, Debug)]
pub struct Range {
    /// First word of the range, host byte order.
    pub base: u32,
    /// Bits that are the same for the whole range, host byte order.
    pub mask: u32,
}

impl Range {
    /// Whether `word`, in host byte order, lies in the range.
    #[inline(always)]
    #[must_use]
    pub const fn contains(self, word: u32) -> bool {
        word & self.mask == self.base
    }

    /// How many words the range holds.
    #[must_use]
    pub const fn len(self) -> u64 {
        (!self.mask as u64) + 1
    }

    /// Never: a mask leaves at least one word.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        false
    }
}

/// Spoofed IPv4 sources: 64.0.0.0/3, an eighth of the Internet.
pub const SPOOFED_V4: Range = Range {
    base: 0x4000_0000,
    mask: 0xe000_0000,
};

/// IPv4 sources of a botnet: 198.18.0.0/15, the range that RFC 2544 sets aside for load tests.
pub const BOTNET_V4: Range = Range {
    base: 0xc612_0000,
    mask: 0xfffe_0000,
};

/// The first word of every IPv6 address in the lab: 2001:db8::/32 (RFC 3849).
pub const DOCUMENTATION_V6: u32 = 0x2001_0db8;

/// Spoofed IPv6 sources: the second word of 2001:db8:f000::/36, which is 2^28 networks of /64.
pub const SPOOFED_V6: Range = Range {
    base: 0xf000_0000,
    mask: 0xf000_0000,
};

/// IPv6 sources of a botnet: the second word of 2001:db8:b000::/36.
pub const BOTNET_V6: Range = Range {
    base: 0xb000_0000,
    mask: 0xf000_0000,
};
