//! What is blocked and allowed: by hand, by the configuration, by large lists; and the addresses that are blackholed.

use maud::{Markup, html};

use super::{
    action,
    layout::{Parts, Shown, icon},
    rows::{self, Pages},
    view::{Nav, PageAsked},
    viewer::Viewer,
    words,
};
use crate::{
    config::prefix,
    control::{
        api::{BlackholeView, EntryView, LargeListView},
        view,
    },
    snapshot::Snapshot,
    tables::ListAction,
};

/// Rows of a page.
const ROWS: usize = 100;

pub(super) fn show(snapshot: &Snapshot, asked: &PageAsked, viewer: &Viewer) -> Shown {
    let list = view::list(snapshot);
    let mut parts = Parts::default();
    let body = html! {
        h1 { "Lists" }
        section aria-labelledby="blackholes" {
            h2 #blackholes { "Blackholed addresses" }
            (parts.put("blackholes", &blackholes(&list.blackholes, viewer)))
        }
        section aria-labelledby="sources" {
            div.heading { h2 #sources { "Blocked and allowed sources" } (filter(&asked.filter)) }
            (parts.put("sources", &sources(&list.sources, asked, viewer)))
        }
        (action::on_lists(viewer))
        section aria-labelledby="large" { h2 #large { "Large lists" } (parts.put("large", &large(&list.lists))) }
    };
    Shown::live("Lists", Nav::Lists, body, parts)
}

fn filter(filter: &str) -> Markup {
    html! {
        form.filter method="get" action="/lists" role="search" {
            label.unseen for="filter" { "Filter by address, reason or who asked" }
            input #filter type="search" name="filter" value=(filter) placeholder="address, reason, who" spellcheck="false" autocomplete="off";
            button type="submit" { "Filter" }
            @if !filter.is_empty() { a href="/lists" { "Show all" } }
        }
    }
}

fn blackholes(holes: &[BlackholeView], viewer: &Viewer) -> Markup {
    if holes.is_empty() {
        return html! { p.none { "None: everything that is protected takes new connections." } };
    }
    html! {
        table.rows.plain role="table" {
            thead role="rowgroup" { tr role="row" {
                th scope="col" role="columnheader" { "Address" } th scope="col" role="columnheader" { "What is dropped" }
                th scope="col" role="columnheader" { "Who, when, why" }
                @if viewer.form().is_some() { th scope="col" role="columnheader" { "Action" } }
            } }
            tbody role="rowgroup" { @for hole in holes { tr role="row" data-key={ "hole-" (hole.address) } {
                th scope="row" role="rowheader" { (rows::address(hole.address)) }
                td role="cell" { @if hole.all { "everything" } @else { "what is new" } }
                td role="cell" { (words::origin(&hole.origin)) }
                @if viewer.form().is_some() { td role="cell" { (action::unblock(&hole.address.to_string(), "destination", viewer)) } }
            } } }
        }
    }
}

fn sources(entries: &[EntryView], asked: &PageAsked, viewer: &Viewer) -> Markup {
    let filter = asked.filter.trim().to_lowercase();
    let fits = |entry: &&EntryView| {
        let reason = entry.origin.reason.as_deref().unwrap_or_default();
        let texts = [
            prefix::display(entry.prefix),
            entry.origin.actor.to_lowercase(),
            reason.to_lowercase(),
        ];
        filter.is_empty() || texts.iter().any(|text| text.contains(&filter))
    };
    let fitting: Vec<&EntryView> = entries.iter().filter(fits).collect();
    let pages = Pages {
        matched: fitting.len(),
        size: ROWS,
        page: asked.page,
        path: "/lists",
        query: &[("filter", &asked.filter)],
        what: "entries",
    };
    if entries.is_empty() {
        return html! { p.none { "None by hand and none in the configuration. " code { "agent block-ip" } " on the host adds one." } };
    }
    html! {
        @if fitting.is_empty() { p.none { "Nothing fits “" (words::foreign(&asked.filter)) "”." } } @else {
            table.rows.plain role="table" {
                thead role="rowgroup" { tr role="row" {
                    th scope="col" role="columnheader" { "Source" } th scope="col" role="columnheader" { "What happens" }
                    th scope="col" role="columnheader" { "Who, when, why" }
                    @if viewer.form().is_some() { th scope="col" role="columnheader" { "Action" } }
                } }
                tbody role="rowgroup" { @for entry in fitting.iter().skip(pages.offset()).take(ROWS) { (source(entry, viewer)) } }
            }
            (pages.line())
        }
    }
}

fn source(entry: &EntryView, viewer: &Viewer) -> Markup {
    let name = prefix::display(entry.prefix);
    let by_file = entry.origin.since.is_none();
    html! {
        tr role="row" data-key={ "source-" (name) } {
            th scope="row" role="rowheader" { span.address { (name) } }
            td role="cell" { @match entry.action {
                ListAction::Block => span.verdict.drop { (icon("no")) "blocked" },
                ListAction::Allow => span.verdict.pass { (icon("yes")) "allowed" },
            } }
            td role="cell" { (words::origin(&entry.origin)) }
            @if viewer.form().is_some() {
                td role="cell" { @if entry.action == ListAction::Block && !by_file { (action::unblock(&name, "source", viewer)) } }
            }
        }
    }
}

fn large(lists: &[LargeListView]) -> Markup {
    if lists.is_empty() {
        return html! { p.none { "None. A section " code { "[[list]]" } " in the configuration reads one from a file or a URL." } };
    }
    html! {
        table.rows.plain role="table" {
            thead role="rowgroup" { tr role="row" {
                th scope="col" role="columnheader" { "List" } th scope="col" role="columnheader" { "What happens" }
                th.number scope="col" role="columnheader" { "Prefixes" } th.number scope="col" role="columnheader" { "Packets decided" }
                th scope="col" role="columnheader" { "State" }
            } }
            tbody role="rowgroup" { @for list in lists { tr role="row" data-key={ "list-" (list.name) } {
                th scope="row" role="rowheader" {
                    (words::foreign(&list.name))
                    @if let Some(from) = &list.from { div.soft.from { (words::foreign(from)) } }
                }
                td role="cell" { @match list.action { ListAction::Block => "blocked", ListAction::Allow => "allowed" } }
                td.number role="cell" { (words::count(list.v4 + list.v6)) }
                td.number role="cell" { (words::count(list.packets)) }
                td role="cell" { (state(list)) }
            } } }
        }
    }
}

fn state(list: &LargeListView) -> Markup {
    html! {
        @match (&list.problem, list.read) {
            (Some(problem), _) => span.warning { (icon("warn")) (words::foreign(problem)) },
            (None, Some(_)) => span.yes { (icon("yes")) "in force" },
            (None, None) => span.soft { "not read yet" },
        }
        @if let Some(read) = list.read { div.soft { "read " (words::instant(read)) } }
        @if let Some(invalid) = list.invalid.filter(|invalid| *invalid > 0) { div.soft { (words::count(invalid as u64)) " lines are no prefix" } }
        @if let Some(until) = list.until { div.soft { "ends " (words::instant(until)) " unless it is read before" } }
    }
}
