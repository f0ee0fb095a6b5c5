//! What the agent takes while nothing happens: processor, memory, maps.

use std::{
    thread,
    time::{Duration, Instant},
};

use agent::{
    kernel::{Capacity, Kernel, LoadOptions},
    tables::KernelTables as _,
};
use anyhow::Result;
use nix::mount::{MntFlags, umount2};

use super::row::{Row, Target};
use crate::{
    levee::{Agent, Settings},
    process::{cpu_seconds, resident_mib},
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
