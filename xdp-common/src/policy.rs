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
    /// SYNs must prove their sources.
    Verify = 2,
    /// Only sources that completed a handshake lately.
    Known = 3,
}

/// How an address in verify makes a source prove itself.
#[repr(u8)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// Not at all: what is not known is dropped.
    #[default]
    Drop = 0,
    /// By the kernel's SYN cookie: this host terminates.
    Cookie = 1,
    /// By a reset: this host forwards, or its kernel has no cookies.
    Challenge = 2,
}

/// The policy of a slot. Written where nobody reads, then made to hold by one word (see [`crate::address_index`]), so that
/// no packet sees half of an update.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AddressPolicy {
    /// SYN rate of the address: over it, the address enters verify. Known sources together have the same rate.
    pub syn: Limit,
    /// SYN rate below which an address in verify counts as calm.
    pub calm: Limit,
    /// Blackholed until then: CLOCK_MONOTONIC ns, 0 for not at all, `u64::MAX` for no end.
    pub blackhole_until_ns: u64,
    /// `rung` is forced until then: CLOCK_MONOTONIC ns, 0 for not at all, `u64::MAX` for no end.
    pub rung_until_ns: u64,
    /// An address in verify stays there until it was calm for so long, ns.
    pub hold_ns: u64,
    /// Slot of its counters and bucket; 1 and up (slot 0 counts what belongs to no protected address).
    pub slot: u32,
    /// Number of the address's group in the map of groups, plus 1; 0: in none.
    pub group: u32,
    /// What is looked at besides SYNs: bits of [`crate::vector::look`].
    pub look: u32,
    /// Presets whose ports the address takes nothing from: bits of [`crate::Preset::bit`].
    pub amplification: u32,
    /// The [`Rung`] that a person forced.
    pub rung: u8,
    /// The highest [`Rung`] that the kernel side takes by itself: limit or verify.
    pub rung_most: u8,
    /// A [`Method`].
    pub method: u8,
    /// 1: this host terminates TCP for the address, so its sockets tell what is established; 0: it forwards.
    pub local: u8,
    /// 1: the blackhole takes established connections and replies too.
    pub blackhole_all: u8,
    /// Zero.
    pub reserved: [u8; 3],
}

impl AddressPolicy {
    /// True while the blackhole lasts.
    #[inline(always)]
    pub const fn is_blackholed(&self, now_ns: u64) -> bool {
        now_ns < self.blackhole_until_ns
    }

    /// The rung that a person forced, while that lasts; else `Limit`.
    #[inline(always)]
    pub const fn floor(&self, now_ns: u64) -> u8 {
        if self.is_forced(now_ns) {
            self.rung
        } else {
            Rung::Limit as u8
        }
    }

    /// The highest rung that the kernel side takes by itself.
    #[inline(always)]
    pub const fn most(&self, now_ns: u64) -> u8 {
        if self.is_forced(now_ns) {
            self.rung
        } else {
            self.rung_most
        }
    }

    #[inline(always)]
    const fn is_forced(&self, now_ns: u64) -> bool {
        now_ns < self.rung_until_ns
    }
}

#[cfg(test)]
mod tests {
    use super::{AddressPolicy, Rung};

    #[test]
    fn a_forced_rung_ends_by_itself() {
        let policy = AddressPolicy {
            rung: Rung::Known as u8,
            rung_most: Rung::Verify as u8,
            rung_until_ns: 100,
            ..AddressPolicy::default()
        };
        assert_eq!(
            (policy.floor(99), policy.most(99)),
            (Rung::Known as u8, Rung::Known as u8)
        );
        assert_eq!(
            (policy.floor(100), policy.most(100)),
            (Rung::Limit as u8, Rung::Verify as u8)
        );
    }
}
