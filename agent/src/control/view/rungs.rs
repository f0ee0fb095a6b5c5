//! Where each address stands on the ladder, since when, and who put it there.

use std::{collections::HashMap, net::IpAddr};

use super::{CONFIGURATION, UNKNOWN, nobody, origin};
use crate::{
    clock::Now,
    control::api::{AutomaticView, RungView},
    decide::{
        KernelState, Refusal,
        ladder::Automatic,
        standing::{in_verify, rung, stands},
    },
    detect::{AddressMeter, Meter, syns},
    ladder::Rung,
    overrides::Overrides,
    snapshot::Snapshot,
    tables::{AddressState, InVerify, KernelTables},
};

/// Every address with its rung, how it came there, and what happens to it.
#[must_use]
pub fn rungs(snapshot: &Snapshot) -> Vec<RungView> {
    let metered = by_address(&snapshot.meter);
    let states = snapshot.kernel.addresses.values();
    states
        .map(|state| rung_view(state, metered.get(&state.address).copied(), snapshot))
        .collect()
}

/// One address with its rung.
pub(super) fn rung_view(state: &AddressState, found: Option<&AddressMeter>, snapshot: &Snapshot) -> RungView {
    let meter = &snapshot.meter;
    RungView {
        automatic: snapshot
            .watched
            .get(&state.address)
            .and_then(|watched| watched.automatic.as_ref())
            .map(|automatic| view_of(automatic, snapshot.now)),
        highest: snapshot
            .config
            .protected
            .get(&state.address)
            .map_or(state.ladder.most, |protected| protected.ladder.highest),
        syn_pps: found.map(|found| meter.per_second(syns(&found.delta))),
        handshakes_pps: found
            .filter(|_| state.local)
            .map(|found| meter.per_second(found.handshakes_delta)),
        ..rung_of(
            state,
            found.and_then(|found| found.verify),
            &snapshot.overrides,
            CONFIGURATION,
            snapshot.now,
        )
    }
}

/// The same while the daemon is dead: who forced a rung is not known.
///
/// # Errors
/// If the kernel refuses a read.
pub fn rungs_of_kernel(tables: &dyn KernelTables, now: Now) -> Result<Vec<RungView>, Refusal> {
    let kernel = KernelState::read(tables)?;
    let meter = Meter::first(tables.counters()?, now);
    let metered = by_address(&meter);
    let view = |state: &AddressState| {
        let verify = metered.get(&state.address).and_then(|found| found.verify);
        rung_of(state, verify, &Overrides::default(), UNKNOWN, now)
    };
    Ok(kernel.addresses.values().map(view).collect())
}

pub(super) fn by_address(meter: &Meter) -> HashMap<IpAddr, &AddressMeter> {
    meter
        .addresses
        .iter()
        .filter_map(|found| Some((found.address?, found)))
        .collect()
}

fn rung_of(
    state: &AddressState,
    verify: Option<InVerify>,
    overrides: &Overrides,
    otherwise: &str,
    now: Now,
) -> RungView {
    let in_force = stands(state, verify, overrides, now.mono);
    let by_ladder = overrides.taken.contains_key(&state.address) && !overrides.rungs.contains_key(&state.address);
    let by_hand = overrides.rungs.get(&state.address);
    let in_kernel = state.rung.filter(|forced| forced.at(now.mono).is_some() && !by_ladder);
    // What a person put on `upstream` is a blackhole in the kernel.
    let above = by_hand
        .filter(|_| in_force == Rung::Upstream)
        .map(|asked| origin(&asked.origin));
    let forced = above.or_else(|| {
        let otherwise = |until| nobody(otherwise, until, now);
        in_kernel.map(|forced| by_hand.map_or_else(|| otherwise(forced.until), |asked| origin(&asked.origin)))
    });
    RungView {
        address: state.address,
        rung: in_force.name().to_owned(),
        since: rung_since(state, verify, overrides, now),
        forced,
        automatic: None,
        ceiling: overrides
            .ceilings
            .get(&state.address)
            .map(|ceiling| origin(&ceiling.origin)),
        highest: state.ladder.most,
        method: state.ladder.method,
        syn_pps: None,
        handshakes_pps: None,
    }
}

fn view_of(automatic: &Automatic, now: Now) -> AutomaticView {
    let left_ns = automatic.held_until.mono.0.saturating_sub(now.mono.0);
    AutomaticView {
        rung: automatic.rung,
        dry_run: automatic.dry_run,
        since: automatic.since,
        held_until: automatic.held_until.wall,
        hold_left_seconds: left_ns.div_ceil(1_000_000_000),
        reason: automatic.why.to_string(),
    }
}

/// Since when an address stands where it stands, as far as that is known: never for `limit` by itself.
pub(super) fn rung_since(
    state: &AddressState,
    verify: Option<InVerify>,
    overrides: &Overrides,
    now: Now,
) -> Option<jiff::Timestamp> {
    let taken = || overrides.taken.get(&state.address).map(|taken| taken.origin.since);
    if rung(state, verify, now.mono) == Rung::Blackhole {
        let by_hand = overrides.blackholes.get(&state.address);
        let above = || overrides.rungs.get(&state.address).map(|forced| forced.origin.since);
        return by_hand.map(|hole| hole.origin.since).or_else(above).or_else(taken);
    }
    if state.rung.and_then(|forced| forced.at(now.mono)).is_some() {
        let by_hand = overrides.rungs.get(&state.address);
        return by_hand.map(|forced| forced.origin.since).or_else(taken);
    }
    in_verify(state, verify, now.mono).map(|verify| now.wall_of(verify.since))
}

/// Addresses that make unknown sources prove themselves, or admit none.
pub(super) fn verifying(kernel: &KernelState, meter: &Meter, now: Now) -> Vec<IpAddr> {
    let metered = by_address(meter);
    let stands_high = |state: &&AddressState| {
        let verify = metered.get(&state.address).and_then(|found| found.verify);
        matches!(rung(state, verify, now.mono), Rung::Verify | Rung::Known)
    };
    let states = kernel.addresses.values().filter(stands_high);
    states.map(|state| state.address).collect()
}
