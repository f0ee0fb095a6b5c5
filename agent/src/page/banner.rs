//! The alarms: each attack that goes on with what one asks first: which address, since when, by what, what is done, is it safe to put
//! it back.

use std::net::IpAddr;

use ipnet::IpNet;
use maud::{Markup, html};
use serde_json::{Map, Value};

use super::{layout::icon, rows, words};
use crate::{
    control::view,
    detect::{Attack, AttackVector, Subject},
    snapshot::Snapshot,
    tables::Mode,
};

/// Alarms that are shown whole; more of them are one line.
const MOST: usize = 4;
/// Attacks that the script is told of: it says which began and which are over.
const MOST_TOLD: usize = 64;

/// Attacks that go on, by number, for the script.
pub(super) fn open(snapshot: &Snapshot) -> String {
    let attacks = snapshot.detection.attacks.iter().take(MOST_TOLD);
    let told: Map<String, Value> = attacks
        .map(|attack| {
            (
                attack.id.to_string(),
                format!("Attack {} on {}", attack.id, attack.subject).into(),
            )
        })
        .collect();
    Value::Object(told).to_string()
}

/// What floods are called.
pub(super) const fn vector(vector: AttackVector) -> &'static str {
    match vector {
        AttackVector::Syn => "SYN flood",
        AttackVector::Tcp => "TCP flood",
        AttackVector::Udp => "UDP flood",
        AttackVector::Icmp => "ICMP flood",
        AttackVector::Other => "flood of another protocol",
        AttackVector::Fragments => "fragments",
        AttackVector::Amplified => "reflection (amplifiers)",
        AttackVector::Malformed => "malformed packets",
    }
}

/// What an attack is made of.
pub(super) fn vectors(attack: &Attack) -> String {
    words::list(attack.vectors.iter().map(|one| vector(*one).to_owned()))
}

/// The subject as a link to where it is seen closely.
pub(super) fn subject(subject: Subject) -> Markup {
    match subject {
        Subject::Address(address) => rows::address(address),
        Subject::Group(prefix) => html! {
            "group " a.address href={ "/?filter=" (super::layout::encoded(&prefix.to_string())) } { (prefix) }
        },
    }
}

/// All alarms.
pub(super) fn alarms(snapshot: &Snapshot) -> Markup {
    let attacks = &snapshot.detection.attacks;
    html! {
        @if snapshot.detection.saturated { (saturated(snapshot)) }
        @if !attacks.is_empty() {
            section.alarms aria-label="Attacks that go on" {
                @for attack in attacks.iter().take(MOST) { (alarm(snapshot, attack)) }
                @if attacks.len() > MOST {
                    p.more { "and " (attacks.len() - MOST) " more: " a href="/?filter=attack" { "all attacked addresses" } }
                }
            }
        }
    }
}

fn saturated(snapshot: &Snapshot) -> Markup {
    let load = &snapshot.detection.load;
    html! {
        div.saturated {
            (icon("warn"))
            p {
                strong { "This host does not keep up." }
                " It loses " (words::rate(load.receive_drops)) " packets/s before they can be judged, its busiest CPU spends "
                (words::percent(load.softirq)) " of its time receiving: ask the network above for help."
            }
        }
    }
}

fn alarm(snapshot: &Snapshot, attack: &Attack) -> Markup {
    let now = snapshot.now.wall;
    html! {
        article.alarm data-key={ "alarm-" (attack.id) } aria-label={ "Attack " (attack.id) " on " (attack.subject) } {
            h2 {
                (icon("attack")) "Under attack: " (subject(attack.subject))
                a.number href={ "/attacks/" (attack.id) } { "attack " (attack.id) }
            }
            dl {
                div { dt { "Since" } dd { (words::clock(attack.started)) span.soft { " (" (words::ago(attack.started, now)) ")" } } }
                div { dt { "By" } dd { (vectors(attack)) span.soft { ", at most " (words::rate(attack.peaks.packets)) " packets/s" } } }
                @match attack.subject {
                    Subject::Address(address) => (of_address(snapshot, address)),
                    Subject::Group(prefix) => (of_group(snapshot, prefix)),
                }
            }
        }
    }
}

fn of_address(snapshot: &Snapshot, address: IpAddr) -> Markup {
    let Ok(seen) = view::address(snapshot, address, Vec::new()) else {
        return html! { div { dt { "Now" } dd { "it is not protected any more" } } };
    };
    let rates = &seen.line.rates;
    html! {
        div { dt { "Now" } dd {
            (words::rate(rates.syn_pps)) " SYN/s"
            @if seen.line.local { span.soft { ", " (words::rate(rates.handshakes_pps)) " handshakes/s" } }
        } }
        div { dt { "Done" } dd { (rows::rung(&seen.line.rung)) " " (done(snapshot, rates.drop_pps, rates.reply_pps)) } }
        (safe(seen.safe.safe, &seen.safe.why))
    }
}

fn of_group(snapshot: &Snapshot, prefix: IpNet) -> Markup {
    let group = view::groups(snapshot).into_iter().find(|group| group.prefix == prefix);
    let answer = view::safe(snapshot, &prefix.to_string());
    html! {
        @if let Some(group) = group {
            @let rates = group.rates.unwrap_or_default();
            div { dt { "Now" } dd { (words::rate(rates.syn_pps)) " SYN/s to " (group.addresses) " addresses" } }
            div { dt { "Done" } dd { (rows::rung(&group.rung)) " " (done(snapshot, rates.drop_pps, rates.reply_pps)) } }
        }
        @if let Ok(answer) = answer { (safe(answer.safe, &answer.why)) }
    }
}

/// What becomes of the packets, truly.
fn done(snapshot: &Snapshot, drop_pps: f64, reply_pps: f64) -> Markup {
    let (drop, reply) = (words::rate(drop_pps), words::rate(reply_pps));
    match snapshot.kernel.settings.mode {
        Mode::Enforce => html! { span.soft { "drops " (drop) "/s, answers " (reply) "/s" } },
        Mode::Monitor => {
            html! { strong { "nothing" } span.soft { ": mode monitor; would drop " (drop) "/s, answer " (reply) "/s" } }
        }
    }
}

fn safe(safe: bool, why: &str) -> Markup {
    html! {
        div.safe { dt { "Safe to put back" } dd { (answer(safe)) " " span.soft { (words::foreign(why)) } } }
    }
}

/// Yes or no, by word and by sign.
pub(super) fn answer(safe: bool) -> Markup {
    if safe {
        html! { strong.yes { (icon("yes")) "Yes" } }
    } else {
        html! { strong.no { (icon("no")) "No" } }
    }
}
