//! One 16-byte address for both families: an IPv4 address is IPv4-mapped (RFC 4291, section 2.5.5.2).

#[cfg(feature = "user")]
use core::net::{IpAddr, Ipv6Addr};

/// The words of `::ffff:0.0.0.0`'s second half, in network byte order.
const MAPPED: u64 = u64::from_ne_bytes([0, 0, 0xff, 0xff, 0, 0, 0, 0]);
const MAPPED_MASK: u64 = u64::from_ne_bytes([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]);

/// The bits of an IPv4 /24 in the second half of a mapped address.
const FIRST_24: u64 = u64::from_ne_bytes([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0]);
/// The bits of an IPv6 /48 in the first half of an address.
const FIRST_48: u64 = u64::from_ne_bytes([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0]);

/// An IPv4 or IPv6 address, 16 bytes in network byte order.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    words: [u64; 2],
}

impl Address {
    /// From the 16 bytes of an IPv6 header field.
    #[inline(always)]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = bytes;
        Self {
            words: [
                u64::from_ne_bytes([a, b, c, d, e, f, g, h]),
                u64::from_ne_bytes([i, j, k, l, m, n, o, p]),
            ],
        }
    }

    /// From the 4 bytes of an IPv4 header field: `::ffff:a.b.c.d`.
    #[inline(always)]
    pub const fn from_v4_bytes(bytes: [u8; 4]) -> Self {
        let [a, b, c, d] = bytes;
        Self {
            words: [0, MAPPED | u64::from_ne_bytes([0, 0, 0, 0, a, b, c, d])],
        }
    }

    /// The 16 bytes in network byte order.
    #[inline(always)]
    pub const fn to_bytes(self) -> [u8; 16] {
        let [a, b, c, d, e, f, g, h] = self.words[0].to_ne_bytes();
        let [i, j, k, l, m, n, o, p] = self.words[1].to_ne_bytes();
        [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
    }

    /// The two halves as they lie in memory; for hashing, not for arithmetic.
    #[inline(always)]
    pub const fn words(self) -> [u64; 2] {
        self.words
    }

    /// From the two halves as [`Self::words`] gives them.
    #[inline(always)]
    pub const fn from_words(words: [u64; 2]) -> Self {
        Self { words }
    }

    /// True for an IPv4-mapped address.
    #[inline(always)]
    pub const fn is_v4(self) -> bool {
        self.words[0] == 0 && self.words[1] & MAPPED_MASK == MAPPED
    }

    /// The four bytes of an IPv4-mapped address (meaningless for others).
    #[inline(always)]
    pub const fn v4_bytes(self) -> [u8; 4] {
        let [_, _, _, _, a, b, c, d] = self.words[1].to_ne_bytes();
        [a, b, c, d]
    }

    /// What counts as one source: the IPv4 address itself, or the IPv6 /64 (one site has one /64 at least, RFC 6177,
    /// so single IPv6 addresses cost an attacker nothing).
    #[inline(always)]
    pub const fn source(self) -> Self {
        if self.is_v4() {
            self
        } else {
            Self {
                words: [self.words[0], 0],
            }
        }
    }

    /// The neighbourhood of a source, as networks are assigned and announced: the IPv4 /24 (the longest prefix that is
    /// commonly routed between networks) or the IPv6 /48 (a site, RFC 6177).
    #[inline(always)]
    pub const fn neighbourhood(self) -> Self {
        if self.is_v4() {
            Self {
                words: [self.words[0], self.words[1] & FIRST_24],
            }
        } else {
            Self {
                words: [self.words[0] & FIRST_48, 0],
            }
        }
    }

    /// A source address that no packet from outside can carry (RFC 6890, RFC 4291): unspecified, loopback, multicast
    /// or reserved.
    #[inline(always)]
    pub const fn is_impossible_source(self) -> bool {
        if self.is_v4() {
            let first = self.v4_bytes()[0];
            first == 0 || first == 127 || first >= 224
        } else {
            let [first, ..] = self.words[0].to_ne_bytes();
            let loopback_or_unspecified = self.words[0] == 0
                && (self.words[1] == 0 || self.words[1] == u64::from_ne_bytes([0, 0, 0, 0, 0, 0, 0, 1]));
            first == 0xff || loopback_or_unspecified
        }
    }
}

#[cfg(feature = "user")]
impl From<IpAddr> for Address {
    fn from(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(v4) => Self::from_v4_bytes(v4.octets()),
            IpAddr::V6(v6) => Self::from_bytes(v6.octets()),
        }
    }
}

#[cfg(feature = "user")]
impl From<Address> for IpAddr {
    fn from(address: Address) -> Self {
        if address.is_v4() {
            IpAddr::from(address.v4_bytes())
        } else {
            IpAddr::V6(Ipv6Addr::from(address.to_bytes()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Address;

    #[test]
    fn v4_is_mapped() {
        let address = Address::from_v4_bytes([192, 0, 2, 1]);
        assert!(address.is_v4());
        assert_eq!(
            address.to_bytes(),
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1]
        );
        assert_eq!(address.v4_bytes(), [192, 0, 2, 1]);
        assert_eq!(Address::from_bytes(address.to_bytes()), address);
    }

    #[test]
    fn a_v6_source_is_its_64() {
        let mut bytes = [0x20, 1, 0xd, 0xb8, 0, 1, 0, 2, 3, 4, 5, 6, 7, 8, 9, 10];
        let address = Address::from_bytes(bytes);
        assert!(!address.is_v4());
        bytes[8..].fill(0);
        assert_eq!(address.source().to_bytes(), bytes);
        let v4 = Address::from_v4_bytes([10, 1, 2, 3]);
        assert_eq!(v4.source(), v4);
    }

    #[test]
    fn a_neighbourhood_is_a_24_or_a_48() {
        let v4 = Address::from_v4_bytes([10, 1, 2, 3]).neighbourhood();
        assert_eq!(v4, Address::from_v4_bytes([10, 1, 2, 0]));
        let mut bytes = [0x20, 1, 0xd, 0xb8, 0, 1, 0, 2, 3, 4, 5, 6, 7, 8, 9, 10];
        let v6 = Address::from_bytes(bytes).neighbourhood();
        bytes[6..].fill(0);
        assert_eq!(v6.to_bytes(), bytes);
    }

    #[test]
    fn impossible_sources() {
        for bytes in [[0, 1, 2, 3], [127, 0, 0, 1], [224, 0, 0, 1], [255, 255, 255, 255]] {
            assert!(Address::from_v4_bytes(bytes).is_impossible_source(), "{bytes:?}");
        }
        assert!(!Address::from_v4_bytes([10, 0, 0, 1]).is_impossible_source());
        let mut v6 = [0u8; 16];
        assert!(Address::from_bytes(v6).is_impossible_source());
        v6[15] = 1;
        assert!(Address::from_bytes(v6).is_impossible_source());
        v6[0] = 0xff;
        assert!(Address::from_bytes(v6).is_impossible_source());
        v6[0] = 0xfe;
        assert!(!Address::from_bytes(v6).is_impossible_source());
    }
}
