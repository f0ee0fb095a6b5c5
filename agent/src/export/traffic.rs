//! Packets by reason, and who sends them.

use std::{fmt, net::IpAddr};

use super::{
    families::traffic::{
        DISTINCT_SOURCES, DROPPED, HANDSHAKES, PACKETS, SAMPLES_LOST, SOURCE_PACKETS, SOURCES_UNRECORDED, TOP_BYTES,
        TOP_DROPS, TOP_PACKETS, TOP_SOURCES, TOP_SYNS, WOULD_DROP,
    },
    family::Family,
    writer::Writer,
};
use crate::{detect::TrafficRates, snapshot::Snapshot};

/// The label of everything that is not protected.
const UNPROTECTED: &str = "unprotected";

/// Prefixes whose rates are exported ..
const TOP_PREFIXES: usize = 10;
/// .. if they send so much of all packets. The heaviest prefixes of a flood of forged sources are others each second: each
/// would be a series for ever, and say nothing.
const LEAST_SHARE: f64 = 0.01;
/// Sources whose share is exported.
const HEAVIEST: usize = 10;

/// The value of a label that names an address or all that is not protected.
pub(super) fn name_of(address: Option<IpAddr>) -> String {
    address.map_or_else(|| UNPROTECTED.to_owned(), |address| address.to_string())
}

pub(super) fn packets(out: &mut Writer<'_>, snapshot: &Snapshot) -> fmt::Result {
    // Thousands of addresses with dozens of reasons each, nearly all of which they never meet: those are left out.
    let by_reason = snapshot.meter.addresses.iter().flat_map(|meter| {
        meter.counts.nonzero().map(move |(reason, packets)| {
            let labels = [
                name_of(meter.address),
                reason.name().to_owned(),
                reason.action().name().to_owned(),
            ];
            (labels, packets)
        })
    });
    out.each(&PACKETS, by_reason)?;
    let completed = snapshot.meter.addresses.iter().filter(|meter| meter.handshakes > 0);
    let handshakes = completed.filter_map(|meter| Some(([meter.address?.to_string()], meter.handshakes)));
    out.each(&HANDSHAKES, handshakes)?;
    let host = snapshot.meter.host;
    out.one(&DROPPED, host.dropped)?;
    out.one(&WOULD_DROP, host.would_drop)?;
    out.one(&SAMPLES_LOST, host.samples_lost)?;
    out.one(&SOURCES_UNRECORDED, host.sources_unrecorded)
}

/// The heaviest prefixes only: labels must not grow with the number of sources.
pub(super) fn senders(out: &mut Writer<'_>, snapshot: &Snapshot) -> fmt::Result {
    type Rate = fn(&TrafficRates) -> f64;
    let talkers = &snapshot.talkers;
    out.one(&SOURCE_PACKETS, talkers.total.packets_pps)?;
    out.one(&TOP_SOURCES, talkers.concentration(HEAVIEST))?;
    out.each(
        &DISTINCT_SOURCES,
        talkers.distinct_sources.map(|distinct| ([], distinct)),
    )?;
    let least = LEAST_SHARE * talkers.total.packets_pps;
    let rates: [(&Family<1>, Rate); 4] = [
        (&TOP_PACKETS, |rates| rates.packets_pps),
        (&TOP_BYTES, |rates| rates.bits_per_s / 8.0),
        (&TOP_SYNS, |rates| rates.syn_pps),
        (&TOP_DROPS, |rates| rates.drop_pps),
    ];
    for (family, rate) in rates {
        let top = talkers.prefixes.iter().take(TOP_PREFIXES);
        let heavy = top.filter(|talker| talker.rates.packets_pps >= least);
        out.each(
            family,
            heavy.map(|talker| ([talker.prefix.to_string()], rate(&talker.rates))),
        )?;
    }
    Ok(())
}
