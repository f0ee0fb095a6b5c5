//! Protected addresses: policies in a hash map, each with a slot in the arrays of counters and buckets.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use aya::{maps::PerCpuValues, util::nr_cpus};
use xdp_common::{Address, AddressCpu, AddressPolicy, Rung, layout::AddressBucket, map_name};

use super::{convert, maps::Maps};
use crate::tables::{AddressState, Blackhole, Result, TableError};

/// The setting that decides how many there can be.
const SETTING: &str = "limits.addresses";

/// What is in the map, remembered: this process is its only writer.
pub(super) struct Addresses {
    policies: BTreeMap<IpAddr, AddressPolicy>,
}

impl Addresses {
    pub(super) fn read(maps: &Maps) -> Result<Self> {
        let policies = maps
            .addresses
            .iter()
            .map(|entry| entry.map(|(address, policy)| (IpAddr::from(address), policy)))
            .collect::<std::result::Result<_, _>>()
            .map_err(|error| convert::failed("read", map_name::ADDRESSES, &error))?;
        Ok(Self { policies })
    }

    pub(super) fn len(&self) -> u64 {
        self.policies.len() as u64
    }

    pub(super) fn states(&self) -> Vec<AddressState> {
        self.policies
            .iter()
            .map(|(address, policy)| state(*address, policy))
            .collect()
    }

    /// Addresses and their slots.
    pub(super) fn slots(&self) -> impl Iterator<Item = (IpAddr, u32)> + '_ {
        self.policies.iter().map(|(address, policy)| (*address, policy.slot))
    }

    pub(super) fn put(&mut self, maps: &mut Maps, state: &AddressState) -> Result<()> {
        let slot = match self.policies.get(&state.address) {
            Some(policy) => policy.slot,
            None => self.clean_slot(maps)?,
        };
        let policy = policy(state, slot);
        let capacity = u64::from(maps.last_slot());
        maps.addresses
            .insert(Address::from(state.address), policy, 0)
            .map_err(|error| convert::insert_failed(map_name::ADDRESSES, capacity, SETTING, &error))?;
        self.policies.insert(state.address, policy);
        Ok(())
    }

    pub(super) fn remove(&mut self, maps: &mut Maps, address: IpAddr) -> Result<()> {
        if self.policies.contains_key(&address) {
            maps.addresses
                .remove(&Address::from(address))
                .map_err(|error| convert::failed("write", map_name::ADDRESSES, &error))?;
            self.policies.remove(&address);
        }
        Ok(())
    }

    /// The lowest free slot, emptied of what its last owner left there.
    fn clean_slot(&self, maps: &mut Maps) -> Result<u32> {
        let used: BTreeSet<u32> = self.policies.values().map(|policy| policy.slot).collect();
        let last = maps.last_slot();
        let slot = (1..=last)
            .find(|slot| !used.contains(slot))
            .ok_or_else(|| TableError::Full {
                map: map_name::ADDRESSES.to_owned(),
                capacity: u64::from(last),
                setting: SETTING,
            })?;
        let failed = |error| convert::failed("write", map_name::ADDRESS_CPU, &error);
        let cpus = nr_cpus().map_err(|(file, error)| TableError::Kernel(format!("cannot read {file}: {error}")))?;
        let empty = PerCpuValues::try_from(vec![AddressCpu::default(); cpus])
            .map_err(|error| TableError::Kernel(format!("cannot count the CPUs: {error}")))?;
        maps.address_cpu.set(slot, empty, 0).map_err(failed)?;
        maps.address_bucket
            .set(slot, AddressBucket::default(), 0)
            .map_err(failed)?;
        Ok(slot)
    }
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
