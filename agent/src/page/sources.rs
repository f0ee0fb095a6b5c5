//! Who sends most: sources and prefixes of all traffic to protected addresses, over the last ten seconds.

use maud::{Markup, html};

use super::{
    layout::{Parts, Shown},
    overview::listed,
    view::Nav,
    words,
};
use crate::{
    config::prefix,
    control::{
        api::{AllSourcesView, PrefixView, SourceView},
        view,
    },
    snapshot::Snapshot,
};

/// Rows of each table.
const ROWS: usize = 50;

pub(super) fn show(snapshot: &Snapshot) -> Shown {
    // Buckets of single sources cost a walk through the kernel's table: `agent sources` shows them.
    let sources = view::sources(&[], &[], 1.0, snapshot, ROWS);
    let prefixes = view::prefixes(snapshot, ROWS);
    let mut parts = Parts::default();
    let body = html! {
        h1 { "Sources" }
        (parts.put("figures", &figures(&sources.all)))
        p.soft {
            "Of all traffic to protected addresses in the last ten seconds. Source addresses of a flood may be forged: look at handshakes \
             before you block. A source is one IPv4 address or one IPv6 /64; its threshold is " (sources.limit) "."
        }
        div.columns.two {
            section aria-labelledby="prefixes" { h2 #prefixes { "Prefixes" } (parts.put("prefixes", &by_prefix(&prefixes.prefixes))) }
            section aria-labelledby="sources" { h2 #sources { "Sources" } (parts.put("sources", &table(&sources.sources))) }
        }
    };
    Shown::live("Sources", Nav::Sources, body, parts)
}

fn figures(all: &AllSourcesView) -> Markup {
    html! {
        dl.figures {
            div { dt { "Packets/s" } dd { (words::rate(all.traffic.packets_pps)) } }
            div { dt { "Traffic" } dd { (words::bits(all.traffic.bits_per_s)) } }
            div { dt { "SYN/s" } dd { (words::rate(all.traffic.syn_pps)) } }
            div { dt { "Sources now" } dd { (all.distinct.map_or_else(|| "–".to_owned(), words::rate)) } }
            div { dt { "The ten heaviest" } dd { (words::percent(all.top10_share)) span.of { " of all packets" } } }
        }
    }
}

/// Sources as rows.
pub(super) fn table(sources: &[SourceView]) -> Markup {
    let rows = sources
        .iter()
        .map(|one| (prefix::display(one.source), one.traffic, one.listed));
    talkers("Source", rows.collect())
}

fn by_prefix(prefixes: &[PrefixView]) -> Markup {
    let rows = prefixes
        .iter()
        .map(|one| (prefix::display(one.prefix), one.traffic, one.listed));
    talkers("Prefix", rows.collect())
}

type Talker = (
    String,
    crate::control::api::TrafficView,
    Option<crate::tables::ListAction>,
);

fn talkers(what: &str, rows: Vec<Talker>) -> Markup {
    if rows.is_empty() {
        return html! { p.none { "Nobody sent anything in the last ten seconds." } };
    }
    html! {
        div.scroll tabindex="0" role="region" aria-label={ (what) "s, heaviest first" } {
            table.plain {
                thead { tr {
                    th scope="col" { (what) } th.number scope="col" { "Packets/s" } th.number scope="col" { "SYN/s" }
                    th.number scope="col" { "Dropped/s" } th.number scope="col" { "Traffic" } th.number scope="col" { "Share" }
                } }
                tbody { @for (name, traffic, list) in rows { tr data-key=(name) {
                    th scope="row" { span.address { (name) } (listed(list)) }
                    td.number { (words::rate(traffic.packets_pps)) }
                    td.number { (words::rate(traffic.syn_pps)) }
                    td.number { (words::rate(traffic.drop_pps)) }
                    td.number { (words::bits(traffic.bits_per_s)) }
                    td.number { (words::share(traffic.share)) }
                } } }
            }
        }
    }
}
