//! A third of a minute: customers come all the time, one kind of flood runs, and somebody works meanwhile.

use std::{
    net::IpAddr,
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use serde::Serialize;

use super::Plan;
use crate::{actor::Actor, addresses::vips, load, topology::Topology};

/// How long it lasts.
pub const THIRD: Duration = Duration::from_secs(20);
/// Of that, customers and floods: what begins late on a busy machine ends in time.
const TRAFFIC_SECS: u32 = 16;

/// What a third of a minute is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// No flood.
    Calm,
    /// SYNs from random sources.
    Syn,
    /// UDP from a botnet.
    Udp,
}

impl Kind {
    /// Of this number, counted from the first.
    #[must_use]
    pub const fn of(third: u32) -> Self {
        match third % 3 {
            0 => Self::Calm,
            1 => Self::Syn,
            _ => Self::Udp,
        }
    }
}

/// The address that is flooded then: another one each time.
pub(super) fn target(third: u32) -> IpAddr {
    let vips = vips();
    vips[third as usize % vips.len()]
}

/// Passes one; `work` is called about each second, with the time since its beginning. How the customers fared.
pub(super) fn pass(topology: &Topology, plan: &Plan, third: u32, mut work: impl FnMut(u64)) -> Result<load::Report> {
    let start = Instant::now();
    let seconds = TRAFFIC_SECS.to_string();
    let customers = Actor::load(
        topology,
        &["--open", &plan.customers_per_s.to_string(), "--seconds", &seconds],
    )?;
    let flood = flood(topology, plan, third, &seconds)?;
    for second in 0..THIRD.as_secs() {
        work(second);
        thread::sleep((start + Duration::from_secs(second + 1)).saturating_duration_since(Instant::now()));
    }
    if let Some(flood) = flood {
        flood.flood_report()?;
    }
    customers.load_report()
}

fn flood(topology: &Topology, plan: &Plan, third: u32, seconds: &str) -> Result<Option<Actor>> {
    let (rate, target) = (plan.flood_pps.to_string(), target(third));
    let (v6, no_bots) = if target.is_ipv6() {
        ("100", "--bots-v4")
    } else {
        ("0", "--bots-v6")
    };
    let target = target.to_string();
    let common = ["--rate", &rate, "--seconds", seconds, "--target", &target];
    let kind: &[&str] = match Kind::of(third) {
        Kind::Calm => return Ok(None),
        Kind::Syn => &["--sources", "spoofed", "--v6-percent", v6],
        Kind::Udp => &["--sources", "botnet", no_bots, "0", "--udp"],
    };
    Actor::flood(topology, &[kind, &common].concat()).map(Some)
}
