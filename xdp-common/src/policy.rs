//! What the agent wants for one protected address. The kernel side reads it, and never writes it.

use crate::rate::Limit;

/// Rung of the mitigation ladder. Later rungs contain the earlier ones.
#[repr(u8)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rung {
    /// Counted only.
    Observe = 0,
    /// Sources and the address lose what exceeds their SYN rates.
    #[default]
    Limit = 1,
}

/// The policy of a slot. Written where nobody reads, then made to hold by one word (see [`crate::address_index`]), so that
/// no packet sees half of an update.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AddressPolicy {
    /// SYN rate of the address.
    pub syn: Limit,
    /// Blackholed until then: CLOCK_MONOTONIC ns, 0 for not at all, `u64::MAX` for no end.
    pub blackhole_until_ns: u64,
    /// Slot of its counters and bucket; 1 and up (slot 0 counts what belongs to no protected address).
    pub slot: u32,
    /// A [`Rung`].
    pub rung: u8,
    /// 1: this host terminates TCP for the address, so its sockets tell what is established; 0: it forwards.
    pub local: u8,
    /// 1: the blackhole takes established connections and replies too.
    pub blackhole_all: u8,
    /// Zero.
    pub reserved: u8,
}

impl AddressPolicy {
    /// True while the blackhole lasts.
    #[inline(always)]
    pub const fn is_blackholed(&self, now_ns: u64) -> bool {
        now_ns < self.blackhole_until_ns
    }

    /// True when rates are enforced, not only counted.
    #[inline(always)]
    pub const fn limits(&self) -> bool {
        self.rung >= Rung::Limit as u8
    }
}
