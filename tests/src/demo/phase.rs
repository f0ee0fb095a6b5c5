//! One phase: customers, maybe a flood around them, and what was counted meanwhile.

use std::{net::IpAddr, thread, time::Duration};

use anyhow::{Result, anyhow};

use super::{Kind, Options, Phase, watch};
use crate::{
    actor::Actor,
    addresses::vips,
    flood,
    interface::{self, Traffic},
    levee::{Answers, Drops},
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
    let (load, flooded, _) = around(topology, options, || Ok(Acted::default()))?;
    Ok(phase("flood_unprotected", load, flooded))
}

/// What Levee did about packets, by its own counters.
#[derive(Clone, Copy, Debug, Default)]
struct Acted {
    dropped: u64,
    answered: u64,
}

/// Where these counters are.
#[derive(Debug)]
pub(super) struct Counters {
    drops: Drops,
    answers: Answers,
}

impl Counters {
    pub(super) fn open(topology: &Topology) -> Result<Self> {
        Ok(Self {
            drops: Drops::open(topology.lab())?,
            answers: Answers::open(topology.lab())?,
        })
    }

    fn since(&self, before: Acted) -> Result<Acted> {
        Ok(Acted {
            dropped: self.drops.total()? - before.dropped,
            answered: self.answers.total()? - before.answered,
        })
    }
}

/// Customers in a flood, with the agent. Also returns the milliseconds from the first flood packet to the first one dropped
/// or answered.
pub(super) fn flood_protected(
    topology: &Topology,
    options: &Options,
    counters: &Counters,
) -> Result<(Phase, Option<f64>)> {
    let before = counters.since(Acted::default())?;
    let acted = || counters.since(before);
    thread::scope(|scope| {
        let first = scope.spawn(|| watch::wait(|| acted().map(|acted| acted.dropped + acted.answered), PATIENCE));
        let (load, flooded, report) = around(topology, options, acted)?;
        let seen_ns = first
            .join()
            .map_err(|_panic| anyhow!("the watch for the first drop or answer panicked"))??;
        // A look at the clock just before the first packet's can only be a tie.
        let first_ms = seen_ns.map(|seen_ns| seen_ns.saturating_sub(report.first_ns) as f64 / 1e6);
        Ok((phase("flood_protected", load, flooded), first_ms))
    })
}

/// What became of the flood, packets per second.
#[derive(Clone, Copy, Debug, Default)]
struct Flooded {
    offered_pps: f64,
    passed_pps: f64,
    answered_pps: f64,
    dropped_pps: f64,
}

/// Starts the flood, lets customers visit, ends the flood, and counts.
fn around(
    topology: &Topology,
    options: &Options,
    acted: impl Fn() -> Result<Acted>,
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
    Ok((load, count(before, after, acted()?, report.seconds), report))
}

fn count(before: Traffic, after: Traffic, acted: Acted, seconds: f64) -> Flooded {
    let received = after.redirected - before.redirected;
    let lost = after.redirected_lost - before.redirected_lost;
    // Levee answers customers too, and may drop one; that is no flood packet that passed.
    let passed = received.saturating_sub(acted.dropped + acted.answered);
    Flooded {
        offered_pps: (received + lost) as f64 / seconds,
        passed_pps: passed as f64 / seconds,
        answered_pps: acted.answered as f64 / seconds,
        dropped_pps: acted.dropped as f64 / seconds,
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

/// Where the flood goes, and the customers with it. A botnet goes for every address. Random sources go for one of each
/// family, which is what exceeds an address's rate.
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
    let mut arguments = vec!["--seconds".to_owned(), seconds];
    for target in targets(options.kind) {
        arguments.extend(["--target".to_owned(), target.to_string()]);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    Actor::load(topology, &arguments)?.load_report()
}

fn phase(name: &'static str, load: load::Report, flooded: Flooded) -> Phase {
    Phase {
        name,
        client_success_ratio: load.success_ratio,
        client_connections_per_s: load.connections_per_s,
        connect_p99_ms: load.connect_p99_ms,
        flood_offered_pps: flooded.offered_pps,
        flood_passed_pps: flooded.passed_pps,
        flood_answered_pps: flooded.answered_pps,
        flood_dropped_pps: flooded.dropped_pps,
    }
}
