//! The soak: an hour of customers, attacks, reloads, list swaps and operators' commands, and whether anything grows meanwhile.
//!
//! A minute is made of three thirds: calm, a flood of SYNs, a flood of UDP; each goes to another address than the one before.
//! The agent is looked at in the end of each third, when the flood has ended. What grew is told by a [`trend`] over minutes, of
//! which the first ones do not count: caches and histories fill then, up to their bounds.

mod sample;
mod table;
mod third;
mod trend;
mod work;

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde::Serialize;

use crate::{
    levee::{Agent, Settings},
    server,
    topology::Topology,
};

pub use sample::Sample;
pub use table::table;
pub use third::{Kind, THIRD};
pub use trend::Trend;

/// The first part of a soak does not count: as long as this, or a quarter of it if that is shorter.
const WARM_UP: Duration = Duration::from_secs(600);

/// What is to be done.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    /// How long, in whole minutes.
    pub minutes: u32,
    /// Packets per second of the floods.
    pub flood_pps: u32,
    /// Customers per second.
    pub customers_per_s: u32,
    /// Prefixes of the list that is swapped.
    pub prefixes: u32,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            minutes: 60,
            flood_pps: 50_000,
            customers_per_s: 200,
            prefixes: 20_000,
        }
    }
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// What was done.
    pub plan: Plan,
    /// Every look at the agent.
    pub samples: Vec<Sample>,
    /// What grew, and what did not.
    pub trends: Vec<Trend>,
    /// Commands that operators gave.
    pub commands: u64,
    /// Those that were refused, with what was said.
    pub refused: Vec<String>,
    /// Attacks in the ledger at the end.
    pub attacks: usize,
    /// Blocks that are there at the end: those without an end that nobody took back. There should be none.
    pub left_behind: usize,
}

impl Outcome {
    /// Whether nothing grew, and nothing was refused or forgotten.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.trends.iter().all(|trend| trend.is_flat) && self.refused.is_empty() && self.left_behind == 0
    }
}

/// Runs a soak; `tell` hears of each third that has ended.
///
/// # Errors
/// The lab or the agent does not start, the agent ends, or a plan of no minutes.
pub fn run(plan: &Plan, mut tell: impl FnMut(&Sample)) -> Result<Outcome> {
    ensure!(plan.minutes > 0, "a soak of 0 minutes is none");
    let topology = Topology::routed()?;
    let _server = server::start(&topology, false)?;
    let operator = work::Operator::new(&topology, plan)?;
    let mut agent = Agent::start(&topology, &operator.settings(), false)?;
    let mut samples = Vec::new();
    let start = Instant::now();
    for third in 0..plan.minutes * 3 {
        let visits = third::pass(&topology, plan, third, |at| operator.works(agent.home(), third, at))?;
        let sample = sample::take(&topology, &mut agent, third, start.elapsed(), &visits)?;
        tell(&sample);
        samples.push(sample);
    }
    let trends = trend::of(&samples, plan.minutes);
    let (commands, refused) = operator.done();
    Ok(Outcome {
        plan: plan.clone(),
        trends,
        samples,
        commands,
        refused,
        attacks: work::attacks(agent.home())?,
        left_behind: work::blocks(agent.home())?,
    })
}

/// Settings of the soak's agent: the lab's, and a list that is read from a file.
fn settings(more: &str) -> Settings {
    Settings {
        more: format!("[verify]\nset_sysctls = true\n{more}"),
        ..Settings::default()
    }
}
