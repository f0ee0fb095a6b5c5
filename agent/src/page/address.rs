//! One address: where it stands and why, what arrives, whether it is safe to put back, and what somebody may do about it.

use std::net::IpAddr;

use maud::{Markup, html};

use super::{
    Site, action, attacks, banner,
    layout::{Parts, Shown, icon},
    overview, rows, sources, spark,
    view::Nav,
    viewer::Viewer,
    words,
};
use crate::{
    control::api::{AddressView, RungView},
    decide::Refusal,
    snapshot::Snapshot,
    tables::Mode,
};

pub(super) async fn show(site: &Site, snapshot: &Snapshot, address: IpAddr, viewer: &Viewer) -> Result<Shown, Refusal> {
    let seen = site.handle.address(address).await?;
    let mut parts = Parts::default();
    let body = html! {
        h1.address { (address) }
        (parts.put("standing", &standing(&seen)))
        (parts.put("figures", &figures(&seen, snapshot.config.fleet.is_some())))
        section aria-labelledby="curve" {
            h2 #curve { "SYNs per second, the last two minutes" }
            (parts.put("curve", &spark::large(&seen.line.syn_series, Some(seen.line.limit.syn_rate.per_second()))))
        }
        div.columns.two {
            section aria-labelledby="rung" { h2 #rung { "Where it stands" } (parts.put("rung", &rung(&seen, snapshot))) }
            section aria-labelledby="reasons" {
                h2 #reasons { "What becomes of packets" }
                (parts.put("reasons", &overview::reasons(&seen.reasons, seen.mode.mode)))
            }
        }
        (action::on_address(address, &seen, snapshot.config.upstream.is_some(), viewer))
        section aria-labelledby="attacks" { h2 #attacks { "Attacks on it" } (parts.put("attacks", &history(&seen, snapshot))) }
        section aria-labelledby="sources" {
            h2 #sources { "Heaviest sources" }
            p.soft { "Of all traffic to protected addresses: it is not known which source sends to which address." }
            (parts.put("sources", &sources::table(&seen.sources)))
        }
    };
    Ok(Shown::live(address.to_string(), Nav::Overview, body, parts))
}

fn standing(seen: &AddressView) -> Markup {
    html! {
        p.standing {
            (rows::rung(&seen.line.rung))
            @if seen.line.forced { span.flag { (icon("hand")) "by hand" } }
            @if let Some(attack) = seen.line.attack { a.flag href={ "/attacks/" (attack) } { (icon("attack")) "attack " (attack) } }
            span.soft { @if seen.line.local { "of this host" } @else { "forwarded by this host" } }
            @for group in &seen.groups { a href={ "/?filter=" (super::layout::encoded(&group.to_string())) } { "group " (group) } }
        }
    }
}

fn figures(seen: &AddressView, is_in_fleet: bool) -> Markup {
    let rates = &seen.line.rates;
    let monitor = seen.mode.mode == Mode::Monitor;
    html! {
        dl.figures {
            div { dt { "SYN/s" } dd {
                (words::rate(rates.syn_pps))
                span.of { " of " (words::rate(f64::from(seen.line.limit.syn_rate.per_second()))) }
            } }
            div { dt { "Pressure" } dd { (words::percent(seen.line.pressure)) (spark::bar(seen.line.pressure)) } }
            @if is_in_fleet { div { dt { "Unproven elsewhere/s" } dd { (overview::elsewhere(&seen.line)) } } }
            div { dt { "Handshakes/s" } dd { @if seen.line.local { (words::rate(rates.handshakes_pps)) } @else { "–" } } }
            div { dt { "Passed/s" } dd { (words::rate(rates.pass_pps)) } }
            div { dt { @if monitor { "Would drop/s" } @else { "Dropped/s" } } dd { (words::rate(rates.drop_pps)) } }
            div { dt { @if monitor { "Would answer/s" } @else { "Answered/s" } } dd { (words::rate(rates.reply_pps)) } }
            div.safe { dt { "Safe to put back" } dd { (banner::answer(seen.safe.safe)) } }
        }
        p.soft { (words::foreign(&seen.safe.why)) }
    }
}

/// What a rung means to customers.
fn meaning(name: &str) -> &'static str {
    match name {
        "observe" => "packets are counted, and no rate drops any",
        "limit" => "over its SYN rate it goes to verify by itself",
        "verify" => "every SYN of an unknown source must prove itself",
        "known" => "only sources that completed a handshake lately get in",
        "blackhole" => "nothing new gets in; open connections live on",
        _ => "the network above is asked to drop",
    }
}

fn rung(seen: &AddressView, snapshot: &Snapshot) -> Markup {
    let rung = &seen.rung;
    html! {
        dl.pairs {
            dt { "Rung" } dd { (rows::rung(&rung.rung)) ": " (meaning(&rung.rung)) }
            @if let Some(since) = rung.since { dt { "Since" } dd { (words::instant(since)) } }
            @if let Some(forced) = &rung.forced { dt { "Put there" } dd { (words::origin(forced)) } }
            (automatic(rung))
            @if let Some(ceiling) = &rung.ceiling { dt { "Held down" } dd { (words::origin(ceiling)) } }
            dt { "Climbs to" } dd { (rung.highest) " at most by itself" }
            dt { "Proof in verify" } dd { (rung.method.to_string()) }
            @if let Some(since) = seen.line.over_since {
                dt { "Over its rate" } dd { "since " (words::clock(since)) span.soft { " (" (words::ago(since, snapshot.now.wall)) ")" } }
            }
            dt { "SYN threshold" } dd { (seen.line.limit) }
            @if let Some(vectors) = seen.stats.vectors {
                @let text = vectors.to_string();
                dt { "Other thresholds" } dd { @if text == "-" { "none" } @else { (text) } }
            }
        }
    }
}

/// The rung that it took by itself, or would have.
fn automatic(rung: &RungView) -> Markup {
    html! { @if let Some(automatic) = &rung.automatic {
        dt { @if automatic.dry_run { "Would take" } @else { "Taken by itself" } }
        dd {
            (rows::rung(automatic.rung.name())) " since " (words::clock(automatic.since)) ": " (words::foreign(&automatic.reason))
            span.soft { ", held until " (words::clock(automatic.held_until)) }
        }
    } }
}

fn history(seen: &AddressView, snapshot: &Snapshot) -> Markup {
    if seen.attacks.is_empty() {
        return html! { p.none { "None is recorded. Attacks are kept in the ledger, also over a restart." } };
    }
    attacks::table(&seen.attacks, snapshot)
}
