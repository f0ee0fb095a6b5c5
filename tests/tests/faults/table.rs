//! The table of docs/reliability.md names every fault that is tried here and no other, and says what the kept run said.

use std::fs;

use lab::{
    faults::name,
    siege::{Row, Rows, Section, keep, kept_rows, recorded_rows, table},
};

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reliability.md");

/// What is around the table.
const BEGIN: &str = "<!-- faults: written by `cargo test -p tests --test faults -- --ignored table::write` -->\n\n";
const END: &str = "\n<!-- end of faults -->";

#[test]
fn the_table_names_each_fault_and_says_what_was_kept() {
    let kept = kept_rows()
        .expect("tests/siege.json")
        .remove(&Section::Faults)
        .unwrap_or_default();
    let told: Vec<&str> = kept.iter().map(|row| row.fault.as_str()).collect();
    assert_eq!(
        told,
        name::ALL,
        "a row for each, in order: `cargo xtask test --test faults`, then `cargo xtask test --test faults -- --ignored table::write`"
    );
    let document = fs::read_to_string(DOCUMENT).expect("docs/reliability.md");
    let written = document.split_once(BEGIN).and_then(|(_, rest)| rest.split_once(END));
    assert_eq!(written.map(|(table, _)| table), Some(table(&kept).as_str()));
}

#[test]
#[ignore = "writes the rows of this build's runs into the tree and the document"]
fn write() {
    let rows = |all: Rows| all.get(&Section::Faults).cloned().unwrap_or_default();
    let recorded = rows(recorded_rows().expect("rows"));
    let kept = rows(kept_rows().expect("tests/siege.json"));
    // What was not tried again stays as it was.
    let row = |fault: &&str| recorded.iter().chain(&kept).find(|row| row.fault == **fault).cloned();
    let rows: Vec<Row> = name::ALL.iter().filter_map(row).collect();
    let text = table(&rows);
    keep(Section::Faults, rows).expect("writes tests/siege.json");
    let document = fs::read_to_string(DOCUMENT).expect("docs/reliability.md");
    let (before, rest) = document.split_once(BEGIN).expect("the mark before the table");
    let (_, after) = rest.split_once(END).expect("the mark after it");
    fs::write(DOCUMENT, format!("{before}{BEGIN}{text}{END}{after}")).expect("writes");
}
