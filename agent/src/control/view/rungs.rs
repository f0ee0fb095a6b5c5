//! Where each address stands on the ladder, since when, and who put it there.

use std::{collections::HashMap, net::IpAddr};

use super::{CONFIGURATION, UNKNOWN, nobody, origin};
use crate::{
    clock::Now,
    control::api::RungView,
    decide::{
        KernelState, Refusal,
        standing::{in_verify, rung},
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
    let meter = &snapshot.meter;
    let metered = by_address(meter);
    let view = |state: &AddressState| {
        let found = metered.get(&state.address);
        RungView {
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
    };
    snapshot.kernel.addresses.values().map(view).collect()
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

fn by_address(meter: &Meter) -> HashMap<IpAddr, &AddressMeter> {
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
    let in_force = rung(state, verify, now.mono);
    let forced = state.rung.filter(|forced| forced.at(now.mono).is_some()).map(|forced| {
        let asked = overrides.rungs.get(&state.address);
        asked.map_or_else(|| nobody(otherwise, forced.until, now), |asked| origin(&asked.origin))
    });
    RungView {
        address: state.address,
        rung: in_force.name().to_owned(),
        since: rung_since(state, verify, overrides, now),
        forced,
        highest: state.ladder.most,
        method: state.ladder.method,
        syn_pps: None,
        handshakes_pps: None,
    }
}

/// Since when an address stands where it stands, as far as that is known: never for `limit` by itself.
pub(super) fn rung_since(
    state: &AddressState,
    verify: Option<InVerify>,
    overrides: &Overrides,
    now: Now,
) -> Option<jiff::Timestamp> {
    if rung(state, verify, now.mono) == Rung::Blackhole {
        return overrides.blackholes.get(&state.address).map(|hole| hole.origin.since);
    }
    if state.rung.and_then(|forced| forced.at(now.mono)).is_some() {
        return overrides.rungs.get(&state.address).map(|forced| forced.origin.since);
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
