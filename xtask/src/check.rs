//! `cargo xtask check`: everything that can be said about the code without running it.

use anyhow::{Result, bail};
use xtask::bpf::Task;

use crate::{
    build, deny,
    run::{announce, cargo, run},
    setup, tidy,
};

/// Tidy rules, formatting, Cargo.lock, clippy for BPF and for the host, dependencies.
///
/// Does all of them even if one fails, and names those that failed. Warnings are errors. Dependencies are checked where
/// cargo-deny is installed; `cargo xtask deny` installs it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// A check and its name.
type Check = (&'static str, fn() -> Result<()>);

const CHECKS: &[Check] = &[
    ("tidy", || tidy::main(&tidy::Args::default())),
    ("rustfmt", || run(cargo().args(["fmt", "--all", "--check"]))),
    ("Cargo.lock", || {
        run(cargo().args(["update", "--workspace", "--locked", "--quiet"]))
    }),
    ("clippy for BPF", || build::programs(&setup::ensure()?, Task::Clippy)),
    ("clippy for the host", clippy),
    ("dependencies", dependencies),
];

pub(crate) fn main(_: &Args) -> Result<()> {
    let mut failed = Vec::new();
    for (name, check) in CHECKS {
        announce(name);
        if let Err(error) = check() {
            eprintln!("error: {name}: {error:#}");
            failed.push(*name);
        }
    }
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    announce("all checks passed");
    Ok(())
}

/// The build scripts of agent and lab need the BPF programs, so these come first, where one can see them.
fn clippy() -> Result<()> {
    build::programs(&setup::ensure()?, Task::Build)?;
    run(cargo().args(["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"]))
}

fn dependencies() -> Result<()> {
    if deny::is_installed() {
        return deny::main(&deny::Args::default());
    }
    announce("not checked, for want of cargo-deny: `cargo xtask deny` installs it");
    Ok(())
}
