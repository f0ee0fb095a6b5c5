//! Where the programs are that the lab starts: beside the running one, as cargo leaves them.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};

/// The agent: `AGENT` in the environment, or the one beside this program.
pub fn agent() -> Result<PathBuf> {
    find("agent", "AGENT", "cargo build --package agent")
}

/// The lab's own command line.
pub fn lab() -> Result<PathBuf> {
    find("lab", "LAB", "cargo build --package tests")
}

fn find(name: &str, variable: &str, way_out: &str) -> Result<PathBuf> {
    if let Some(path) = env::var_os(variable) {
        let path = PathBuf::from(path);
        if !path.is_file() {
            bail!("{variable}={} is no file", path.display());
        }
        return Ok(path);
    }
    let own = env::current_exe().context("cannot tell where this program is")?;
    // Cargo leaves test programs one directory below the others.
    let places = own.ancestors().skip(1).take(2);
    places
        .map(|directory: &Path| directory.join(name))
        .find(|path| path.is_file())
        .with_context(|| {
            format!(
                "there is no `{name}` beside {}: run `{way_out}`, or set {variable}",
                own.display()
            )
        })
}
