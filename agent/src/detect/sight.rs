//! What the detector sees: a tick, made of what the counters gained between two readings and of what holds for each subject.

use std::{collections::BTreeMap, net::IpAddr};

use ipnet::IpNet;

use super::{HostObservation, Observation, Rates, Standing, Subject, Tick, kind::rates};
use crate::{
    clock::Now,
    decide::{KernelState, standing},
    fleet::Elsewhere,
    ladder::Rung,
    tables::{AddressCounts, AddressState, CounterReading, Gain, GroupState, InVerify},
};

/// The program reads its clock once a jiffy, which is 10 ms at most: so far what it notes can lie behind.
const CLOCK_SKEW_NS: u64 = 10_000_000;

/// What lies between two readings.
#[derive(Debug, Clone, Copy)]
pub struct Sight<'a> {
    /// When the earlier reading was made.
    pub since: Now,
    /// When the later one was.
    pub now: Now,
    /// What the tables hold.
    pub kernel: &'a KernelState,
    /// The later reading.
    pub reading: &'a CounterReading,
    /// What it gained.
    pub gains: &'a [Gain],
    /// The host.
    pub host: HostObservation,
    /// What arrives at the other nodes.
    pub elsewhere: &'a BTreeMap<IpAddr, Elsewhere>,
}

impl Sight<'_> {
    /// The tick; `None` when no time has passed between the readings.
    #[must_use]
    pub fn tick(&self) -> Option<Tick> {
        let ns = self.now.mono.0.checked_sub(self.since.mono.0).filter(|ns| *ns > 0)?;
        let seconds = std::time::Duration::from_nanos(ns).as_secs_f64();
        let mut gains = vec![None; self.reading.addresses.len()];
        for gain in self.gains {
            if let Some(place) = gains.get_mut(gain.index) {
                *place = Some(gain);
            }
        }
        let mut groups: BTreeMap<IpNet, Members> = BTreeMap::new();
        let mut subjects = Vec::with_capacity(self.kernel.addresses.len() + self.kernel.groups.len());
        let mut places = Places::of(self.reading);
        for state in self.kernel.addresses.values() {
            let found = places.find(state.address);
            let counts = found.map(|index| &self.reading.addresses[index]);
            let gain = found.and_then(|index| gains[index]);
            let standing = self.standing(state, counts);
            let rates = gain.map_or_else(Rates::default, |gain| rates(gain, state.local, seconds));
            // Most have nothing to add.
            if let Some(group) = state
                .group
                .filter(|_| gain.is_some() || standing.excess || !state.local)
            {
                groups
                    .entry(group)
                    .or_default()
                    .add(&rates, standing.excess, state.local);
            }
            subjects.push(Observation {
                subject: Subject::Address(state.address),
                rates,
                standing,
            });
        }
        for group in self.kernel.groups.values() {
            let members = groups.remove(&group.prefix).unwrap_or_default();
            subjects.push(Observation {
                subject: Subject::Group(group.prefix),
                rates: members.rates,
                standing: self.standing_of_group(group, &members),
            });
        }
        Some(Tick {
            at: self.now,
            seconds,
            subjects,
            host: self.host,
            elsewhere: self.elsewhere.clone(),
        })
    }

    fn standing(&self, state: &AddressState, counts: Option<&AddressCounts>) -> Standing {
        let rung = stands_on(state, counts.and_then(|counts| counts.verify), self.now);
        let excess = counts.and_then(|counts| counts.excess);
        Standing {
            syn_threshold: Some(f64::from(state.limit.syn_rate.per_second())),
            excess: excess.is_some_and(|excess| excess.last.0 + CLOCK_SKEW_NS > self.since.mono.0),
            rung,
            counts_handshakes: state.local || rung >= Rung::Verify,
        }
    }

    /// A group has no excess of its own: its addresses have it. Its handshakes are counted where all of theirs are.
    fn standing_of_group(&self, group: &GroupState, members: &Members) -> Standing {
        let reading = self
            .reading
            .groups
            .iter()
            .find(|reading| reading.prefix == group.prefix);
        let verify = reading.and_then(|reading| reading.verify);
        let verifies = verify.is_some_and(|verify| verify.is_on(self.now.mono));
        Standing {
            syn_threshold: group.limit.map(|limit| f64::from(limit.syn_rate.per_second())),
            excess: members.excess,
            rung: if verifies { Rung::Verify } else { Rung::Limit },
            counts_handshakes: verifies || !members.forwarded,
        }
    }
}

/// The addresses of a group together.
#[derive(Default)]
struct Members {
    rates: Rates,
    excess: bool,
    /// This host forwards one of them.
    forwarded: bool,
}

impl Members {
    fn add(&mut self, rates: &Rates, excess: bool, local: bool) {
        self.rates.add(rates);
        self.excess |= excess;
        self.forwarded |= !local;
    }
}

/// Finds addresses in a reading; those that are asked for in its own order, at once.
struct Places<'a> {
    reading: &'a [AddressCounts],
    next: usize,
}

impl<'a> Places<'a> {
    fn of(reading: &'a CounterReading) -> Self {
        Self {
            reading: &reading.addresses,
            next: 0,
        }
    }

    fn find(&mut self, address: IpAddr) -> Option<usize> {
        let is_it = |counts: &AddressCounts| counts.address == Some(address);
        // What belongs to no address stands first, and only once.
        let mut near = self.next..self.reading.len().min(self.next + 2);
        let found = near
            .find(|index| is_it(&self.reading[*index]))
            .or_else(|| self.reading.iter().position(is_it))?;
        self.next = found + 1;
        Some(found)
    }
}

/// The rung that an address stands on: what a person or the agent put it on, or by itself.
#[must_use]
pub fn stands_on(state: &AddressState, verify: Option<InVerify>, now: Now) -> Rung {
    standing::rung(state, verify, now.mono)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;
    use xdp_common::Reason;

    use super::*;
    use crate::{
        config::units::{Burst, Rate},
        ladder::ForcedRung,
        tables::{Blackhole, Counts, Excess, GroupReading, KernelSettings, Ladder, Limit, Mode, MonotonicNs},
    };

    const SECOND: u64 = 1_000_000_000;

    fn at(ns: u64) -> Now {
        Now {
            wall: Timestamp::UNIX_EPOCH,
            mono: MonotonicNs(ns),
        }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("address")
    }

    fn limit(syn_rate: u32) -> Limit {
        Limit {
            syn_rate: Rate::new(syn_rate).expect("rate"),
            syn_burst: Burst::new(1).expect("burst"),
        }
    }

    /// Addresses that may take verify by themselves, and are in the group of 203.0.113.0/24 if they are in that.
    fn kernel(addresses: &[(&str, bool)]) -> KernelState {
        let group: IpNet = "203.0.113.0/24".parse().expect("prefix");
        let state = |(text, local): &(&str, bool)| AddressState {
            local: *local,
            ladder: Ladder {
                most: Rung::Verify,
                ..Ladder::default()
            },
            group: group.contains(&ip(text)).then_some(group),
            ..AddressState::new(ip(text), limit(1_000))
        };
        let shared = GroupState {
            prefix: group,
            limit: None,
            vectors: crate::tables::Vectors::default(),
            hold: Duration::from_secs(10),
        };
        KernelState {
            settings: KernelSettings::new(Mode::Monitor, limit(100)),
            addresses: addresses
                .iter()
                .map(|address| (ip(address.0), state(address)))
                .collect(),
            groups: [(group, shared)].into(),
            entries: BTreeMap::new(),
        }
    }

    /// A reading as the tables give it: first what belongs to nobody.
    fn reading(kernel: &KernelState) -> CounterReading {
        let counts = |address| AddressCounts {
            address,
            ..AddressCounts::default()
        };
        let addresses = kernel.addresses.keys().map(|address| counts(Some(*address)));
        CounterReading {
            addresses: [counts(None)].into_iter().chain(addresses).collect(),
            ..CounterReading::default()
        }
    }

    fn gain(index: usize, packets: &[(Reason, u64)], handshakes: u64) -> Gain {
        let mut counts = Counts::default();
        for (reason, packets) in packets {
            counts.add(*reason, *packets);
        }
        Gain {
            index,
            counts,
            handshakes,
        }
    }

    fn seen(kernel: &KernelState, reading: &CounterReading, gains: &[Gain]) -> Vec<Observation> {
        let sight = Sight {
            since: at(100 * SECOND),
            now: at(100 * SECOND + SECOND / 10),
            kernel,
            reading,
            gains,
            host: HostObservation::default(),
            elsewhere: &BTreeMap::new(),
        };
        let tick = sight.tick().expect("time has passed");
        assert!((tick.seconds - 0.1).abs() < 1e-9);
        tick.subjects
    }

    #[test]
    fn gains_become_rates_of_addresses_and_of_their_group() {
        let kernel = kernel(&[("192.0.2.9", true), ("203.0.113.1", true), ("203.0.113.2", true)]);
        let packets = [
            (Reason::Syn, 10),
            (Reason::AddressRate, 30),
            (Reason::ReplyCookie, 5),
            (Reason::Udp, 100),
            (Reason::UdpRate, 50),
            (Reason::Allowed, 1),
            (Reason::Retry, 2),
        ];
        let gains = [
            gain(2, &packets, 4),
            gain(3, &[(Reason::AmplifiedDns, 2)], 0),
            gain(0, &[(Reason::NotOurs, 9)], 0),
        ];
        let subjects = seen(&kernel, &reading(&kernel), &gains);
        let names: Vec<_> = subjects.iter().map(|seen| seen.subject.to_string()).collect();
        assert_eq!(
            names,
            ["192.0.2.9", "203.0.113.1", "203.0.113.2", "group 203.0.113.0/24"]
        );
        assert_eq!(subjects[0].rates, Rates::default(), "it gained nothing");
        let wanted = Rates {
            syn: 470.0,
            handshakes: 40.0,
            udp: 1_500.0,
            passed: 1_110.0,
            dropped: 820.0,
            replied: 50.0,
            unanswered: 20.0,
            over_vectors: 500.0,
            ..Rates::default()
        };
        assert_eq!(subjects[1].rates, wanted);
        let of_group = Rates {
            amplified: 20.0,
            dropped: 840.0,
            ..wanted
        };
        assert_eq!(subjects[3].rates, of_group);
        assert_eq!(subjects[3].standing.syn_threshold, None);
        assert_eq!(subjects[1].standing.syn_threshold, Some(1_000.0));
    }

    #[test]
    fn where_this_host_forwards_proofs_are_what_is_counted() {
        let kernel = kernel(&[("203.0.113.1", false), ("203.0.113.2", true)]);
        let mut reading = reading(&kernel);
        let gains = [gain(
            1,
            &[
                (Reason::ReplyChallenge, 8),
                (Reason::ChallengePassed, 2),
                (Reason::Known, 3),
            ],
            0,
        )];
        let calm = seen(&kernel, &reading, &gains);
        assert!((calm[0].rates.handshakes - 50.0).abs() < 1e-9);
        assert!((calm[0].rates.syn - 110.0).abs() < 1e-9);
        assert!((calm[0].rates.tcp - 20.0).abs() < 1e-9, "the reset is no SYN");
        let counted = |subjects: &[Observation]| {
            subjects
                .iter()
                .map(|seen| seen.standing.counts_handshakes)
                .collect::<Vec<_>>()
        };
        assert_eq!(counted(&calm), [false, true, false], "nobody has to prove anything yet");
        reading.addresses[1].verify = Some(InVerify {
            since: MonotonicNs(99 * SECOND),
            until: MonotonicNs(110 * SECOND),
        });
        let verifying = seen(&kernel, &reading, &gains);
        assert_eq!(counted(&verifying), [true, true, false]);
        assert_eq!(verifying[0].standing.rung, Rung::Verify);
    }

    #[test]
    fn an_excess_counts_in_the_tick_in_which_it_was() {
        let kernel = kernel(&[("192.0.2.9", true)]);
        let mut reading = reading(&kernel);
        for (last_ns, wanted) in [(99 * SECOND, false), (100 * SECOND + 1, true)] {
            reading.addresses[1].excess = Some(Excess {
                since: MonotonicNs(1),
                last: MonotonicNs(last_ns),
            });
            assert_eq!(seen(&kernel, &reading, &[])[0].standing.excess, wanted, "{last_ns}");
        }
    }

    #[test]
    fn a_person_comes_before_what_is_so_by_itself() {
        let mut kernel = kernel(&[("192.0.2.9", true)]);
        let now = at(100 * SECOND);
        let verify = Some(InVerify {
            since: MonotonicNs(1),
            until: MonotonicNs(101 * SECOND),
        });
        let state = kernel.addresses.get_mut(&ip("192.0.2.9")).expect("there");
        assert_eq!(stands_on(state, None, now), Rung::Limit);
        assert_eq!(stands_on(state, verify, now), Rung::Verify);
        assert_eq!(
            stands_on(state, verify, at(101 * SECOND)),
            Rung::Limit,
            "it was calm for the hold"
        );
        state.rung = Some(ForcedRung {
            rung: Rung::Observe,
            until: None,
        });
        assert_eq!(stands_on(state, verify, now), Rung::Observe);
        state.blackhole = Some(Blackhole {
            until: Some(MonotonicNs(100 * SECOND + 1)),
            all: false,
        });
        assert_eq!(stands_on(state, verify, now), Rung::Blackhole);
        assert_eq!(
            stands_on(state, verify, at(100 * SECOND + 1)),
            Rung::Observe,
            "the blackhole has ended"
        );
        state.rung = None;
        state.ladder.most = Rung::Limit;
        assert_eq!(
            stands_on(state, verify, at(100 * SECOND + 1)),
            Rung::Limit,
            "it may not take verify"
        );
    }

    #[test]
    fn a_group_in_verify_says_so() {
        let kernel = kernel(&[("203.0.113.1", false)]);
        let mut reading = reading(&kernel);
        reading.groups = vec![GroupReading {
            prefix: "203.0.113.0/24".parse().expect("prefix"),
            verify: Some(InVerify {
                since: MonotonicNs(1),
                until: MonotonicNs(200 * SECOND),
            }),
        }];
        let group = &seen(&kernel, &reading, &[])[1];
        assert_eq!(
            (group.standing.rung, group.standing.counts_handshakes),
            (Rung::Verify, true)
        );
    }

    #[test]
    fn a_reading_in_another_order_is_found_all_the_same() {
        let kernel = kernel(&[("192.0.2.1", true), ("192.0.2.2", true), ("192.0.2.3", true)]);
        let mut reading = reading(&kernel);
        // One address came since, and is in no reading yet.
        reading.addresses.remove(1);
        reading.addresses.reverse();
        let gains = [gain(0, &[(Reason::Syn, 3)], 0), gain(1, &[(Reason::Syn, 2)], 0)];
        let syns: Vec<f64> = seen(&kernel, &reading, &gains)
            .iter()
            .map(|seen| seen.rates.syn)
            .collect();
        assert_eq!(syns, [0.0, 20.0, 30.0, 0.0]);
    }

    #[test]
    fn no_time_is_no_tick() {
        let kernel = kernel(&[("192.0.2.1", true)]);
        let reading = reading(&kernel);
        let sight = Sight {
            since: at(SECOND),
            now: at(SECOND),
            kernel: &kernel,
            reading: &reading,
            gains: &[],
            host: HostObservation::default(),
            elsewhere: &BTreeMap::new(),
        };
        assert!(sight.tick().is_none());
    }
}
