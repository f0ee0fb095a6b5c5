//! Groups: their budgets, and what all their addresses together meet.

use std::collections::BTreeMap;

use ipnet::IpNet;
use xdp_common::Reason;

use super::rates;
use crate::{
    clock::Now,
    control::api::GroupView,
    decide::{KernelState, Refusal},
    detect::{AddressMeter, Meter},
    ladder::Rung,
    snapshot::Snapshot,
    tables::{Counts, GroupState, InVerify, KernelTables},
};

/// Every group.
#[must_use]
pub fn groups(snapshot: &Snapshot) -> Vec<GroupView> {
    of(&snapshot.kernel, &snapshot.meter, snapshot.now, true)
}

/// The same while the daemon is dead: without rates.
///
/// # Errors
/// If the kernel refuses a read.
pub fn groups_of_kernel(tables: &dyn KernelTables, now: Now) -> Result<Vec<GroupView>, Refusal> {
    let kernel = KernelState::read(tables)?;
    let meter = Meter::first(tables.counters()?, now);
    Ok(of(&kernel, &meter, now, false))
}

fn of(kernel: &KernelState, meter: &Meter, now: Now, with_rates: bool) -> Vec<GroupView> {
    let mut members: BTreeMap<IpNet, Vec<&AddressMeter>> = BTreeMap::new();
    for found in &meter.addresses {
        let state = found.address.and_then(|address| kernel.addresses.get(&address));
        if let Some(prefix) = state.and_then(|state| state.group) {
            members.entry(prefix).or_default().push(found);
        }
    }
    let view = |group: &GroupState| {
        let found = members.remove(&group.prefix).unwrap_or_default();
        let rates = with_rates.then_some(meter);
        view(group, &found, verifying_since(meter, group.prefix, now), now, rates)
    };
    kernel.groups.values().map(view).collect()
}

fn view(
    group: &GroupState,
    members: &[&AddressMeter],
    verify: Option<InVerify>,
    now: Now,
    meter: Option<&Meter>,
) -> GroupView {
    let (mut counts, mut delta) = (Counts::default(), Counts::default());
    for member in members {
        counts.add_all(&member.counts);
        delta.add_all(&member.delta);
    }
    let over = |counts: &Counts| counts.get(Reason::GroupRate) + counts.get(Reason::GroupVectorRate);
    let handshakes = members.iter().map(|member| member.handshakes_delta).sum();
    GroupView {
        prefix: group.prefix,
        addresses: members.len(),
        rung: verify.map_or(Rung::Limit, |_| Rung::Verify).name().to_owned(),
        since: verify.map(|verify| now.wall_of(verify.since)),
        limit: group.limit,
        vectors: group.vectors,
        rates: meter.map(|meter| rates(&delta, handshakes, meter)),
        over_pps: meter.map(|meter| meter.per_second(over(&delta))),
        over: over(&counts),
        over_rate: members
            .iter()
            .filter(|member| member.current_excess(now).is_some())
            .filter_map(|member| member.address)
            .collect(),
    }
}

/// The time in verify of a group that goes on.
fn verifying_since(meter: &Meter, prefix: IpNet, now: Now) -> Option<InVerify> {
    let mut readings = meter.groups.iter();
    let found = readings.find(|reading| reading.prefix == prefix)?;
    found.verify.filter(|verify| verify.is_on(now.mono))
}

/// Groups that make every SYN to their addresses prove itself.
pub(super) fn groups_verifying(kernel: &KernelState, meter: &Meter, now: Now) -> Vec<IpNet> {
    let prefixes = kernel.groups.keys().copied();
    prefixes
        .filter(|prefix| verifying_since(meter, *prefix, now).is_some())
        .collect()
}
