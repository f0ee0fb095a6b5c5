//! Outcomes as rows: each run leaves its own in the build's directory, and docs/reliability.md shows those that were kept in
//! the tree (`tests/siege.json`).

use std::{
    collections::BTreeMap,
    env, fmt, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::Outcome;

/// The kept rows.
const KEPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/siege.json");

/// A section of docs/reliability.md that is made of rows.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Section {
    /// Faults of the environment.
    Faults,
    /// The agent killed at each step of what it does.
    Killed,
    /// Another version of the agent.
    Upgrade,
    /// Tests of the siege itself: no section, never kept.
    Own,
}

impl fmt::Display for Section {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Faults => "faults",
            Self::Killed => "killed",
            Self::Upgrade => "upgrade",
            Self::Own => "own",
        })
    }
}

/// One fault and what came of it.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Row {
    /// What was done.
    pub fault: String,
    /// What kept the flood out.
    pub held: String,
    /// Packets of the flood meanwhile.
    pub flood: u64,
    /// Of these, seen behind XDP.
    pub unprotected: u64,
    /// Customers who were served meanwhile.
    pub served: u64,
    /// Customers who were not.
    pub failed: u64,
    /// The longest that a customer who was served waited, ms.
    pub slowest_ms: u64,
    /// What was seen to be kept.
    pub kept: String,
}

impl From<&Outcome> for Row {
    fn from(outcome: &Outcome) -> Self {
        Self {
            fault: outcome.fault.clone(),
            held: outcome.held.to_string(),
            flood: outcome.flood,
            unprotected: outcome.unprotected,
            served: outcome.served.served,
            failed: outcome.served.failed,
            slowest_ms: u64::try_from(outcome.served.slowest.as_millis()).unwrap_or(u64::MAX),
            kept: outcome.kept.clone(),
        }
    }
}

/// Rows of each section, in the order in which they were first seen.
pub type Rows = BTreeMap<Section, Vec<Row>>;

/// What this build's runs have recorded.
///
/// # Errors
/// The file is not one of ours.
pub fn recorded_rows() -> Result<Rows> {
    read(&recorded()?)
}

/// What is kept in the tree.
///
/// # Errors
/// The file is not one of ours.
pub fn kept_rows() -> Result<Rows> {
    read(Path::new(KEPT))
}

/// Keeps a section's rows in the tree.
///
/// # Errors
/// The file cannot be written.
pub fn keep(section: Section, rows: Vec<Row>) -> Result<()> {
    let mut all = kept_rows()?;
    all.insert(section, rows);
    write(Path::new(KEPT), &all)
}

/// Records an outcome; a later one of the same fault takes its place.
pub(super) fn record(section: Section, outcome: &Outcome) -> Result<()> {
    let file = recorded()?;
    let mut all = read(&file)?;
    let rows = all.entry(section).or_default();
    let row = Row::from(outcome);
    match rows.iter_mut().find(|known| known.fault == row.fault) {
        Some(known) => *known = row,
        None => rows.push(row),
    }
    write(&file, &all)
}

/// The rows as a table of a document.
#[must_use]
pub fn table(rows: &[Row]) -> String {
    let mut text =
        "| fault | flood kept out by | its packets | unprotected | customers served | failed | slowest | kept |\n\
                    | --- | --- | ---: | ---: | ---: | ---: | ---: | --- |\n"
            .to_owned();
    for row in rows {
        text += &format!(
            "| {} | {} | {} | {} | {} | {} | {} ms | {} |\n",
            row.fault, row.held, row.flood, row.unprotected, row.served, row.failed, row.slowest_ms, row.kept
        );
    }
    text
}

/// Beside what cargo made of this program: a run says nothing about another build.
fn recorded() -> Result<PathBuf> {
    let own = env::current_exe().context("cannot tell where this program is")?;
    let target = own
        .ancestors()
        .find(|directory| directory.ends_with("debug") || directory.ends_with("release"));
    let directory = target.or(own.parent()).context("this program is nowhere")?;
    Ok(directory.join("siege.json"))
}

fn read(file: &Path) -> Result<Rows> {
    match fs::read_to_string(file) {
        Ok(text) => serde_json::from_str(&text).with_context(|| format!("{} has no rows", file.display())),
        Err(_) => Ok(Rows::new()),
    }
}

fn write(file: &Path, rows: &Rows) -> Result<()> {
    let text = serde_json::to_string_pretty(rows)? + "\n";
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}
