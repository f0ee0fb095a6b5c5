//! The table in `docs/detection.md`, made from the traces.

use std::{fmt::Write as _, path::PathBuf};

use crate::{
    run::{Run, runs},
    scenarios::{Scenario, Wanted},
};

const BEGIN: &str = "<!-- The table is made by the tests in agent/tests/detect: see there. -->\n";
const END: &str = "<!-- The end of the table. -->\n";

fn document() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/detection.md")
}

/// The document with the table as it has to be.
fn current(text: &str) -> String {
    let (before, rest) = text
        .split_once(BEGIN)
        .expect("the document says where its table begins");
    let (_, after) = rest.split_once(END).expect("the document says where its table ends");
    format!("{before}{BEGIN}{}{END}{after}", table())
}

fn table() -> String {
    let mut table =
        "\n| trace | what happens | attack found after | made of | handshakes falling, after | busy, after |\n\
                     | --- | --- | --- | --- | --- | --- |\n"
            .to_owned();
    for (scenario, run) in runs() {
        writeln!(table, "{}", row(scenario, run)).expect("a string takes everything");
    }
    table.push('\n');
    table
}

fn row(scenario: &Scenario, run: &Run) -> String {
    let seconds = |after: Option<f64>| after.map_or_else(|| "–".to_owned(), |after| format!("{after:.1} s"));
    let found = run.found.first();
    let vectors = found.map_or_else(
        || "–".to_owned(),
        |found| {
            found
                .vectors
                .iter()
                .map(|vector| vector.name())
                .collect::<Vec<_>>()
                .join(", ")
        },
    );
    let after = match (scenario.wanted, found) {
        (Wanted::Nothing, None) => "none, as it should be".to_owned(),
        (_, found) => seconds(found.map(|found| found.after)),
    };
    format!(
        "| {} | {} | {after} | {vectors} | {} | {} |",
        scenario.name,
        scenario.about,
        seconds(run.warned_after()),
        seconds(run.busy_after())
    )
}

#[test]
fn the_committed_table_is_what_the_detector_gives() {
    let text = std::fs::read_to_string(document()).expect("docs/detection.md");
    assert!(
        text == current(&text),
        "docs/detection.md is old: `cargo test -p agent --test detect -- --ignored write` writes it anew; it would be\n{}",
        table()
    );
}

#[test]
#[ignore = "writes docs/detection.md, for whoever changes the detector or its traces"]
fn write_the_table() {
    let text = std::fs::read_to_string(document()).expect("docs/detection.md");
    std::fs::write(document(), current(&text)).expect("docs/detection.md can be written");
}
