//! What is written about Levee, held against what it is: metrics, rules, dashboard, and every example in the documents.

mod configuration;
mod dashboard;
mod examples;
mod logs;
mod metrics;
mod promql;
mod promtool;
mod rules;

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The root of the repository.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every document: what stands in docs/ and observability/, and the large ones at the top.
fn documents() -> Vec<(String, String)> {
    let mut paths: Vec<String> = ["README.md", "CONTRIBUTING.md", "SECURITY.md"]
        .map(str::to_owned)
        .to_vec();
    for directory in ["docs", "observability"] {
        let entries = fs::read_dir(root().join(directory)).unwrap_or_else(|error| panic!("{directory}: {error}"));
        for entry in entries {
            let name = entry.expect("entry").file_name().into_string().expect("a plain name");
            if Path::new(&name).extension().is_some_and(|extension| extension == "md") {
                paths.push(format!("{directory}/{name}"));
            }
        }
    }
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), read(&path))).collect()
}

/// A fenced block of a document.
struct Block {
    /// Document and line, for people.
    place: String,
    /// What stands behind the fence: a language, and perhaps more words.
    info: String,
    text: String,
}

/// Every fenced block of every document.
fn blocks() -> Vec<Block> {
    documents()
        .iter()
        .flat_map(|(path, text)| blocks_of(path, text))
        .collect()
}

fn blocks_of(path: &str, text: &str) -> Vec<Block> {
    let mut found: Vec<Block> = Vec::new();
    // Within a list, a block is indented as its fence is.
    let (mut open, mut indent) = (false, 0);
    for (index, line) in text.lines().enumerate() {
        match line.trim_start().strip_prefix("```") {
            Some(_) if open => open = false,
            Some(info) => {
                open = true;
                indent = line.len() - line.trim_start().len();
                found.push(Block {
                    place: format!("{path}:{}", index + 1),
                    info: info.trim().to_owned(),
                    text: String::new(),
                });
            }
            None if open => {
                let block = found.last_mut().expect("an open block");
                block.text.push_str(line.get(indent..).unwrap_or_default());
                block.text.push('\n');
            }
            None => {}
        }
    }
    assert!(!open, "{path}: a block does not end");
    found
}

/// Compares a document with what code makes of it; says how to write it anew.
fn assert_current(path: &str, made: &str) {
    let there = fs::read_to_string(root().join(path)).unwrap_or_default();
    let line = there.lines().zip(made.lines()).position(|(there, made)| there != made);
    assert!(
        there == made,
        "{path} is old (from line {} on): `cargo test -p agent --test agent -- --ignored documents::write` writes it anew",
        line.map_or(there.lines().count().min(made.lines().count()), |line| line) + 1
    );
}

#[test]
#[ignore = "writes docs/metrics.md and docs/configuration.md, for whoever changes a metric or a setting"]
fn write() {
    for (path, made) in [
        ("docs/metrics.md", agent::export::document::document()),
        ("docs/configuration.md", agent::config::reference::reference()),
    ] {
        fs::write(root().join(path), made).unwrap_or_else(|error| panic!("{path}: {error}"));
    }
}
