//! `cargo xtask build`: everything, BPF programs first.

use anyhow::Result;
use xtask::bpf::{self, Machine, Task, Toolchain};

use crate::{
    run::{announce, binaries, cargo, run},
    setup,
};

/// Build everything: the BPF programs, the agent, the lab.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Build the agent and the lab optimised, into target/release
    #[arg(long)]
    release: bool,
}

pub(crate) fn main(args: &Args) -> Result<()> {
    let toolchain = setup::ensure()?;
    programs(&toolchain, Task::Build)?;
    announce("agent and lab");
    let mut command = cargo();
    command.args(["build", "--workspace"]);
    if args.release {
        command.arg("--release");
    }
    run(&mut command)
}

/// Builds or lints all BPF programs where one can see it: what build scripts do later, silently, then finds them done.
///
/// # Errors
///
/// When one of them does not compile, or has a warning and `task` is clippy.
pub(crate) fn programs(toolchain: &Toolchain, task: Task) -> Result<()> {
    let root = bpf::workspace_root();
    let target = binaries("debug")?;
    for package in [bpf::LEVEE, bpf::LAB] {
        announce(&format!("BPF programs of {} ({toolchain})", package.name));
        bpf::compile(toolchain, task, package, &Machine::host(), &root, &target)?;
    }
    Ok(())
}
