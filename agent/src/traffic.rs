//! What the program's tally says in plain types: who sends how much to protected addresses, whatever it is. Counts stand for all
//! packets, though only one of many was looked at (see `xdp_common::turn`).

use ipnet::IpNet;

use crate::tables::MonotonicNs;

/// Amounts of traffic.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Packets.
    pub packets: u64,
    /// Bytes of their frames.
    pub bytes: u64,
    /// Of the packets, SYNs.
    pub syns: u64,
    /// Of the packets, those whose verdict was drop.
    pub drops: u64,
}

impl Traffic {
    /// Adds another amount.
    pub const fn add(&mut self, other: Self) {
        self.packets = self.packets.wrapping_add(other.packets);
        self.bytes = self.bytes.wrapping_add(other.bytes);
        self.syns = self.syns.wrapping_add(other.syns);
        self.drops = self.drops.wrapping_add(other.drops);
    }

    /// What came since `earlier`, from counters that may have gone past their end.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Self {
        Self {
            packets: self.packets.wrapping_sub(earlier.packets),
            bytes: self.bytes.wrapping_sub(earlier.bytes),
            syns: self.syns.wrapping_sub(earlier.syns),
            drops: self.drops.wrapping_sub(earlier.drops),
        }
    }
}

/// What one CPU counted of one source or prefix, since its record there began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tallied {
    /// The CPU.
    pub cpu: usize,
    /// An IPv4 address or an IPv6 /64; or an IPv4 /24 or an IPv6 /48.
    pub prefix: IpNet,
    /// Traffic from there.
    pub traffic: Traffic,
    /// When the record began.
    pub since: MonotonicNs,
    /// When the last packet was looked at.
    pub last: MonotonicNs,
}

/// One reading of the tally.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TallyReading {
    /// By CPU, all that it tallied since the maps were made.
    pub totals: Vec<Traffic>,
    /// Heavy sources, in no order.
    pub sources: Vec<Tallied>,
    /// Heavy prefixes, in no order.
    pub prefixes: Vec<Tallied>,
    /// Different sources in the last full window of a second; `None` before there was one.
    pub distinct_sources: Option<f64>,
}
