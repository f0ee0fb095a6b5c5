//! One look at the agent: what it holds, how full its maps are, how soon it and the web server answer.

use std::{
    collections::BTreeMap,
    fs,
    time::{Duration, Instant},
};

use agent::{
    kernel::Kernel,
    tables::{KernelTables as _, MapFill},
};
use anyhow::{Context as _, Result, ensure};
use serde::Serialize;

use super::{
    third::Kind,
    work::{METRICS, served},
};
use crate::{
    levee::Agent,
    load,
    process::{anonymous_mib, resident_mib},
    topology::Topology,
};

const MIB: f64 = 1_048_576.0;

/// What was seen at the end of a third.
#[derive(Clone, Debug, Serialize)]
pub struct Sample {
    /// Seconds since the beginning.
    pub seconds: f64,
    /// What the third was.
    pub kind: Kind,
    /// Resident memory of the agent, MiB.
    pub resident_mib: f64,
    /// Of that, what is its own.
    pub anonymous_mib: f64,
    /// What it has allocated and not freed, by its own account, MiB.
    pub heap_mib: f64,
    /// Open file descriptors of the agent.
    pub descriptors: usize,
    /// Threads of the agent.
    pub threads: usize,
    /// Files of its state directory, MiB.
    pub state_mib: f64,
    /// Memory of all maps, MiB.
    pub maps_mib: f64,
    /// Entries of each map that does not always have all.
    pub fill: BTreeMap<String, u64>,
    /// From the start of `agent status` to its answer, ms.
    pub status_ms: f64,
    /// Share of the customers' requests that were answered in time.
    pub served_ratio: f64,
    /// Median of the customers' `connect`, ms.
    pub connect_p50_ms: f64,
    /// 99th percentile of the same.
    pub connect_p99_ms: f64,
}

pub(super) fn take(
    topology: &Topology,
    agent: &mut Agent,
    third: u32,
    since: Duration,
    visits: &load::Report,
) -> Result<Sample> {
    ensure!(agent.process().ended()?.is_none(), "the agent has ended by itself");
    let pid = agent.process().pid();
    let fills = Kernel::open(&topology.lab().bpf_directory())?.fills()?;
    let asked = Instant::now();
    agent.home().ask_json(&["status"])?;
    let status_ms = asked.elapsed().as_secs_f64() * 1e3;
    Ok(Sample {
        seconds: since.as_secs_f64(),
        kind: Kind::of(third),
        resident_mib: resident_mib(pid)?,
        anonymous_mib: anonymous_mib(pid)?,
        heap_mib: heap_mib(&served(topology, METRICS)?)?,
        descriptors: entries(&format!("/proc/{pid}/fd"))?,
        threads: entries(&format!("/proc/{pid}/task"))?,
        state_mib: state_mib(&agent.home().directory().join("state"))?,
        maps_mib: fills.iter().map(|map| map.memory_bytes).sum::<u64>() as f64 / MIB,
        fill: fills.into_iter().filter_map(used).collect(),
        status_ms,
        served_ratio: visits.success_ratio,
        connect_p50_ms: visits.connect_p50_ms,
        connect_p99_ms: visits.connect_p99_ms,
    })
}

fn heap_mib(metrics: &str) -> Result<f64> {
    let bytes: f64 = metrics
        .lines()
        .find_map(|line| line.strip_prefix("levee_heap_used_bytes "))
        .context("the metrics have no levee_heap_used_bytes")?
        .parse()?;
    Ok(bytes / MIB)
}

fn used(map: MapFill) -> Option<(String, u64)> {
    Some((map.name, map.used?))
}

fn entries(directory: &str) -> Result<usize> {
    Ok(fs::read_dir(directory)
        .with_context(|| format!("cannot read {directory}"))?
        .count())
}

fn state_mib(directory: &std::path::Path) -> Result<f64> {
    let mut bytes = 0;
    for file in fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))? {
        // What is written whole has another name for a moment.
        if let Ok(metadata) = file?.metadata() {
            bytes += metadata.len();
        }
    }
    Ok(bytes as f64 / MIB)
}
