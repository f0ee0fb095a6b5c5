//! How soon what one of three load balancers decides for all is in every kernel; after a partition too.

use std::{
    thread,
    time::{Duration, Instant},
};

use agent::{
    clock::Now,
    detect::Attack,
    tables::{ListAction, MonotonicNs},
};
use anyhow::{Context as _, Result, bail, ensure};
use jiff::Timestamp;

use super::{
    median,
    row::{Row, Target},
};
use crate::{
    etcd::Settings,
    fleet::{Fleet, PATIENCE, PREFIX},
    guarded::until_within,
};

/// The names of the rows.
pub(super) const ROWS: &[&str] = &[
    "fleet_block_p50",
    "fleet_block_p99",
    "fleet_block_heal",
    "fleet_block_heal_worst",
];

/// The names of the rows of [`detection`].
pub(super) const DETECTION: &[&str] = &["fleet_detection", "fleet_detection_worst"];

/// Floods that are thin on every node.
const FLOODS: usize = 5;
/// SYNs per second of one: 40 % of what the address may take, where half of it at one node is an attack by itself.
const THIN_PPS: u32 = 2_000;
/// What it may take; attacks end soon, so that the next flood is another one.
const THIN: &str = "\n[thresholds.address]\nsyn_rate = 5000\nsyn_burst = 5000\n\n[detect]\nhold = \"3s\"\n";
/// Blocks.
const TIMES: usize = 100;
/// Partitions.
const PARTITIONS: usize = 10;
/// Between two looks at a kernel.
const LOOK: Duration = Duration::from_millis(2);

/// From the start of `agent block-ip --fleet` on one node, or from the end of a partition, to the entry in the last kernel.
pub(super) fn measure() -> Result<Vec<Row>> {
    let fleet = Fleet::start(3)?;
    let mut delays_ms = Vec::with_capacity(TIMES);
    for time in 0..TIMES {
        let address = format!("198.51.{}.{}", 100 + time / 250, time % 250);
        let start = Instant::now();
        let node = &fleet.nodes[time % 3];
        let mut command = node.home().command(&["block-ip", "--fleet", &address, "--ttl", "1h"])?;
        let mut asking = command.stdout(std::process::Stdio::null()).spawn()?;
        let held = until_all_hold(&fleet, &address, start);
        anyhow::ensure!(asking.wait()?.success(), "`agent block-ip --fleet {address}` failed");
        delays_ms.push(held?);
    }
    let mut heals_ms = Vec::with_capacity(PARTITIONS);
    for partition in 0..PARTITIONS {
        let address = format!("192.0.2.{partition}");
        let cut = partition % 3;
        fleet.set_link(cut, false)?;
        fleet.nodes[cut].until_warns(&["cut off from etcd"])?;
        let other = &fleet.nodes[(cut + 1) % 3];
        other.home().ask(&["block-ip", "--fleet", &address, "--ttl", "1h"])?;
        // Each at another point between two tries.
        thread::sleep(Duration::from_millis(partition as u64 * 137 % 1_000));
        fleet.set_link(cut, true)?;
        heals_ms.push(until_all_hold(&fleet, &address, Instant::now())?);
        fleet.until_all_are_up()?;
    }
    let worst = heals_ms.iter().copied().fold(0.0, f64::max);
    delays_ms.sort_by(f64::total_cmp);
    let p99 = delays_ms[TIMES * 99 / 100 - 1];
    Ok(vec![
        Row::absolute("fleet_block_p50", median(&mut delays_ms), "ms", Target::AtMost(1_000.0)),
        Row::absolute("fleet_block_p99", p99, "ms", Target::AtMost(1_000.0)),
        Row::absolute("fleet_block_heal", median(&mut heals_ms), "ms", Target::AtMost(2_000.0)),
        Row::absolute("fleet_block_heal_worst", worst, "ms", Target::AtMost(2_000.0)),
    ])
}

/// Milliseconds until the last kernel holds a block.
fn until_all_hold(fleet: &Fleet, address: &str, start: Instant) -> Result<f64> {
    let prefix = format!("{address}/32");
    let mut left: Vec<_> = fleet.nodes.iter().collect();
    while start.elapsed() < PATIENCE {
        let mut without = Vec::new();
        for node in left {
            if node.held(&prefix)? != Some(ListAction::Block) {
                without.push(node);
            }
        }
        if without.is_empty() {
            return Ok(start.elapsed().as_secs_f64() * 1e3);
        }
        left = without;
        thread::sleep(LOOK);
    }
    bail!("{address} is not blocked everywhere after {PATIENCE:?}")
}

/// From the first packet of a flood that is thin on every one of three nodes to the tick that calls it an attack on the last of them.
pub(super) fn detection() -> Result<Vec<Row>> {
    let mut fleet = Fleet::prepare(3, |_| Ok(Settings::default()))?;
    for node in &mut fleet.nodes {
        node.configure(THIN)?;
        node.start()?;
    }
    fleet.until_all_are_up()?;
    fleet.until_all_are_counted()?;
    let mut delays_ms = Vec::with_capacity(FLOODS);
    for flood in 0..FLOODS {
        // Each at another point between two writings.
        thread::sleep(Duration::from_millis(flood as u64 * 137));
        delays_ms.push(detected_after(&fleet)?);
    }
    let worst = delays_ms.iter().copied().fold(0.0, f64::max);
    let target = Target::AtMost(2_000.0);
    Ok(vec![
        Row::absolute("fleet_detection", median(&mut delays_ms), "ms", target),
        Row::absolute("fleet_detection_worst", worst, "ms", target),
    ])
}

fn detected_after(fleet: &Fleet) -> Result<f64> {
    let (last, reports) = fleet.flooded(&[0, 1, 2], THIN_PPS, || {
        let mut found = None;
        until_within(PATIENCE, "all nodes have the attack", || {
            let attacks = open_attacks(fleet)?;
            found = (attacks.len() == fleet.nodes.len()).then_some(attacks);
            Ok(found.is_some())
        })?;
        let found = found.context("attacks")?;
        ensure!(found.iter().all(|attack| attack.fleet.is_some()), "{found:?}");
        let last: Option<Timestamp> = found.iter().map(|attack| attack.detected).max();
        last.context("an attack")
    })?;
    let first = reports.iter().map(|report| report.first_ns).min().context("a flood")?;
    until_within(PATIENCE, "the attack is over", || Ok(open_attacks(fleet)?.is_empty()))?;
    // Reports of what was are gone, too.
    until_within(PATIENCE, "nothing is reported", || {
        Ok(fleet.etcd.names(&format!("{PREFIX}reports/"))?.is_empty())
    })?;
    let began = Now::read().wall_of(MonotonicNs(first));
    Ok(last.duration_since(began).as_secs_f64() * 1e3)
}

/// Attacks that go on, at all nodes.
fn open_attacks(fleet: &Fleet) -> Result<Vec<Attack>> {
    let mut open = Vec::new();
    for node in &fleet.nodes {
        let attacks: Vec<Attack> = serde_json::from_value(node.home().ask_json(&["attacks"])?)?;
        open.extend(attacks.into_iter().filter(|attack| attack.ended.is_none()));
    }
    Ok(open)
}
