//! What each CPU keeps by itself: counters and the local side of buckets, one element per address slot, and its clock.

use crate::{budget::Budget, rate::LocalBucket, reason::REASON_SLOTS, tally::Seen, turn::Turn};

/// Without a SYN over the rate for so long, the next one begins a new excess.
pub const EXCESS_QUIET_NS: u64 = 10_000_000_000;

/// One CPU's side of one address slot. Slot 0 counts what belongs to no protected address.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressCpu {
    /// Verdicts by [`crate::Reason::index`], modulo 2^32: half the memory of what is never read as a whole. How often each
    /// went round is in [`AddressCarry`].
    pub packets: [u32; REASON_SLOTS],
    /// This CPU's share of the address's SYN bucket.
    pub bucket: LocalBucket,
    /// This CPU's share of the bucket of the address's known sources.
    pub known: LocalBucket,
    /// Handshakes that this host's listeners completed.
    pub handshakes: u64,
    /// First SYN over a rate (source's or address's) of the latest excess, CLOCK_MONOTONIC ns; 0: never.
    pub excess_since_ns: u64,
    /// Last SYN over a rate, CLOCK_MONOTONIC ns; 0: never.
    pub excess_last_ns: u64,
}

/// How often counters of a slot went round, on all CPUs together, by [`crate::Reason::index`]: once in 2^32 packets.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressCarry {
    /// Times 2^32 packets.
    pub rounds: [u64; REASON_SLOTS],
}

impl Default for AddressCarry {
    fn default() -> Self {
        Self {
            rounds: [0; REASON_SLOTS],
        }
    }
}

impl Default for AddressCpu {
    fn default() -> Self {
        Self {
            packets: [0; REASON_SLOTS],
            bucket: LocalBucket::default(),
            known: LocalBucket::default(),
            handshakes: 0,
            excess_since_ns: 0,
            excess_last_ns: 0,
        }
    }
}

impl AddressCpu {
    /// Counts a verdict; true when its counter went round. `index` is below [`REASON_SLOTS`].
    ///
    /// # Safety
    /// So it must be: the check would bring the code that panics into the program.
    #[inline(always)]
    pub unsafe fn count(&mut self, index: usize) -> bool {
        // SAFETY: the caller's.
        let packets = unsafe { self.packets.get_unchecked_mut(index) };
        *packets = packets.wrapping_add(1);
        *packets == 0
    }

    /// Notes a SYN over a rate; true when it begins an excess (the one event worth telling at once).
    #[inline(always)]
    pub fn note_excess(&mut self, now_ns: u64) -> bool {
        let begins = now_ns.wrapping_sub(self.excess_last_ns) > EXCESS_QUIET_NS || self.excess_last_ns == 0;
        if begins {
            self.excess_since_ns = now_ns;
        }
        self.excess_last_ns = now_ns;
        begins
    }
}

/// Addresses that a CPU can know at once to have nothing left.
pub const EXHAUSTED: usize = 16;

/// The place of a policy in [`CpuState::exhausted`]; another may share it, and takes it then.
#[inline(always)]
pub const fn exhausted_place(policy: u32) -> usize {
    // The two policies of a slot are the same address's.
    (policy >> 1) as usize & (EXHAUSTED - 1)
}

/// One CPU's own state.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuState {
    /// The jiffy in which `now_ns` was read.
    pub jiffy: u64,
    /// CLOCK_MONOTONIC at the first packet of that jiffy, ns.
    pub now_ns: u64,
    /// The same in ms: the clock of TCP timestamps (the kernel's `tcp_clock_ms`).
    pub now_ms: u64,
    /// The same in windows of [`crate::retry`].
    pub window: u64,
    /// The same in epochs of known sources, see [`crate::known::epoch`].
    pub known_epoch: u64,
    /// What this CPU may still do for SYNs in verify, see [`crate::budget`].
    pub budget: Budget,
    /// Listeners that may still be looked up in this jiffy, see [`crate::listener::LOOKUPS_PER_TICK`].
    pub lookups_left: u64,
    /// No pair of samples before this instant, ns.
    pub next_sample_ns: u64,
    /// This CPU met a heavy source less than [`crate::source::HEAVY_NS`] before that, ns.
    pub heavy_until_ns: u64,
    /// Heavy sources that may still get a record in this jiffy.
    pub promotions_left: u64,
    /// Heavy sources that got no record because that was spent or the map refused.
    pub promotions_refused: u64,
    /// SYNs to addresses that had nothing left: one of several is looked at.
    pub overload_syns: u32,
    /// Drops since the first of a pair of samples. (This and the next were the upper half of the field before them, in programs that
    /// share the map with this one while they give way to each other: neither minds what it finds there.)
    pub drops_since_sample: u16,
    /// The drop that is the second of the pair.
    pub second_sample_at: u16,
    /// One was looked at less than [`crate::source::SAMPLED_NS`] before that, ns.
    pub sampled_until_ns: u64,
    /// Policies (by [`exhausted_place`]) whose addresses take no SYN of a stranger any more until this CPU's clock moves on.
    pub exhausted: [u32; EXHAUSTED],
    /// Which packet is looked at next for the tally.
    pub turn: Turn,
    /// All that the tally counted, of whatever source.
    pub tallied: Seen,
    /// Samples that found the ring full.
    pub samples_lost: u64,
    /// Packets really dropped (enforce).
    pub dropped: u64,
    /// Packets whose verdict was drop and that passed all the same (monitor).
    pub would_drop: u64,
}
