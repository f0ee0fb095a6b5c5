//! How answers look: tables and sentences for people, the same structures as JSON for machines.

use comfy_table::{Cell, CellAlignment, Table, presets};
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    control::api::{Done, OriginView},
    decide::say,
};

/// Prints an answer as indented JSON.
pub(super) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}

/// Prints what was done: the sentence, what changed, and warnings on standard error.
pub(super) fn done(done: &Done, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return json(done);
    }
    println!("{}", clean(&done.message));
    for change in &done.changes {
        println!("  {}", clean(change));
    }
    for warning in &done.warnings {
        eprintln!("warning: {}", clean(warning));
    }
    Ok(())
}

/// A table with these headings; the columns in `numbers` are flush right.
pub(super) fn table(headings: &[&str], numbers: &[usize]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(headings.iter().map(|heading| Cell::new(*heading)));
    for index in numbers {
        if let Some(column) = table.column_mut(*index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// Prints a table without the spaces at the ends of its lines.
pub(super) fn print(table: &Table) {
    for line in table.lines() {
        println!("{}", line.strip_prefix(' ').unwrap_or(&line).trim_end());
    }
}

/// Text from elsewhere, without what a terminal would obey.
pub(super) fn clean(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

/// A rate for people: three digits and a scale.
pub(super) fn rate(per_second: f64) -> String {
    match per_second {
        rate if rate >= 999_500_000.0 => format!("{:.2}G", rate / 1e9),
        rate if rate >= 999_500.0 => format!("{:.2}M", rate / 1e6),
        rate if rate >= 999.5 => format!("{:.1}k", rate / 1e3),
        rate if rate >= 9.95 || rate == 0.0 => format!("{rate:.0}"),
        rate => format!("{rate:.1}"),
    }
}

/// A share (0 to 1) for people.
pub(super) fn share(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// An end for people.
pub(super) fn until(until: Option<Timestamp>) -> String {
    until.map_or_else(|| "-".to_owned(), say::instant)
}

/// Who, when and why.
pub(super) fn origin(origin: &OriginView) -> [String; 3] {
    [
        clean(&origin.actor),
        origin.since.map_or_else(|| "-".to_owned(), say::instant),
        origin.reason.as_deref().map_or_else(|| "-".to_owned(), clean),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (0.5, "0.5"),
            (12.3, "12"),
            (999.0, "999"),
            (1234.0, "1.2k"),
            (99_960.0, "100.0k"),
            (1.5e6, "1.50M"),
            (2.5e9, "2.50G"),
        ] {
            assert_eq!(rate(value), text);
        }
    }

    #[test]
    fn no_escape_sequence_reaches_the_terminal() {
        assert_eq!(clean("a\u{1b}[31mb\nc"), "a\u{fffd}[31mb\u{fffd}c");
    }
}
