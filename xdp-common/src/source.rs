//! Sources that the sketch found heavy: the exact record all CPUs share, and what one CPU holds of it.

use crate::{Address, rate::LocalBucket};

/// An IPv6 source is a prefix of so many bits.
pub const V6_PREFIX_LEN: u8 = 64;
/// Slots of a CPU's cache of heavy sources; a power of two. A slot is 48 bytes.
pub const LOCAL_SLOTS: u32 = 1 << 10;
/// New records that one CPU may insert in one window of the clock (a jiffy): bounds the cost of insertions, which a
/// flood of new heavy sources would otherwise pay for each packet.
pub const PROMOTIONS_PER_TICK: u32 = 16;

/// While an address has nothing left, one SYN of so many is looked at, and stands for all of them.
pub const SAMPLING: u64 = 64;

/// For so long after one was, SYNs of strangers are held against what sampled SYNs count in the sketch: two of its windows.
pub const SAMPLED_NS: u64 = 2 << crate::sketch::WINDOW_SHIFT;

/// A CPU looks into its cache of heavy sources for each stranger so long after it met one.
pub const HEAVY_NS: u64 = 2_000_000_000;

/// The shared record of a heavy source. Counts lag by what CPUs hold in their [`SourceLocal`].
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceRecord {
    /// The bucket (see [`crate::rate`]): theoretical arrival time, CLOCK_MONOTONIC ns.
    pub tat_ns: u64,
    /// SYNs within the rate since the record began.
    pub admitted: u64,
    /// SYNs over the rate since the record began.
    pub dropped: u64,
    /// When the record began, CLOCK_MONOTONIC ns.
    pub since_ns: u64,
    /// Last change by any CPU, CLOCK_MONOTONIC ns.
    pub last_ns: u64,
}

/// What one CPU holds of a heavy source: its credit, and counts not yet added to the shared record.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceLocal {
    /// Whose slot this is; all zero for nobody's.
    pub source: Address,
    /// This CPU's share of the source's bucket.
    pub bucket: LocalBucket,
    /// SYNs within the rate that the record does not count yet.
    pub admitted: u64,
    /// SYNs over the rate that the record does not count yet.
    pub dropped: u64,
}

/// The cache slot of a source with this hash (bits that neither the sketch's block nor its columns use).
#[inline(always)]
pub const fn local_slot(hash: u64) -> u32 {
    (hash >> 44) as u32 & (LOCAL_SLOTS - 1)
}
