//! `cargo xtask deny`: licences, sources and duplicates of dependencies, and what is known to be wrong with them.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::Result;
use xtask::bpf;

use crate::run::{announce, cargo, run};

/// Check the dependencies: licences, where they come from, what is banned (deny.toml), and advisories where RustSec's database is at hand.
///
/// Installs cargo-deny from crates.io when it is missing. Advisories and yanked versions are looked for in the database that an earlier
/// run with --advisories, or cargo-deny itself, left in cargo's home; without one it says that nobody looked.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Args {
    /// Bring RustSec's database up to date first: downloads it from GitHub
    #[arg(long)]
    advisories: bool,
}

pub(crate) fn main(args: &Args) -> Result<()> {
    if !is_installed() {
        announce("cargo-deny from crates.io (checks dependencies; some minutes to build)");
        run(cargo().args(["install", "cargo-deny", "--locked"]))?;
    }
    run(cargo().args(["deny", "check", "bans", "licenses", "sources"]))?;
    if args.advisories {
        return run(cargo().args(["deny", "check", "advisories"]));
    }
    match database() {
        Some(_) => run(cargo().args(["deny", "check", "--disable-fetch", "advisories"])),
        None => {
            announce(
                "advisories: NOT looked at, for want of RustSec's database; `cargo xtask deny --advisories` fetches it where GitHub \
                 can be reached",
            );
            Ok(())
        }
    }
}

pub(crate) fn is_installed() -> bool {
    bpf::find_program("cargo-deny").is_some()
}

/// Where cargo-deny keeps databases, if there is one.
fn database() -> Option<PathBuf> {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(Path::new(&env::var_os("HOME")?).join(".cargo")))?;
    database_in(&home)
}

fn database_in(cargo_home: &Path) -> Option<PathBuf> {
    let directory = cargo_home.join("advisory-dbs");
    let mut entries = fs::read_dir(&directory).ok()?.flatten();
    entries.any(|entry| entry.path().is_dir()).then_some(directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_directory_is_no_database() {
        let home = tempfile::tempdir().expect("directory");
        assert_eq!(database_in(home.path()), None);
        let directory = home.path().join("advisory-dbs");
        fs::create_dir(&directory).expect("made");
        fs::write(directory.join("db.lock"), "").expect("written");
        assert_eq!(database_in(home.path()), None);
        fs::create_dir(directory.join("advisory-db-1")).expect("made");
        assert_eq!(database_in(home.path()), Some(directory));
    }
}
