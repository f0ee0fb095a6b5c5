//! Protected addresses: where each is found, its policy, and its slot in the arrays of counters and buckets.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::Duration,
};

use aya::{
    maps::{MapError, PerCpuValues},
    util::nr_cpus,
};
use ipnet::IpNet;
use xdp_common::{
    Address, AddressCpu, AddressPolicy, Rung as KernelRung,
    address_index::{self, AddressEntry, WAYS},
    counter::AddressCarry,
    layout::RateBucket,
    map_name,
    vector::look,
};

use super::{
    convert,
    groups::{Groups, Membership},
    maps::Maps,
    vectors,
};
use crate::{
    config::units::Amplification,
    tables::{AddressState, Blackhole, ForcedRung, Ladder, Result, Rung, TableError, Vectors},
};

/// The setting that decides how many there can be.
const SETTING: &str = "limits.addresses";

/// Where an address is, and what holds for it.
#[derive(Clone, Copy)]
struct Place {
    bucket: u32,
    way: usize,
    /// Element of the policies that holds.
    element: u32,
    policy: AddressPolicy,
    vectors: Vectors,
    /// The group that it belongs to, whether or not that is there already.
    group: Option<IpNet>,
}

/// What is in the maps, remembered: this process is their only writer.
pub(super) struct Addresses {
    places: BTreeMap<IpAddr, Place>,
    /// Slots that are nobody's.
    free: BTreeSet<u32>,
}

impl Addresses {
    pub(super) fn read(maps: &Maps, groups: &Groups) -> Result<Self> {
        let mut places = BTreeMap::new();
        for bucket in 0..maps.addresses.len() {
            let found = maps
                .addresses
                .get(&bucket, 0)
                .map_err(|error| cannot_read(map_name::ADDRESSES, &error))?;
            for (way, entry) in found.entries.iter().enumerate().filter(|(_, entry)| entry.policy != 0) {
                let element = entry.policy;
                let policy = maps
                    .policies
                    .get(&element, 0)
                    .map_err(|error| cannot_read(map_name::POLICIES, &error))?;
                let vectors = vectors::read(maps, element)?;
                places.insert(
                    IpAddr::from(entry.address),
                    Place {
                        bucket,
                        way,
                        element,
                        policy,
                        vectors,
                        group: groups.prefix(policy.group),
                    },
                );
            }
        }
        let mut free: BTreeSet<u32> = (1..=maps.last_slot()).collect();
        for place in places.values() {
            free.remove(&place.policy.slot);
        }
        Ok(Self { places, free })
    }

    pub(super) fn len(&self) -> u64 {
        self.places.len() as u64
    }

    pub(super) fn states(&self) -> Vec<AddressState> {
        self.places
            .iter()
            .map(|(address, place)| AddressState {
                group: place.group,
                ..state(*address, &place.policy, place.vectors)
            })
            .collect()
    }

    /// Addresses and their slots.
    pub(super) fn slots(&self) -> impl Iterator<Item = (IpAddr, u32)> + '_ {
        self.places.iter().map(|(address, place)| (*address, place.policy.slot))
    }

    /// The slot of an address.
    pub(super) fn slot(&self, address: IpAddr) -> Option<u32> {
        self.places.get(&address).map(|place| place.policy.slot)
    }

    /// Adds or replaces one, which is in a group as it says.
    pub(super) fn put(&mut self, maps: &mut Maps, wanted: &AddressState, membership: Membership) -> Result<()> {
        let (bucket, way, slot, second) = match self.places.get(&wanted.address) {
            Some(place) => {
                let slot = place.policy.slot;
                (
                    place.bucket,
                    place.way,
                    slot,
                    place.element == address_index::policy_element(slot, false),
                )
            }
            None => {
                let (bucket, way) = free_entry(maps, wanted.address)?;
                (bucket, way, self.clean_slot(maps)?, false)
            }
        };
        let element = address_index::policy_element(slot, second);
        let policy = AddressPolicy {
            group: membership.group,
            look: own_look(wanted) | membership.look,
            ..policy(wanted, slot)
        };
        // First rates and policy where nobody reads them, then the entry that makes them hold.
        vectors::write(maps, element, &wanted.vectors)?;
        maps.policies
            .set(element, policy, 0)
            .map_err(|error| cannot_write(map_name::POLICIES, &error))?;
        let entry = AddressEntry {
            address: Address::from(wanted.address),
            policy: element,
            blackhole: u32::from(policy.blackhole_until_ns != 0),
            verify: u32::from(policy.rung_until_ns != 0 && policy.rung >= KernelRung::Verify as u8),
            look: policy.look,
        };
        write_entry(maps, bucket, way, entry)?;
        self.free.remove(&slot);
        self.places.insert(
            wanted.address,
            Place {
                bucket,
                way,
                element,
                policy,
                vectors: wanted.vectors,
                group: wanted.group,
            },
        );
        Ok(())
    }

    pub(super) fn remove(&mut self, maps: &mut Maps, address: IpAddr) -> Result<()> {
        if let Some(place) = self.places.get(&address) {
            write_entry(maps, place.bucket, place.way, AddressEntry::default())?;
            self.free.insert(place.policy.slot);
            self.places.remove(&address);
        }
        Ok(())
    }

    /// The lowest free slot, emptied of what its last owner left there.
    fn clean_slot(&self, maps: &mut Maps) -> Result<u32> {
        let slot = *self.free.first().ok_or_else(|| full(maps))?;
        clean(maps, slot)?;
        Ok(slot)
    }
}

/// A free entry in one of the address's two buckets.
fn free_entry(maps: &Maps, address: IpAddr) -> Result<(u32, usize)> {
    let mask = maps.addresses.len() - 1;
    let free = |bucket: u32| {
        let found = maps
            .addresses
            .get(&bucket, 0)
            .map_err(|error| cannot_read(map_name::ADDRESSES, &error))?;
        let free = (0..WAYS).filter(|way| found.entries[*way].policy == 0);
        Ok(free.collect::<Vec<_>>())
    };
    let [first, second] = address_index::choices(Address::from(address), mask);
    let (in_first, in_second) = (free(first)?, free(second)?);
    let (bucket, ways) = if address_index::goes_second(WAYS - in_first.len(), WAYS - in_second.len()) {
        (second, in_second)
    } else {
        (first, in_first)
    };
    ways.first().map(|&way| (bucket, way)).ok_or_else(|| full(maps))
}

/// Empties a slot, of an address or of a group, of what its last owner left there.
pub(super) fn clean(maps: &mut Maps, slot: u32) -> Result<()> {
    maps.address_cpu
        .set(slot, on_each_cpu(AddressCpu::default())?, 0)
        .map_err(|error| cannot_write(map_name::ADDRESS_CPU, &error))?;
    maps.address_carry
        .set(slot, AddressCarry::default(), 0)
        .map_err(|error| cannot_write(map_name::ADDRESS_CARRY, &error))?;
    maps.address_rate
        .set(slot, RateBucket::default(), 0)
        .map_err(|error| cannot_write(map_name::ADDRESS_RATE, &error))?;
    vectors::clean(maps, slot)
}

/// A value for each CPU.
pub(super) fn on_each_cpu<T: aya::Pod>(value: T) -> Result<PerCpuValues<T>> {
    let cpus = nr_cpus().map_err(|(file, error)| TableError::Kernel(format!("cannot read {file}: {error}")))?;
    PerCpuValues::try_from(vec![value; cpus])
        .map_err(|error| TableError::Kernel(format!("cannot count the CPUs: {error}")))
}

/// Changes one entry of a bucket. The others are written back as they are, which no reader can notice.
fn write_entry(maps: &mut Maps, bucket: u32, way: usize, entry: AddressEntry) -> Result<()> {
    let mut changed = maps
        .addresses
        .get(&bucket, 0)
        .map_err(|error| cannot_read(map_name::ADDRESSES, &error))?;
    changed.entries[way] = entry;
    maps.addresses
        .set(bucket, changed, 0)
        .map_err(|error| cannot_write(map_name::ADDRESSES, &error))
}

fn full(maps: &Maps) -> TableError {
    let capacity = u64::from(maps.last_slot());
    TableError::Full {
        map: map_name::ADDRESSES.to_owned(),
        capacity,
        setting: SETTING,
    }
}

fn cannot_read(map: &str, error: &MapError) -> TableError {
    convert::failed("read", map, error)
}

fn cannot_write(map: &str, error: &MapError) -> TableError {
    convert::failed("write", map, error)
}

/// What is looked at for the address's own sake.
fn own_look(state: &AddressState) -> u32 {
    let amplification = if state.amplification.bits() == 0 {
        0
    } else {
        look::AMPLIFICATION
    };
    state.vectors.limited() | amplification
}

fn policy(state: &AddressState, slot: u32) -> AddressPolicy {
    AddressPolicy {
        syn: convert::limit(state.limit),
        calm: convert::calm(state.limit),
        blackhole_until_ns: state
            .blackhole
            .map_or(0, |blackhole| convert::until_ns(blackhole.until)),
        rung_until_ns: state.rung.map_or(0, |forced| convert::until_ns(forced.until)),
        hold_ns: convert::nanos(state.ladder.hold),
        slot,
        group: 0,
        look: own_look(state),
        amplification: state.amplification.bits(),
        rung: convert::rung(state.rung.map_or(Rung::Limit, |forced| forced.rung)) as u8,
        rung_most: convert::rung(state.ladder.most) as u8,
        method: convert::method(state.ladder.method) as u8,
        local: u8::from(state.local),
        blackhole_all: u8::from(state.blackhole.is_some_and(|blackhole| blackhole.all)),
        reserved: [0; 3],
    }
}

fn state(address: IpAddr, policy: &AddressPolicy, vectors: Vectors) -> AddressState {
    let blackhole = (policy.blackhole_until_ns != 0).then(|| Blackhole {
        until: convert::until(policy.blackhole_until_ns),
        all: policy.blackhole_all != 0,
    });
    let rung = (policy.rung_until_ns != 0).then(|| ForcedRung {
        rung: convert::rung_back(policy.rung),
        until: convert::until(policy.rung_until_ns),
    });
    AddressState {
        address,
        limit: convert::limit_back(policy.syn),
        blackhole,
        local: policy.local != 0,
        rung,
        ladder: Ladder {
            most: convert::rung_back(policy.rung_most),
            method: convert::method_back(policy.method),
            hold: Duration::from_nanos(policy.hold_ns),
        },
        vectors,
        amplification: Amplification::from_bits(policy.amplification),
        group: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::units::{Burst, Rate},
        tables::{Limit, Method, MonotonicNs},
    };

    #[test]
    fn what_is_written_reads_back() {
        let limit = Limit {
            syn_rate: Rate::new(20_000).expect("rate"),
            syn_burst: Burst::new(40_000).expect("burst"),
        };
        let address = IpAddr::from([203, 0, 113, 7]);
        let written = AddressState {
            local: true,
            blackhole: Some(Blackhole { until: None, all: true }),
            rung: Some(ForcedRung {
                rung: Rung::Known,
                until: Some(MonotonicNs(7)),
            }),
            ladder: Ladder {
                most: Rung::Verify,
                method: Method::Challenge,
                hold: Duration::from_secs(30),
            },
            ..AddressState::new(address, limit)
        };
        assert_eq!(state(address, &policy(&written, 3), Vectors::default()), written);
        let plain = AddressState::new(address, limit);
        assert_eq!(state(address, &policy(&plain, 3), Vectors::default()), plain);
    }

    #[test]
    fn calm_is_half_of_the_rate() {
        let limit = |rate, burst| Limit {
            syn_rate: Rate::new(rate).expect("rate"),
            syn_burst: Burst::new(burst).expect("burst"),
        };
        let calm = |given| policy(&AddressState::new(IpAddr::from([203, 0, 113, 7]), given), 1).calm;
        assert_eq!(
            (calm(limit(1_000, 500)).rate(), calm(limit(1_000, 500)).burst()),
            (Some(500), Some(250))
        );
        assert_eq!(
            (calm(limit(1, 1)).rate(), calm(limit(1, 1)).burst()),
            (Some(1), Some(1))
        );
    }
}
