//! The source list: allowed and blocked prefixes in one trie, behind a filter that says where the trie has anything.

use std::collections::BTreeMap;

use aya::maps::{Map, MapData, lpm_trie::LpmTrie};
use ipnet::IpNet;
use xdp_common::{ListAction as KernelAction, ListEntry as KernelEntry, map_name};

use super::{convert, filter::Filter, maps, pins::Pins};
use crate::tables::{ListAction, ListEntry, Result};

pub(super) struct SourceList {
    trie: LpmTrie<MapData, [u8; 16], KernelEntry>,
    filter: Filter,
    /// What is in the trie, remembered: this process is its only writer.
    entries: BTreeMap<IpNet, ListEntry>,
    capacity: u64,
    /// Entries removed since the filter was last exact.
    stale: usize,
}

impl SourceList {
    pub(super) fn open(pins: &Pins) -> Result<Self> {
        let trie: LpmTrie<MapData, [u8; 16], KernelEntry> = maps::open(pins, map_name::SOURCE_LIST, Map::LpmTrie)?;
        let mut entries = BTreeMap::new();
        for item in trie.iter() {
            let (key, value) = item.map_err(|error| convert::failed("read", map_name::SOURCE_LIST, &error))?;
            if let Some(prefix) = convert::prefix(&key) {
                let until = convert::until(value.until_ns);
                entries.insert(
                    prefix,
                    ListEntry {
                        prefix,
                        action: action(&value),
                        until,
                    },
                );
            }
        }
        let mut filter = Filter::open(pins)?;
        filter.set_exactly(entries.keys())?;
        Ok(Self {
            trie,
            filter,
            entries,
            capacity: maps::capacity(pins, map_name::SOURCE_LIST)?,
            stale: 0,
        })
    }

    pub(super) fn entries(&self) -> Vec<ListEntry> {
        self.entries.values().copied().collect()
    }

    pub(super) fn len(&self) -> u64 {
        self.entries.len() as u64
    }

    pub(super) fn put(&mut self, entry: &ListEntry) -> Result<()> {
        let action = match entry.action {
            ListAction::Allow => KernelAction::Allow,
            ListAction::Block => KernelAction::Block,
        };
        let bits = u32::from(convert::prefix_bits(entry.prefix));
        let value = KernelEntry::new(action, bits, convert::until_ns(entry.until));
        // Bits before entries: no packet may be told that there is nothing.
        self.filter.add(entry.prefix)?;
        self.trie
            .insert(&convert::key(entry.prefix), value, 0)
            .map_err(|error| {
                convert::insert_failed(map_name::SOURCE_LIST, self.capacity, "limits.list_entries", &error)
            })?;
        self.entries.insert(entry.prefix, *entry);
        Ok(())
    }

    pub(super) fn remove(&mut self, prefix: IpNet) -> Result<()> {
        match self.trie.remove(&convert::key(prefix)) {
            Err(error) if !convert::is_missing(&error) => {
                return Err(convert::failed("write", map_name::SOURCE_LIST, &error));
            }
            _ => {}
        }
        self.entries.remove(&prefix);
        self.stale += 1;
        // A bit too many costs a walk of the trie, no verdict: making the filter exact again can wait for a few more.
        if self.stale * 8 > self.entries.len() {
            self.filter.set_exactly(self.entries.keys())?;
            self.stale = 0;
        }
        Ok(())
    }
}

fn action(entry: &KernelEntry) -> ListAction {
    if entry.action == KernelAction::Allow as u8 {
        ListAction::Allow
    } else {
        ListAction::Block
    }
}
