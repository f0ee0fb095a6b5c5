//! One phase: customers, maybe a flood around them, and what was counted meanwhile.

use std::{net::IpAddr, thread, time::Duration};

use anyhow::{Result, anyhow};

use super::{Kind, Options, Phase, drop_watch};
use crate::{
    actor::Actor,
    addresses::vips,
    flood,
    interface::{self, Traffic},
    levee::Drops,
    load,
    topology::{Topology, WIRE_INTERFACE},
};

/// How long the flood runs before customers come: queues are full by then.
const LEAD: Duration = Duration::from_millis(500);

/// How long a flood may take to start, and to be noticed.
const PATIENCE: Duration = Duration::from_secs(5);

/// Customers without a flood.
pub(super) fn calm(topology: &Topology, options: &Options) -> Result<Phase> {
    Ok(phase("calm", customers(topology, options)?, Flooded::default()))
}

/// Customers in a flood, nothing that protects them.
pub(super) fn flood_unprotected(topology: &Topology, options: &Options) -> Result<Phase> {
    let (load, flooded, _) = around(topology, options, || Ok(0))?;
    Ok(phase("flood_unprotected", load, flooded))
}

/// Customers in a flood, with the agent. Also returns the milliseconds from the first flood packet to the first drop.
pub(super) fn flood_protected(topology: &Topology, options: &Options, drops: &Drops) -> Result<(Phase, Option<f64>)> {
    let before = drops.total()?;
    thread::scope(|scope| {
        let watch = scope.spawn(|| drop_watch::wait(drops, before, PATIENCE));
        let (load, flooded, report) = around(topology, options, || Ok(drops.total()? - before))?;
        let seen_ns = watch
            .join()
            .map_err(|_panic| anyhow!("the watch for the first drop panicked"))??;
        // A look at the clock just before the first packet's can only be a tie.
        let first_drop_ms = seen_ns.map(|seen_ns| seen_ns.saturating_sub(report.first_ns) as f64 / 1e6);
        Ok((phase("flood_protected", load, flooded), first_drop_ms))
    })
}

/// What became of the flood, packets per second.
#[derive(Clone, Copy, Debug, Default)]
struct Flooded {
    offered_pps: f64,
    passed_pps: f64,
    dropped_pps: f64,
}

/// Starts the flood, lets customers visit, ends the flood, and counts.
fn around(
    topology: &Topology,
    options: &Options,
    dropped: impl Fn() -> Result<u64>,
) -> Result<(load::Report, Flooded, flood::Report)> {
    let before = interface::traffic(topology.wire(), WIRE_INTERFACE)?;
    let arguments = flood_arguments(options);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut flood = Actor::flood(topology, &arguments)?;
    thread::sleep(LEAD);
    let load = customers(topology, options)?;
    flood.stop()?;
    let report = flood.flood_report()?;
    let after = interface::traffic(topology.wire(), WIRE_INTERFACE)?;
    Ok((load, count(before, after, dropped()?, report.seconds), report))
}

fn count(before: Traffic, after: Traffic, dropped: u64, seconds: f64) -> Flooded {
    let received = after.redirected - before.redirected;
    let lost = after.redirected_lost - before.redirected_lost;
    // The agent may drop a customer too; that is no flood packet that passed.
    let passed = received.saturating_sub(dropped);
    Flooded {
        offered_pps: (received + lost) as f64 / seconds,
        passed_pps: passed as f64 / seconds,
        dropped_pps: dropped as f64 / seconds,
    }
}

fn flood_arguments(options: &Options) -> Vec<String> {
    let sources = match options.kind {
        Kind::Botnet => "botnet",
        Kind::Spoofed => "spoofed",
    };
    let rate = options.rate_pps.to_string();
    let seconds = flood::LONGEST.as_secs().to_string();
    let mut arguments = ["--sources", sources, "--rate", &rate, "--seconds", &seconds]
        .map(ToOwned::to_owned)
        .to_vec();
    for target in targets(options.kind) {
        arguments.extend(["--target".to_owned(), target.to_string()]);
    }
    arguments
}

/// A botnet goes for every address. Random sources go for one of each family, which is what exceeds an address's rate.
fn targets(kind: Kind) -> Vec<IpAddr> {
    let vips = vips();
    match kind {
        Kind::Botnet => vips,
        Kind::Spoofed => {
            let (v4, v6): (Vec<_>, Vec<_>) = vips.into_iter().partition(IpAddr::is_ipv4);
            v4.into_iter().take(1).chain(v6.into_iter().take(1)).collect()
        }
    }
}

fn customers(topology: &Topology, options: &Options) -> Result<load::Report> {
    let seconds = options.duration.as_secs_f64().to_string();
    Actor::load(topology, &["--seconds", &seconds])?.load_report()
}

fn phase(name: &'static str, load: load::Report, flooded: Flooded) -> Phase {
    Phase {
        name,
        client_success_ratio: load.success_ratio,
        client_connections_per_s: load.connections_per_s,
        connect_p99_ms: load.connect_p99_ms,
        flood_offered_pps: flooded.offered_pps,
        flood_passed_pps: flooded.passed_pps,
        flood_dropped_pps: flooded.dropped_pps,
    }
}
