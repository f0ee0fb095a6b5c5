//! The source list: allowed and blocked prefixes in one trie, behind a filter that says where the trie has anything.

use std::collections::{BTreeMap, BTreeSet};

use aya::maps::{Map, MapData, lpm_trie::LpmTrie};
use ipnet::IpNet;
use xdp_common::{ListAction as KernelAction, ListEntry as KernelEntry, map_name};

use super::{convert, filter::Filter, maps, pins::Pins};
use crate::tables::{ListAction, ListEntry, ListImage, LongPrefix, Result, TableError};

pub(super) struct SourceList {
    trie: LpmTrie<MapData, [u8; 16], KernelEntry>,
    filter: Filter,
    /// What was put into the trie by hand, remembered: this process is its only writer.
    entries: BTreeMap<IpNet, ListEntry>,
    /// What large lists have in it. Where both have the same prefix, the one made by hand stands in the trie.
    listed: BTreeMap<IpNet, LongPrefix>,
    capacity: u64,
    /// Entries removed since the filter was last exact.
    stale: usize,
}

impl SourceList {
    pub(super) fn open(pins: &Pins) -> Result<Self> {
        let trie: LpmTrie<MapData, [u8; 16], KernelEntry> = maps::open(pins, map_name::SOURCE_LIST, Map::LpmTrie)?;
        let (mut entries, mut listed) = (BTreeMap::new(), BTreeMap::new());
        for item in trie.iter() {
            let (key, value) = item.map_err(|error| convert::failed("read", map_name::SOURCE_LIST, &error))?;
            let Some(prefix) = convert::prefix(&key) else {
                continue;
            };
            let (action, until) = (action(&value), convert::until(value.until_ns));
            match value.list {
                0 => drop(entries.insert(prefix, ListEntry { prefix, action, until })),
                number => drop(listed.insert(
                    prefix,
                    LongPrefix {
                        prefix,
                        action,
                        number,
                        until,
                    },
                )),
            }
        }
        // Which prefixes the large lists allow, only who made them knows: until they come anew, no bit is cleared.
        let mut filter = Filter::open(pins)?;
        filter.keep_what_is_set();
        filter.set_exactly(entries.keys().chain(listed.keys()))?;
        Ok(Self {
            trie,
            filter,
            entries,
            listed,
            capacity: maps::capacity(pins, map_name::SOURCE_LIST)?,
            stale: 0,
        })
    }

    pub(super) fn entries(&self) -> Vec<ListEntry> {
        self.entries.values().copied().collect()
    }

    pub(super) fn len(&self) -> u64 {
        let both = self.listed.keys().filter(|prefix| self.entries.contains_key(prefix));
        (self.entries.len() + self.listed.len() - both.count()) as u64
    }

    pub(super) fn put(&mut self, entry: &ListEntry) -> Result<()> {
        let bits = u32::from(convert::prefix_bits(entry.prefix));
        let value = KernelEntry::new(kernel_action(entry.action), bits, convert::until_ns(entry.until));
        // Bits before entries: no packet may be told that there is nothing.
        self.filter.add([entry.prefix])?;
        self.insert(entry.prefix, value)?;
        self.entries.insert(entry.prefix, *entry);
        Ok(())
    }

    pub(super) fn remove(&mut self, prefix: IpNet) -> Result<()> {
        // What a large list says of the same prefix holds again.
        match self.listed.get(&prefix).copied() {
            Some(long) => self.insert(prefix, value_of(&long))?,
            None => self.take_out(prefix)?,
        }
        self.entries.remove(&prefix);
        self.stale += 1;
        // A bit too many costs a walk of the trie, no verdict: making the filter exact again can wait for a few more.
        if self.stale * 8 > self.entries.len() {
            self.make_filter_exact()?;
        }
        Ok(())
    }

    /// Whether so many prefixes of large lists would leave room for those made by hand.
    pub(super) fn check_room(&self, long: usize) -> Result<()> {
        if long as u64 > self.capacity / 2 {
            return Err(TableError::Kernel(format!(
                "the lists have {long} IPv6 prefixes longer than /64 or outside of 2000::/3, and half of limits.list_entries ({}) is \
                 the most: raise it and restart the agent",
                self.capacity
            )));
        }
        Ok(())
    }

    /// Sets the filter's bits where large lists allow, and puts in what their table cannot hold.
    pub(super) fn add_lists(&mut self, image: &ListImage) -> Result<()> {
        let long = image.long.iter().map(|long| long.prefix);
        self.filter.add(image.allowed.iter().copied().chain(long))?;
        for long in &image.long {
            if !self.entries.contains_key(&long.prefix) {
                self.insert(long.prefix, value_of(long))?;
            }
            self.listed.insert(long.prefix, *long);
        }
        Ok(())
    }

    /// Takes out what these lists do not have any more.
    pub(super) fn keep_only_lists(&mut self, image: &ListImage) -> Result<()> {
        let keep: BTreeSet<IpNet> = image.long.iter().map(|long| long.prefix).collect();
        let gone: Vec<IpNet> = self
            .listed
            .keys()
            .filter(|prefix| !keep.contains(prefix))
            .copied()
            .collect();
        for prefix in gone {
            if !self.entries.contains_key(&prefix) {
                self.take_out(prefix)?;
            }
            self.listed.remove(&prefix);
        }
        self.filter.keep(&image.allowed);
        self.make_filter_exact()
    }

    fn make_filter_exact(&mut self) -> Result<()> {
        self.filter.set_exactly(self.entries.keys().chain(self.listed.keys()))?;
        self.stale = 0;
        Ok(())
    }

    fn insert(&mut self, prefix: IpNet, value: KernelEntry) -> Result<()> {
        self.trie.insert(&convert::key(prefix), value, 0).map_err(|error| {
            convert::insert_failed(map_name::SOURCE_LIST, self.capacity, "limits.list_entries", &error)
        })
    }

    fn take_out(&mut self, prefix: IpNet) -> Result<()> {
        match self.trie.remove(&convert::key(prefix)) {
            Err(error) if !convert::is_missing(&error) => Err(convert::failed("write", map_name::SOURCE_LIST, &error)),
            _ => Ok(()),
        }
    }
}

fn value_of(long: &LongPrefix) -> KernelEntry {
    let bits = u32::from(convert::prefix_bits(long.prefix));
    KernelEntry::new(kernel_action(long.action), bits, convert::until_ns(long.until)).of_list(long.number)
}

const fn kernel_action(action: ListAction) -> KernelAction {
    match action {
        ListAction::Allow => KernelAction::Allow,
        ListAction::Block => KernelAction::Block,
    }
}

fn action(entry: &KernelEntry) -> ListAction {
    if entry.action == KernelAction::Allow as u8 {
        ListAction::Allow
    } else {
        ListAction::Block
    }
}
