//! What the agent takes while nothing happens: processor, memory, maps.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use agent::{
    kernel::{Capacity, Kernel, LoadOptions},
    tables::KernelTables as _,
};
use anyhow::{Context as _, Result};
use nix::{
    mount::{MntFlags, umount2},
    unistd::{SysconfVar, sysconf},
};

use super::row::{Row, Target};
use crate::{
    levee::{Agent, Settings},
    topology::Topology,
};

/// Let the start's work settle, then watch.
pub(super) const SETTLE: Duration = Duration::from_secs(3);
const WATCH: Duration = Duration::from_secs(15);
const MIB: f64 = 1_048_576.0;

pub(super) fn measure() -> Result<Vec<Row>> {
    let topology = Topology::direct()?;
    let settings = Settings {
        protect_also: (0..240).map(|n| format!("198.51.101.{n}")).collect(),
        ..Settings::default()
    };
    let mut agent = Agent::start(&topology, &settings, false)?;
    let pid = agent.process().pid();
    thread::sleep(SETTLE);
    let cpu_percent = cpu_percent(pid)?;
    let memory_mib = resident_mib(pid)?;
    drop(agent);
    Ok(vec![
        Row::absolute("agent_idle_cpu", cpu_percent, "% of a core", Target::AtMost(1.0)),
        Row::absolute("agent_idle_memory", memory_mib, "MiB", Target::AtMost(50.0)),
        Row::absolute("maps_memory", maps_mib()?, "MiB", Target::AtMost(64.0)),
    ])
}

/// The share of a core that a process takes while it is watched.
pub(super) fn cpu_percent(pid: u32) -> Result<f64> {
    let (before, start) = (cpu_seconds(pid)?, Instant::now());
    thread::sleep(WATCH);
    Ok((cpu_seconds(pid)? - before) / start.elapsed().as_secs_f64() * 100.0)
}

/// User and system time of a process: fields 14 and 15 of /proc/PID/stat, behind the name in parentheses.
fn cpu_seconds(pid: u32) -> Result<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, fields) = text.rsplit_once(") ").context("/proc/PID/stat without a name")?;
    let ticks: u64 = fields
        .split(' ')
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    let per_second = sysconf(SysconfVar::CLK_TCK)?.context("no CLK_TCK")?;
    Ok(ticks as f64 / per_second as f64)
}

fn resident_mib(pid: u32) -> Result<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .context("no VmRSS")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib / 1_024.0)
}

/// All maps with default sizes, as the kernel accounts them.
fn maps_mib() -> Result<f64> {
    let bpffs = tempfile::tempdir()?;
    let options = LoadOptions {
        bpffs: bpffs.path().to_owned(),
        capacity: Capacity::default(),
    };
    let (mut kernel, _) = Kernel::load(&options)?;
    let bytes: u64 = kernel.fills()?.iter().map(|map| map.memory_bytes).sum();
    kernel.detach_all()?;
    umount2(bpffs.path(), MntFlags::MNT_DETACH)?;
    Ok(bytes as f64 / MIB)
}
