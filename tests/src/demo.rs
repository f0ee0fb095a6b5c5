//! The demonstration: real customers without a flood, with one, and with one and the agent.

mod phase;
mod progress;
mod show;
mod watch;

use std::time::Duration;

use anyhow::{Result, ensure};
use serde::Serialize;

use crate::{
    alone,
    levee::{Agent, Settings},
    server,
    topology::Topology,
};

pub use progress::Progress;
pub use show::{commands, conclusion, table};

/// Who floods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Some hundred real addresses, each far over its threshold.
    Botnet,
    /// A random source address in every packet.
    Spoofed,
}

/// What the agent is configured with: the lab's thresholds, and leave to set the sysctls that cookies need.
fn settings() -> Settings {
    Settings {
        more: "[verify]\nset_sysctls = true\n".to_owned(),
        ..Settings::default()
    }
}

/// What the demonstration is to be.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Who floods.
    pub kind: Kind,
    /// Packets per second of the flood.
    pub rate_pps: u32,
    /// How long customers come in each phase.
    pub duration: Duration,
    /// Whether the lab stays up afterwards.
    pub keep: bool,
}

impl Options {
    /// How long customers can come at most: the flood starts before them, ends after them, and lasts 20 s at most.
    pub const LONGEST: Duration = Duration::from_secs(15);
}

/// What customers and flood met in one phase.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Phase {
    /// `calm`, `flood_unprotected` or `flood_protected`.
    pub name: &'static str,
    /// Share of the customers' requests that were answered within 3 s.
    pub client_success_ratio: f64,
    /// Requests answered per second, each over a new connection.
    pub client_connections_per_s: f64,
    /// 99th percentile of the time to connect, ms; a connection that failed counts as 3,000.
    pub connect_p99_ms: f64,
    /// Flood packets per second that were sent to the load balancer.
    pub flood_offered_pps: f64,
    /// Flood packets per second that got past the interface into the host.
    pub flood_passed_pps: f64,
    /// SYNs per second that Levee answered by itself at the interface, to make their sources prove that they are real.
    pub flood_answered_pps: f64,
    /// Flood packets per second that Levee dropped. Offered but neither passed, answered nor dropped: lost in a full receive
    /// ring.
    pub flood_dropped_pps: f64,
}

/// The result, as `--json` prints it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// The three phases, in their order.
    pub phases: [Phase; 3],
    /// From the first flood packet to the first one that Levee dropped or answered, ms; none if it did neither.
    pub first_drop_ms: Option<f64>,
}

/// Runs the demonstration. The lab it returns is gone when dropped, unless it is to be kept.
pub fn run(options: &Options, progress: &Progress) -> Result<(Outcome, Topology)> {
    ensure!(
        options.duration <= Options::LONGEST && options.duration > Duration::ZERO,
        "customers can come for up to {} s per phase, not {} s",
        Options::LONGEST.as_secs(),
        options.duration.as_secs_f32()
    );
    let _turn = alone::wait()?;
    progress.step("making four network namespaces: customers, attacker, the Internet, a load balancer");
    let mut topology = Topology::routed()?;
    progress.step("starting nginx on the load balancer");
    let server = server::start(&topology, options.keep)?;
    progress.step("customers visit, nobody floods");
    let calm = phase::calm(&topology, options)?;
    progress.step("customers visit, the flood runs, nothing protects the load balancer");
    let unprotected = phase::flood_unprotected(&topology, options)?;
    progress.step("starting the agent on the load balancer");
    let agent = Agent::start(&topology, &settings(), options.keep)?;
    agent.wait_for_sysctls(&topology)?;
    let counters = phase::Counters::open(&topology)?;
    progress.step("customers visit, the flood runs, the agent protects the load balancer");
    let (protected, first_drop_ms) = phase::flood_protected(&topology, options, &counters)?;
    progress.finish();
    if options.keep {
        topology.keep()?;
        agent.leave();
        server.leave();
    }
    Ok((
        Outcome {
            phases: [calm, unprotected, protected],
            first_drop_ms,
        },
        topology,
    ))
}
