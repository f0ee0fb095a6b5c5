//! The blast radius of a command: whom its changes reach, as things are now.

use std::{collections::BTreeSet, io, net::IpAddr};

use ipnet::IpNet;

use super::rates;
use crate::{
    config::{prefix, upstream::AnnounceKind},
    control::api::ReachView,
    detect::Talker,
    host::{self, Connection},
    ladder::Rung,
    lists,
    overrides::Change,
    snapshot::Snapshot,
    tables::{Counts, ListAction, Mode},
};

/// Whom changes reach.
///
/// # Errors
/// If the kernel does not tell its connections.
pub fn reach(snapshot: &Snapshot, changes: &[Change]) -> io::Result<ReachView> {
    let touched = Touched::by(changes, snapshot);
    let connections = touched.connections()?;
    let sources = touched.prefixes.iter().map(|prefix| sends(*prefix, snapshot));
    Ok(ReachView {
        addresses: touched.addresses.len(),
        rates: touched
            .prefixes
            .is_empty()
            .then(|| arriving(&touched.addresses, snapshot)),
        source_pps: (!touched.prefixes.is_empty()).then(|| sources.sum()),
        connections,
        consequence: consequence(changes, connections, snapshot),
    })
}

/// What changes are about.
struct Touched {
    /// Addresses of ours.
    addresses: BTreeSet<IpAddr>,
    /// Sources.
    prefixes: Vec<IpNet>,
}

impl Touched {
    fn by(changes: &[Change], snapshot: &Snapshot) -> Self {
        let mut touched = Self {
            addresses: BTreeSet::new(),
            prefixes: Vec::new(),
        };
        for change in changes {
            match change {
                Change::PutEntry(prefix, _) | Change::RemoveEntry(prefix) => touched.prefixes.push(*prefix),
                Change::PutBlackhole(address, _)
                | Change::RemoveBlackhole(address)
                | Change::PutRung(address, _)
                | Change::RemoveRung(address)
                | Change::PutCeiling(address, _)
                | Change::RemoveCeiling(address)
                | Change::PutTaken(address, _)
                | Change::RemoveTaken(address) => drop(touched.addresses.insert(*address)),
                Change::PutThreshold(..) | Change::RemoveThreshold(_) | Change::SetMode(_) => {
                    touched.addresses.extend(snapshot.kernel.addresses.keys());
                }
            }
        }
        if !touched.prefixes.is_empty() {
            // A source may send to any of them.
            touched.addresses.extend(snapshot.kernel.addresses.keys());
        }
        touched
    }

    /// Open connections: those of the sources, or those at the addresses.
    fn connections(&self) -> io::Result<u64> {
        let is_reached = |connection: &Connection| {
            if self.prefixes.is_empty() {
                return self.addresses.contains(&connection.own);
            }
            self.prefixes.iter().any(|prefix| prefix.contains(&connection.peer))
        };
        let mut open = 0;
        host::connections(|connection| {
            open += u64::from(connection.established && is_reached(&connection));
            true
        })?;
        Ok(open)
    }
}

fn arriving(addresses: &BTreeSet<IpAddr>, snapshot: &Snapshot) -> super::RatesView {
    let (mut sum, mut handshakes) = (Counts::default(), 0);
    let meters = snapshot.meter.addresses.iter();
    for found in meters.filter(|found| found.address.is_some_and(|address| addresses.contains(&address))) {
        sum.add_all(&found.delta);
        handshakes += found.handshakes_delta;
    }
    rates(&sum, handshakes, &snapshot.meter)
}

/// Packets per second that come from there, as far as the tally knows the heaviest: single sources, or whole prefixes.
fn sends(prefix: IpNet, snapshot: &Snapshot) -> f64 {
    let of = |talkers: &[Talker]| -> f64 {
        let inside = talkers.iter().filter(|talker| lists::contains(prefix, talker.prefix));
        inside.map(|talker| talker.rates.packets_pps).sum()
    };
    of(&snapshot.talkers.sources).max(of(&snapshot.talkers.prefixes))
}

/// What becomes of connections, by the first change that says: the others of a command are like it.
fn consequence(changes: &[Change], open: u64, snapshot: &Snapshot) -> String {
    let open = match open {
        0 => "no open connection is concerned".to_owned(),
        1 => "1 open connection".to_owned(),
        many => format!("{many} open connections"),
    };
    let Some(change) = changes.first() else {
        return "nothing changes".to_owned();
    };
    match change {
        Change::PutBlackhole(_, hole) if hole.all => {
            format!("Nothing reaches it any more: new customers are shut out, and what is open breaks ({open}).")
        }
        Change::PutBlackhole(..) => format!("New customers are shut out; what is open goes on ({open})."),
        Change::RemoveBlackhole(_) | Change::RemoveTaken(_) => "New connections reach it again.".to_owned(),
        Change::PutEntry(prefix, entry) => match entry.action {
            ListAction::Block => format!(
                "All that {} sends is dropped, to every address of ours; what is open breaks ({open}).",
                prefix::display(*prefix)
            ),
            ListAction::Allow => format!("All that {} sends passes every rule.", prefix::display(*prefix)),
        },
        Change::RemoveEntry(prefix) => format!("The rules hold for {} again.", prefix::display(*prefix)),
        Change::PutRung(_, forced) if forced.rung == Rung::Upstream => above(&open, snapshot),
        Change::PutRung(_, forced) => format!("{}; what is open goes on ({open}).", on_rung(forced.rung)),
        Change::RemoveRung(_) | Change::PutCeiling(..) | Change::RemoveCeiling(_) => {
            "It takes its rung by its traffic again.".to_owned()
        }
        Change::SetMode(Some(set)) => match set.mode {
            Mode::Enforce => format!("What breaks a rule is dropped from now on; what is open goes on ({open})."),
            Mode::Monitor => "Nothing is dropped any more, attacks reach the host.".to_owned(),
        },
        Change::SetMode(None) => "The mode of the configuration holds again.".to_owned(),
        Change::PutThreshold(target, _) | Change::RemoveThreshold(target) => {
            format!("Another threshold holds for {target}.")
        }
        Change::PutTaken(_, taken) => format!("{}.", on_rung(taken.rung)),
    }
}

/// What the network above does to connections once it drops: of a blackhole nothing comes through, of a FlowSpec rule all but SYNs.
fn above(open: &str, snapshot: &Snapshot) -> String {
    let policy = snapshot.config.upstream.as_ref();
    match policy.map_or(AnnounceKind::Blackhole, |policy| policy.section.announce) {
        AnnounceKind::Blackhole => format!(
            "The network above drops all that goes there: new customers are shut out, and what is open breaks ({open})."
        ),
        AnnounceKind::Flowspec => {
            format!("The network above drops SYNs to it: new customers are shut out; what is open goes on ({open}).")
        }
    }
}

const fn on_rung(rung: Rung) -> &'static str {
    match rung {
        Rung::Observe => "No rate drops anything, only lists and broken packets do",
        Rung::Limit => "Sources over their SYN rate lose the excess",
        Rung::Verify => "Unknown sources must prove themselves: real clients do, some a second later",
        Rung::Known => "Only sources that completed a handshake lately get in: new customers are shut out",
        Rung::Blackhole | Rung::Upstream => "New customers are shut out",
    }
}
