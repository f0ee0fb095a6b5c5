//! What the figures were measured on.

use std::{fs, thread, time::Duration};

use anyhow::{Context as _, Result};
use nix::sys::utsname::uname;
use serde::Serialize;

/// How long the machine is watched before anything is measured.
const WATCH: Duration = Duration::from_secs(1);

/// The machine.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// Model of the CPU.
    pub cpu: String,
    /// Cores that the run could use.
    pub cores: usize,
    /// Release of the kernel.
    pub kernel: String,
    /// How busy it was with something else before the run, percent of all cores: the figures are as good as this is small.
    pub busy_percent: f64,
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
        busy_percent: busy_percent()?,
    })
}

/// Watches the machine for a moment, in which this process sleeps.
fn busy_percent() -> Result<f64> {
    let before = ticks()?;
    thread::sleep(WATCH);
    let after = ticks()?;
    let (idle, all) = (after.0 - before.0, after.1 - before.1);
    Ok((1.0 - idle as f64 / all.max(1) as f64) * 100.0)
}

/// Idle ticks and all ticks of all cores since boot. What a hypervisor gave to others counts as busy.
fn ticks() -> Result<(u64, u64)> {
    let text = fs::read_to_string("/proc/stat").context("cannot read /proc/stat")?;
    let line = text.lines().next().context("/proc/stat is empty")?;
    // user, nice, system, idle, iowait, irq, softirq, steal; what follows is in these.
    let fields: Vec<u64> = line
        .split_whitespace()
        .skip(1)
        .take(8)
        .filter_map(|field| field.parse().ok())
        .collect();
    let idle = fields.iter().skip(3).take(2).sum();
    Ok((idle, fields.iter().sum()))
}
