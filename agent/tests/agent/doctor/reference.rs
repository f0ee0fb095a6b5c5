//! `docs/doctor.md`: its tables are made of the checks.

use std::{collections::BTreeSet, path::PathBuf};

use agent::doctor::{checks, reference};

const BEGIN: &str = "<!-- The tables are made of the checks in agent/src/doctor/checks. -->\n";
const END: &str = "<!-- The end of the tables. -->\n";

fn document() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/doctor.md")
}

/// The document with the tables as they have to be.
fn current(text: &str) -> String {
    let (before, rest) = text
        .split_once(BEGIN)
        .expect("the document says where its tables begin");
    let (_, after) = rest.split_once(END).expect("the document says where its tables end");
    format!("{before}{BEGIN}{}{END}{after}", reference::table())
}

#[test]
fn the_committed_tables_are_those_of_the_checks() {
    let text = std::fs::read_to_string(document()).expect("docs/doctor.md");
    assert!(
        text == current(&text),
        "docs/doctor.md is old: `cargo test -p agent --test agent -- --ignored write_the_doctors_tables` writes it anew"
    );
}

#[test]
#[ignore = "writes docs/doctor.md, for whoever changes a check"]
fn write_the_doctors_tables() {
    let text = std::fs::read_to_string(document()).expect("docs/doctor.md");
    std::fs::write(document(), current(&text)).expect("docs/doctor.md can be written");
}

#[test]
fn every_check_has_a_name_of_its_own_in_a_known_section() {
    let mut ids = BTreeSet::new();
    for check in checks::all() {
        assert!(ids.insert(check.id), "{} is there twice", check.id);
        assert!(
            checks::SECTIONS.iter().any(|(section, _)| *section == check.section()),
            "{}",
            check.id
        );
        for text in [check.about, check.why, check.fix] {
            assert!(
                !text.is_empty() && !text.contains('|') && !text.contains("  "),
                "{}: {text:?}",
                check.id
            );
        }
        assert!(check.about.ends_with('.') && check.why.ends_with('.'), "{}", check.id);
    }
}
