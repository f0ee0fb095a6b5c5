//! Protected addresses: where each is found, its policy, and its slot in the arrays of counters and buckets.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use aya::{
    maps::{MapError, PerCpuValues},
    util::nr_cpus,
};
use xdp_common::{
    Address, AddressCpu, AddressPolicy, Rung,
    address_index::{self, AddressEntry, WAYS},
    layout::RateBucket,
    map_name,
};

use super::{convert, maps::Maps};
use crate::tables::{AddressState, Blackhole, Result, TableError};

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
}

/// What is in the maps, remembered: this process is their only writer.
pub(super) struct Addresses {
    places: BTreeMap<IpAddr, Place>,
}

impl Addresses {
    pub(super) fn read(maps: &Maps) -> Result<Self> {
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
                places.insert(
                    IpAddr::from(entry.address),
                    Place {
                        bucket,
                        way,
                        element,
                        policy,
                    },
                );
            }
        }
        Ok(Self { places })
    }

    pub(super) fn len(&self) -> u64 {
        self.places.len() as u64
    }

    pub(super) fn states(&self) -> Vec<AddressState> {
        self.places
            .iter()
            .map(|(address, place)| state(*address, &place.policy))
            .collect()
    }

    /// Addresses and their slots.
    pub(super) fn slots(&self) -> impl Iterator<Item = (IpAddr, u32)> + '_ {
        self.places.iter().map(|(address, place)| (*address, place.policy.slot))
    }

    pub(super) fn put(&mut self, maps: &mut Maps, wanted: &AddressState) -> Result<()> {
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
                let (bucket, way) = self.free_entry(maps, wanted.address)?;
                (bucket, way, self.clean_slot(maps)?, false)
            }
        };
        let element = address_index::policy_element(slot, second);
        let policy = policy(wanted, slot);
        // First the policy where nobody reads it, then the entry that makes it hold.
        maps.policies
            .set(element, policy, 0)
            .map_err(|error| cannot_write(map_name::POLICIES, &error))?;
        let entry = AddressEntry {
            address: Address::from(wanted.address),
            policy: element,
            blackhole: u32::from(policy.blackhole_until_ns != 0),
            reserved: [0; 2],
        };
        write_entry(maps, bucket, way, entry)?;
        self.places.insert(
            wanted.address,
            Place {
                bucket,
                way,
                element,
                policy,
            },
        );
        Ok(())
    }

    pub(super) fn remove(&mut self, maps: &mut Maps, address: IpAddr) -> Result<()> {
        if let Some(place) = self.places.get(&address) {
            write_entry(maps, place.bucket, place.way, AddressEntry::default())?;
            self.places.remove(&address);
        }
        Ok(())
    }

    /// A free entry in one of the address's two buckets.
    fn free_entry(&self, maps: &Maps, address: IpAddr) -> Result<(u32, usize)> {
        let mask = maps.addresses.len() - 1;
        let free = |bucket: u32| {
            let used: BTreeSet<usize> = self
                .places
                .values()
                .filter(|place| place.bucket == bucket)
                .map(|place| place.way)
                .collect();
            (0..WAYS).filter(move |way| !used.contains(way)).collect::<Vec<_>>()
        };
        let [first, second] = address_index::choices(Address::from(address), mask);
        let (in_first, in_second) = (free(first), free(second));
        let (bucket, ways) = if address_index::goes_second(WAYS - in_first.len(), WAYS - in_second.len()) {
            (second, in_second)
        } else {
            (first, in_first)
        };
        ways.first().map(|&way| (bucket, way)).ok_or_else(|| full(maps))
    }

    /// The lowest free slot, emptied of what its last owner left there.
    fn clean_slot(&self, maps: &mut Maps) -> Result<u32> {
        let used: BTreeSet<u32> = self.places.values().map(|place| place.policy.slot).collect();
        let slot = (1..=maps.last_slot())
            .find(|slot| !used.contains(slot))
            .ok_or_else(|| full(maps))?;
        let cpus = nr_cpus().map_err(|(file, error)| TableError::Kernel(format!("cannot read {file}: {error}")))?;
        let empty = PerCpuValues::try_from(vec![AddressCpu::default(); cpus])
            .map_err(|error| TableError::Kernel(format!("cannot count the CPUs: {error}")))?;
        maps.address_cpu
            .set(slot, empty, 0)
            .map_err(|error| cannot_write(map_name::ADDRESS_CPU, &error))?;
        let bucket = RateBucket::default();
        maps.address_rate
            .set(slot, bucket, 0)
            .map_err(|error| cannot_write(map_name::ADDRESS_RATE, &error))?;
        Ok(slot)
    }
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

fn policy(state: &AddressState, slot: u32) -> AddressPolicy {
    AddressPolicy {
        syn: convert::limit(state.limit),
        blackhole_until_ns: state
            .blackhole
            .map_or(0, |blackhole| convert::until_ns(blackhole.until)),
        slot,
        rung: Rung::Limit as u8,
        local: u8::from(state.local),
        blackhole_all: u8::from(state.blackhole.is_some_and(|blackhole| blackhole.all)),
        reserved: 0,
    }
}

fn state(address: IpAddr, policy: &AddressPolicy) -> AddressState {
    let blackhole = (policy.blackhole_until_ns != 0).then(|| Blackhole {
        until: convert::until(policy.blackhole_until_ns),
        all: policy.blackhole_all != 0,
    });
    AddressState {
        address,
        limit: convert::limit_back(policy.syn),
        blackhole,
        local: policy.local != 0,
    }
}
