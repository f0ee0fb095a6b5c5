//! The tables of docs/reliability.md that are made of sieges: as they were kept in the tree, and of everything that is tried.

use std::{fs, path::PathBuf};

use agent::failpoint::Point;
use anyhow::{Context as _, Result, ensure};
use lab::siege::{Row, Section, keep, kept_rows, recorded_rows, table};

/// Faults of the environment have a table of their own: see tests/tests/faults.
const SECTIONS: [Section; 2] = [Section::Killed, Section::Upgrade];

fn document() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/reliability.md")
}

/// The text before a section's table, the table, and what follows; none if the document has no place for it.
fn around(text: &str, section: Section) -> Option<(&str, &str, &str)> {
    let (begin, end) = (format!("<!-- rows: {section} -->\n"), "<!-- end of rows -->");
    let from = text.find(&begin)? + begin.len();
    let to = from + text[from..].find(end)?;
    Some((&text[..from], &text[from..to], &text[to..]))
}

#[test]
fn the_tables_are_those_of_the_kept_rows() -> Result<()> {
    let text = fs::read_to_string(document())?;
    let kept = kept_rows()?;
    for section in SECTIONS {
        let rows = kept.get(&section).map_or(&[][..], Vec::as_slice);
        match around(&text, section) {
            Some((_, shown, _)) => ensure!(
                shown == table(rows),
                "{section}: run `cargo xtask test --test reliability -- --ignored` after the sieges"
            ),
            None => ensure!(
                rows.is_empty(),
                "docs/reliability.md has no place for the rows of {section}"
            ),
        }
    }
    Ok(())
}

#[test]
fn no_kept_row_tells_of_an_unprotected_packet_or_of_a_customer_who_was_not_served() -> Result<()> {
    let kept = kept_rows()?;
    for row in SECTIONS.iter().filter_map(|section| kept.get(section)).flatten() {
        ensure!(row.unprotected == 0 && row.served > 0 && row.flood > 0, "{row:?}");
    }
    Ok(())
}

fn tells_of(row: &Row, point: Point) -> bool {
    row.fault.starts_with(&format!("`{}` in ", point.name()))
}

#[test]
fn every_kept_row_of_a_point_tells_of_one_that_there_is() -> Result<()> {
    let rows = kept_rows()?;
    let killed = rows.get(&Section::Killed).context("nothing was killed")?;
    let strange = killed
        .iter()
        .find(|row| row.fault.starts_with('`') && !Point::ALL.iter().any(|point| tells_of(row, *point)));
    ensure!(strange.is_none(), "there is no such point: {strange:?}");
    Ok(())
}

#[test]
fn every_point_has_a_kept_row() -> Result<()> {
    let rows = kept_rows()?.remove(&Section::Killed).unwrap_or_default();
    let is_told = |point: &&Point| rows.iter().any(|row| tells_of(row, **point));
    let missing: Vec<&str> = Point::ALL
        .iter()
        .filter(|point| !is_told(point))
        .map(|point| point.name())
        .collect();
    ensure!(
        missing.is_empty(),
        "nobody was killed at these: run `KILLED_AT={} cargo xtask test --test killed`, then `cargo xtask test --test reliability -- \
         --ignored`",
        missing.join(",")
    );
    Ok(())
}

/// Keeps what this build's sieges have recorded, in the tree and in the document.
#[test]
#[ignore = "writes tests/siege.json and docs/reliability.md"]
fn keep_what_was_recorded() -> Result<()> {
    let mut text = fs::read_to_string(document())?;
    for (section, rows) in recorded_rows()? {
        if !SECTIONS.contains(&section) {
            continue;
        }
        let kept = kept_rows()?.remove(&section).unwrap_or_default();
        let rows = joined(section, kept, rows);
        keep(section, rows.clone())?;
        let (before, _, after) =
            around(&text, section).with_context(|| format!("no place for the rows of {section}"))?;
        text = [before, &table(&rows), after].concat();
    }
    fs::write(document(), text)?;
    Ok(())
}

/// What is new in place of what was kept, in the order of the points.
fn joined(section: Section, kept: Vec<Row>, recorded: Vec<Row>) -> Vec<Row> {
    let mut rows = kept;
    for row in recorded {
        match rows.iter_mut().find(|known| known.fault == row.fault) {
            Some(known) => *known = row,
            None => rows.push(row),
        }
    }
    if section == Section::Killed {
        let place = |row: &Row| {
            let all = Point::ALL
                .iter()
                .flat_map(|point| point.occasions().iter().map(move |occasion| (point, occasion)));
            all.map(|(point, occasion)| format!("`{}` in {}", point.name(), occasion.words()))
                .position(|fault| fault == row.fault)
        };
        rows.retain(|row| !row.fault.starts_with('`') || place(row).is_some());
        rows.sort_by_key(place);
    }
    rows
}
