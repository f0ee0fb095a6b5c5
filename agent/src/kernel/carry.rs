//! Counters that continue over an upgrade: maps of another [`map_name::PIN_VERSION`] are left behind, what they counted is not.
//!
//! Beside its maps each version pins an empty directory whose name says how its counters are laid out. Where it is the same as ours,
//! the totals are taken over before the program is attached: each as the larger of what is here and there, so that a start that was
//! interrupted may take them twice. What the former program counts after that, until ours takes its place, is not counted.

use std::{
    collections::BTreeMap,
    mem::{offset_of, size_of},
    net::IpAddr,
};

use aya::{
    maps::{Array, Map, MapData, PerCpuArray, PerCpuValues},
    util::nr_cpus,
};
use ring::digest;
use xdp_common::{
    AddressCpu, AddressPolicy, CpuState, ListRecord, Reason,
    address_index::{AddressBucket, AddressEntry},
    counter::AddressCarry,
    layout::RateBucket,
    map_name,
};

use super::{addresses::Addresses, convert, counters::Counters, list_table::ListTable, maps, pins::Pins};
use crate::tables::{AddressCounts, CounterReading, HostCounts, Result, TableError};

/// Hexadecimal digits of a layout's name.
const DIGITS: usize = 16;

/// The name of how this version's counters are laid out: everything by which they are found, and what they count.
pub(super) fn layout() -> String {
    let sizes = [
        size_of::<AddressBucket>(),
        size_of::<AddressEntry>(),
        offset_of!(AddressEntry, policy),
        size_of::<AddressPolicy>(),
        offset_of!(AddressPolicy, slot),
        size_of::<AddressCpu>(),
        offset_of!(AddressCpu, packets),
        offset_of!(AddressCpu, handshakes),
        size_of::<AddressCarry>(),
        size_of::<RateBucket>(),
        size_of::<CpuState>(),
        offset_of!(CpuState, dropped),
        offset_of!(CpuState, would_drop),
        offset_of!(CpuState, samples_lost),
        offset_of!(CpuState, promotions_refused),
        size_of::<ListRecord>(),
        offset_of!(ListRecord, name),
    ];
    let names: Vec<&str> = Reason::ALL.iter().map(|reason| reason.name()).collect();
    let text = format!("{sizes:?} {names:?}");
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    let hex: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    hex[..DIGITS].to_owned()
}

/// What an agent of another version counted: the slots of its addresses, and its lists.
struct Former {
    counters: CounterReading,
    lists: BTreeMap<String, u64>,
}

/// Takes over what was counted in `from`, for addresses and lists that are here too. The sentence tells why it cannot be.
///
/// # Errors
/// The kernel refuses.
pub(super) fn carry(from: &Pins, to: &Pins, addresses: &Addresses, lists: &ListTable) -> Result<Option<String>> {
    if !from.counts_as(&layout()) {
        return Ok(Some(format!(
            "counters begin anew: {} counts otherwise than this version",
            from.root().display()
        )));
    }
    let former = Former {
        counters: Counters::open(from)?.read_slots(&slots(from)?)?,
        lists: ListTable::open(from)?
            .packets()?
            .into_iter()
            .map(|list| (list.head.name, list.packets))
            .collect(),
    };
    let here: Vec<(IpAddr, u32)> = addresses.slots().collect();
    let now = Counters::open(to)?.read_slots(&here)?;
    let mut writer = Writer::open(to)?;
    let mut carried = 0;
    for (before, slot) in former.counters.addresses.iter().filter_map(|before| {
        let slot = match before.address {
            None => Some(0),
            Some(address) => addresses.slot(address),
        };
        Some((before, slot?))
    }) {
        let after = now.addresses.iter().find(|after| after.address == before.address);
        carried += u32::from(writer.raise(slot, before, &after.cloned().unwrap_or_default())?);
    }
    writer.raise_host(&former.counters.host, &now.host)?;
    writer.raise_lists(&former.lists, lists)?;
    tracing::info!(addresses = carried, from = %from.root().display(), "counters continue");
    Ok(None)
}

/// Addresses and their slots, from no more maps than are needed for that.
fn slots(pins: &Pins) -> Result<Vec<(IpAddr, u32)>> {
    let buckets: Array<MapData, AddressBucket> = maps::open(pins, map_name::ADDRESSES, Map::Array)?;
    let policies: Array<MapData, AddressPolicy> = maps::open(pins, map_name::POLICIES, Map::Array)?;
    let mut slots = Vec::new();
    for bucket in buckets.iter() {
        let bucket = bucket.map_err(|error| convert::failed("read", map_name::ADDRESSES, &error))?;
        for entry in bucket.entries.iter().filter(|entry| entry.policy != 0) {
            let policy = policies
                .get(&entry.policy, 0)
                .map_err(|error| convert::failed("read", map_name::POLICIES, &error))?;
            slots.push((IpAddr::from(entry.address), policy.slot));
        }
    }
    Ok(slots)
}

/// Writes counters of maps that no program uses yet: all of a counter on the first CPU.
struct Writer {
    cpus: PerCpuArray<MapData, AddressCpu>,
    carries: Array<MapData, AddressCarry>,
    host: PerCpuArray<MapData, CpuState>,
    list_packets: PerCpuArray<MapData, u64>,
}

impl Writer {
    fn open(pins: &Pins) -> Result<Self> {
        Ok(Self {
            cpus: maps::open(pins, map_name::ADDRESS_CPU, Map::PerCpuArray)?,
            carries: maps::open(pins, map_name::ADDRESS_CARRY, Map::Array)?,
            host: maps::open(pins, map_name::CPU, Map::PerCpuArray)?,
            list_packets: maps::open(pins, map_name::LIST_PACKETS, Map::PerCpuArray)?,
        })
    }

    /// Raises what a slot counted to what it was elsewhere, where that is more. True if anything was.
    fn raise(&mut self, slot: u32, before: &AddressCounts, now: &AddressCounts) -> Result<bool> {
        let more = |reason: &&Reason| before.counts.get(**reason) > now.counts.get(**reason);
        if !Reason::ALL.iter().any(|reason| more(&reason)) && before.handshakes <= now.handshakes {
            return Ok(false);
        }
        let cannot = |error| convert::failed("write", map_name::ADDRESS_CPU, &error);
        let mut cpus: Vec<AddressCpu> = self.cpus.get(&slot, 0).map_err(cannot)?.to_vec();
        let mut carry = self.carries.get(&slot, 0).map_err(cannot)?;
        for &reason in Reason::ALL {
            let total = before.counts.get(reason).max(now.counts.get(reason));
            for cpu in &mut cpus {
                cpu.packets[reason.index()] = 0;
            }
            cpus[0].packets[reason.index()] = total as u32;
            carry.rounds[reason.index()] = total >> 32;
        }
        for cpu in &mut cpus {
            cpu.handshakes = 0;
        }
        cpus[0].handshakes = before.handshakes.max(now.handshakes);
        self.carries.set(slot, carry, 0).map_err(cannot)?;
        self.cpus.set(slot, values(cpus)?, 0).map_err(cannot)?;
        Ok(true)
    }

    fn raise_host(&mut self, before: &HostCounts, now: &HostCounts) -> Result<()> {
        let cannot = |error| convert::failed("write", map_name::CPU, &error);
        let mut cpus: Vec<CpuState> = self.host.get(&0, 0).map_err(cannot)?.to_vec();
        cpus[0].dropped += before.dropped.saturating_sub(now.dropped);
        cpus[0].would_drop += before.would_drop.saturating_sub(now.would_drop);
        cpus[0].samples_lost += before.samples_lost.saturating_sub(now.samples_lost);
        cpus[0].promotions_refused += before.sources_unrecorded.saturating_sub(now.sources_unrecorded);
        if before == now {
            return Ok(());
        }
        self.host.set(0, values(cpus)?, 0).map_err(cannot)
    }

    fn raise_lists(&mut self, before: &BTreeMap<String, u64>, lists: &ListTable) -> Result<()> {
        let cannot = |error| convert::failed("write", map_name::LIST_PACKETS, &error);
        for list in lists.packets()? {
            let missing = before
                .get(&list.head.name)
                .map_or(0, |packets| packets.saturating_sub(list.packets));
            if missing > 0 {
                let number = u32::from(list.head.number);
                let mut cpus: Vec<u64> = self.list_packets.get(&number, 0).map_err(cannot)?.to_vec();
                cpus[0] += missing;
                self.list_packets.set(number, values(cpus)?, 0).map_err(cannot)?;
            }
        }
        Ok(())
    }
}

fn values<T: aya::Pod>(values: Vec<T>) -> Result<PerCpuValues<T>> {
    PerCpuValues::try_from(values).map_err(|error| match nr_cpus() {
        Ok(cpus) => TableError::Kernel(format!("cannot write for {cpus} CPUs: {error}")),
        Err((file, error)) => TableError::Kernel(format!("cannot read {file}: {error}")),
    })
}

#[cfg(test)]
mod tests {
    use super::layout;

    #[test]
    fn a_layout_has_a_name_that_the_bpf_file_system_takes() {
        let name = layout();
        assert_eq!(name.len(), super::DIGITS);
        assert!(name.bytes().all(|byte| byte.is_ascii_hexdigit()), "{name}");
        assert_eq!(name, layout());
    }
}
