//! The report as Markdown: for a ticket or a wiki.

use std::fmt::Write as _;

use jiff::tz::TimeZone;

use super::{Report, points, words};
use crate::{config::prefix, ledger::AttackTalker};

/// Rows of the table of rates at most.
const ROWS: usize = 24;
/// Length of the longest bar.
const BAR: f64 = 20.0;

/// Writes it; times are in this zone.
pub(super) fn write(report: &Report, zone: &TimeZone) -> String {
    let attack = &report.attack;
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = writeln!(out, "# Attack {} on {}\n", attack.id, attack.subject);
    summary(&mut out, report, zone);
    let _ = writeln!(out, "\n## What happened\n");
    timeline(&mut out, report, zone);
    let _ = writeln!(out, "\n## Rates\n");
    rates(&mut out, report, zone);
    for (title, talkers) in [
        ("Top prefixes", &report.talkers.prefixes),
        ("Top sources", &report.talkers.sources),
    ] {
        let _ = writeln!(out, "\n## {title}\n");
        top(&mut out, talkers);
    }
    let _ = writeln!(out, "\n## Notes\n");
    for note in &report.notes {
        let _ = writeln!(out, "- {note}");
    }
    for capture in &report.captures {
        let _ = writeln!(out, "- Packets: `{}`, {} bytes", capture.path.display(), capture.bytes);
    }
    let _ = writeln!(
        out,
        "\nMade {} on {} by Levee {}. Times are in {}.",
        words::instant(report.made, zone),
        cell(&report.host),
        report.agent,
        words::zone(zone, report.made)
    );
    out
}

fn summary(out: &mut String, report: &Report, zone: &TimeZone) {
    let attack = &report.attack;
    let ended = attack
        .ended
        .map_or_else(|| "goes on".to_owned(), |ended| words::instant(ended, zone));
    let peaks = &attack.peaks;
    let rows = [
        ("Began", words::instant(attack.started, zone)),
        ("Ended", ended),
        ("Lasted", words::span(report.seconds)),
        ("Detected after", format!("{} ms", report.detection_ms)),
        ("Minutes of customer impact", words::minutes(report.impact_minutes)),
        ("Vectors", words::list(attack.vectors.iter().map(ToString::to_string))),
        ("Rungs taken", words::list(attack.rungs.iter().map(ToString::to_string))),
        (
            "Peak",
            format!(
                "{} SYN/s ({} without a handshake), {} packets/s",
                words::rate(peaks.syn),
                words::rate(peaks.unproven),
                words::rate(peaks.packets)
            ),
        ),
        (
            "Dropped, answered at most",
            format!(
                "{} and {} packets/s",
                words::rate(peaks.dropped),
                words::rate(peaks.replied)
            ),
        ),
        ("Different sources within a second", words::rate(peaks.distinct_sources)),
    ];
    let _ = writeln!(out, "| | |\n| --- | --- |");
    for (name, value) in rows {
        let _ = writeln!(out, "| {name} | {value} |");
    }
}

fn timeline(out: &mut String, report: &Report, zone: &TimeZone) {
    if report.timeline.is_empty() {
        let _ = writeln!(out, "Nothing is recorded.");
        return;
    }
    let _ = writeln!(out, "| Time | Who | What |\n| --- | --- | --- |");
    let mut day = String::new();
    for moment in &report.timeline {
        let today = words::day(moment.at, zone);
        let stamp = if today == day {
            words::clock(moment.at, zone)
        } else {
            format!("{today} {}", words::clock(moment.at, zone))
        };
        day = today;
        let who = moment.actor.as_deref().map_or_else(|| "Levee".to_owned(), cell);
        let why = moment
            .reason
            .as_deref()
            .map(|reason| format!(" (reason: {})", cell(reason)))
            .unwrap_or_default();
        let _ = writeln!(out, "| {stamp} | {who} | {}{why} |", cell(&moment.text));
    }
}

fn rates(out: &mut String, report: &Report, zone: &TimeZone) {
    if report.rates.is_empty() {
        let _ = writeln!(out, "None are recorded.");
        return;
    }
    let together = report.rates.len().div_ceil(ROWS);
    let rows: Vec<_> = report.rates.chunks(together).filter_map(points::mean).collect();
    let most = rows.iter().map(|row| row.rates.syn).fold(1.0, f64::max);
    let _ = writeln!(
        out,
        "Per second, means.\n\n| From | SYNs | | Handshakes | Passed | Dropped | Answered | Rung |\n\
         | --- | ---: | --- | ---: | ---: | ---: | ---: | --- |"
    );
    for row in rows {
        let rates = &row.rates;
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} | {} |",
            words::short_clock(row.from, zone),
            words::rate(rates.syn),
            bar(rates.syn / most),
            words::rate(rates.handshakes),
            words::rate(rates.passed),
            words::rate(rates.dropped),
            words::rate(rates.replied),
            row.rung.map_or_else(|| "-".to_owned(), |rung| rung.to_string())
        );
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 0 and the bar's length"
)]
fn bar(share: f64) -> String {
    "█".repeat((share.clamp(0.0, 1.0) * BAR).round() as usize)
}

fn top(out: &mut String, talkers: &[AttackTalker]) {
    if talkers.is_empty() {
        let _ = writeln!(out, "None are recorded.");
        return;
    }
    let _ = writeln!(
        out,
        "| | Packets | SYNs | Dropped | Peak packets/s |\n| --- | ---: | ---: | ---: | ---: |"
    );
    for talker in talkers {
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} |",
            prefix::display(talker.prefix),
            words::rate(talker.packets),
            words::rate(talker.syns),
            words::rate(talker.drops),
            words::rate(talker.peak_pps)
        );
    }
}

/// Text from elsewhere in a table: it ends no cell, no line, and is no markup.
fn cell(text: &str) -> String {
    let mut out = String::new();
    for c in words::plain(text).chars() {
        if matches!(
            c,
            '\\' | '|' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '&' | '#' | '!' | '~'
        ) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}
