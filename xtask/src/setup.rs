//! `cargo xtask setup`: installs what is missing, and says what and why.

mod apply;
mod plan;

use anyhow::{Result, bail};
use xtask::bpf::{self, Toolchain};

use self::plan::Machine;
use crate::run::announce;

/// Install what is missing for building and testing.
///
/// A BPF compiler and linker (a rustup nightly with `rust-src` plus bpf-linker, where present; else rustc-web and LLVM
/// from Debian, and bpf-linker from crates.io) and the programs that the lab runs. A second run finds everything and
/// does nothing. The other tasks do this by themselves.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Args {
    /// Only say what is missing; exit code 1 when something is
    #[arg(long)]
    check: bool,
}

pub(crate) fn main(args: &Args) -> Result<()> {
    let machine = Machine::gather();
    if args.check {
        return check(&machine);
    }
    let toolchain = prepare(&machine)?;
    announce(&format!("ready: {toolchain}"));
    Ok(())
}

/// Makes sure that everything is installed; says nothing when it is.
///
/// # Errors
///
/// When something is missing and cannot be installed.
pub(crate) fn ensure() -> Result<Toolchain> {
    prepare(&Machine::gather())
}

fn prepare(machine: &Machine) -> Result<Toolchain> {
    let steps = plan::plan(machine)?;
    if steps.is_empty() {
        return Ok(bpf::decide(&machine.facts)?);
    }
    for step in &steps {
        announce(&step.to_string());
        apply::apply(step)?;
    }
    let after = Machine::gather();
    if let Some(left) = plan::plan(&after)?.first() {
        bail!("installed, and yet missing: {left}");
    }
    Ok(bpf::decide(&after.facts)?)
}

fn check(machine: &Machine) -> Result<()> {
    let wanted = plan::wanted(machine);
    for step in &wanted {
        announce(&format!("missing: {step}"));
    }
    if !wanted.is_empty() {
        bail!("run `cargo xtask setup`");
    }
    announce(&format!("ready: {}", bpf::decide(&machine.facts)?));
    Ok(())
}
