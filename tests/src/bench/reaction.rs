//! How long after the packet that exceeds the threshold the first drop comes, with no agent running.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use agent::tables::{AddressState, KernelSettings, KernelTables as _, Mode, XdpMode};
use anyhow::{Context as _, Result};

use super::{
    ROUNDS, median, prepared,
    row::{Row, Target},
};
use crate::{
    addresses::vips,
    flood::{self, Flood, Payload, Report, Sources},
    topology::{BALANCER_INTERFACE, Topology},
};

/// The flood, and what the address is allowed: the packet that exceeds it comes BURST ÷ (FLOOD − RATE) seconds later.
const FLOOD_PPS: u32 = 100_000;
const RATE: u32 = 1_000;
const BURST: u32 = 9_900;
/// How often the drop counter is looked at.
const LOOK: Duration = Duration::from_micros(200);

pub(super) fn measure() -> Result<Vec<Row>> {
    let mut late_ms = Vec::new();
    for _ in 0..ROUNDS {
        late_ms.push(once()?);
    }
    Ok(vec![Row::absolute(
        "first_drop",
        median(&mut late_ms),
        "ms",
        Target::AtMost(10.0),
    )])
}

fn once() -> Result<f64> {
    let topology = Topology::direct()?;
    let flood = Flood {
        interface: topology.flood_interface().to_owned(),
        sources: Sources::Spoofed { v6_percent: 0 },
        targets: vec![vips()[0]],
        port: crate::server::PORT,
        payload: Payload::SYN,
        vlans: Vec::new(),
        rate_pps: Some(FLOOD_PPS),
        duration: Duration::from_millis(400),
    };
    let (first_drop_ns, report) = topology.balancer().enter(|| {
        let mut kernel = prepared::load(&topology.lab().bpf_directory(), prepared::Size::USUAL)?;
        let limit = prepared::limit(RATE, BURST)?;
        kernel.put_settings(&KernelSettings::new(Mode::Enforce, limit))?;
        kernel.put_address(&AddressState {
            local: true,
            ..AddressState::new(vips()[0], limit)
        })?;
        kernel.attach(BALANCER_INTERFACE, XdpMode::Native)?;
        let outcome = watch(&topology, &flood, || Ok(kernel.counters()?.host.dropped));
        kernel.detach_all()?;
        outcome
    })?;
    let allowed_s = f64::from(BURST) / f64::from(FLOOD_PPS - RATE);
    let late_ns = first_drop_ns as f64 - report.first_ns as f64 - allowed_s * 1e9;
    Ok((late_ns / 1e6).max(0.0))
}

/// Floods, and looks at the drop counter meanwhile; CLOCK_MONOTONIC of the look that first saw one, and the flood's report.
fn watch(topology: &Topology, flood: &Flood, mut dropped: impl FnMut() -> Result<u64>) -> Result<(u64, Report)> {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let flooding = scope.spawn(|| {
            let report = topology.attacker().enter(|| flood::run(flood, &AtomicBool::new(false)));
            over.store(true, Ordering::Relaxed);
            report
        });
        let mut first = None;
        while first.is_none() && !over.load(Ordering::Relaxed) {
            if dropped()? > 0 {
                first = Some(agent::clock::Now::read().mono.0);
            }
            thread::sleep(LOOK);
        }
        let report = flooding.join().ok().context("the flood's thread panicked")??;
        Ok((first.context("the flood was never dropped")?, report))
    })
}
