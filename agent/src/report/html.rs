//! The report as one HTML file: nothing is fetched from anywhere, everything from elsewhere is escaped (by maud), and it reads well
//! by day, by night and on paper.

use jiff::tz::TimeZone;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{Moment, Report, plot, words};
use crate::{config::prefix, detect::Severity, ledger::AttackTalker};

/// Nothing may be loaded, run or sent.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// How it looks.
const STYLE: &str = concat!(include_str!("report.css"), include_str!("plots.css"));

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
                main { (contents(report, zone)) }
                footer {
                    "Made " (words::instant(report.made, zone)) " on " (words::plain(&report.host)) " by Levee " (report.agent)
                    ". Times are in " (words::zone(zone, report.made)) "."
                }
            }
        }
    };
    page.into_string()
}

/// All of it but its heading: the web page shows the same.
pub(crate) fn contents(report: &Report, zone: &TimeZone) -> Markup {
    html! {
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
}

/// When it began and ended, in a sentence.
pub(crate) fn when(report: &Report, zone: &TimeZone) -> String {
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
        div.wide tabindex="0" role="group" aria-label="What happened" { table {
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
            figure {
                figcaption { (plot.title) }
                div role="img" aria-label=(plot.title) { (PreEscaped(plot.svg)) }
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
        div.wide tabindex="0" role="group" aria-label="Who sent most" { table {
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
