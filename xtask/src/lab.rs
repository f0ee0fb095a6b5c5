//! Builds the lab and the agent as they are measured, and becomes the lab.

use std::{ffi::OsStr, os::unix::process::CommandExt, process::Command};

use anyhow::{Context, Result, bail};
use xtask::bpf::Task;

use crate::{
    build,
    run::{announce, binaries, cargo, is_root, run},
    setup,
};

/// Sets up, builds, then turns this process into `lab` with `arguments`: what the terminal or a supervisor sends to us
/// reaches the lab, which takes its networks down by itself.
///
/// # Errors
///
/// When the caller is not root, or something cannot be installed, built or started.
pub(crate) fn become_lab<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Result<()> {
    if !is_root() {
        bail!("the lab makes network namespaces and loads BPF programs: run this as root");
    }
    let toolchain = setup::ensure()?;
    build::programs(&toolchain, Task::Build)?;
    announce("agent and lab, optimised");
    run(cargo().args([
        "build",
        "--release",
        "--package",
        "agent",
        "--package",
        "tests",
        "--bins",
    ]))?;
    let lab = binaries("release")?.join("lab");
    let error = Command::new(&lab).args(arguments).exec();
    Err(error).with_context(|| format!("cannot start {}", lab.display()))
}
