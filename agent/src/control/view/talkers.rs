//! Who sends most: sources, with what their buckets say, and prefixes.

use std::collections::HashMap;

use ipnet::IpNet;

use super::super::api::{AllSourcesView, PrefixView, PrefixesView, SourceView, SourcesView, TrafficView};
use crate::{
    detect::{Talker, TrafficRates},
    lists,
    snapshot::Snapshot,
    tables::{ListAction, SourceUsage},
};

/// The sources that are counted together to tell how concentrated the traffic is.
const TOP: usize = 10;

/// What all sources together do.
pub(super) fn all(snapshot: &Snapshot) -> AllSourcesView {
    let talkers = &snapshot.talkers;
    AllSourcesView {
        traffic: traffic(talkers.total, if talkers.total.packets_pps > 0.0 { 1.0 } else { 0.0 }),
        distinct: talkers.distinct_sources,
        top10_share: talkers.concentration(TOP),
    }
}

/// The prefixes that send most.
pub(super) fn busiest(snapshot: &Snapshot, at_most: usize) -> Vec<PrefixView> {
    let list = list(snapshot);
    let heaviest = snapshot.talkers.prefixes.iter().take(at_most);
    heaviest
        .map(|talker| PrefixView {
            prefix: talker.prefix,
            traffic: traffic(talker.rates, talker.share),
            last: snapshot.now.wall_of(talker.last),
            listed: lists::deciding(&list, talker.prefix).map(|(_, action)| *action),
        })
        .collect()
}

/// The prefixes that send most, and what all do.
#[must_use]
pub fn prefixes(snapshot: &Snapshot, at_most: usize) -> PrefixesView {
    PrefixesView {
        all: all(snapshot),
        prefixes: busiest(snapshot, at_most),
    }
}

/// The sources that send most. Rates are those of the tally; what is over its threshold comes from two walks through the table
/// of buckets, so many seconds apart.
#[must_use]
pub fn sources(
    earlier: &[SourceUsage],
    later: &[SourceUsage],
    seconds: f64,
    snapshot: &Snapshot,
    at_most: usize,
) -> SourcesView {
    let before: HashMap<_, _> = earlier.iter().map(|usage| (usage.source, usage)).collect();
    let list = list(snapshot);
    let listed = |source| lists::deciding(&list, source).map(|(_, action)| *action);
    let buckets = later.iter().map(|usage| {
        let view = bucket(usage, before.get(&usage.source).copied(), seconds, snapshot);
        (usage.source, view)
    });
    let mut views: HashMap<IpNet, SourceView> = buckets.collect();
    for talker in &snapshot.talkers.sources {
        let view = views
            .entry(talker.prefix)
            .or_insert_with(|| without_bucket(talker, snapshot));
        view.traffic = traffic(talker.rates, talker.share);
        view.last = view.last.max(snapshot.now.wall_of(talker.last));
    }
    let mut views: Vec<SourceView> = views.into_values().collect();
    // Equal rates (mostly none at all) go by what was seen in total, so that the order does not change by itself.
    views.sort_by(|a, b| {
        let total = |view: &SourceView| view.syns_within + view.syns_over;
        b.traffic
            .packets_pps
            .total_cmp(&a.traffic.packets_pps)
            .then_with(|| total(b).cmp(&total(a)))
            .then_with(|| a.source.cmp(&b.source))
    });
    views.truncate(at_most);
    for view in &mut views {
        view.listed = listed(view.source);
    }
    SourcesView {
        all: all(snapshot),
        recorded: later.len(),
        limit: snapshot.kernel.settings.source_limit,
        sources: views,
    }
}

/// A source with a bucket, of which the tally may not have heard.
#[expect(clippy::cast_precision_loss, reason = "a rate for people: 53 bits are plenty")]
fn bucket(usage: &SourceUsage, before: Option<&SourceUsage>, seconds: f64, snapshot: &Snapshot) -> SourceView {
    let then = before.filter(|then| then.since == usage.since);
    let since_then = |now: u64, then: Option<u64>| now.saturating_sub(then.unwrap_or(0)) as f64 / seconds;
    let over_pps = since_then(usage.syns_over, then.map(|then| then.syns_over));
    let within_pps = since_then(usage.syns_within, then.map(|then| then.syns_within));
    SourceView {
        source: usage.source,
        traffic: TrafficView {
            packets_pps: over_pps + within_pps,
            syn_pps: over_pps + within_pps,
            ..TrafficView::default()
        },
        over_pps,
        syns_within: usage.syns_within,
        syns_over: usage.syns_over,
        since: snapshot.now.wall_of(usage.since),
        last: snapshot.now.wall_of(usage.last),
        listed: None,
    }
}

fn without_bucket(talker: &Talker, snapshot: &Snapshot) -> SourceView {
    SourceView {
        source: talker.prefix,
        traffic: TrafficView::default(),
        over_pps: 0.0,
        syns_within: 0,
        syns_over: 0,
        since: snapshot.now.wall_of(talker.since),
        last: snapshot.now.wall_of(talker.last),
        listed: None,
    }
}

fn list(snapshot: &Snapshot) -> std::collections::BTreeMap<IpNet, ListAction> {
    let entries = snapshot.kernel.entries.values();
    entries.map(|entry| (entry.prefix, entry.action)).collect()
}

const fn traffic(rates: TrafficRates, share: f64) -> TrafficView {
    TrafficView {
        packets_pps: rates.packets_pps,
        bits_per_s: rates.bits_per_s,
        syn_pps: rates.syn_pps,
        drop_pps: rates.drop_pps,
        share,
    }
}
