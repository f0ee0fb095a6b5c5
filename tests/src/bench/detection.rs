//! How soon an attack is detected, and what the agent pays for looking at thousands of addresses ten times a second.

use std::{
    sync::atomic::AtomicBool,
    thread,
    time::{Duration, Instant},
};

use agent::{
    clock::Now,
    detect::{Attack, AttackVector},
    tables::MonotonicNs,
};
use anyhow::{Context as _, Result, ensure};

use super::{
    footprint::{SETTLE, cpu_percent},
    median,
    row::{Row, Target},
};
use crate::{
    actor::Actor,
    addresses::vips,
    command::describe,
    flood::{self, Flood, Payload, Report, Sources},
    levee::{Agent, Home, Settings},
    terminal::Terminal,
    topology::Topology,
};

/// The names of the rows of [`delay`].
pub(super) const DELAY: &[&str] = &["detection_delay", "detection_delay_worst"];
/// The names of the rows of [`load`].
pub(super) const LOAD: &[&str] = &["agent_cpu_4096", "agent_cpu_4096_flood", "top_cpu_4096"];

/// How often an attack begins.
const ONSETS: u32 = 20;
/// Five times what the address is allowed.
const FLOOD_PPS: u32 = 100_000;
/// One attack lasts so long.
const FLOOD: Duration = Duration::from_millis(1_500);
/// Attacks end soon, so that the next flood is another one.
const DETECT: &str = "[detect]\nhold = \"3s\"\n";
/// No attack lasts longer than its flood and its hold by this.
const PATIENCE: Duration = Duration::from_secs(8);
/// Addresses beside those of the lab: 4,096 in all.
pub(super) const ALSO: u32 = 4_096 - 16;

/// From a flood's first packet to the tick that calls it an attack.
pub(super) fn delay() -> Result<Vec<Row>> {
    let topology = Topology::direct()?;
    let settings = Settings {
        more: DETECT.to_owned(),
        ..Settings::default()
    };
    let agent = Agent::start(&topology, &settings, false)?;
    thread::sleep(SETTLE);
    let mut delays_ms = Vec::new();
    for onset in 0..ONSETS {
        // Each at another point between two polls, of the detector's and of the once-a-second ones.
        thread::sleep(Duration::from_millis(u64::from(onset) * 37));
        delays_ms.push(once(&topology, agent.home())?);
    }
    let worst = delays_ms.iter().copied().fold(0.0, f64::max);
    Ok(vec![
        Row::absolute("detection_delay", median(&mut delays_ms), "ms", Target::AtMost(500.0)),
        Row::absolute("detection_delay_worst", worst, "ms", Target::AtMost(1_000.0)),
    ])
}

fn once(topology: &Topology, home: &Home) -> Result<f64> {
    let flood = Flood {
        interface: topology.flood_interface().to_owned(),
        sources: Sources::Spoofed { v6_percent: 0 },
        targets: vec![vips()[0]],
        port: crate::server::PORT,
        payload: Payload::SYN,
        vlans: Vec::new(),
        rate_pps: Some(FLOOD_PPS),
        duration: FLOOD,
    };
    let (report, found) = thread::scope(|scope| -> Result<(Report, Attack)> {
        let flooding = scope.spawn(|| {
            topology
                .attacker()
                .enter(|| flood::run(&flood, &AtomicBool::new(false)))
        });
        let found = wait(home, |attacks| attacks.first().cloned());
        let report = flooding.join().ok().context("the flood's thread panicked")??;
        Ok((report, found?))
    })?;
    ensure!(
        found.vectors.contains(&AttackVector::Syn),
        "it is no SYN flood: {found:?}"
    );
    let began = Now::read().wall_of(MonotonicNs(report.first_ns));
    wait(home, |attacks| attacks.is_empty().then_some(()))?;
    Ok(found.detected.duration_since(began).as_secs_f64() * 1e3)
}

/// Waits until the attacks that go on are as wanted.
fn wait<T>(home: &Home, wanted: impl Fn(&[Attack]) -> Option<T>) -> Result<T> {
    let start = Instant::now();
    loop {
        let status = home.ask_json(&["status"])?;
        let attacks: Vec<Attack> = serde_json::from_value(status["detection"]["attacks"].clone())
            .with_context(|| format!("`agent status` tells no attacks: {status}"))?;
        if let Some(found) = wanted(&attacks) {
            return Ok(found);
        }
        ensure!(start.elapsed() < PATIENCE, "still so after {PATIENCE:?}: {attacks:?}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// The agent's share of a core with 4,096 addresses at ten polls a second, in calm and while the lab's addresses are flooded, and that of
/// `agent top` beside it.
pub(super) fn load() -> Result<Vec<Row>> {
    let topology = Topology::direct()?;
    let settings = Settings {
        protect_also: (0..ALSO).map(|n| format!("10.99.{}.{}", n / 256, n % 256)).collect(),
        ..Settings::default()
    };
    let mut agent = Agent::start(&topology, &settings, false)?;
    let pid = agent.process().pid();
    thread::sleep(SETTLE);
    let calm = cpu_percent(pid)?;
    let top = top_percent(&topology, agent.home())?;
    let targets: Vec<String> = vips().iter().map(ToString::to_string).collect();
    let arguments = [
        "--sources",
        "spoofed",
        "--rate",
        "200000",
        "--seconds",
        "20",
        "--v6-percent",
        "50",
    ];
    let mut flood = Actor::flood(&topology, &[&arguments[..], &["--target", &targets.join(",")]].concat())?;
    thread::sleep(Duration::from_secs(2));
    let flooded = cpu_percent(pid)?;
    flood.stop()?;
    flood.flood_report()?;
    Ok(vec![
        Row::absolute("agent_cpu_4096", calm, "% of a core", Target::AtMost(2.0)),
        Row::absolute("agent_cpu_4096_flood", flooded, "% of a core", Target::Orientation),
        Row::absolute("top_cpu_4096", top, "% of a core", Target::AtMost(3.0)),
    ])
}

/// The share of a core that `agent top` takes in a terminal of usual size.
fn top_percent(topology: &Topology, home: &Home) -> Result<f64> {
    let terminal = Terminal::open(topology.lab(), 120, 40)?;
    terminal.run(&describe(&home.command(&["top"])?))?;
    terminal.wait_for("ADDRESS ")?;
    thread::sleep(SETTLE);
    cpu_percent(terminal.foreground()?.try_into()?)
}
