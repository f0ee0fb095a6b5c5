//! `cargo xtask check`: everything that can be said about the code without running it.

use anyhow::Result;
use xtask::bpf::Task;

use crate::{
    build,
    run::{announce, cargo, run},
    setup, tidy,
};

/// Formatting, clippy for the host and for BPF, tidy rules.
///
/// Warnings are errors. Licences and sources of dependencies are a task of their own, `deny`.
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
    announce("all checks passed");
    Ok(())
}
