//! `lab attempts`: what a hook tries in the tests of what the agent gave up.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result};
use clap::Args;
use lab::attempts::{self, Places};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A directory that may be written to; the outcomes go there, as outcomes.json
    own: PathBuf,
    /// A directory that may not
    others: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let file = arguments.own.join("outcomes.json");
    let draft = arguments.own.join("outcomes.new");
    let opened = fs::File::create(&draft).with_context(|| format!("cannot write {}", draft.display()))?;
    // Renamed before anything is tried: afterwards this process is another user.
    fs::rename(&draft, &file)?;
    let outcomes = attempts::all(&Places {
        own: arguments.own.clone(),
        others: arguments.others.clone(),
    });
    serde_json::to_writer(opened, &outcomes).context("cannot write the outcomes")
}
