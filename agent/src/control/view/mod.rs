//! Answers from a snapshot, and, while the daemon is dead, from the kernel's tables alone.

mod attacks;
mod detection;
mod fleet;
mod groups;
mod large;
mod overview;
mod reach;
mod rungs;
mod safe;
mod talkers;
mod thresholds;
mod upstream;

use std::{collections::BTreeMap, net::IpAddr};

pub use attacks::{attack, events, latest_attacks, no_such_attack, wanted};
pub use fleet::{decisions_by_kind, fleet, fleet_top, nodes};
use groups::groups_verifying;
pub use groups::{groups, groups_of_kernel};
pub use large::{large_lists, large_lists_of_kernel};
pub use overview::{address, overview, suffers};
pub use reach::reach;
use rungs::{rung_since, verifying};
pub use rungs::{rungs, rungs_of_kernel};
pub use safe::safe;
pub use talkers::{prefixes, sources};
pub use thresholds::{threshold, thresholds};
pub use upstream::upstream;

use super::api::{
    AddressStatsView, BlackholeView, DaemonView, EntryView, LedgerView, ListView, ListenersView, ModeView, OriginView,
    RatesView, SampleView, StatsView, StatusView,
};
use crate::{
    clock::Now,
    decide::{
        KernelState, Refusal,
        standing::{rung, stands},
    },
    detect::{AddressMeter, Meter, by_action, syns},
    headers,
    host::Sysctls,
    ladder::Rung,
    overrides::{Origin, Overrides},
    privileges,
    snapshot::Snapshot,
    tables::{Counts, KernelTables, ListAction, Listener, MonotonicNs, Sample},
};

/// Actor of what the configuration file says.
pub const CONFIGURATION: &str = "configuration";
/// Prefixes that the status names.
const BUSIEST: usize = 3;
/// Actor of what only the kernel was asked about.
pub const UNKNOWN: &str = "unknown";

fn origin(origin: &Origin) -> OriginView {
    OriginView {
        actor: origin.actor.clone(),
        reason: origin.reason.clone(),
        since: Some(origin.since),
        until: origin.until.map(|until| until.wall),
    }
}

fn nobody(actor: &str, until: Option<MonotonicNs>, now: Now) -> OriginView {
    OriginView {
        actor: actor.to_owned(),
        reason: None,
        since: None,
        until: until.map(|mono| now.wall_of(mono)),
    }
}

/// Entries and blackholes in force, with who asked for them.
#[must_use]
pub fn list(snapshot: &Snapshot) -> ListView {
    ListView {
        lists: large_lists(snapshot),
        ..list_of(&snapshot.kernel, &snapshot.overrides, CONFIGURATION, snapshot.now)
    }
}

/// The same while the daemon is dead: who asked is not known.
#[must_use]
pub fn list_of_kernel(kernel: &KernelState, now: Now) -> ListView {
    list_of(kernel, &Overrides::default(), UNKNOWN, now)
}

fn holds(until: Option<MonotonicNs>, now: Now) -> bool {
    until.is_none_or(|until| until > now.mono)
}

fn list_of(kernel: &KernelState, overrides: &Overrides, otherwise: &str, now: Now) -> ListView {
    let sources = kernel
        .entries
        .values()
        .filter(|entry| holds(entry.until, now))
        .map(|entry| {
            let asked = overrides
                .list
                .get(&entry.prefix)
                .filter(|asked| asked.action == entry.action);
            EntryView {
                prefix: entry.prefix,
                action: entry.action,
                origin: asked.map_or_else(|| nobody(otherwise, entry.until, now), |asked| origin(&asked.origin)),
            }
        });
    let blackholes = kernel.addresses.values().filter_map(|state| {
        let hole = state.blackhole.filter(|hole| holds(hole.until, now))?;
        let asked = overrides.blackholes.get(&state.address).map(|asked| &asked.origin);
        let asked = asked.or_else(|| overrides.taken.get(&state.address).map(|taken| &taken.origin));
        Some(BlackholeView {
            address: state.address,
            all: hole.all,
            origin: asked.map_or_else(|| nobody(otherwise, hole.until, now), origin),
        })
    });
    ListView {
        blackholes: blackholes.collect(),
        sources: sources.collect(),
        lists: Vec::new(),
    }
}

fn not_protected(address: &str) -> Refusal {
    let hint = "`agent stats` shows the protected ones; add it to `protect` in the configuration to protect it";
    Refusal::not_found(format!("{address} is not a protected address"), Some(hint.to_owned()))
}

/// The mode and why it is what it is.
#[must_use]
pub fn mode(snapshot: &Snapshot) -> ModeView {
    ModeView {
        mode: snapshot.kernel.settings.mode,
        configured: Some(snapshot.config.mode),
        set_by: snapshot.overrides.mode.as_ref().map(|set| origin(&set.origin)),
    }
}

fn rates(delta: &Counts, handshakes: u64, meter: &Meter) -> RatesView {
    let [pass, drop, reply] = by_action(delta);
    RatesView {
        syn_pps: meter.per_second(syns(delta)),
        pass_pps: meter.per_second(pass),
        drop_pps: meter.per_second(drop),
        reply_pps: meter.per_second(reply),
        handshakes_pps: meter.per_second(handshakes),
    }
}

/// What is known of the listeners, and the sysctls that decide it.
#[must_use]
pub fn listeners(snapshot: &Snapshot) -> ListenersView {
    listeners_of(snapshot.listeners.to_vec(), &snapshot.tcp.sysctls)
}

/// The same for listeners that only the kernel was asked about.
#[must_use]
pub fn listeners_of(listeners: Vec<Listener>, sysctls: &Sysctls) -> ListenersView {
    let named = sysctls.named().into_iter();
    ListenersView {
        sysctls: named.map(|(name, value)| (name.to_owned(), value)).collect(),
        listeners,
    }
}

/// Counters and rates of every address or of one.
///
/// # Errors
/// If that one is not protected.
pub fn stats(snapshot: &Snapshot, only: Option<IpAddr>) -> Result<StatsView, Refusal> {
    let meter = &snapshot.meter;
    let wanted = |found: &&AddressMeter| only.is_none_or(|only| found.address == Some(only.to_canonical()));
    let addresses: Vec<AddressStatsView> = meter
        .addresses
        .iter()
        .filter(wanted)
        .map(|found| address_stats(found, snapshot))
        .collect();
    match only {
        Some(address) if addresses.is_empty() => Err(not_protected(&address.to_string())),
        _ => Ok(StatsView {
            at: meter.at.wall,
            mode: snapshot.kernel.settings.mode,
            addresses: in_order(addresses),
            lists: counted(snapshot),
        }),
    }
}

/// Packets that each large list decided about.
fn counted(snapshot: &Snapshot) -> BTreeMap<String, u64> {
    let lists = snapshot.list_packets.iter();
    lists.map(|list| (list.head.name.clone(), list.packets)).collect()
}

/// Protected addresses in order, the rest last.
fn in_order(mut addresses: Vec<AddressStatsView>) -> Vec<AddressStatsView> {
    addresses.sort_by_key(|view| (view.address.is_none(), view.address));
    addresses
}

fn address_stats(found: &AddressMeter, snapshot: &Snapshot) -> AddressStatsView {
    let state = found
        .address
        .and_then(|address| snapshot.kernel.addresses.get(&address));
    AddressStatsView {
        address: found.address,
        limit: state.map(|state| state.limit),
        vectors: state.map(|state| state.vectors),
        rung: state.map(|state| {
            let stands = stands(state, found.verify, &snapshot.overrides, snapshot.now.mono);
            stands.name().to_owned()
        }),
        rung_since: state.and_then(|state| rung_since(state, found.verify, &snapshot.overrides, snapshot.now)),
        method: state.map(|state| state.ladder.method),
        local: state.is_some_and(|state| state.local),
        handshakes: found.handshakes,
        rates: rates(&found.delta, found.handshakes_delta, &snapshot.meter),
        over_since: found
            .current_excess(snapshot.now)
            .map(|excess| snapshot.now.wall_of(excess.since)),
        packets: found
            .counts
            .nonzero()
            .map(|(reason, packets)| (reason.name().to_owned(), packets))
            .collect(),
    }
}

/// Headers of packets dropped lately, latest first.
#[must_use]
pub fn samples(snapshot: &Snapshot) -> Vec<SampleView> {
    let view = |sample: &Sample| SampleView {
        at: snapshot.now.wall_of(sample.at),
        reason: sample.reason.name().to_owned(),
        packet: headers::describe(&sample.header),
        frame_bytes: sample.frame_len,
        header_hex: sample.header.iter().map(|byte| format!("{byte:02x}")).collect(),
    };
    snapshot.samples.iter().rev().map(view).collect()
}

/// Everything at a glance.
#[must_use]
pub fn status(snapshot: &Snapshot) -> StatusView {
    let problem = snapshot.ledger.problem.clone();
    let daemon = DaemonView {
        pid: std::process::id(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        since: snapshot.started,
        config: snapshot.config.path.clone(),
        ledger: LedgerView {
            path: snapshot.ledger.path.clone(),
            healthy: problem.is_none(),
            problem,
        },
        privileges: privileges::outcome(),
    };
    let over_rate = snapshot
        .meter
        .addresses
        .iter()
        .filter(|found| found.current_excess(snapshot.now).is_some());
    StatusView {
        daemon: Some(daemon),
        mode: mode(snapshot),
        interfaces: snapshot.links.to_vec(),
        unprotected: snapshot.unprotected.clone(),
        over_rate: over_rate.filter_map(|found| found.address).collect(),
        rates: Some(rates(
            &snapshot.meter.protected_delta(),
            snapshot.meter.protected_handshakes(),
            &snapshot.meter,
        )),
        verifying: verifying(&snapshot.kernel, &snapshot.meter, snapshot.now),
        sources: Some(talkers::all(snapshot)),
        busiest: talkers::busiest(snapshot, BUSIEST),
        lists: large_lists(snapshot),
        fleet: snapshot.config.fleet.is_some().then(|| fleet(snapshot)),
        detection: Some(detection::detection(&snapshot.detection)),
        groups_verifying: groups_verifying(&snapshot.kernel, &snapshot.meter, snapshot.now),
        maps: snapshot.fills.to_vec(),
        programs: snapshot.programs.to_vec(),
        warnings: snapshot.warnings.clone(),
        ..kernel_status(&snapshot.kernel, snapshot.now)
    }
}

/// What the tables alone tell, while the daemon is dead.
///
/// # Errors
/// If the kernel refuses a read.
pub fn status_of_kernel(tables: &dyn KernelTables, now: Now) -> Result<StatusView, Refusal> {
    let kernel = KernelState::read(tables)?;
    let meter = Meter::first(tables.counters()?, now);
    let over_rate = meter
        .addresses
        .iter()
        .filter(|found| found.current_excess(now).is_some());
    Ok(StatusView {
        interfaces: tables.links()?,
        over_rate: over_rate.filter_map(|found| found.address).collect(),
        verifying: verifying(&kernel, &meter, now),
        lists: large_lists_of_kernel(tables, now)?,
        groups_verifying: groups_verifying(&kernel, &meter, now),
        maps: tables.fills()?,
        programs: tables.programs()?,
        ..kernel_status(&kernel, now)
    })
}

fn kernel_status(kernel: &KernelState, now: Now) -> StatusView {
    let count = |action: ListAction| {
        kernel
            .entries
            .values()
            .filter(|entry| entry.action == action && holds(entry.until, now))
            .count()
    };
    let blackholed = kernel
        .addresses
        .values()
        .filter(|state| rung(state, None, now.mono) == Rung::Blackhole);
    StatusView {
        daemon: None,
        mode: ModeView {
            mode: kernel.settings.mode,
            configured: None,
            set_by: None,
        },
        interfaces: Vec::new(),
        unprotected: Vec::new(),
        protected: kernel.addresses.len(),
        blackholed: blackholed.map(|state| state.address).collect(),
        over_rate: Vec::new(),
        groups: kernel.groups.len(),
        groups_verifying: Vec::new(),
        verifying: Vec::new(),
        allowed: count(ListAction::Allow),
        blocked: count(ListAction::Block),
        lists: Vec::new(),
        fleet: None,
        detection: None,
        rates: None,
        sources: None,
        busiest: Vec::new(),
        maps: Vec::new(),
        programs: Vec::new(),
        warnings: Vec::new(),
    }
}
