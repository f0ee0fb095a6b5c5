//! The fleet: how this node stands with the others, what was decided for all of them, what arrives at all of them, and who they are.

use maud::{Markup, html};

use super::{
    Site,
    layout::{Parts, Shown, icon},
    rows::{self, Pages},
    view::{Nav, PageAsked},
    words,
};
use crate::{
    control::{
        api::{DecisionView, FleetView, LinkView, NodeView, SumView},
        view,
    },
    decide::Refusal,
    plain::visible,
    snapshot::Snapshot,
};

/// Decisions of a page.
const ROWS: usize = 100;
/// Addresses, and nodes, that are shown: of more the command line tells.
const MOST: usize = 200;

pub(super) async fn show(site: &Site, snapshot: &Snapshot, asked: &PageAsked) -> Result<Shown, Refusal> {
    if snapshot.config.fleet.is_none() {
        return Err(Refusal::not_found(
            "there is no such page: this node is in no fleet",
            Some("set up [fleet] in the configuration (docs/fleet.md)".to_owned()),
        ));
    }
    let seen = view::fleet(snapshot);
    let top = view::fleet_top(snapshot);
    let mut parts = Parts::default();
    let body = html! {
        h1 { "Fleet" }
        (parts.put("standing", &standing(&seen)))
        section aria-labelledby="decisions" {
            h2 #decisions { "Decided for all nodes" }
            (parts.put("decisions", &decisions(&seen.decisions, asked)))
        }
        section aria-labelledby="sums" {
            h2 #sums { "What arrives at all nodes" }
            (parts.put("sums", &sums(&top.sums, seen.link)))
        }
        section aria-labelledby="nodes" { h2 #nodes { "Nodes" } (parts.put("nodes", &nodes(site, snapshot).await)) }
    };
    Ok(Shown::live("Fleet", Nav::Fleet, body, parts))
}

fn standing(seen: &FleetView) -> Markup {
    html! {
        @if seen.link == LinkView::Down { p.warning {
            (icon("warn")) "This node is cut off from the fleet: it goes on with what it knows, and what it decides for all waits."
        } }
        dl.pairs {
            dt { "This node" } dd { (words::foreign(seen.node.as_deref().unwrap_or_default())) }
            dt { "Fleet" } dd { (link(seen)) }
            @if let Some(why) = &seen.why { dt { "Why" } dd { (words::foreign(why)) } }
            @if seen.nodes > 0 { dt { "Nodes" } dd { (words::count(u64::from(seen.nodes))) } }
            dt { "Adds reports up" } dd { @match &seen.leader {
                Some(leader) => (words::foreign(leader)),
                None => "nobody",
            } }
            @for queued in &seen.queued {
                dt { "Waits" }
                dd { (words::foreign(&queued.about)) ", decided by a " (queued.by.name()) " at " (words::instant(queued.at)) }
            }
            @for problem in &seen.problems { dt { "Problem" } dd.warning { (icon("warn")) (words::foreign(problem)) } }
            @for garbage in &seen.garbage { dt { "Ignored" } dd.warning { (icon("warn")) (words::foreign(garbage)) } }
        }
    }
}

fn link(seen: &FleetView) -> Markup {
    let since = html! { @if let Some(since) = seen.since { " since " (words::instant(since)) } };
    match seen.link {
        LinkView::Off | LinkView::Connecting => html! { "connecting to etcd" },
        LinkView::Up => html! { span.yes { (icon("yes")) "connected" } (since) },
        LinkView::Down => html! { strong.no { (icon("no")) "cut off" } (since) },
    }
}

fn head(columns: &[(&str, &str)]) -> Markup {
    html! {
        thead role="rowgroup" { tr role="row" { @for (name, class) in columns {
            th scope="col" role="columnheader" class=[Some(class).filter(|class| !class.is_empty())] { (name) }
        } } }
    }
}

fn decisions(decisions: &[DecisionView], asked: &PageAsked) -> Markup {
    if decisions.is_empty() {
        return html! { p.none { "Nothing. " code { "agent block-ip ADDRESS --fleet" } " decides for all nodes." } };
    }
    let pages = Pages {
        matched: decisions.len(),
        size: ROWS,
        page: asked.page,
        path: "/fleet",
        query: &[],
        what: "decisions",
    };
    html! {
        table.rows.plain role="table" {
            caption.unseen { "Decisions that hold for all nodes" }
            (head(&[("About", ""), ("What holds", ""), ("Who, when, why", ""), ("Here", "")]))
            tbody role="rowgroup" { @for one in decisions.iter().skip(pages.offset()).take(ROWS) { (decision(one)) } }
        }
        (pages.line())
    }
}

fn decision(one: &DecisionView) -> Markup {
    html! {
        tr role="row" data-key={ (visible(&one.kind)) "-" (visible(&one.about)) } {
            th scope="row" role="rowheader" {
                @if !one.about.is_empty() { span.address { (words::foreign(&one.about)) } " " }
                span.soft { (words::foreign(&one.kind)) }
            }
            td role="cell" { (words::foreign(&one.holds)) }
            td role="cell" {
                "by " (words::foreign(&one.actor)) " (" (one.by.name()) ") on " (words::foreign(&one.node))
                ", since " (words::instant(one.at))
                @match one.until {
                    Some(until) => { ", until " (words::instant(until)) }
                    None => { ", until it is taken back" }
                }
                @if let Some(reason) = &one.reason { ": “" (words::foreign(reason)) "”" }
            }
            td role="cell" { @if one.here { span.yes { (icon("yes")) "holds here" } } @else {
                span.warning { (icon("warn")) "not here" }
            } }
        }
    }
}

fn sums(sums: &[SumView], link: LinkView) -> Markup {
    let old = html! { @if link != LinkView::Up { p.warning { (icon("warn")) "What was last known; it is not used while cut off." } } };
    if sums.is_empty() {
        return html! { (old) p.none { "Little: no node reports an address." } };
    }
    html! {
        (old)
        table.rows role="table" {
            caption.unseen { "Sums over all nodes, the most attacked address first" }
            (head(&[
                ("Address", ""), ("Highest rung", ""), ("Unproven/s", "number"), ("Of them here", "number"), ("SYN/s", "number"),
                ("Threshold", "number"), ("Nodes", "number"), ("Attacked at", "number"),
            ]))
            tbody role="rowgroup" { @for one in sums.iter().take(MOST) { (sum(one)) } }
        }
        (more(sums.len(), "agent fleet top --json"))
    }
}

fn sum(one: &SumView) -> Markup {
    html! {
        tr role="row" data-key={ "sum-" (one.address) } class=[(one.attacked > 0).then_some("attacked")] {
            th scope="row" role="rowheader" { (rows::address(one.address)) }
            td role="cell" { (rows::rung(one.rung.name())) }
            td.number role="cell" data-name="Unproven/s" { (words::rate(one.unproven_pps)) }
            td.number role="cell" data-name="Of them here" { (words::rate(one.unproven_here_pps)) }
            td.number role="cell" data-name="SYN/s" { (words::rate(one.syn_pps)) }
            td.number.soft role="cell" data-name="Threshold" { (words::rate(one.threshold_pps)) }
            td.number role="cell" data-name="Nodes" { (one.nodes) }
            td.number role="cell" data-name="Attacked at" { (one.attacked) }
        }
    }
}

/// Asked for only where it can be answered: a node that is cut off must not keep its page waiting.
async fn nodes(site: &Site, snapshot: &Snapshot) -> Markup {
    if !snapshot.fleet.is_up() {
        return html! { p.none { "Not known while this node is not connected: etcd has the list." } };
    }
    match site.handle.nodes().await {
        Ok(known) => node_table(&view::nodes(&known, snapshot)),
        Err(refusal) => html! { p.warning { (icon("warn")) (words::foreign(&refusal.to_string())) } },
    }
}

fn node_table(nodes: &[NodeView]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Nodes" { table.rows role="table" {
            caption.unseen { "Nodes of the fleet" }
            (head(&[
                ("Node", ""), ("Site", ""), ("Version", ""), ("Mode", ""), ("Addresses", "number"), ("Reports", "number"),
                ("Unproven/s", "number"), ("Running since", ""), ("Large lists", ""),
            ]))
            tbody role="rowgroup" { @for one in nodes.iter().take(MOST) { (node(one)) } }
        } }
        (more(nodes.len(), "agent fleet nodes"))
    }
}

fn node(one: &NodeView) -> Markup {
    html! {
        tr role="row" data-key={ "node-" (visible(&one.node)) } {
            th scope="row" role="rowheader" {
                (words::foreign(&one.node))
                @if one.this { span.flag.calm { "this one" } }
                @if one.leader { span.flag.calm { "adds up" } }
            }
            td role="cell" data-name="Site" { (words::foreign(&one.site)) }
            td role="cell" data-name="Version" { (words::foreign(&one.version)) }
            td role="cell" data-name="Mode" { (one.mode) }
            td.number role="cell" data-name="Addresses" { (words::count(one.addresses as u64)) }
            td.number role="cell" data-name="Reports" { (words::count(one.reports as u64)) }
            td.number role="cell" data-name="Unproven/s" { (words::rate(one.unproven)) }
            td role="cell" data-name="Running since" { (words::instant(one.started)) }
            td role="cell" data-name="Large lists" { @if one.lists_differ.is_empty() { "same" } @else {
                span.warning { (icon("warn")) "differ: " (words::foreign(&one.lists_differ.join(", "))) }
            } }
        }
    }
}

fn more(all: usize, command: &str) -> Markup {
    html! { @if all > MOST { p.more { "The first " (MOST) " of " (words::count(all as u64)) "; " code { (command) } " shows all." } } }
}
