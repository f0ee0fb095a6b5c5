//! Groups as metrics.

use std::fmt;

use ipnet::IpNet;
use xdp_common::Vector;

use super::metrics::{Writer, big, float, yes};
use crate::{
    control::{api::GroupView, view},
    ladder::Rung,
    snapshot::Snapshot,
    vectors::VectorRates,
};

pub(super) fn groups(out: &mut Writer<'_>, snapshot: &Snapshot) -> fmt::Result {
    let views = view::groups(snapshot);
    let label = |prefix: IpNet| vec![("group", prefix.to_string())];
    let each = |value: fn(&GroupView) -> f64| {
        let values = views.iter().map(|found| (label(found.prefix), value(found)));
        values.collect::<Vec<_>>()
    };
    out.gauges(
        "group_addresses",
        "Protected addresses of the group",
        each(|found| float(found.addresses)),
    )?;
    out.gauges(
        "group_verifying",
        "1 while every SYN to an address of the group must prove itself",
        each(|found| yes(found.rung == Rung::Verify.name())),
    )?;
    out.gauges(
        "group_syns_per_second",
        "SYNs per second to all addresses of the group over the last poll",
        each(|found| found.rates.map_or(0.0, |rates| rates.syn_pps)),
    )?;
    let over = views.iter().map(|found| (label(found.prefix), found.over));
    out.counters(
        "group_over_packets",
        "Packets to addresses of the group that it had no room for",
        over,
    )?;
    thresholds(out, &views)
}

fn thresholds(out: &mut Writer<'_>, views: &[GroupView]) -> fmt::Result {
    let limited = views.iter().filter_map(|found| {
        let rate = f64::from(found.limit?.syn_rate.per_second());
        Some((vec![("group", found.prefix.to_string())], rate))
    });
    out.gauges(
        "group_threshold_syns_per_second",
        "SYN rate above which all SYNs to addresses of the group must prove themselves; absent without one",
        limited,
    )?;
    out.gauges(
        "group_vector_threshold_packets_per_second",
        "Packet rate of a vector above which the excess to the group is dropped; absent without one",
        vectors(views, |rates| rates.packets.per_second()),
    )?;
    out.gauges(
        "group_vector_threshold_bits_per_second",
        "Bit rate of a vector above which the excess to the group is dropped; absent without one",
        vectors(views, |rates| rates.bits.per_second()),
    )
}

fn vectors(views: &[GroupView], rate: fn(VectorRates) -> Option<u64>) -> Vec<(Vec<(&'static str, String)>, f64)> {
    let of = |found: &GroupView| Vector::ALL.map(|vector| (found.prefix, vector, rate(found.vectors.of(vector))));
    let limited = views.iter().flat_map(of).filter_map(|(prefix, vector, rate)| {
        let labels = vec![("group", prefix.to_string()), ("vector", vector.name().to_owned())];
        Some((labels, big(rate?)))
    });
    limited.collect()
}
