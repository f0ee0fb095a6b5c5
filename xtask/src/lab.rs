//! Builds the lab and the agent as they are measured, and becomes the lab.

use std::{
    ffi::{OsStr, OsString},
    os::unix::process::CommandExt,
    process::Command,
};

use anyhow::{Context, Result, bail};
use xtask::bpf::Task;

use crate::{
    build,
    run::{announce, binaries, cargo, is_root, run},
    setup,
};

/// What `lab` is given: its verb and options, those of the `flags` that are set, and what the user had for it besides.
pub(crate) fn arguments(verb: &[&str], flags: &[(&str, bool)], more: &[OsString]) -> Vec<OsString> {
    let set = flags.iter().filter(|(_, is_set)| *is_set).map(|(flag, _)| flag);
    let ours = verb.iter().chain(set).map(OsString::from);
    ours.chain(more.iter().cloned()).collect()
}

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
