//! Groups: where each is, its policy and its rates, in elements and slots behind those of the addresses.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use ipnet::IpNet;
use xdp_common::{
    Address, AddressPolicy, Rung, address_index, group::GroupEntry, layout::RateBucket, map_name, rate, vector::look,
};

use super::{addresses, convert, counters, maps::Maps, vectors};
use crate::tables::{GroupReading, GroupState, Result, TableError, Vectors};

/// The setting that decides how many there can be.
const SETTING: &str = "limits.groups";

/// What an address must know of its group.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Membership {
    /// Its number plus 1; 0 for none.
    pub(super) group: u32,
    /// What is looked at for the group's sake.
    pub(super) look: u32,
}

/// Where a group is, and what holds for it.
#[derive(Clone, Copy)]
struct Place {
    number: u32,
    /// Element of the policies that holds.
    element: u32,
    policy: AddressPolicy,
    vectors: Vectors,
}

/// What is in the maps, remembered: this process is their only writer.
pub(super) struct Groups {
    places: BTreeMap<IpNet, Place>,
}

impl Groups {
    pub(super) fn read(maps: &Maps) -> Result<Self> {
        let mut places = BTreeMap::new();
        for number in 0..maps.groups.len() {
            let entry = maps
                .groups
                .get(&number, 0)
                .map_err(|error| convert::failed("read", map_name::GROUPS, &error))?;
            let key = aya::maps::lpm_trie::Key::new(entry.prefix_len, entry.address.to_bytes());
            let Some(prefix) = convert::prefix(&key).filter(|_| entry.policy != 0) else {
                continue;
            };
            let policy = maps
                .policies
                .get(&entry.policy, 0)
                .map_err(|error| convert::failed("read", map_name::POLICIES, &error))?;
            let place = Place {
                number,
                element: entry.policy,
                policy,
                vectors: vectors::read(maps, entry.policy)?,
            };
            places.insert(prefix, place);
        }
        Ok(Self { places })
    }

    pub(super) fn len(&self) -> u64 {
        self.places.len() as u64
    }

    pub(super) fn states(&self) -> Vec<GroupState> {
        let state = |(prefix, place): (&IpNet, &Place)| GroupState {
            prefix: *prefix,
            limit: (!place.policy.syn.is_unlimited()).then(|| convert::limit_back(place.policy.syn)),
            vectors: place.vectors,
            hold: Duration::from_nanos(place.policy.hold_ns),
        };
        self.places.iter().map(state).collect()
    }

    /// What an address of a group must know of it.
    pub(super) fn membership(&self, prefix: Option<IpNet>) -> Membership {
        let place = prefix.and_then(|prefix| self.places.get(&prefix));
        place.map_or_else(Membership::default, |place| Membership {
            group: place.number + 1,
            look: place.policy.look & look::VECTORS,
        })
    }

    /// The prefix of the group with this number plus 1.
    pub(super) fn prefix(&self, group: u32) -> Option<IpNet> {
        let mut places = self.places.iter();
        places.find_map(|(prefix, place)| (place.number + 1 == group).then_some(*prefix))
    }

    pub(super) fn put(&mut self, maps: &mut Maps, wanted: &GroupState) -> Result<()> {
        let (number, second) = match self.places.get(&wanted.prefix) {
            Some(place) => (
                place.number,
                place.element == address_index::policy_element(place.policy.slot, false),
            ),
            None => (self.free_number(maps)?, false),
        };
        let slot = address_index::group_slot(maps.last_slot(), number);
        if !self.places.contains_key(&wanted.prefix) {
            addresses::clean(maps, slot)?;
        }
        let element = address_index::policy_element(slot, second);
        let policy = policy(wanted, slot);
        // First rates and policy where nobody reads them, then the entry that makes them hold.
        vectors::write(maps, element, &wanted.vectors)?;
        maps.policies
            .set(element, policy, 0)
            .map_err(|error| convert::failed("write", map_name::POLICIES, &error))?;
        let entry = GroupEntry {
            address: Address::from(wanted.prefix.network()),
            prefix_len: u32::from(convert::prefix_bits(wanted.prefix)),
            policy: element,
        };
        write_entry(maps, number, entry)?;
        let place = Place {
            number,
            element,
            policy,
            vectors: wanted.vectors,
        };
        self.places.insert(wanted.prefix, place);
        Ok(())
    }

    pub(super) fn remove(&mut self, maps: &mut Maps, prefix: IpNet) -> Result<()> {
        if let Some(place) = self.places.get(&prefix) {
            write_entry(maps, place.number, GroupEntry::default())?;
            self.places.remove(&prefix);
        }
        Ok(())
    }

    /// Each group's way through verify.
    pub(super) fn readings(&self, maps: &Maps) -> Result<Vec<GroupReading>> {
        let reading = |(prefix, place): (&IpNet, &Place)| {
            let rate: RateBucket = maps
                .address_rate
                .get(&place.policy.slot, 0)
                .map_err(|error| convert::failed("read", map_name::ADDRESS_RATE, &error))?;
            Ok(GroupReading {
                prefix: *prefix,
                verify: counters::in_verify(&rate),
            })
        };
        self.places.iter().map(reading).collect()
    }

    fn free_number(&self, maps: &Maps) -> Result<u32> {
        let used: BTreeSet<u32> = self.places.values().map(|place| place.number).collect();
        let capacity = maps.groups.len();
        (0..capacity)
            .find(|number| !used.contains(number))
            .ok_or_else(|| TableError::Full {
                map: map_name::GROUPS.to_owned(),
                capacity: u64::from(capacity),
                setting: SETTING,
            })
    }
}

fn write_entry(maps: &mut Maps, number: u32, entry: GroupEntry) -> Result<()> {
    maps.groups
        .set(number, entry, 0)
        .map_err(|error| convert::failed("write", map_name::GROUPS, &error))
}

fn policy(state: &GroupState, slot: u32) -> AddressPolicy {
    AddressPolicy {
        syn: state.limit.map_or(rate::Limit::UNLIMITED, convert::limit),
        calm: state.limit.map_or(rate::Limit::UNLIMITED, convert::calm),
        hold_ns: convert::nanos(state.hold),
        slot,
        look: state.vectors.limited(),
        rung: Rung::Limit as u8,
        rung_most: Rung::Verify as u8,
        ..AddressPolicy::default()
    }
}
