//! What the figures were measured on.

use std::{fs, thread};

use anyhow::{Context as _, Result};
use nix::sys::utsname::uname;
use serde::Serialize;

/// The machine.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// Model of the CPU.
    pub cpu: String,
    /// Cores that the run could use.
    pub cores: usize,
    /// Release of the kernel.
    pub kernel: String,
}

pub(super) fn describe() -> Result<Machine> {
    let text = fs::read_to_string("/proc/cpuinfo").context("cannot read /proc/cpuinfo")?;
    let model = text
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map(|(_, model)| model);
    Ok(Machine {
        cpu: model.unwrap_or("unknown CPU").to_owned(),
        cores: thread::available_parallelism()?.get(),
        kernel: uname()?.release().to_string_lossy().into_owned(),
    })
}
