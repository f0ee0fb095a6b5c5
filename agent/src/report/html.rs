//! The report as one HTML file: nothing is fetched from anywhere, everything from elsewhere is escaped (by maud), and it reads well
//! by day, by night and on paper.

use jiff::tz::TimeZone;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{Moment, Report, plot, words};
use crate::{config::prefix, detect::Severity, ledger::AttackTalker};

/// Nothing may be loaded, run or sent.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// The colours in the dark stand for those of `plot.rs`.
const STYLE: &str = "
:root { color-scheme: light dark; --ink: #1d1d1f; --soft: #5a5a60; --line: #d9d9de; --paper: #ffffff; --panel: #f6f6f8; --loud: #b3261e; --warn: #8a5a00; }
@media (prefers-color-scheme: dark) { :root { --ink: #ececf0; --soft: #a5a5ad; --line: #3a3a40; --paper: #151518; --panel: #1f1f24; --loud: #ff8a80; --warn: #ffc46b; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 62rem; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
h1 { margin: 0; font-size: 1.7rem; line-height: 1.2; overflow-wrap: anywhere; }
h2 { margin: 2.5rem 0 .75rem; font-size: 1.2rem; }
.when, footer, .none { color: var(--soft); }
.when { margin: .35rem 0 1.5rem; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: .75rem; margin: 0; }
.facts div { background: var(--panel); border: 1px solid var(--line); border-radius: .5rem; padding: .6rem .8rem; }
.facts dt { color: var(--soft); font-size: .85rem; }
.facts dd { margin: 0; font-size: 1.15rem; font-weight: 600; overflow-wrap: anywhere; }
.wide { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; font-size: .92rem; font-variant-numeric: tabular-nums; }
th, td { padding: .4rem .6rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th { color: var(--soft); font-weight: 600; white-space: nowrap; }
td { overflow-wrap: anywhere; }
td.time { white-space: nowrap; } th.number, td.number { text-align: right; white-space: nowrap; }
td.who { min-width: 7rem; max-width: 14rem; }
.critical { color: var(--loud); font-weight: 600; } .warning { color: var(--warn); font-weight: 600; }
.why { color: var(--soft); }
.tables { display: grid; grid-template-columns: repeat(auto-fit, minmax(24rem, 1fr)); gap: 0 2rem; }
@media (max-width: 40rem) { td.time { white-space: normal; } td.who { min-width: 0; } td.what { min-width: 13rem; } }
@media (max-width: 30rem) { .tables { grid-template-columns: 1fr; } }
figure { margin: 0 0 1.5rem; } figcaption { font-weight: 600; }
svg { display: block; width: 100%; height: auto; } svg text { font-family: system-ui, sans-serif; }
footer { margin-top: 3rem; border-top: 1px solid var(--line); padding-top: .75rem; font-size: .88rem; }
@media (prefers-color-scheme: dark) {
svg [fill='#3B3B3C'] { fill: #c8c8ce; } svg [stroke='#3B3B3C'] { stroke: #8a8a92; }
svg [stroke='#DCDCDD'] { stroke: #35353b; } svg [fill='#F6EAE4'] { fill: #37261e; }
svg [stroke='#0072B2'] { stroke: #58b4f0; } svg [fill='#0072B2'] { fill: #58b4f0; }
svg [stroke='#D55E00'] { stroke: #ff8c42; } svg [fill='#D55E00'] { fill: #ff8c42; }
}
@media print { body { max-width: none; padding: 0; } h2 { break-after: avoid; } figure, tr { break-inside: avoid; } }
";

/// Writes it; times are in this zone.
pub(super) fn write(report: &Report, zone: &TimeZone) -> String {
    let attack = &report.attack;
    let title = format!("Attack {} on {}", attack.id, attack.subject);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="referrer" content="no-referrer";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { (title) }
                    p.when { (when(report, zone)) }
                }
                main {
                    (facts(report))
                    h2 { "What happened" }
                    (timeline(&report.timeline, zone))
                    h2 { "Rates" }
                    (rates(report, zone))
                    div.tables {
                        section { h2 { "Top prefixes" } (top(&report.talkers.prefixes)) }
                        section { h2 { "Top sources" } (top(&report.talkers.sources)) }
                    }
                    @if !report.captures.is_empty() {
                        h2 { "Packets" }
                        ul { @for capture in &report.captures {
                            li { code { (words::plain(&capture.path.display().to_string())) } ", " (capture.bytes) " bytes" }
                        } }
                    }
                    h2 { "Notes" }
                    ul { @for note in &report.notes { li { (note) } } }
                }
                footer {
                    "Made " (words::instant(report.made, zone)) " on " (words::plain(&report.host)) " by Levee " (report.agent)
                    ". Times are in " (words::zone(zone, report.made)) "."
                }
            }
        }
    };
    page.into_string()
}

fn when(report: &Report, zone: &TimeZone) -> String {
    let began = words::instant(report.attack.started, zone);
    match report.attack.ended {
        Some(ended) => format!(
            "From {began} until {}: {}",
            words::instant(ended, zone),
            words::span(report.seconds)
        ),
        None => format!(
            "Since {began}, last seen {}",
            words::instant(report.attack.last_excess, zone)
        ),
    }
}

fn facts(report: &Report) -> Markup {
    let attack = &report.attack;
    let peaks = &attack.peaks;
    let facts = [
        (
            "Customer impact",
            format!("{} min", words::minutes(report.impact_minutes)),
        ),
        ("Detected after", format!("{} ms", report.detection_ms)),
        ("Peak SYNs", format!("{}/s", words::rate(peaks.syn))),
        ("Peak packets", format!("{}/s", words::rate(peaks.packets))),
        ("Peak dropped", format!("{}/s", words::rate(peaks.dropped))),
        ("Different sources in a second", words::rate(peaks.distinct_sources)),
        ("Vectors", words::list(attack.vectors.iter().map(ToString::to_string))),
        ("Rungs taken", words::list(attack.rungs.iter().map(ToString::to_string))),
    ];
    html! { dl.facts { @for (name, value) in facts { div { dt { (name) } dd { (value) } } } } }
}

fn timeline(moments: &[Moment], zone: &TimeZone) -> Markup {
    if moments.is_empty() {
        return html! { p.none { "Nothing is recorded." } };
    }
    let mut day = String::new();
    let rows: Vec<(String, &Moment)> = moments
        .iter()
        .map(|moment| {
            let today = words::day(moment.at, zone);
            let clock = words::clock(moment.at, zone);
            let stamp = if today == day {
                clock
            } else {
                format!("{today} {clock}")
            };
            day = today;
            (stamp, moment)
        })
        .collect();
    html! {
        div.wide { table {
            thead { tr { th scope="col" { "Time" } th scope="col" { "Who" } th scope="col" { "What" } } }
            tbody { @for (stamp, moment) in rows {
                tr {
                    td.time { (stamp) }
                    td.who { (moment.actor.as_deref().map_or_else(|| "Levee".to_owned(), words::plain)) }
                    td.what {
                        span class=[class(moment.severity)] { (words::plain(&moment.text)) }
                        @if let Some(reason) = &moment.reason { " " span.why { "Reason: " (words::plain(reason)) } }
                    }
                }
            } }
        } }
    }
}

const fn class(severity: Option<Severity>) -> Option<&'static str> {
    match severity {
        Some(Severity::Critical) => Some("critical"),
        Some(Severity::Warning) => Some("warning"),
        Some(Severity::Info) | None => None,
    }
}

fn rates(report: &Report, zone: &TimeZone) -> Markup {
    let plots = plot::all(report, zone);
    if plots.is_empty() {
        return html! { p.none { "None are recorded." } };
    }
    html! {
        @for plot in plots {
            figure role="img" aria-label=(plot.title) {
                figcaption { (plot.title) }
                (PreEscaped(plot.svg))
            }
        }
        p.none { "The shaded time is that of the attack." }
    }
}

fn top(talkers: &[AttackTalker]) -> Markup {
    if talkers.is_empty() {
        return html! { p.none { "None are recorded." } };
    }
    html! {
        div.wide { table {
            thead { tr {
                th scope="col" { "From" } th.number scope="col" { "Packets" } th.number scope="col" { "SYNs" }
                th.number scope="col" { "Dropped" } th.number scope="col" { "Peak/s" }
            } }
            tbody { @for talker in talkers { tr {
                td.time { (prefix::display(talker.prefix)) }
                td.number { (words::rate(talker.packets)) } td.number { (words::rate(talker.syns)) }
                td.number { (words::rate(talker.drops)) } td.number { (words::rate(talker.peak_pps)) }
            } } }
        } }
    }
}
