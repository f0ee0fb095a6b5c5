//! Reads counters, summed over the CPUs: all of them with care ([`Counters::read`]), and then again and again what changed
//! ([`Counters::recount`]).

use std::{net::IpAddr, ops::Range};

use xdp_common::{
    AddressCpu, CpuState, Reason, counter::AddressCarry, layout::RateBucket, map_name, reason::REASON_SLOTS,
};

use super::{addresses::Addresses, batch::Reader, pins::Pins};
use crate::{
    readings::gained,
    tables::{
        AddressCounts, CounterReading, Counts, Excess, Gain, HostCounts, InVerify, MonotonicNs, Result, TableError,
    },
};

/// Slot of traffic to no protected address. Its bucket has the latest end of verify of all addresses, see
/// [`RateBucket::verify_until_ns`].
const UNPROTECTED: u32 = 0;

/// Ways through verify are read whenever that end moves, and once in so many readings: after a shorter hold was configured,
/// an address may enter for less time than one that is in verify already.
const BUCKETS_EVERY: u32 = 10;

/// By slot, the place of its address in a reading.
type Places = Vec<Option<usize>>;

/// Readers of the counters' maps.
pub(super) struct Counters {
    cpus: Reader<AddressCpu>,
    carries: Reader<AddressCarry>,
    buckets: Reader<RateBucket>,
    host: Reader<CpuState>,
    /// Of the reading that goes on; none when addresses have come or gone since.
    places: Option<Places>,
    latest_verify_ns: u64,
    recounts: u32,
}

impl Counters {
    pub(super) fn open(pins: &Pins) -> Result<Self> {
        let cpus = aya::util::nr_cpus()
            .map_err(|(file, error)| TableError::Kernel(format!("cannot count the CPUs: {file}: {error}")))?;
        Ok(Self {
            cpus: Reader::open(pins, map_name::ADDRESS_CPU, cpus)?,
            carries: Reader::open(pins, map_name::ADDRESS_CARRY, 1)?,
            buckets: Reader::open(pins, map_name::ADDRESS_RATE, 1)?,
            host: Reader::open(pins, map_name::CPU, cpus)?,
            places: None,
            latest_verify_ns: 0,
            recounts: 0,
        })
    }

    /// Addresses came, or went: their slots may be others' at once.
    pub(super) fn forget_places(&mut self) {
        self.places = None;
    }

    /// Everything, from the beginning.
    pub(super) fn read(&mut self, addresses: &Addresses) -> Result<CounterReading> {
        let slots: Vec<(IpAddr, u32)> = addresses.slots().collect();
        self.read_slots(&slots)
    }

    /// Everything of these addresses, whose slots these are, and of what is no protected address.
    pub(super) fn read_slots(&mut self, addresses: &[(IpAddr, u32)]) -> Result<CounterReading> {
        Ok(self.read_with_places(addresses)?.0)
    }

    /// Brings `reading` up to date, which came from here, and tells what it gained.
    pub(super) fn recount(&mut self, addresses: &Addresses, reading: &mut CounterReading) -> Result<Vec<Gain>> {
        let Some(places) = self.places.take() else {
            let slots: Vec<(IpAddr, u32)> = addresses.slots().collect();
            let (now, places) = self.read_with_places(&slots)?;
            let gains = now.since(reading);
            *reading = now;
            self.places = Some(places);
            return Ok(gains);
        };
        let gains = self.count_on(&places, reading)?;
        let latest_ns = self.buckets.get(UNPROTECTED)?[0].verify_until_ns;
        self.recounts = self.recounts.wrapping_add(1);
        if latest_ns != self.latest_verify_ns || self.recounts.is_multiple_of(BUCKETS_EVERY) {
            self.read_verify(&places, reading)?;
            self.latest_verify_ns = latest_ns;
        }
        reading.host = self.read_host()?;
        self.places = Some(places);
        Ok(gains)
    }

    fn read_with_places(&mut self, addresses: &[(IpAddr, u32)]) -> Result<(CounterReading, Places)> {
        let mut reading = CounterReading {
            addresses: vec![AddressCounts::default()],
            ..CounterReading::default()
        };
        let mut places = vec![Some(0)];
        for &(ip, slot) in addresses {
            let slot = slot as usize;
            places.resize(places.len().max(slot + 1), None);
            places[slot] = Some(reading.addresses.len());
            reading.addresses.push(AddressCounts {
                address: Some(ip),
                ..AddressCounts::default()
            });
        }
        self.count(&places, &mut reading)?;
        self.read_verify(&places, &mut reading)?;
        reading.host = self.read_host()?;
        Ok((reading, places))
    }

    /// Counts everything. What went round between the two readings of how often it did is read again.
    fn count(&mut self, places: &Places, reading: &mut CounterReading) -> Result<()> {
        let mut carries = vec![AddressCarry::default(); places.len()];
        self.carries.read(slots(places), |slot, carry| {
            carries[slot as usize] = carry[0];
            Ok(())
        })?;
        self.cpus.read(slots(places), |slot, cpus| {
            if let Some(index) = places[slot as usize] {
                tell(&mut reading.addresses[index], cpus, &carries[slot as usize]);
            }
            Ok(())
        })?;
        let mut went_round = Vec::new();
        self.carries.read(slots(places), |slot, carry| {
            if carries[slot as usize] != carry[0] {
                went_round.push(slot);
            }
            Ok(())
        })?;
        for slot in went_round {
            if let Some(index) = places[slot as usize] {
                self.count_one(slot, &mut reading.addresses[index])?;
            }
        }
        Ok(())
    }

    /// One slot until nothing went round meanwhile: that takes 2^32 packets, so once is enough.
    fn count_one(&mut self, slot: u32, counts: &mut AddressCounts) -> Result<()> {
        let mut carry = self.carries.get(slot)?[0];
        loop {
            tell(counts, self.cpus.get(slot)?, &carry);
            let carry_then = std::mem::replace(&mut carry, self.carries.get(slot)?[0]);
            if carry_then == carry {
                return Ok(());
            }
        }
    }

    /// Counts what came since, where anything came.
    fn count_on(&mut self, places: &Places, reading: &mut CounterReading) -> Result<Vec<Gain>> {
        let mut gains = Vec::new();
        self.cpus.read(slots(places), |slot, cpus| {
            if let Some(index) = places[slot as usize] {
                gains.extend(gain(index, &mut reading.addresses[index], cpus));
            }
            Ok(())
        })?;
        Ok(gains)
    }

    fn read_verify(&mut self, places: &Places, reading: &mut CounterReading) -> Result<()> {
        self.buckets.read(slots(places), |slot, bucket| {
            if let Some(index) = places[slot as usize].filter(|_| slot != UNPROTECTED) {
                reading.addresses[index].verify = in_verify(&bucket[0]);
            }
            Ok(())
        })
    }

    fn read_host(&mut self) -> Result<HostCounts> {
        let cpus = self.host.get(0)?;
        Ok(cpus.iter().fold(HostCounts::default(), |sum, cpu| HostCounts {
            dropped: sum.dropped.wrapping_add(cpu.dropped),
            would_drop: sum.would_drop.wrapping_add(cpu.would_drop),
            samples_lost: sum.samples_lost.wrapping_add(cpu.samples_lost),
            sources_unrecorded: sum.sources_unrecorded.wrapping_add(cpu.promotions_refused),
        }))
    }
}

/// All slots up to the last one that is anybody's.
fn slots(places: &Places) -> Range<u32> {
    0..places.len() as u32
}

/// The latest time in verify that a bucket tells of.
pub(super) fn in_verify(bucket: &RateBucket) -> Option<InVerify> {
    (bucket.verify_until_ns != 0).then_some(InVerify {
        since: MonotonicNs(bucket.verify_since_ns),
        until: MonotonicNs(bucket.verify_until_ns),
    })
}

/// All that a slot's counters say.
fn tell(counts: &mut AddressCounts, cpus: &[AddressCpu], carry: &AddressCarry) {
    counts.counts = self::counts(cpus, carry);
    counts.excess = excess(cpus);
    counts.handshakes = handshakes(cpus);
}

/// What a slot's counters say beyond what is known of them.
fn gain(index: usize, known: &mut AddressCounts, cpus: &[AddressCpu]) -> Option<Gain> {
    let mut sums = [0u32; REASON_SLOTS];
    let mut last_ns = 0;
    for cpu in cpus {
        for (sum, packets) in sums.iter_mut().zip(&cpu.packets) {
            *sum = sum.wrapping_add(*packets);
        }
        last_ns = last_ns.max(cpu.excess_last_ns);
    }
    if known.excess.map_or(0, |excess| excess.last.0) != last_ns {
        known.excess = excess(cpus);
    }
    let handshakes = handshakes(cpus);
    let completed = gained(handshakes, std::mem::replace(&mut known.handshakes, handshakes));
    let counts = known.counts.count_on(&sums);
    (completed > 0 || counts.is_some()).then(|| Gain {
        index,
        counts: counts.unwrap_or_default(),
        handshakes: completed,
    })
}

fn handshakes(cpus: &[AddressCpu]) -> u64 {
    cpus.iter().fold(0, |sum, cpu| sum.wrapping_add(cpu.handshakes))
}

fn counts(cpus: &[AddressCpu], carry: &AddressCarry) -> Counts {
    let mut counts = Counts::default();
    for &reason in Reason::ALL {
        counts.add(reason, carry.rounds[reason.index()] << 32);
        for cpu in cpus {
            counts.add(reason, u64::from(cpu.packets[reason.index()]));
        }
    }
    counts
}

/// The latest excess over all CPUs: a CPU's excess that had ended before the latest one began is not part of it.
fn excess(cpus: &[AddressCpu]) -> Option<Excess> {
    let last = cpus
        .iter()
        .map(|cpu| cpu.excess_last_ns)
        .max()
        .filter(|&last| last != 0)?;
    let mut since = last;
    // Walk back from the latest: whoever overlaps the span so far (with the quiet time between) extends it.
    let mut spans: Vec<_> = cpus.iter().filter(|cpu| cpu.excess_last_ns != 0).collect();
    spans.sort_by_key(|cpu| std::cmp::Reverse(cpu.excess_last_ns));
    for cpu in spans {
        if cpu.excess_last_ns + xdp_common::counter::EXCESS_QUIET_NS >= since {
            since = since.min(cpu.excess_since_ns);
        }
    }
    Some(Excess {
        since: MonotonicNs(since),
        last: MonotonicNs(last),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpu(since: u64, last: u64) -> AddressCpu {
        AddressCpu {
            excess_since_ns: since * 1_000_000_000,
            excess_last_ns: last * 1_000_000_000,
            ..AddressCpu::default()
        }
    }

    fn span(cpus: &[AddressCpu]) -> Option<(u64, u64)> {
        excess(cpus).map(|excess| (excess.since.0 / 1_000_000_000, excess.last.0 / 1_000_000_000))
    }

    #[test]
    fn counters_that_went_round_count_on() {
        let mut carry = AddressCarry::default();
        let mut cpus = [AddressCpu::default(), AddressCpu::default()];
        cpus[0].packets[Reason::Udp.index()] = u32::MAX;
        cpus[1].packets[Reason::Udp.index()] = 2;
        assert_eq!(counts(&cpus, &carry).get(Reason::Udp), (1 << 32) + 1);
        // SAFETY: the index of a reason.
        assert!(unsafe { cpus[0].count(Reason::Udp.index()) });
        carry.rounds[Reason::Udp.index()] += 1;
        assert_eq!(counts(&cpus, &carry).get(Reason::Udp), (1 << 32) + 2);
    }

    #[test]
    fn the_latest_excess_is_joined_over_cpus() {
        assert_eq!(span(&[cpu(0, 0)]), None);
        assert_eq!(span(&[cpu(100, 160), cpu(90, 150)]), Some((90, 160)));
        // A CPU that saw only an earlier attack does not lengthen this one.
        assert_eq!(span(&[cpu(100, 160), cpu(10, 20)]), Some((100, 160)));
        // Three CPUs that hand over to each other.
        assert_eq!(span(&[cpu(40, 60), cpu(20, 45), cpu(1, 15)]), Some((1, 60)));
    }

    #[test]
    fn counting_on_comes_to_what_counting_anew_does() {
        let mut carry = AddressCarry::default();
        let mut cpus = [cpu(0, 0), cpu(0, 0)];
        cpus[0].packets[Reason::Udp.index()] = u32::MAX - 1;
        cpus[1].packets[Reason::Udp.index()] = 5;
        cpus[1].handshakes = 3;
        let mut known = AddressCounts::default();
        tell(&mut known, &cpus, &carry);
        assert_eq!(gain(7, &mut known, &cpus), None, "nothing came");

        cpus[0].packets[Reason::Udp.index()] = 1;
        carry.rounds[Reason::Udp.index()] += 1;
        cpus[0].packets[Reason::Syn.index()] = 9;
        cpus[0].handshakes = 4;
        (cpus[0].excess_since_ns, cpus[0].excess_last_ns) = (10, 20);
        let gained = gain(7, &mut known, &cpus).expect("packets came");
        assert_eq!((gained.index, gained.handshakes), (7, 4));
        let packets: Vec<_> = gained.counts.nonzero().collect();
        assert_eq!(packets, [(Reason::Syn, 9), (Reason::Udp, 3)]);

        let mut anew = AddressCounts::default();
        tell(&mut anew, &cpus, &carry);
        assert_eq!(known, anew);
    }
}
