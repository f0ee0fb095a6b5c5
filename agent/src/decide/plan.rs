//! The way from what the kernel's tables hold to what they are to hold: the fewest writes, in an order that needs no
//! more room than either state, and each with its way back.

use std::net::IpAddr;

use ipnet::IpNet;

use super::KernelState;
use crate::tables::{AddressState, GroupState, KernelSettings, ListEntry};

/// One write to the kernel's tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Write {
    /// Replaces the settings.
    PutSettings(KernelSettings),
    /// Adds or replaces a protected address.
    PutAddress(AddressState),
    /// Stops protecting one.
    RemoveAddress(IpAddr),
    /// Adds or replaces a group.
    PutGroup(GroupState),
    /// Removes one.
    RemoveGroup(IpNet),
    /// Adds or replaces a source list entry.
    PutEntry(ListEntry),
    /// Removes one.
    RemoveEntry(IpNet),
}

/// The writes that turn `from` into `to`. Removals come first: a full table can be exchanged entry by entry.
#[must_use]
pub fn plan(from: &KernelState, to: &KernelState) -> Vec<Write> {
    let mut writes = Vec::new();
    let gone_entries = from.entries.keys().filter(|prefix| !to.entries.contains_key(prefix));
    writes.extend(gone_entries.map(|prefix| Write::RemoveEntry(*prefix)));
    let gone_addresses = from
        .addresses
        .keys()
        .filter(|address| !to.addresses.contains_key(address));
    writes.extend(gone_addresses.map(|address| Write::RemoveAddress(*address)));
    let gone_groups = from.groups.keys().filter(|prefix| !to.groups.contains_key(prefix));
    writes.extend(gone_groups.map(|prefix| Write::RemoveGroup(*prefix)));
    let new_groups = to
        .groups
        .iter()
        .filter(|(prefix, group)| from.groups.get(prefix) != Some(group));
    writes.extend(new_groups.map(|(_, group)| Write::PutGroup(*group)));
    let new_entries = to
        .entries
        .iter()
        .filter(|(prefix, entry)| from.entries.get(prefix) != Some(entry));
    writes.extend(new_entries.map(|(_, entry)| Write::PutEntry(*entry)));
    let new_addresses = to
        .addresses
        .iter()
        .filter(|(address, state)| from.addresses.get(address) != Some(state));
    writes.extend(new_addresses.map(|(_, state)| Write::PutAddress(*state)));
    if from.settings != to.settings {
        writes.push(Write::PutSettings(to.settings));
    }
    writes
}

/// The write that takes another back, given what the tables held before.
#[must_use]
pub fn inverse(write: &Write, before: &KernelState) -> Write {
    match write {
        Write::PutSettings(_) => Write::PutSettings(before.settings),
        Write::PutAddress(AddressState { address, .. }) | Write::RemoveAddress(address) => before
            .addresses
            .get(address)
            .map_or(Write::RemoveAddress(*address), |state| Write::PutAddress(*state)),
        Write::PutGroup(GroupState { prefix, .. }) | Write::RemoveGroup(prefix) => before
            .groups
            .get(prefix)
            .map_or(Write::RemoveGroup(*prefix), |group| Write::PutGroup(*group)),
        Write::PutEntry(ListEntry { prefix, .. }) | Write::RemoveEntry(prefix) => before
            .entries
            .get(prefix)
            .map_or(Write::RemoveEntry(*prefix), |entry| Write::PutEntry(*entry)),
    }
}
