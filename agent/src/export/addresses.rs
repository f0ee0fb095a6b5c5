//! Protected addresses: rates, thresholds, rungs.

use std::{fmt, net::IpAddr};

use xdp_common::Vector;

use super::{
    families::addresses::{
        ADDRESS_DROPS, ADDRESS_SYNS, BLACKHOLED, BURST, DEFAULT_THRESHOLD, MODE, OVER_RATE, PROTECTED, RUNG,
        SOURCE_BURST, SOURCE_THRESHOLD, THRESHOLD, VECTOR_BYTES, VECTOR_PACKETS,
    },
    traffic::name_of,
    writer::Writer,
};
use crate::{
    control::view::rungs,
    decide::{standing::rung, state::common_limit},
    detect::{by_action, syns},
    ladder::Rung,
    snapshot::Snapshot,
    tables::{AddressState, Mode},
    vectors::VectorRates,
};

pub(super) fn addresses(out: &mut Writer<'_>, snapshot: &Snapshot) -> fmt::Result {
    standing(out, snapshot)?;
    rates(out, snapshot)?;
    thresholds(out, snapshot)
}

fn standing(out: &mut Writer<'_>, snapshot: &Snapshot) -> fmt::Result {
    let mode = snapshot.kernel.settings.mode;
    let modes = [Mode::Monitor, Mode::Enforce].map(|known| ([known.to_string()], mode == known));
    out.each(&MODE, modes)?;
    let addresses = &snapshot.kernel.addresses;
    out.one(&PROTECTED, addresses.len())?;
    let blackholed = addresses
        .values()
        .filter(|state| rung(state, None, snapshot.now.mono) == Rung::Blackhole);
    out.one(&BLACKHOLED, blackholed.count())?;
    let rungs = rungs(snapshot).into_iter();
    out.each(&RUNG, rungs.map(|view| ([view.address.to_string(), view.rung], true)))
}

fn rates(out: &mut Writer<'_>, snapshot: &Snapshot) -> fmt::Result {
    let meter = &snapshot.meter;
    let found = || meter.addresses.iter();
    let syn = found().map(|found| ([name_of(found.address)], meter.per_second(syns(&found.delta))));
    out.each(&ADDRESS_SYNS, syn)?;
    let dropped = found().map(|found| {
        let dropped = meter.per_second(by_action(&found.delta)[1]);
        ([name_of(found.address)], dropped)
    });
    out.each(&ADDRESS_DROPS, dropped)?;
    let over = found().filter(|found| found.address.is_some()).map(|found| {
        let over = found.current_excess(snapshot.now).is_some();
        ([name_of(found.address)], over)
    });
    out.each(&OVER_RATE, over)
}

fn thresholds(out: &mut Writer<'_>, snapshot: &Snapshot) -> fmt::Result {
    let states = || snapshot.kernel.addresses.values();
    let label = |address: IpAddr| [address.to_string()];
    let rate = |state: &AddressState| u64::from(state.limit.syn_rate.per_second());
    out.each(&THRESHOLD, states().map(|state| (label(state.address), rate(state))))?;
    let burst = |state: &AddressState| u64::from(state.limit.syn_burst.events());
    out.each(&BURST, states().map(|state| (label(state.address), burst(state))))?;
    let vectors = |rate: fn(VectorRates) -> Option<f64>| {
        let of = move |state: &AddressState| {
            Vector::ALL.map(|vector| (state.address, vector, rate(state.vectors.of(vector))))
        };
        let limited = states().flat_map(of).filter_map(|(address, vector, rate)| {
            let labels = [address.to_string(), vector.name().to_owned()];
            Some((labels, rate?))
        });
        limited.collect::<Vec<_>>()
    };
    out.each(&VECTOR_PACKETS, vectors(packets_per_second))?;
    out.each(&VECTOR_BYTES, vectors(bytes_per_second))?;
    let source = snapshot.kernel.settings.source_limit;
    out.one(&SOURCE_THRESHOLD, u64::from(source.syn_rate.per_second()))?;
    out.one(&SOURCE_BURST, u64::from(source.syn_burst.events()))?;
    let common = common_limit(&snapshot.config, &snapshot.overrides);
    out.one(&DEFAULT_THRESHOLD, u64::from(common.syn_rate.per_second()))
}

/// A vector's rate in packets.
#[expect(clippy::cast_precision_loss, reason = "Prometheus counts in doubles anyway")]
pub(super) fn packets_per_second(rates: VectorRates) -> Option<f64> {
    rates.packets.per_second().map(|packets| packets as f64)
}

/// A vector's rate in bits, in the unit that Prometheus's conventions want.
#[expect(clippy::cast_precision_loss, reason = "Prometheus counts in doubles anyway")]
pub(super) fn bytes_per_second(rates: VectorRates) -> Option<f64> {
    rates.bits.per_second().map(|bits| bits as f64 / 8.0)
}
