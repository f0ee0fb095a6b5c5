//! Reads counters: one system call for each address, summed over the CPUs.

use std::net::IpAddr;

use aya::maps::PerCpuValues;
use xdp_common::{AddressCpu, Reason, counter::AddressCarry, map_name};

use super::{addresses::Addresses, convert, maps::Maps};
use crate::tables::{AddressCounts, CounterReading, Counts, Excess, HostCounts, InVerify, MonotonicNs, Result};

/// Slot of traffic to no protected address.
const UNPROTECTED: u32 = 0;

pub(super) fn read(maps: &Maps, addresses: &Addresses) -> Result<CounterReading> {
    let mut reading = vec![address(maps, None, UNPROTECTED)?];
    for (ip, slot) in addresses.slots() {
        reading.push(address(maps, Some(ip), slot)?);
    }
    Ok(CounterReading {
        addresses: reading,
        groups: Vec::new(),
        host: host(maps)?,
    })
}

fn address(maps: &Maps, address: Option<IpAddr>, slot: u32) -> Result<AddressCounts> {
    let (cpus, counts) = packets(maps, slot)?;
    let rate = maps
        .address_rate
        .get(&slot, 0)
        .map_err(|error| convert::failed("read", map_name::ADDRESS_RATE, &error))?;
    // Slot 0 has the latest end of all addresses there, which is not its own.
    let verify = (slot != UNPROTECTED && rate.verify_until_ns != 0).then_some(InVerify {
        since: MonotonicNs(rate.verify_since_ns),
        until: MonotonicNs(rate.verify_until_ns),
    });
    Ok(AddressCounts {
        address,
        counts,
        excess: excess(&cpus),
        handshakes: cpus.iter().fold(0, |sum, cpu| sum.wrapping_add(cpu.handshakes)),
        verify,
    })
}

/// A slot on every CPU, and its packets. A counter that goes round between the two readings of how often it did is read
/// again: that takes 2^32 packets, so once is enough.
fn packets(maps: &Maps, slot: u32) -> Result<(PerCpuValues<AddressCpu>, Counts)> {
    let carry = || {
        let read = maps.address_carry.get(&slot, 0);
        read.map_err(|error| convert::failed("read", map_name::ADDRESS_CARRY, &error))
    };
    let mut rounds = carry()?;
    loop {
        let cpus = maps
            .address_cpu
            .get(&slot, 0)
            .map_err(|error| convert::failed("read", map_name::ADDRESS_CPU, &error))?;
        let rounds_then = std::mem::replace(&mut rounds, carry()?);
        if rounds_then == rounds {
            let counts = counts(&cpus, &rounds);
            return Ok((cpus, counts));
        }
    }
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

fn host(maps: &Maps) -> Result<HostCounts> {
    let cpus = maps
        .cpu
        .get(&0, 0)
        .map_err(|error| convert::failed("read", map_name::CPU, &error))?;
    Ok(cpus.iter().fold(HostCounts::default(), |sum, cpu| HostCounts {
        dropped: sum.dropped.wrapping_add(cpu.dropped),
        would_drop: sum.would_drop.wrapping_add(cpu.would_drop),
        samples_lost: sum.samples_lost.wrapping_add(cpu.samples_lost),
        sources_unrecorded: sum.sources_unrecorded.wrapping_add(cpu.promotions_refused),
    }))
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
}
