//! What the program knows of the listeners of protected addresses.

use std::{collections::BTreeMap, net::IpAddr};

use xdp_common::{
    listener::{ListenerFacts as KernelFacts, ListenerKey, option},
    map_name,
};

use super::{addresses::Addresses, convert, maps::Maps};
use crate::tables::{Listener, ListenerFacts, Result, TableError};

/// The setting that decides how many there can be.
const SETTING: &str = "limits.listeners";

/// What is in the map, remembered: this process is its only writer.
pub(super) struct Listeners {
    facts: BTreeMap<(IpAddr, u16), ListenerFacts>,
    /// Keys of slots that no address has: what an agent left that died between two writes.
    strays: Vec<ListenerKey>,
    capacity: u64,
}

impl Listeners {
    pub(super) fn read(maps: &Maps, addresses: &Addresses, capacity: u64) -> Result<Self> {
        let by_slot: BTreeMap<u32, IpAddr> = addresses.slots().map(|(address, slot)| (slot, address)).collect();
        let mut listeners = Self {
            facts: BTreeMap::new(),
            strays: Vec::new(),
            capacity,
        };
        for item in maps.listeners.iter() {
            let (key, found) = item.map_err(|error| convert::failed("read", map_name::LISTENERS, &error))?;
            match by_slot.get(&key.slot) {
                Some(address) => {
                    let place = (*address, u16::from_be_bytes(key.port));
                    listeners.facts.insert(place, facts_back(&found));
                }
                None => listeners.strays.push(key),
            }
        }
        Ok(listeners)
    }

    pub(super) fn len(&self) -> u64 {
        self.facts.len() as u64
    }

    pub(super) fn all(&self) -> Vec<Listener> {
        let listener = |(&(address, port), &facts)| Listener { address, port, facts };
        self.facts.iter().map(listener).collect()
    }

    pub(super) fn put(&mut self, maps: &mut Maps, addresses: &Addresses, listener: &Listener) -> Result<()> {
        let Listener { address, port, facts } = *listener;
        let Some(slot) = addresses.slot(address) else {
            return Err(TableError::Kernel(format!(
                "{address} is not protected: nothing can be told of its listeners"
            )));
        };
        maps.listeners
            .insert(key(slot, port), as_kernel(facts), 0)
            .map_err(|error| convert::insert_failed(map_name::LISTENERS, self.capacity, SETTING, &error))?;
        self.facts.insert((address, port), facts);
        Ok(())
    }

    pub(super) fn remove(&mut self, maps: &mut Maps, addresses: &Addresses, address: IpAddr, port: u16) -> Result<()> {
        if let Some(slot) = addresses.slot(address) {
            remove_key(maps, &key(slot, port))?;
        }
        self.facts.remove(&(address, port));
        Ok(())
    }

    /// Removes those of an address that has had this slot: the slot's next owner must not inherit them.
    pub(super) fn remove_all_of(&mut self, maps: &mut Maps, address: IpAddr, slot: u32) -> Result<()> {
        let ports: Vec<u16> = self
            .facts
            .range((address, 0)..=(address, u16::MAX))
            .map(|((_, port), _)| *port)
            .collect();
        for port in ports {
            remove_key(maps, &key(slot, port))?;
            self.facts.remove(&(address, port));
        }
        Ok(())
    }

    /// Removes what belongs to no address.
    pub(super) fn remove_strays(&mut self, maps: &mut Maps) -> Result<()> {
        for key in std::mem::take(&mut self.strays) {
            remove_key(maps, &key)?;
        }
        Ok(())
    }
}

fn key(slot: u32, port: u16) -> ListenerKey {
    ListenerKey {
        slot,
        port: port.to_be_bytes(),
        reserved: 0,
    }
}

fn remove_key(maps: &mut Maps, key: &ListenerKey) -> Result<()> {
    match maps.listeners.remove(key) {
        Err(error) if !convert::is_missing(&error) => Err(convert::failed("write", map_name::LISTENERS, &error)),
        _ => Ok(()),
    }
}

fn as_kernel(facts: ListenerFacts) -> KernelFacts {
    let bits = [
        (facts.timestamps, option::TIMESTAMPS),
        (facts.window_scaling, option::WINDOW_SCALING),
        (facts.sack, option::SACK),
        (facts.ecn, option::ECN),
    ];
    KernelFacts {
        window: facts.window,
        mss: facts.mss,
        window_scale: facts.window_scale,
        options: bits.into_iter().filter(|(on, _)| *on).map(|(_, bit)| bit).sum(),
        learned: 1,
        reserved: 0,
    }
}

fn facts_back(facts: &KernelFacts) -> ListenerFacts {
    let has = |bit: u8| facts.options & bit != 0;
    ListenerFacts {
        window: facts.window,
        mss: facts.mss,
        window_scale: facts.window_scale,
        timestamps: has(option::TIMESTAMPS),
        window_scaling: has(option::WINDOW_SCALING),
        sack: has(option::SACK),
        ecn: has(option::ECN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        for bits in 0..16u8 {
            let facts = ListenerFacts {
                window: 65_160,
                mss: 1_460,
                window_scale: 7,
                timestamps: bits & 1 != 0,
                window_scaling: bits & 2 != 0,
                sack: bits & 4 != 0,
                ecn: bits & 8 != 0,
            };
            assert_eq!(facts_back(&as_kernel(facts)), facts);
        }
    }

    #[test]
    fn ports_are_as_on_the_wire() {
        assert_eq!(key(1, 443).port, [1, 187]);
    }
}
