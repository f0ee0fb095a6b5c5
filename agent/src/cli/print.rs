//! How answers look: tables and sentences for people, the same structures as JSON for machines.

use comfy_table::{Cell, CellAlignment, Table, presets};
use jiff::Timestamp;
use serde::Serialize;

pub(super) use crate::plain::{clean, rate, share};
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
