//! All addresses by how hard they are pressed, and one of them closely.

use std::{cmp::Reverse, collections::HashMap, net::IpAddr};

use ipnet::IpNet;
use xdp_common::Vector;

use super::{address_stats, not_protected, rates, rungs, safe, talkers};
use crate::{
    config::prefix,
    control::api::{
        AddressLine, AddressView, HostView, LedgerView, OverviewQuery, OverviewSort, OverviewView, ReasonRate,
    },
    decide::{Refusal, standing::stands},
    detect::{AddressMeter, Attack, Subject, by_kind, syns},
    ladder::Rung,
    snapshot::Snapshot,
    tables::{AddressState, Counts},
};

/// Addresses told unless asked for more.
const DEFAULT_ADDRESSES: usize = 50;
/// Prefixes and sources that are told.
const TOP: usize = 10;
/// The filter for addresses that are attacked.
const ATTACKED: &str = "attack";

/// All addresses by how hard they are pressed, and what goes on around them.
///
/// # Errors
/// A filter that looks like a prefix and is none.
pub fn overview(snapshot: &Snapshot, query: &OverviewQuery) -> Result<OverviewView, Refusal> {
    let filter = Filter::parse(query.filter.as_deref().unwrap_or_default())?;
    let attacked = attacked(snapshot);
    let metered = metered(snapshot);
    let states = snapshot.kernel.addresses.values();
    let mut seen: Vec<Seen<'_>> = states
        .map(|state| Seen::new(state, metered.get(&state.address).copied(), &attacked, snapshot))
        .filter(|seen| filter.lets(seen))
        .collect();
    order(&mut seen, query.sort.unwrap_or_default());
    let (offset, limit) = (query.offset.unwrap_or(0), query.limit.unwrap_or(DEFAULT_ADDRESSES));
    let delta = snapshot.meter.protected_delta();
    let problem = snapshot.ledger.problem.clone();
    Ok(OverviewView {
        at: snapshot.meter.at.wall,
        since: snapshot.started,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        mode: super::mode(snapshot),
        protected: snapshot.kernel.addresses.len(),
        matched: seen.len(),
        addresses: seen
            .iter()
            .skip(offset)
            .take(limit)
            .map(|seen| seen.line(snapshot))
            .collect(),
        rates: rates(&delta, snapshot.meter.protected_handshakes(), &snapshot.meter),
        syn_series: snapshot.recent.of_all(),
        reasons: reasons(&delta, snapshot),
        attacks: snapshot.detection.attacks.to_vec(),
        sources: talkers::all(snapshot),
        prefixes: talkers::busiest(snapshot, TOP),
        host: HostView {
            saturated: snapshot.detection.saturated,
            receive_drops_pps: snapshot.detection.load.receive_drops,
            softirq: snapshot.detection.load.softirq,
            interfaces: snapshot.links.to_vec(),
            maps: snapshot.fills.to_vec(),
        },
        ledger: LedgerView {
            path: snapshot.ledger.path.clone(),
            healthy: problem.is_none(),
            problem,
        },
        upstream: snapshot
            .config
            .upstream
            .as_ref()
            .map(|policy| policy.section.announce.name().to_owned()),
        fleet: snapshot
            .config
            .fleet
            .is_some()
            .then(|| super::fleet::link(&snapshot.fleet.link)),
        warnings: snapshot.warnings.clone(),
    })
}

/// One address closely, with the attacks on it that the history knows.
///
/// # Errors
/// If it is not protected.
pub fn address(snapshot: &Snapshot, address: IpAddr, attacks: Vec<Attack>) -> Result<AddressView, Refusal> {
    let address = address.to_canonical();
    let state = snapshot.kernel.addresses.get(&address);
    let state = state.ok_or_else(|| not_protected(&address.to_string()))?;
    let meter = snapshot.meter.of(address);
    let unread = AddressMeter::unread(address);
    let found = meter.unwrap_or(&unread);
    Ok(AddressView {
        at: snapshot.meter.at.wall,
        mode: super::mode(snapshot),
        line: Seen::new(state, meter, &attacked(snapshot), snapshot).line(snapshot),
        stats: address_stats(found, snapshot),
        rung: rungs::rung_view(state, meter, snapshot),
        safe: safe::safe_address(snapshot, address),
        reasons: reasons(&found.delta, snapshot),
        groups: state.group.into_iter().collect(),
        sources: talkers::sources(&[], &[], 1.0, snapshot, TOP).sources,
        attacks,
    })
}

/// True for an attack that an address suffers: its own, or that of a group which it is in.
#[must_use]
pub fn suffers(attack: &Attack, address: IpAddr) -> bool {
    match attack.subject {
        Subject::Address(attacked) => attacked == address,
        Subject::Group(prefix) => prefix.contains(&address),
    }
}

/// What addresses are let through.
enum Filter {
    Attacked,
    Rung(Rung),
    Prefix(IpNet),
    Text(String),
}

impl Filter {
    fn parse(text: &str) -> Result<Self, Refusal> {
        let text = text.trim().to_lowercase();
        if text == ATTACKED {
            return Ok(Self::Attacked);
        }
        if let Some(rung) = Rung::ALL.into_iter().find(|rung| rung.name() == text) {
            return Ok(Self::Rung(rung));
        }
        if text.contains('/') {
            return Ok(Self::Prefix(prefix::parse(&text)?));
        }
        Ok(Self::Text(text))
    }

    fn lets(&self, seen: &Seen<'_>) -> bool {
        match self {
            Self::Attacked => seen.attack.is_some(),
            Self::Rung(rung) => seen.rung == *rung,
            Self::Prefix(prefix) => prefix.contains(&seen.state.address),
            Self::Text(text) => seen.state.address.to_string().contains(text.as_str()),
        }
    }
}

/// One address with what its order depends on.
struct Seen<'a> {
    state: &'a AddressState,
    meter: Option<&'a AddressMeter>,
    rung: Rung,
    attack: Option<u64>,
    pressure: f64,
}

impl<'a> Seen<'a> {
    fn new(state: &'a AddressState, meter: Option<&'a AddressMeter>, attacked: &Attacked, snapshot: &Snapshot) -> Self {
        Self {
            state,
            meter,
            rung: stands(
                state,
                meter.and_then(|found| found.verify),
                &snapshot.overrides,
                snapshot.now.mono,
            ),
            attack: attacked.of(state.address),
            pressure: meter.map_or(0.0, |found| pressure(state, found, snapshot.meter.seconds)),
        }
    }

    fn syns(&self) -> u64 {
        self.meter.map_or(0, |found| syns(&found.delta))
    }

    fn drops(&self) -> u64 {
        self.meter
            .map_or(0, |found| found.delta.total(xdp_common::Action::Drop))
    }

    fn handshakes(&self) -> u64 {
        self.meter.map_or(0, |found| found.handshakes_delta)
    }

    fn line(&self, snapshot: &Snapshot) -> AddressLine {
        let excess = self.meter.and_then(|found| found.current_excess(snapshot.now));
        let (quiet, meter) = (Counts::default(), &snapshot.meter);
        let delta = self.meter.map_or(&quiet, |found| &found.delta);
        AddressLine {
            address: self.state.address,
            rung: self.rung.name().to_owned(),
            forced: rungs::rung_view(self.state, self.meter, snapshot).forced.is_some()
                || snapshot.overrides.blackholes.contains_key(&self.state.address),
            pressure: self.pressure,
            limit: self.state.limit,
            rates: rates(delta, self.handshakes(), meter),
            local: self.state.local,
            over_since: excess.map(|excess| snapshot.now.wall_of(excess.since)),
            attack: self.attack,
            syn_series: snapshot.recent.of(self.state.address),
            elsewhere_pps: Some(snapshot.fleet.elsewhere(self.state.address))
                .filter(|elsewhere| elsewhere.nodes > 0)
                .map(|elsewhere| elsewhere.unproven),
        }
    }
}

/// Attacks that go on, to be asked for each of many addresses.
struct Attacked {
    addresses: HashMap<IpAddr, u64>,
    groups: Vec<(IpNet, u64)>,
}

fn attacked(snapshot: &Snapshot) -> Attacked {
    let mut attacked = Attacked {
        addresses: HashMap::new(),
        groups: Vec::new(),
    };
    for attack in snapshot.detection.attacks.iter() {
        match attack.subject {
            Subject::Address(address) => drop(attacked.addresses.insert(address, attack.id)),
            Subject::Group(prefix) => attacked.groups.push((prefix, attack.id)),
        }
    }
    attacked
}

impl Attacked {
    fn of(&self, address: IpAddr) -> Option<u64> {
        let of_group = || self.groups.iter().find(|(prefix, _)| prefix.contains(&address));
        let own = self.addresses.get(&address).copied();
        own.or_else(|| of_group().map(|(_, attack)| *attack))
    }
}

fn metered(snapshot: &Snapshot) -> HashMap<IpAddr, &AddressMeter> {
    rungs::by_address(&snapshot.meter)
}

/// The largest part that an address's traffic is of what it may have: SYNs (and what a blackhole took) of their threshold, and each
/// vector with a rate of its own of that.
fn pressure(state: &AddressState, found: &AddressMeter, seconds: f64) -> f64 {
    if seconds <= 0.0 {
        return 0.0;
    }
    let rates = by_kind(&found.delta, seconds);
    let syns = (rates.syn + rates.blackholed) / f64::from(state.limit.syn_rate.per_second());
    let arriving = |vector| match vector {
        Vector::Udp => rates.udp + rates.amplified,
        Vector::Icmp => rates.icmp,
        Vector::Other => rates.other,
        Vector::Fragments => rates.fragments,
        Vector::Tcp => rates.tcp,
    };
    #[expect(clippy::cast_precision_loss, reason = "a part for people: 53 bits are plenty")]
    let part = |vector| Some(arriving(vector) / state.vectors.of(vector).packets.per_second()? as f64);
    let parts = Vector::ALL.into_iter().filter_map(part);
    parts.fold(syns, f64::max)
}

fn order(seen: &mut [Seen<'_>], by: OverviewSort) {
    let pressed = |a: &Seen<'_>, b: &Seen<'_>| {
        let attacked = b.attack.is_some().cmp(&a.attack.is_some());
        attacked.then_with(|| b.pressure.total_cmp(&a.pressure))
    };
    // They come by address; a stable order leaves equal ones so, and nothing jumps about.
    match by {
        OverviewSort::Pressure => seen.sort_by(pressed),
        OverviewSort::Syn => seen.sort_by_key(|seen| Reverse(seen.syns())),
        OverviewSort::Drop => seen.sort_by_key(|seen| Reverse(seen.drops())),
        OverviewSort::Handshakes => seen.sort_by_key(|seen| Reverse(seen.handshakes())),
        OverviewSort::Rung => seen.sort_by(|a, b| b.rung.cmp(&a.rung).then_with(|| pressed(a, b))),
        OverviewSort::Address => {}
    }
}

fn reasons(delta: &Counts, snapshot: &Snapshot) -> Vec<ReasonRate> {
    let mut met: Vec<(xdp_common::Reason, u64)> = delta.nonzero().collect();
    met.sort_by_key(|(_, packets)| Reverse(*packets));
    met.into_iter()
        .map(|(reason, packets)| ReasonRate {
            reason: reason.name().to_owned(),
            action: reason.action().name().to_owned(),
            pps: snapshot.meter.per_second(packets),
        })
        .collect()
}
