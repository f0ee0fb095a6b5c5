//! The source list: allowed and blocked prefixes in one trie.

use aya::maps::{Map, MapData, lpm_trie::LpmTrie};
use ipnet::IpNet;
use xdp_common::{ListAction as KernelAction, ListEntry as KernelEntry, map_name};

use super::{convert, maps, pins::Pins};
use crate::tables::{ListAction, ListEntry, Result};

pub(super) struct SourceList {
    trie: LpmTrie<MapData, [u8; 16], KernelEntry>,
    capacity: u64,
}

impl SourceList {
    pub(super) fn open(pins: &Pins) -> Result<Self> {
        let trie: LpmTrie<MapData, [u8; 16], KernelEntry> = maps::open(pins, map_name::SOURCE_LIST, Map::LpmTrie)?;
        let capacity = maps::capacity(pins, map_name::SOURCE_LIST)?;
        Ok(Self { trie, capacity })
    }

    pub(super) fn entries(&self) -> Result<Vec<ListEntry>> {
        let mut entries = Vec::new();
        for item in self.trie.iter() {
            let (key, value) = item.map_err(|error| convert::failed("read", map_name::SOURCE_LIST, &error))?;
            if let Some(prefix) = convert::prefix(&key) {
                entries.push(ListEntry {
                    prefix,
                    action: action(&value),
                    until: convert::until(value.until_ns),
                });
            }
        }
        Ok(entries)
    }

    pub(super) fn len(&self) -> Result<u64> {
        let keys = self.trie.keys().collect::<std::result::Result<Vec<_>, _>>();
        keys.map(|keys| keys.len() as u64)
            .map_err(|error| convert::failed("read", map_name::SOURCE_LIST, &error))
    }

    pub(super) fn put(&mut self, entry: &ListEntry) -> Result<()> {
        let action = match entry.action {
            ListAction::Allow => KernelAction::Allow,
            ListAction::Block => KernelAction::Block,
        };
        let bits = u32::from(convert::prefix_bits(entry.prefix));
        let value = KernelEntry::new(action, bits, convert::until_ns(entry.until));
        self.trie
            .insert(&convert::key(entry.prefix), value, 0)
            .map_err(|error| {
                convert::insert_failed(map_name::SOURCE_LIST, self.capacity, "limits.list_entries", &error)
            })
    }

    pub(super) fn remove(&mut self, prefix: IpNet) -> Result<()> {
        match self.trie.remove(&convert::key(prefix)) {
            Err(error) if !convert::is_missing(&error) => Err(convert::failed("write", map_name::SOURCE_LIST, &error)),
            _ => Ok(()),
        }
    }
}

fn action(entry: &KernelEntry) -> ListAction {
    if entry.action == KernelAction::Allow as u8 {
        ListAction::Allow
    } else {
        ListAction::Block
    }
}
