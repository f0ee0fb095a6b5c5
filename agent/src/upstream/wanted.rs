//! Which addresses are to be dropped above: those on the rung `upstream`, because somebody said so or because they climbed there.

use std::{collections::BTreeMap, net::IpAddr};

use jiff::Timestamp;

use crate::{
    ladder::Rung,
    overrides::{Origin, Overrides},
    snapshot::Snapshot,
    tables::{Mode, MonotonicNs},
};

/// Why an address is to be dropped above.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Who wants it.
    pub actor: String,
    /// Why.
    pub reason: Option<String>,
    /// Since when.
    pub since: Timestamp,
    /// When it ends by itself.
    pub until: Option<Timestamp>,
    /// A person said so, and the guard rails were passed then.
    pub by_hand: bool,
}

/// Every address on the rung `upstream`. In mode `monitor` nobody is asked for anything.
#[must_use]
pub fn wanted(snapshot: &Snapshot) -> BTreeMap<IpAddr, Wanted> {
    if snapshot.kernel.settings.mode == Mode::Monitor {
        return BTreeMap::new();
    }
    of(&snapshot.overrides, snapshot.now.mono)
}

fn of(overrides: &Overrides, now: MonotonicNs) -> BTreeMap<IpAddr, Wanted> {
    let holds = |origin: &Origin| origin.until.is_none_or(|until| until.mono > now);
    let taken = overrides.taken.iter().filter(|(address, taken)| {
        let by_hand = overrides.rungs.contains_key(address) || overrides.blackholes.contains_key(address);
        taken.rung == Rung::Upstream && holds(&taken.origin) && !by_hand
    });
    let taken = taken.map(|(address, taken)| (*address, because(&taken.origin, false)));
    let forced = overrides.rungs.iter();
    let forced = forced.filter(|(_, forced)| forced.rung == Rung::Upstream && holds(&forced.origin));
    taken
        .chain(forced.map(|(address, forced)| (*address, because(&forced.origin, true))))
        .collect()
}

fn because(origin: &Origin, by_hand: bool) -> Wanted {
    Wanted {
        actor: origin.actor.clone(),
        reason: origin.reason.clone(),
        since: origin.since,
        until: origin.until.map(|until| until.wall),
        by_hand,
    }
}
