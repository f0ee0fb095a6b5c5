//! Vectors: what floods are made of besides SYNs, each with a rate of its own in packets and in bits.

use crate::{cost::CostLimit, word::SharedWord};

/// A vector.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Vector {
    /// UDP.
    Udp = 0,
    /// ICMP and ICMPv6, but for neighbour discovery.
    Icmp = 1,
    /// Protocols other than TCP, UDP and ICMP.
    Other = 2,
    /// Fragments: first ones, which count in their transport too, and later ones, which have none.
    Fragments = 3,
    /// TCP other than SYNs. Over its rate, only what belongs to a connection passes.
    Tcp = 4,
}

/// How many there are.
pub const VECTORS: u32 = 5;

/// Bits of [`crate::address_index::AddressEntry::look`]: what an address wants looked at besides SYNs. Without its bit, a
/// packet is not looked at further.
pub mod look {
    /// The lower bits are those of [`super::Vector::bit`].
    pub const VECTORS: u32 = (1 << super::VECTORS) - 1;
    /// UDP from amplifiers is dropped.
    pub const AMPLIFICATION: u32 = 1 << super::VECTORS;
}

impl Vector {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; VECTORS as usize] = [Self::Udp, Self::Icmp, Self::Other, Self::Fragments, Self::Tcp];

    /// Its bit among the things to look at.
    #[inline(always)]
    pub const fn bit(self) -> u32 {
        1 << self as u32
    }

    /// Its element in a map with one for each vector of an element or slot.
    #[inline(always)]
    pub const fn place(self, of: u32) -> u32 {
        of * VECTORS + self as u32
    }

    /// The word for it in the configuration, tables and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Icmp => "icmp",
            Self::Other => "other",
            Self::Fragments => "fragments",
            Self::Tcp => "tcp",
        }
    }
}

/// The limits of a vector. All zero: none.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VectorLimit {
    /// Packets.
    pub packets: CostLimit,
    /// Bytes of whole frames, as they came from the wire.
    pub bytes: CostLimit,
}

/// What all CPUs share of a vector of an address. A line of its own: two that are flooded do not share one.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VectorBucket {
    /// Theoretical arrival time of packets, CLOCK_MONOTONIC ns.
    pub packets_tat_ns: u64,
    /// The same of bytes.
    pub bytes_tat_ns: u64,
    /// The rest of the line.
    pub padding: [u64; 6],
}

/// What one CPU holds of both buckets.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VectorLocal {
    /// One of the buckets had nothing to give before this instant, CLOCK_MONOTONIC ns.
    pub dry_until_ns: u64,
    /// Packets taken and not yet spent.
    pub packets: u32,
    /// Bytes taken and not yet spent.
    pub bytes: u32,
}

impl VectorLocal {
    /// Admits a frame of `len` bytes, or not: both buckets must have room. The words are those of [`VectorBucket`].
    #[inline(always)]
    pub fn admit<W: SharedWord>(
        &mut self,
        limit: &VectorLimit,
        (packets, bytes): (&W, &W),
        len: u32,
        now_ns: u64,
    ) -> bool {
        if now_ns < self.dry_until_ns {
            return false;
        }
        let until_ns = limit.packets.spend(&mut self.packets, packets, 1, now_ns);
        if until_ns != 0 {
            self.dry_until_ns = until_ns;
            return false;
        }
        let until_ns = limit.bytes.spend(&mut self.bytes, bytes, len, now_ns);
        if until_ns != 0 {
            limit.packets.refund(&mut self.packets, 1);
            self.dry_until_ns = until_ns;
            return false;
        }
        true
    }

    /// Takes back an admission: the group had no room.
    #[inline(always)]
    pub fn refund(&mut self, limit: &VectorLimit, len: u32) {
        limit.packets.refund(&mut self.packets, 1);
        limit.bytes.refund(&mut self.bytes, len);
    }
}

/// Whether a packet is within what its address, and its group, take of a vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is.
    Within,
    /// It exceeds the address's rate.
    OverAddress,
    /// It exceeds the rate of the address's group.
    OverGroup,
}

#[cfg(test)]
mod tests {
    use super::{VECTORS, Vector, VectorLimit, VectorLocal, look};
    use crate::cost::CostLimit;
    use core::sync::atomic::AtomicU64;

    const START: u64 = 5_000_000_000;

    #[test]
    fn numbers_are_places() {
        for (number, vector) in Vector::ALL.into_iter().enumerate() {
            assert_eq!(
                (vector as usize, vector.place(3)),
                (number, 3 * VECTORS + number as u32)
            );
        }
        let all = Vector::ALL.into_iter().fold(0, |bits, vector| bits | vector.bit());
        assert_eq!((all, all & look::AMPLIFICATION), (look::VECTORS, 0));
    }

    /// Large frames use up the bits first: what the packets' bucket gave for frames that were dropped, it has again.
    #[test]
    fn the_tighter_bucket_decides_and_the_other_loses_nothing() {
        let limit = VectorLimit {
            packets: CostLimit::packets(1_000),
            bytes: CostLimit::bits(800_000),
        };
        let (packets, bytes) = (AtomicU64::new(0), AtomicU64::new(0));
        let mut local = VectorLocal::default();
        let mut admit = |len, now_ns| local.admit(&limit, (&packets, &bytes), len, now_ns);
        let large = (0..10_000u64)
            .filter(|&tenth| admit(1_000, START + tenth * 100_000))
            .count();
        // 100,000 bytes per second and a burst of 25,000: of 10,000 frames of 1,000 bytes, 125.
        assert!((120..=130).contains(&large), "{large}");
        let later = START + 1_200_000_000;
        let small = (0..10_000).filter(|_| admit(10, later)).count();
        assert!((245..=255).contains(&small), "the burst of packets is whole: {small}");
    }
}
