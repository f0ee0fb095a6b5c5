//! Groups as metrics.

use std::fmt;

use xdp_common::Vector;

use super::{
    addresses::{bytes_per_second, packets_per_second},
    families::addresses::{
        GROUP_ADDRESSES, GROUP_OVER, GROUP_SYNS, GROUP_THRESHOLD, GROUP_VECTOR_BYTES, GROUP_VECTOR_PACKETS,
        GROUP_VERIFYING,
    },
    writer::{Value, Writer},
};
use crate::{
    control::{api::GroupView, view},
    ladder::Rung,
    snapshot::Snapshot,
    vectors::VectorRates,
};

pub(super) fn groups(out: &mut Writer<'_>, snapshot: &Snapshot) -> fmt::Result {
    let views = view::groups(snapshot);
    out.each(&GROUP_ADDRESSES, each(&views, |found| found.addresses))?;
    out.each(
        &GROUP_VERIFYING,
        each(&views, |found| found.rung == Rung::Verify.name()),
    )?;
    out.each(
        &GROUP_SYNS,
        each(&views, |found| found.rates.map_or(0.0, |rates| rates.syn_pps)),
    )?;
    out.each(&GROUP_OVER, each(&views, |found| found.over))?;
    let limited = views.iter().filter_map(|found| {
        let rate = u64::from(found.limit?.syn_rate.per_second());
        Some(([found.prefix.to_string()], rate))
    });
    out.each(&GROUP_THRESHOLD, limited)?;
    out.each(&GROUP_VECTOR_PACKETS, vectors(&views, packets_per_second))?;
    out.each(&GROUP_VECTOR_BYTES, vectors(&views, bytes_per_second))
}

fn each<V: Value + 'static>(
    views: &[GroupView],
    value: fn(&GroupView) -> V,
) -> impl Iterator<Item = ([String; 1], V)> + '_ {
    views
        .iter()
        .map(move |found| ([found.prefix.to_string()], value(found)))
}

fn vectors(views: &[GroupView], rate: fn(VectorRates) -> Option<f64>) -> Vec<([String; 2], f64)> {
    let of = |found: &GroupView| Vector::ALL.map(|vector| (found.prefix, vector, rate(found.vectors.of(vector))));
    let limited = views.iter().flat_map(of).filter_map(|(prefix, vector, rate)| {
        let labels = [prefix.to_string(), vector.name().to_owned()];
        Some((labels, rate?))
    });
    limited.collect()
}
