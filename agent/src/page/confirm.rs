//! The question before something is done: what exactly, whom it reaches, what becomes of them.

use maud::{Markup, html};

use super::{layout::icon, words};
use crate::{
    config::prefix,
    control::api::{PreviewView, ReachView},
};

/// Targets that are named.
const MOST_TARGETS: usize = 20;

/// The page's body.
pub(super) fn body(preview: &PreviewView, reason: &str, form: &str, number: &str, back: &str) -> Markup {
    let done = &preview.done;
    html! {
        h1 { "Confirm: " code { (words::foreign(&preview.command)) } }
        div.confirm {
            p.big { (words::foreign(&preview.reach.consequence)) }
            @for warning in &done.warnings { p.warning { (icon("warn")) (words::foreign(warning)) } }
            @if !done.not_safe.is_empty() {
                p.warning { (icon("warn")) "It is not safe yet to put back " (words::list(done.not_safe.iter().map(ToString::to_string))) "." }
            }
            (reach(&preview.reach))
            dl.pairs {
                dt { "It will say" } dd { (words::foreign(&done.message)) }
                @if !done.targets.is_empty() {
                    dt { "Reaches" }
                    dd {
                        (words::list(done.targets.iter().take(MOST_TARGETS).map(|net| prefix::display(*net))))
                        @if done.targets.len() > MOST_TARGETS { " and " (done.targets.len() - MOST_TARGETS) " more" }
                    }
                }
                @if let Some(until) = done.until { dt { "Ends" } dd { (words::instant(until)) } }
                @if !reason.trim().is_empty() { dt { "Why" } dd { (words::foreign(reason.trim())) } }
            }
        }
        div.buttons {
            form method="post" action="/act" {
                input type="hidden" name="form" value=(form);
                input type="hidden" name="number" value=(number);
                button.primary type="submit" { "Do it" }
            }
            a.button href=(back) { "Leave it" }
        }
    }
}

/// The blast radius.
fn reach(reach: &ReachView) -> Markup {
    html! {
        dl.figures {
            div { dt { "Protected addresses" } dd { (words::count(reach.addresses as u64)) } }
            div { dt { "Open connections" } dd { (words::count(reach.connections)) } }
            @if let Some(rates) = &reach.rates {
                div { dt { "SYN/s now" } dd { (words::rate(rates.syn_pps)) } }
                div { dt { "Passes now" } dd { (words::rate(rates.pass_pps)) "/s" } }
                div { dt { "Handshakes/s" } dd { (words::rate(rates.handshakes_pps)) } }
            }
            @if let Some(pps) = reach.source_pps { div { dt { "Packets/s from there" } dd { (words::rate(pps)) } } }
        }
    }
}
