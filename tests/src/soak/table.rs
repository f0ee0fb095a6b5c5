//! What a soak came to, for people.

use std::fmt::Write as _;

use comfy_table::{CellAlignment, Table, presets};

use super::Outcome;

/// What grew, and a sentence.
#[must_use]
pub fn table(outcome: &Outcome) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header(["", "unit", "first third", "last third", "per hour", "noise", "flat"]);
    for trend in &outcome.trends {
        table.add_row([
            trend.what.clone(),
            trend.unit.to_owned(),
            format!("{:.2}", trend.first),
            format!("{:.2}", trend.last),
            format!("{:+.2}", trend.per_hour),
            format!("{:.2}", trend.noise_per_hour),
            if trend.is_flat { "yes" } else { "NO" }.to_owned(),
        ]);
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    format!("{table}\n{}", conclusion(outcome))
}

fn conclusion(outcome: &Outcome) -> String {
    let state = |sample: Option<&super::Sample>| sample.map_or(0.0, |sample| sample.state_mib);
    let mut text = format!(
        "{} minutes: {} attacks, {} commands of which {} were refused, {} blocks left behind; the state directory went from {:.1} to \
         {:.1} MiB.",
        outcome.plan.minutes,
        outcome.attacks,
        outcome.commands,
        outcome.refused.len(),
        outcome.left_behind,
        state(outcome.samples.first()),
        state(outcome.samples.last()),
    );
    for refused in &outcome.refused {
        // Text of others may be of several lines.
        write!(text, "\nrefused: {}", refused.replace('\n', " ")).unwrap_or_default();
    }
    text
}
