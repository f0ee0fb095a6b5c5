//! One attack: the post-mortem of `report`, while it goes on and afterwards.

use jiff::tz::TimeZone;
use maud::html;

use super::{
    Site, banner,
    layout::{Parts, Shown, icon},
    view::Nav,
    words,
};
use crate::{decide::Refusal, report, snapshot::Snapshot};

pub(super) async fn show(site: &Site, snapshot: &Snapshot, number: u64) -> Result<Shown, Refusal> {
    let report = site.handle.report(number).await?;
    let zone = TimeZone::system();
    let attack = &report.attack;
    let heading = html! {
        p.standing {
            @if attack.ended.is_none() {
                span.flag { (icon("attack")) "goes on, " (words::ago(attack.started, snapshot.now.wall)) }
            } @else {
                span.flag.calm { (icon("yes")) "over" }
            }
            span.soft { (report::html::when(&report, &zone)) }
        }
    };
    let mut parts = Parts::default();
    let body = html! {
        h1 { "Attack " (attack.id) " on " (banner::subject(attack.subject)) }
        (parts.put("heading", &heading))
        div.report { (parts.put("report", &report::html::contents(&report, &zone))) }
        p.soft {
            "The same as a file: " code { "agent report " (attack.id) " --format html -o attack-" (attack.id) ".html" } ", with packets: "
            code { "agent report " (attack.id) " --bundle attack-" (attack.id) ".tar" } "."
        }
    };
    let title = format!("Attack {} on {}", attack.id, attack.subject);
    Ok(Shown::live(title, Nav::Attacks, body, parts))
}
