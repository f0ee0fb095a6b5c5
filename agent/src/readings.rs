//! Readings of the kernel side's counters in plain types, and what lies between two of them.

use std::{collections::HashMap, net::IpAddr};

use ipnet::IpNet;
use xdp_common::{Action, Reason, reason::REASON_SLOTS};

use crate::tables::MonotonicNs;

/// Packets by reason, indexed by [`Reason::index`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counts([u64; REASON_SLOTS]);

impl Default for Counts {
    fn default() -> Self {
        Self([0; REASON_SLOTS])
    }
}

impl Counts {
    /// Packets that met this reason.
    #[must_use]
    pub fn get(&self, reason: Reason) -> u64 {
        self.0[reason.index()]
    }

    /// Adds packets to a reason.
    pub fn add(&mut self, reason: Reason, packets: u64) {
        self.0[reason.index()] = self.0[reason.index()].wrapping_add(packets);
    }

    /// Adds every reason of another.
    pub fn add_all(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine = mine.wrapping_add(*theirs);
        }
    }

    /// Packets of every reason with this action.
    #[must_use]
    pub fn total(&self, action: Action) -> u64 {
        Reason::ALL
            .iter()
            .filter(|reason| reason.action() == action)
            .map(|reason| self.get(*reason))
            .sum()
    }

    /// Reasons that were met at all, in the order of their indexes.
    pub fn nonzero(&self) -> impl Iterator<Item = (Reason, u64)> + '_ {
        Reason::ALL
            .iter()
            .map(|reason| (*reason, self.get(*reason)))
            .filter(|(_, packets)| *packets > 0)
    }

    /// What was counted since `earlier`. A counter that went backwards was reset, and counts from zero.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let gained = |index: usize| {
            let (now, then) = (self.0[index], earlier.0[index]);
            now.checked_sub(then).unwrap_or(now)
        };
        Self(std::array::from_fn(gained))
    }

    /// Counts on to counters of which only the lower 32 bits are known, and tells what that adds; `None` for nothing. Right
    /// as long as no counter got 2^32 packets meanwhile.
    pub fn count_on(&mut self, lower: &[u32; REASON_SLOTS]) -> Option<Self> {
        // Most addresses have no packets between two readings: this comparison is all that they cost.
        let changed = self
            .0
            .iter()
            .zip(lower)
            .fold(0, |changed, (count, now)| changed | (*count as u32 ^ now));
        if changed == 0 {
            return None;
        }
        let mut gained = Self::default();
        for ((count, gained), now) in self.0.iter_mut().zip(&mut gained.0).zip(lower) {
            *gained = u64::from(now.wrapping_sub(*count as u32));
            *count += *gained;
        }
        Some(gained)
    }
}

/// A time span in which SYNs to an address were over a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Excess {
    /// The first SYN over a rate.
    pub since: MonotonicNs,
    /// The last one so far.
    pub last: MonotonicNs,
}

/// A time span that an address is in verify, entered by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InVerify {
    /// Since when.
    pub since: MonotonicNs,
    /// Until when, unless it goes on being over its calm rate.
    pub until: MonotonicNs,
}

impl InVerify {
    /// Whether it goes on at an instant.
    #[must_use]
    pub fn is_on(self, now: MonotonicNs) -> bool {
        self.until > now
    }
}

/// The counters of one protected address, or (without an address) of all traffic to anything else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AddressCounts {
    /// Which; `None` for everything that is not protected.
    pub address: Option<IpAddr>,
    /// Packets since the maps were made, summed over the CPUs.
    pub counts: Counts,
    /// The latest excess over a rate, if there ever was one; it may be over.
    pub excess: Option<Excess>,
    /// Handshakes that listeners of this host completed, since the maps were made.
    pub handshakes: u64,
    /// The latest time in verify, if there ever was one; it may be over.
    pub verify: Option<InVerify>,
}

/// A group, besides the counters of its addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupReading {
    /// Its prefix.
    pub prefix: IpNet,
    /// The latest time in verify, if there ever was one; it may be over.
    pub verify: Option<InVerify>,
}

/// What was counted besides the reasons, summed over the CPUs since the maps were made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HostCounts {
    /// Packets really dropped.
    pub dropped: u64,
    /// Packets that monitor mode let pass against their verdict.
    pub would_drop: u64,
    /// Samples that found no room because user space was slow.
    pub samples_lost: u64,
    /// Heavy sources that got no exact record.
    pub sources_unrecorded: u64,
}

/// One reading of all counters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CounterReading {
    /// By address; one element without an address for the rest.
    pub addresses: Vec<AddressCounts>,
    /// Groups.
    pub groups: Vec<GroupReading>,
    /// Besides.
    pub host: HostCounts,
}

/// What the counters of one address gained between two readings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gain {
    /// Its place in [`CounterReading::addresses`].
    pub index: usize,
    /// Packets.
    pub counts: Counts,
    /// Handshakes that listeners of this host completed.
    pub handshakes: u64,
}

impl CounterReading {
    /// What was gained since an earlier reading, for those addresses that gained anything. One that was not there before
    /// begins with no gain.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Vec<Gain> {
        let before: HashMap<Option<IpAddr>, &AddressCounts> = earlier
            .addresses
            .iter()
            .map(|counts| (counts.address, counts))
            .collect();
        let gain = |(index, now): (usize, &AddressCounts)| {
            let then = before.get(&now.address)?;
            let gain = Gain {
                index,
                counts: now.counts.since(&then.counts),
                handshakes: gained(now.handshakes, then.handshakes),
            };
            (gain.handshakes > 0 || gain.counts.nonzero().next().is_some()).then_some(gain)
        };
        self.addresses.iter().enumerate().filter_map(gain).collect()
    }
}

/// What a counter gained; one that went backwards was reset, and counts from zero.
#[must_use]
pub(crate) fn gained(now: u64, then: u64) -> u64 {
    now.checked_sub(then).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_since_an_earlier_reading() {
        let (mut then, mut now) = (Counts::default(), Counts::default());
        then.add(Reason::Syn, 10);
        then.add(Reason::Tcp, 100);
        now.add(Reason::Syn, 15);
        now.add(Reason::Tcp, 3);
        let delta = now.since(&then);
        assert_eq!(delta.get(Reason::Syn), 5);
        assert_eq!(delta.get(Reason::Tcp), 3, "a counter that was reset counts from zero");
        assert_eq!(now.total(Action::Pass), 18);
    }

    #[test]
    fn counters_of_32_bits_count_on_past_their_end() {
        let mut counts = Counts::default();
        counts.add(Reason::Udp, (7 << 32) - 1);
        counts.add(Reason::Tcp, 100);
        let mut lower = [0; REASON_SLOTS];
        lower[Reason::Udp.index()] = u32::MAX;
        lower[Reason::Tcp.index()] = 100;
        assert_eq!(counts.count_on(&lower), None, "nothing came");
        lower[Reason::Udp.index()] = 2;
        let gained = counts.count_on(&lower).expect("three packets came");
        assert_eq!(gained.nonzero().collect::<Vec<_>>(), [(Reason::Udp, 3)]);
        assert_eq!((counts.get(Reason::Udp), counts.get(Reason::Tcp)), ((7 << 32) + 2, 100));
    }

    #[test]
    fn only_what_gained_is_told() {
        let counts = |text: &str, packets, handshakes| {
            let mut counts = Counts::default();
            counts.add(Reason::Syn, packets);
            AddressCounts {
                address: Some(text.parse().expect("address")),
                counts,
                handshakes,
                ..AddressCounts::default()
            }
        };
        let reading = |addresses| CounterReading {
            addresses,
            ..CounterReading::default()
        };
        let earlier = reading(vec![
            counts("192.0.2.1", 5, 0),
            counts("192.0.2.2", 5, 0),
            counts("192.0.2.3", 5, 0),
        ]);
        // Another order, one address less, one more.
        let now = reading(vec![
            counts("192.0.2.9", 7, 7),
            counts("192.0.2.3", 5, 2),
            counts("192.0.2.1", 9, 0),
        ]);
        let gains: Vec<_> = now
            .since(&earlier)
            .into_iter()
            .map(|gain| (gain.index, gain.counts.get(Reason::Syn), gain.handshakes))
            .collect();
        assert_eq!(gains, [(1, 0, 2), (2, 4, 0)]);
    }
}
