//! `cargo xtask check`: everything that can be said about the code without running it.

use anyhow::Result;
use xtask::bpf::Task;

use crate::{
    build, deny,
    run::{announce, cargo, run},
    setup, tidy,
};

/// Formatting, clippy for the host and for BPF, tidy rules.
///
/// Warnings are errors. Licences and sources of dependencies are checked too where cargo-deny is installed; `cargo xtask
/// deny` installs it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn main(_: &Args) -> Result<()> {
    announce("tidy");
    tidy::main(&tidy::Args {})?;
    announce("rustfmt");
    run(cargo().args(["fmt", "--all", "--check"]))?;
    announce("Cargo.lock");
    run(cargo().args(["update", "--workspace", "--locked", "--quiet"]))?;
    let toolchain = setup::ensure()?;
    build::programs(&toolchain, Task::Clippy)?;
    build::programs(&toolchain, Task::Build)?;
    announce("clippy for the host");
    run(cargo().args(["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"]))?;
    if deny::is_installed() {
        announce("dependencies");
        deny::main(&deny::Args::default())?;
    } else {
        announce("dependencies: not checked, for want of cargo-deny; `cargo xtask deny` installs it");
    }
    announce("all checks passed");
    Ok(())
}
