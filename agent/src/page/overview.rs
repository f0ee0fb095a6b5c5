//! The overview: the whole at a glance, then every address by how hard it is pressed.

use maud::{Markup, html};

use super::{
    layout::{Parts, Shown, encoded, icon},
    rows::{self, Pages},
    spark,
    view::{Nav, OverviewAsked},
    words,
};
use crate::{
    control::{
        api::{AddressLine, GroupView, LinkView, OverviewQuery, OverviewSort, OverviewView, PrefixView, ReasonRate},
        view,
    },
    decide::Refusal,
    snapshot::Snapshot,
    tables::{ListAction, Mode},
};

/// Rows of a page.
const ROWS: usize = 50;
/// Reasons that are shown.
const REASONS: usize = 8;
/// Filters that are one click away.
const FILTERS: [(&str, &str); 5] = [
    ("all", ""),
    ("attacked", "attack"),
    ("verify", "verify"),
    ("known", "known"),
    ("blackhole", "blackhole"),
];

pub(super) fn show(snapshot: &Snapshot, asked: &OverviewAsked) -> Result<Shown, Refusal> {
    let filter = asked.filter.trim();
    let query = OverviewQuery {
        sort: asked.sort,
        filter: Some(filter.to_owned()).filter(|filter| !filter.is_empty()),
        offset: Some(asked.page.saturating_mul(ROWS)),
        limit: Some(ROWS),
    };
    let seen = view::overview(snapshot, &query)?;
    let sort = asked.sort.unwrap_or_default();
    let mut parts = Parts::default();
    let body = html! {
        h1 { "Overview" }
        (parts.put("figures", &figures(&seen)))
        section aria-labelledby="addresses" {
            div.heading {
                h2 #addresses { "Addresses" }
                (filters(sort, filter))
            }
            (parts.put("rows", &table(&seen, asked, filter)))
        }
        (parts.put("groups", &groups(snapshot)))
        div.columns {
            section aria-labelledby="reasons" {
                h2 #reasons { "What becomes of packets" }
                (parts.put("reasons", &reasons(&seen.reasons, seen.mode.mode)))
            }
            section aria-labelledby="prefixes" {
                h2 #prefixes { "Busiest prefixes" }
                (parts.put("prefixes", &prefixes(&seen.prefixes)))
            }
            section aria-labelledby="host" { h2 #host { "This host" } (parts.put("host", &host(&seen))) }
        }
    };
    Ok(Shown::live("Overview", Nav::Overview, body, parts))
}

fn figures(seen: &OverviewView) -> Markup {
    let rates = &seen.rates;
    let monitor = seen.mode.mode == Mode::Monitor;
    html! {
        @for warning in &seen.warnings { p.warning { (icon("warn")) (words::foreign(warning)) } }
        @if let Some(problem) = &seen.ledger.problem { p.warning { (icon("warn")) "The ledger: " (words::foreign(problem)) } }
        dl.figures {
            div.wide { dt { "SYN/s" } dd { (words::rate(rates.syn_pps)) (spark::small(&seen.syn_series, None)) } }
            div { dt { "Handshakes/s" } dd { (words::rate(rates.handshakes_pps)) } }
            div { dt { "Passed/s" } dd { (words::rate(rates.pass_pps)) } }
            div { dt { @if monitor { "Would drop/s" } @else { "Dropped/s" } } dd { (words::rate(rates.drop_pps)) } }
            div { dt { @if monitor { "Would answer/s" } @else { "Answered/s" } } dd { (words::rate(rates.reply_pps)) } }
            div { dt { "Sources now" } dd { (seen.sources.distinct.map_or_else(|| "–".to_owned(), words::rate)) } }
            @if let Some(link) = seen.fleet { div { dt { "Fleet" } dd { (fleet(link)) } } }
            div { dt { "Protected" } dd { (words::count(seen.protected as u64)) } }
        }
    }
}

/// How this node stands with the others.
const fn fleet(link: LinkView) -> &'static str {
    match link {
        LinkView::Off => "none",
        LinkView::Connecting => "connecting",
        LinkView::Up => "connected",
        LinkView::Down => "cut off",
    }
}

fn filters(sort: OverviewSort, filter: &str) -> Markup {
    let link = |value: &str| {
        let query: Vec<String> = [
            (sort != OverviewSort::default()).then(|| format!("sort={}", sort.name())),
            (!value.is_empty()).then(|| format!("filter={}", encoded(value))),
        ]
        .into_iter()
        .flatten()
        .collect();
        if query.is_empty() {
            "/".to_owned()
        } else {
            format!("/?{}", query.join("&"))
        }
    };
    html! {
        form.filter method="get" action="/" role="search" {
            @if sort != OverviewSort::default() { input type="hidden" name="sort" value=(sort.name()); }
            label.unseen for="filter" { "Filter by address, prefix or rung" }
            input #filter type="search" name="filter" value=(filter) placeholder="address, prefix or rung" spellcheck="false" autocomplete="off";
            button type="submit" { "Filter" }
        }
        ul.quick aria-label="Filters" { @for (name, value) in FILTERS {
            li { a href=(link(value)) aria-current=[(value == filter).then_some("true")] { (name) } }
        } }
    }
}

/// What nobody completes at the other nodes: a column only where there is a fleet.
const ELSEWHERE: &str = "Elsewhere/s";
/// Columns with their sort, if they have one.
const COLUMNS: [(&str, Option<OverviewSort>, &str); 9] = [
    ("Address", Some(OverviewSort::Address), ""),
    ("Rung", Some(OverviewSort::Rung), ""),
    ("Pressure", Some(OverviewSort::Pressure), "number"),
    ("SYN/s", Some(OverviewSort::Syn), "number"),
    ("Threshold", None, "number"),
    (ELSEWHERE, None, "number"),
    ("Handshakes/s", Some(OverviewSort::Handshakes), "number"),
    ("Dropped/s", Some(OverviewSort::Drop), "number"),
    ("SYNs, 2 min", None, "curve"),
];

fn table(seen: &OverviewView, asked: &OverviewAsked, filter: &str) -> Markup {
    let sort = asked.sort.unwrap_or_default();
    let pages = Pages {
        matched: seen.matched,
        size: ROWS,
        page: asked.page,
        path: "/",
        query: &[
            (
                "sort",
                if sort == OverviewSort::default() {
                    ""
                } else {
                    sort.name()
                },
            ),
            ("filter", filter),
        ],
        what: "addresses",
    };
    if seen.addresses.is_empty() {
        return html! { (none(seen, filter)) };
    }
    let monitor = seen.mode.mode == Mode::Monitor;
    html! {
        table.rows role="table" {
            caption.unseen { "Protected addresses, sorted by " (sort.name()) }
            thead role="rowgroup" { tr role="row" {
                @for (name, by, class) in COLUMNS.into_iter().filter(|(name, ..)| *name != ELSEWHERE || seen.fleet.is_some()) {
                    @let name = if monitor && name == "Dropped/s" { "Would drop/s" } else { name };
                    th scope="col" role="columnheader" class=[Some(class).filter(|class| !class.is_empty())] aria-sort=[sorted(by, sort)] {
                        @match by {
                            Some(by) => a href={ "/?sort=" (by.name()) @if !filter.is_empty() { "&filter=" (encoded(filter)) } } { (name) },
                            None => (name),
                        }
                    }
                }
            } }
            tbody role="rowgroup" { @for line in &seen.addresses { (row(line, seen.fleet.is_some())) } }
        }
        (pages.line())
    }
}

fn sorted(by: Option<OverviewSort>, sort: OverviewSort) -> Option<&'static str> {
    (by? == sort).then_some(if sort == OverviewSort::Address {
        "ascending"
    } else {
        "descending"
    })
}

fn row(line: &AddressLine, is_in_fleet: bool) -> Markup {
    let rates = &line.rates;
    let threshold = line.limit.syn_rate.per_second();
    html! {
        tr role="row" data-key=(line.address) class=[line.attack.map(|_| "attacked")] {
            th scope="row" role="rowheader" {
                (rows::address(line.address))
                @if let Some(attack) = line.attack { a.flag href={ "/attacks/" (attack) } { (icon("attack")) "attack " (attack) } }
            }
            td role="cell" { (rows::rung(&line.rung)) @if line.forced { span.flag { (icon("hand")) "by hand" } } }
            td.number.pressure role="cell" data-name="Pressure" { span { (words::percent(line.pressure)) } (spark::bar(line.pressure)) }
            td.number role="cell" data-name="SYN/s" { (words::rate(rates.syn_pps)) }
            td.number.soft role="cell" data-name="Threshold" { (words::rate(f64::from(threshold))) }
            @if is_in_fleet { td.number role="cell" data-name=(ELSEWHERE) { (elsewhere(line)) } }
            td.number role="cell" data-name="Handshakes/s" {
                @if line.local { (words::rate(rates.handshakes_pps)) } @else { span.soft title="this host forwards them" { "–" } }
            }
            td.number role="cell" data-name="Dropped/s" { (words::rate(rates.drop_pps)) }
            td.curve role="cell" { (spark::small(&line.syn_series, Some(threshold))) }
        }
    }
}

/// SYNs per second that nobody completes at the other nodes.
pub(super) fn elsewhere(line: &AddressLine) -> Markup {
    html! { @match line.elsewhere_pps {
        Some(pps) => (words::rate(pps)),
        None => span.soft title="no other node reports it" { "–" },
    } }
}

fn none(seen: &OverviewView, filter: &str) -> Markup {
    html! {
        div.none {
            @if filter == "attack" {
                p { (icon("yes")) strong { "No address is attacked." } " " (words::count(seen.protected as u64)) " are watched." }
            } @else if seen.matched > 0 {
                p { "There are not so many pages: " a href="/" { "back to the first" } "." }
            } @else if filter.is_empty() {
                p { "No address is protected. Name some under " code { "protect" } " in the configuration." }
            } @else {
                p { "No protected address fits “" (words::foreign(filter)) "”. A filter is a part of an address, a prefix such as "
                    code { "203.0.113.0/24" } ", or a rung. " a href="/" { "Show all" } "." }
            }
        }
    }
}

fn groups(snapshot: &Snapshot) -> Markup {
    let groups = view::groups(snapshot);
    if groups.is_empty() {
        return html! {};
    }
    html! {
        section aria-labelledby="groups" {
            h2 #groups { "Groups" }
            table.rows.groups role="table" {
                thead role="rowgroup" { tr role="row" {
                    @for (name, class) in GROUP_COLUMNS {
                        th scope="col" role="columnheader" class=[Some(class).filter(|class| !class.is_empty())] { (name) }
                    }
                } }
                tbody role="rowgroup" { @for group in groups { (group_row(&group)) } }
            }
        }
    }
}

/// Columns of groups.
const GROUP_COLUMNS: [(&str, &str); 6] = [
    ("Group", ""),
    ("Rung", ""),
    ("Addresses", "number"),
    ("SYN/s", "number"),
    ("Threshold", "number"),
    ("Over its rates/s", "number"),
];

fn group_row(group: &GroupView) -> Markup {
    let threshold = group
        .limit
        .map(|limit| words::rate(f64::from(limit.syn_rate.per_second())));
    html! {
        tr role="row" data-key=(group.prefix) {
            th scope="row" role="rowheader" { a.address href={ "/?filter=" (encoded(&group.prefix.to_string())) } { (group.prefix) } }
            td role="cell" { (rows::rung(&group.rung)) }
            td.number role="cell" data-name="Addresses" { (group.addresses) }
            td.number role="cell" data-name="SYN/s" { (words::rate(group.rates.unwrap_or_default().syn_pps)) }
            td.number.soft role="cell" data-name="Threshold" { (threshold.as_deref().unwrap_or("–")) }
            td.number role="cell" data-name="Over its rates/s" { (words::rate(group.over_pps.unwrap_or(0.0))) }
        }
    }
}

/// Verdicts and reasons with their parts of the whole.
pub(super) fn reasons(reasons: &[ReasonRate], mode: Mode) -> Markup {
    let all: f64 = reasons.iter().map(|reason| reason.pps).sum();
    if reasons.is_empty() {
        return html! { p.none { "No packets now. " code { "agent stats" } " shows what came since the program was loaded." } };
    }
    html! {
        table.plain {
            thead { tr {
                th scope="col" { "Verdict" } th scope="col" { "Reason" } th.number scope="col" { "Packets/s" }
                th.number scope="col" { "Share" }
            } }
            tbody { @for reason in reasons.iter().take(REASONS) { tr data-key=(reason.reason) {
                td { (verdict(&reason.action, mode)) }
                td { code { (reason.reason) } }
                td.number { (words::rate(reason.pps)) }
                @let share = (reason.pps / all.max(1.0)).min(1.0);
                td.number.pressure { span { (words::percent(share)) } (spark::bar(share)) }
            } } }
        }
    }
}

fn verdict(action: &str, mode: Mode) -> Markup {
    let would = mode == Mode::Monitor && action != "pass";
    html! { span.verdict.(action) { @if would { "would " } (action) } }
}

fn prefixes(prefixes: &[PrefixView]) -> Markup {
    if prefixes.is_empty() {
        return html! { p.none { "Nobody sent anything in the last ten seconds." } };
    }
    html! {
        table.plain {
            thead { tr { th scope="col" { "Prefix" } th.number scope="col" { "Packets/s" } th.number scope="col" { "Share" } } }
            tbody { @for one in prefixes.iter().take(REASONS) { tr data-key=(one.prefix) {
                td { (one.prefix) (listed(one.listed)) }
                td.number { (words::rate(one.traffic.packets_pps)) }
                td.number.pressure { span { (words::percent(one.traffic.share)) } (spark::bar(one.traffic.share)) }
            } } }
        }
        p.more { a href="/sources" { "All sources" } }
    }
}

/// What a list says of somebody.
pub(super) fn listed(listed: Option<ListAction>) -> Markup {
    html! { @match listed {
        Some(ListAction::Block) => span.flag { (icon("no")) "blocked" },
        Some(ListAction::Allow) => span.flag { (icon("yes")) "allowed" },
        None => {},
    } }
}

fn host(seen: &OverviewView) -> Markup {
    let host = &seen.host;
    let fullest = host
        .maps
        .iter()
        .filter_map(|map| Some((map, map.used? as f64 / (map.capacity.max(1)) as f64)));
    let fullest = fullest.max_by(|(_, one), (_, other)| one.total_cmp(other));
    html! {
        dl.pairs {
            @for link in &host.interfaces {
                dt { code { (words::foreign(&link.interface)) } }
                dd {
                    "XDP " (link.mode.to_string())
                    @if let Some(warning) = &link.warning { span.warning { (icon("warn")) (words::foreign(warning)) } }
                }
            }
            @if host.interfaces.is_empty() { dt { "Interfaces" } dd { strong.no { (icon("no")) "the program is attached nowhere" } } }
            dt { "Busiest CPU" } dd { (words::percent(host.softirq)) " of its time receives packets" }
            dt { "Lost before judging" } dd { (words::rate(host.receive_drops_pps)) " packets/s" }
            @if let Some((map, share)) = fullest { dt { "Fullest table" } dd { code { (map.name) } " " (words::percent(share)) } }
            dt { "Ledger" } dd { @if seen.ledger.healthy { "in order" } @else { strong.no { (icon("no")) "not in order" } } }
        }
    }
}
