//! `cargo xtask deny`: licences, sources and duplicates of dependencies.

use anyhow::Result;
use xtask::bpf;

use crate::run::{announce, cargo, run};

/// Check the dependencies: licences, where they come from, what is banned (deny.toml).
///
/// Installs cargo-deny from crates.io when it is missing.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Args {
    /// Also look for security advisories: downloads RustSec's database from GitHub
    #[arg(long)]
    advisories: bool,
}

pub(crate) fn main(args: &Args) -> Result<()> {
    if !is_installed() {
        announce("cargo-deny from crates.io (checks dependencies; some minutes to build)");
        run(cargo().args(["install", "cargo-deny", "--locked"]))?;
    }
    let mut command = cargo();
    command.args(["deny", "check", "bans", "licenses", "sources"]);
    if args.advisories {
        command.arg("advisories");
    }
    run(&mut command)
}

pub(crate) fn is_installed() -> bool {
    bpf::find_program("cargo-deny").is_some()
}
