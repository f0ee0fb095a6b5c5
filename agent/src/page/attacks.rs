//! Every attack that the ledger knows, the latest first.

use maud::{Markup, html};

use super::{
    Site, banner,
    layout::{Parts, Shown, icon},
    rows::Pages,
    view::{Nav, PageAsked},
    words,
};
use crate::{
    control::{api::AttacksQuery, view},
    decide::Refusal,
    detect::Attack,
    snapshot::Snapshot,
};

/// Rows of a page.
const ROWS: usize = 50;
/// So far back one can go here; `agent attacks --all` goes on.
const MOST: usize = 2_000;

pub(super) async fn show(site: &Site, snapshot: &Snapshot, asked: &PageAsked) -> Result<Shown, Refusal> {
    let query = AttacksQuery {
        since: None,
        limit: Some(MOST),
    };
    let told = site
        .handle
        .history
        .ask(move |reader| view::latest_attacks(reader, query))
        .await;
    let attacks = told.map_err(|error| Refusal::failed(error.to_string()))?;
    let pages = Pages {
        matched: attacks.len(),
        size: ROWS,
        page: asked.page,
        path: "/attacks",
        query: &[],
        what: "attacks",
    };
    let shown: Vec<Attack> = attacks.into_iter().skip(pages.offset()).take(ROWS).collect();
    let rows = html! {
        @if shown.is_empty() {
            div.none { p { (icon("yes")) strong { "No attack is recorded." } " What is over its bars is told here within a second, see "
                code { "[detect]" } " in the configuration." } }
        } @else {
            (table(&shown, snapshot))
            (pages.line())
        }
    };
    let mut parts = Parts::default();
    let body = html! {
        h1 { "Attacks" }
        (parts.put("rows", &rows))
    };
    Ok(Shown::live("Attacks", Nav::Attacks, body, parts))
}

/// Attacks as rows.
pub(super) fn table(attacks: &[Attack], snapshot: &Snapshot) -> Markup {
    html! {
        table.rows.attacks role="table" {
            caption.unseen { "Attacks, the latest first" }
            thead role="rowgroup" { tr role="row" {
                th scope="col" role="columnheader" { "Attack" }
                th scope="col" role="columnheader" { "On" }
                th scope="col" role="columnheader" { "By" }
                th scope="col" role="columnheader" { "Began" }
                th scope="col" role="columnheader" { "Lasted" }
                th.number scope="col" role="columnheader" { "Peak packets/s" }
                th.number scope="col" role="columnheader" { "Customers hurt" }
                th scope="col" role="columnheader" { "Rungs taken" }
            } }
            tbody role="rowgroup" { @for attack in attacks { (row(attack, snapshot)) } }
        }
    }
}

fn row(attack: &Attack, snapshot: &Snapshot) -> Markup {
    html! {
        tr role="row" data-key={ "attack-" (attack.id) } class=[attack.ended.is_none().then_some("attacked")] {
            th scope="row" role="rowheader" { a href={ "/attacks/" (attack.id) } { "Attack " (attack.id) } }
            td role="cell" data-name="On" { (banner::subject(attack.subject)) }
            td role="cell" data-name="By" { (banner::vectors(attack)) }
            td role="cell" data-name="Began" { (words::instant(attack.started)) }
            td role="cell" data-name="Lasted" { @match attack.ended {
                Some(ended) => (words::span(ended.duration_since(attack.started).as_secs_f64())),
                None => span.flag { (icon("attack")) "goes on, " (words::ago(attack.started, snapshot.now.wall)) },
            } }
            td.number role="cell" data-name="Peak packets/s" { (words::rate(attack.peaks.packets)) }
            td.number role="cell" data-name="Customers hurt" { (words::minutes(attack.impact_seconds / 60.0)) " min" }
            td role="cell" data-name="Rungs taken" { (words::list(attack.rungs.iter().map(ToString::to_string))) }
        }
    }
}
