//! What happened while no daemon ran: the kernel's tables against the ledger. What is found in the kernel is the truth
//! about blocks, because the command line writes there directly while the daemon is dead; only tables that were made anew
//! (a reboot, a `detach`) say nothing about what was taken back.

use std::{collections::BTreeMap, net::IpAddr};

use ipnet::IpNet;

use super::KernelState;
use crate::{
    clock::{Expiry, Now},
    config::prefix,
    ladder::Rung,
    overrides::{ADOPTED, BlackholeOverride, Change, ListOverride, Origin, Overrides, RungOverride},
    tables::{ForcedRung, ListAction, ListEntry, MonotonicNs},
};

/// Two ends of the same entry that are closer than this differ only by rounding and by the wall clock's drift.
const SAME_END_NS: u64 = 2_000_000_000;

/// What is known at the start.
#[derive(Debug, Clone, Copy)]
pub struct Found<'a> {
    /// What the kernel holds.
    pub kernel: &'a KernelState,
    /// What the ledger says.
    pub ledger: &'a Overrides,
    /// Source list of the present configuration.
    pub config_list: &'a BTreeMap<IpNet, ListAction>,
    /// Source list of the configuration that ran last.
    pub former_list: &'a BTreeMap<IpNet, ListAction>,
    /// The tables are those that the last daemon filled completely.
    pub same_tables: bool,
    /// The instant.
    pub now: Now,
}

/// The changes that bring the ledger to what the kernel holds, with a sentence for each.
#[must_use]
pub fn adopt(found: &Found<'_>) -> Vec<(Change, String)> {
    let mut changes = Vec::new();
    for entry in found.kernel.entries.values() {
        if let Some(change) = adopt_entry(entry, found) {
            let what = format!("{} {}", entry.action, prefix::display(entry.prefix));
            changes.push((
                change,
                format!("found in the kernel, not or otherwise in the ledger: {what}; kept"),
            ));
        }
    }
    for state in found.kernel.addresses.values() {
        if let Some(change) = state.rung.and_then(|forced| adopt_rung(state.address, forced, found)) {
            changes.push((
                change,
                format!(
                    "found in the kernel, not or otherwise in the ledger: forced rung of {}; kept",
                    state.address
                ),
            ));
        }
        let Some(hole) = state.blackhole else { continue };
        if let Some(change) = adopt_blackhole(state.address, hole.until, hole.all, found) {
            changes.push((
                change,
                format!(
                    "found in the kernel, not or otherwise in the ledger: blackhole of {}; kept",
                    state.address
                ),
            ));
        }
    }
    if found.same_tables {
        changes.extend(taken_back(found));
    }
    changes
}

/// `None` for an end that is past, `Some(None)` for no end.
#[expect(
    clippy::option_option,
    reason = "over, endless and ending are three different things"
)]
fn end(until: Option<MonotonicNs>, now: Now) -> Option<Option<Expiry>> {
    match until {
        None => Some(None),
        Some(mono) => now.until_mono(mono).map(Some),
    }
}

fn same_end(one: Option<Expiry>, other: Option<Expiry>) -> bool {
    match (one, other) {
        (None, None) => true,
        (Some(one), Some(other)) => one.mono.0.abs_diff(other.mono.0) < SAME_END_NS,
        _ => false,
    }
}

fn adopted(now: Now, until: Option<Expiry>) -> Origin {
    Origin {
        actor: ADOPTED.to_owned(),
        reason: None,
        since: now.wall,
        until,
    }
}

fn adopt_entry(entry: &ListEntry, found: &Found<'_>) -> Option<Change> {
    let until = end(entry.until, found.now)?;
    match found.ledger.list.get(&entry.prefix) {
        Some(known) if known.action == entry.action => {
            if same_end(known.origin.until, until) {
                return None;
            }
            // Somebody changed the end; who asked for it first is still worth knowing.
            let origin = Origin {
                until,
                ..known.origin.clone()
            };
            Some(Change::PutEntry(
                entry.prefix,
                ListOverride {
                    action: entry.action,
                    origin,
                },
            ))
        }
        _ => {
            let is = |list: &BTreeMap<IpNet, ListAction>| list.get(&entry.prefix) == Some(&entry.action);
            if until.is_none() && (is(found.config_list) || is(found.former_list)) {
                return None;
            }
            let origin = adopted(found.now, until);
            Some(Change::PutEntry(
                entry.prefix,
                ListOverride {
                    action: entry.action,
                    origin,
                },
            ))
        }
    }
}

/// Whether the ledger knows of a rung with this end: the ladder took it and nobody asked for anything else, or somebody put the address
/// on `upstream`.
fn is_taken(address: IpAddr, until: Option<Expiry>, found: &Found<'_>, rung: impl Fn(Rung) -> bool) -> bool {
    let ledger = found.ledger;
    // In the kernel, what a person put on `upstream` is a blackhole.
    let forced = ledger
        .rungs
        .get(&address)
        .filter(|_| !ledger.blackholes.contains_key(&address));
    if let Some(forced) = forced.filter(|forced| forced.rung == Rung::Upstream) {
        return rung(forced.rung) && same_end(forced.origin.until, until);
    }
    let by_hand = ledger.rungs.contains_key(&address) || ledger.blackholes.contains_key(&address);
    let taken = ledger.taken.get(&address).filter(|_| !by_hand);
    taken.is_some_and(|taken| rung(taken.rung) && same_end(taken.origin.until, until))
}

fn adopt_blackhole(address: IpAddr, until: Option<MonotonicNs>, all: bool, found: &Found<'_>) -> Option<Change> {
    let until = end(until, found.now)?;
    if !all && is_taken(address, until, found, |rung| rung >= Rung::Blackhole) {
        return None;
    }
    let origin = match found.ledger.blackholes.get(&address) {
        Some(known) if known.all == all && same_end(known.origin.until, until) => return None,
        Some(known) => Origin {
            until,
            ..known.origin.clone()
        },
        None => adopted(found.now, until),
    };
    Some(Change::PutBlackhole(address, BlackholeOverride { all, origin }))
}

fn adopt_rung(address: IpAddr, forced: ForcedRung, found: &Found<'_>) -> Option<Change> {
    let until = end(forced.until, found.now)?;
    if is_taken(address, until, found, |rung| rung == forced.rung) {
        return None;
    }
    let origin = match found.ledger.rungs.get(&address) {
        Some(known) if known.rung == forced.rung && same_end(known.origin.until, until) => return None,
        Some(known) if known.rung == forced.rung => Origin {
            until,
            ..known.origin.clone()
        },
        _ => adopted(found.now, until),
    };
    let rung = forced.rung;
    Some(Change::PutRung(address, RungOverride { rung, origin }))
}

/// What the ledger has and the kernel, in tables that we filled, has not any more.
fn taken_back(found: &Found<'_>) -> Vec<(Change, String)> {
    let entries = found.ledger.list.iter().filter(|(prefix, known)| {
        found
            .kernel
            .entries
            .get(prefix)
            .is_none_or(|entry| entry.action != known.action && !is_adopted(entry, found))
    });
    let entries = entries.map(|(prefix, known)| {
        let what = format!("{} {}", known.action, prefix::display(*prefix));
        (
            Change::RemoveEntry(*prefix),
            format!("in the ledger, not in the kernel any more: {what}; forgotten"),
        )
    });
    let blackholes = found.ledger.blackholes.keys().filter(|address| {
        found
            .kernel
            .addresses
            .get(address)
            .is_some_and(|state| state.blackhole.is_none())
    });
    let blackholes = blackholes.map(|address| {
        (
            Change::RemoveBlackhole(*address),
            format!("in the ledger, not in the kernel any more: blackhole of {address}; forgotten"),
        )
    });
    let rungs = found.ledger.rungs.iter().filter(|(address, known)| {
        let state = found.kernel.addresses.get(address);
        state.is_some_and(|state| match known.rung {
            Rung::Upstream => state.blackhole.is_none(),
            _ => state.rung.is_none(),
        })
    });
    let rungs = rungs.map(|(address, _)| {
        (
            Change::RemoveRung(*address),
            format!("in the ledger, not in the kernel any more: forced rung of {address}; forgotten"),
        )
    });
    let taken = found.ledger.taken.keys().filter(|address| {
        let state = found.kernel.addresses.get(address);
        state.is_some_and(|state| state.rung.is_none() && state.blackhole.is_none())
    });
    let taken = taken.map(|address| {
        (
            Change::RemoveTaken(*address),
            format!("in the ledger, not in the kernel any more: rung of {address} that the ladder took; forgotten"),
        )
    });
    entries.chain(blackholes).chain(rungs).chain(taken).collect()
}

fn is_adopted(entry: &ListEntry, found: &Found<'_>) -> bool {
    adopt_entry(entry, found).is_some()
}
