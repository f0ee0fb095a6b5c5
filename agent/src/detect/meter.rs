//! Rates from two readings of the counters.

use std::{collections::HashMap, net::IpAddr};

use xdp_common::{Action, Reason};

use crate::{
    clock::Now,
    readings::gained,
    tables::{AddressCounts, CounterReading, Counts, Excess, GroupReading, HostCounts, InVerify},
};

/// An excess counts as over when no SYN was over a rate for this long, in nanoseconds.
const QUIET_NS: u64 = 10_000_000_000;

/// The reasons that a SYN to a protected address can meet on its way through the rates.
const SYN_REASONS: [Reason; 16] = [
    Reason::Syn,
    Reason::GroupRate,
    Reason::SourceRate,
    Reason::AddressRate,
    Reason::Known,
    Reason::SynKernel,
    Reason::Retransmitted,
    Reason::Retry,
    Reason::NotKnown,
    Reason::NoListener,
    Reason::AcceptFull,
    Reason::ReplyCookie,
    Reason::ReplyCookiePlain,
    Reason::ReplyCookieData,
    Reason::ReplyCookieMalformed,
    Reason::ReplyChallenge,
];

/// One address's counters and what was added to them lately.
#[derive(Debug, Clone, PartialEq)]
pub struct AddressMeter {
    /// Which; `None` for everything that is not protected.
    pub address: Option<IpAddr>,
    /// Packets since the maps were made.
    pub counts: Counts,
    /// Packets since the reading before.
    pub delta: Counts,
    /// The latest excess over a rate.
    pub excess: Option<Excess>,
    /// Handshakes completed since the maps were made.
    pub handshakes: u64,
    /// Handshakes completed since the reading before.
    pub handshakes_delta: u64,
    /// The latest time in verify.
    pub verify: Option<InVerify>,
}

/// The latest reading with what changed since the one before.
#[derive(Debug, Clone, PartialEq)]
pub struct Meter {
    /// When it was read.
    pub at: Now,
    /// Seconds since the reading before; 0 for the first, which has no rates.
    pub seconds: f64,
    /// By address; one element without an address for the rest.
    pub addresses: Vec<AddressMeter>,
    /// Groups.
    pub groups: Vec<GroupReading>,
    /// Besides.
    pub host: HostCounts,
}

impl Meter {
    /// The first reading.
    #[must_use]
    pub fn first(reading: CounterReading, at: Now) -> Self {
        let addresses = reading
            .addresses
            .into_iter()
            .map(|counts| measured(counts, None))
            .collect();
        Self {
            at,
            seconds: 0.0,
            addresses,
            groups: reading.groups,
            host: reading.host,
        }
    }

    /// The next reading. An address that was not there before begins with no rate.
    #[must_use]
    pub fn next(&self, reading: CounterReading, at: Now) -> Self {
        let before: HashMap<Option<IpAddr>, &AddressMeter> =
            self.addresses.iter().map(|meter| (meter.address, meter)).collect();
        let addresses = reading
            .addresses
            .into_iter()
            .map(|counts| {
                let earlier = before.get(&counts.address).copied();
                measured(counts, earlier)
            })
            .collect();
        let seconds = std::time::Duration::from_nanos(at.mono.0.saturating_sub(self.at.mono.0)).as_secs_f64();
        Self {
            at,
            seconds,
            addresses,
            groups: reading.groups,
            host: reading.host,
        }
    }

    /// Events per second of a number of events since the reading before.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a rate for people: 53 bits are plenty")]
    pub fn per_second(&self, events: u64) -> f64 {
        if self.seconds > 0.0 {
            events as f64 / self.seconds
        } else {
            0.0
        }
    }

    /// Handshakes that all protected addresses together completed since the reading before.
    #[must_use]
    pub fn protected_handshakes(&self) -> u64 {
        self.addresses
            .iter()
            .filter(|meter| meter.address.is_some())
            .map(|meter| meter.handshakes_delta)
            .sum()
    }

    /// One address.
    #[must_use]
    pub fn of(&self, address: IpAddr) -> Option<&AddressMeter> {
        self.addresses.iter().find(|meter| meter.address == Some(address))
    }

    /// All protected addresses together, since the reading before.
    #[must_use]
    pub fn protected_delta(&self) -> Counts {
        let mut sum = Counts::default();
        for meter in self.addresses.iter().filter(|meter| meter.address.is_some()) {
            sum.add_all(&meter.delta);
        }
        sum
    }
}

impl AddressMeter {
    /// Of an address that was not read yet.
    #[must_use]
    pub fn unread(address: IpAddr) -> Self {
        Self {
            address: Some(address),
            counts: Counts::default(),
            delta: Counts::default(),
            excess: None,
            handshakes: 0,
            handshakes_delta: 0,
            verify: None,
        }
    }

    /// The excess that goes on at an instant.
    #[must_use]
    pub fn current_excess(&self, now: Now) -> Option<Excess> {
        self.excess
            .filter(|excess| now.mono.0.saturating_sub(excess.last.0) < QUIET_NS)
    }
}

/// SYNs of a delta, whatever became of them.
#[must_use]
pub fn syns(counts: &Counts) -> u64 {
    SYN_REASONS.iter().map(|reason| counts.get(*reason)).sum()
}

/// Packets of a delta by what their verdict was: pass, drop, reply.
#[must_use]
pub fn by_action(counts: &Counts) -> [u64; 3] {
    [
        counts.total(Action::Pass),
        counts.total(Action::Drop),
        counts.total(Action::Reply),
    ]
}

fn measured(reading: AddressCounts, earlier: Option<&AddressMeter>) -> AddressMeter {
    let delta = earlier
        .map(|earlier| reading.counts.since(&earlier.counts))
        .unwrap_or_default();
    let handshakes_delta = earlier.map_or(0, |earlier| gained(reading.handshakes, earlier.handshakes));
    AddressMeter {
        address: reading.address,
        counts: reading.counts,
        delta,
        excess: reading.excess,
        handshakes: reading.handshakes,
        handshakes_delta,
        verify: reading.verify,
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::tables::MonotonicNs;

    fn at(ms: u64) -> Now {
        Now {
            wall: Timestamp::UNIX_EPOCH,
            mono: MonotonicNs(ms * 1_000_000),
        }
    }

    fn reading(syns: u64, over: u64) -> CounterReading {
        let mut counts = Counts::default();
        counts.add(Reason::Syn, syns);
        counts.add(Reason::SourceRate, over);
        let address = Some("203.0.113.7".parse().expect("address"));
        let excess = Some(Excess {
            since: MonotonicNs(1),
            last: MonotonicNs(2_000_000_000),
        });
        CounterReading {
            groups: Vec::new(),
            addresses: vec![AddressCounts {
                address,
                counts,
                excess,
                handshakes: syns / 2,
                verify: None,
            }],
            host: HostCounts::default(),
        }
    }

    #[test]
    fn rates_are_per_second_whatever_the_interval() {
        let first = Meter::first(reading(1_000, 0), at(0));
        assert_eq!(syns(&first.addresses[0].delta), 0, "the first reading has no rate");
        let second = first.next(reading(1_100, 400), at(500));
        assert!((second.per_second(syns(&second.addresses[0].delta)) - 1_000.0).abs() < 1e-6);
        assert_eq!(by_action(&second.protected_delta()), [100, 400, 0]);
        assert_eq!(second.addresses[0].handshakes_delta, 50);
        assert_eq!(second.protected_handshakes(), 50);
    }

    #[test]
    fn an_excess_ends_after_ten_quiet_seconds() {
        let meter = Meter::first(reading(0, 1), at(0));
        assert!(meter.addresses[0].current_excess(at(11_999)).is_some());
        assert!(meter.addresses[0].current_excess(at(12_001)).is_none());
    }
}
