//! `cargo xtask setup`: installs what is missing, and says what and why.

mod apply;
mod browser;
mod plan;

use anyhow::{Result, bail};
use xtask::bpf::{self, Toolchain};

use self::plan::{Machine, Step};
pub(crate) use self::{
    apply::update as update_lists,
    plan::{Tool, tool},
};
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

/// Makes sure that programs are there which only one task needs; says nothing when they are.
///
/// # Errors
///
/// When one is missing and cannot be installed.
pub(crate) fn ensure_tools(tools: &[Tool]) -> Result<()> {
    let missing: Vec<&Tool> = tools.iter().filter(|tool| tool.is_missing()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let mut packages: Vec<&str> = missing.iter().map(|tool| tool.package).collect();
    packages.dedup();
    let reasons: Vec<String> = missing
        .iter()
        .map(|tool| format!("{}: {}", tool.program, tool.reason))
        .collect();
    let machine = Machine::gather();
    if !machine.apt || !machine.root {
        bail!(
            "missing, and only root may install them, with apt-get: {} ({})",
            packages.join(" "),
            reasons.join(", ")
        );
    }
    let step = Step::Packages {
        packages,
        reason: reasons.join(", "),
    };
    announce(&step.to_string());
    apply::apply(&step)?;
    match tools.iter().find(|tool| tool.is_missing()) {
        Some(tool) => bail!("{} was installed, and yet there is no {}", tool.package, tool.program),
        None => Ok(()),
    }
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
