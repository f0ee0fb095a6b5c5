//! One cell of the matrix: a defence, a flood, and two loads of customers in it.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use serde::Serialize;

use super::defence::{Defence, Defended, target};
use crate::{
    actor::Actor,
    addresses::FRESH_PREFIX_V4,
    flood, interface, load,
    topology::{Topology, WIRE_INTERFACE},
};

/// How long the flood runs before customers come: queues are full by then.
const LEAD: Duration = Duration::from_millis(500);
/// How long customers come, seconds.
const OPEN_SECONDS: &str = "3";
const CLOSED_SECONDS: &str = "2.5";
/// How they come: connections per second, connections at a time.
const OPEN_PER_S: &str = "2000";
const CLOSED_IN_FLIGHT: &str = "32";
/// How many addresses those have who come again.
const KNOWN_ADDRESSES: &str = "50";
/// Length of the prefixes that the loads of fresh customers take from the lab's: 131,070 addresses each.
const FRESH_PREFIX_LEN: u8 = 15;

/// Who the customers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Clients {
    /// Fifty addresses that come again and again.
    Known,
    /// Every connection comes from an address that was never there before.
    Unknown,
}

/// How strong the flood is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Rate {
    /// Its name in rows.
    pub name: &'static str,
    /// Packets per second; none in calm and without a limit.
    pub pps: Option<u32>,
}

/// The floods, from none to all that a core can send.
pub(super) const RATES: [Rate; 6] = [
    Rate::of("calm", None),
    Rate::of("300k", Some(300_000)),
    Rate::of("1m", Some(1_000_000)),
    Rate::of("2m", Some(2_000_000)),
    Rate::of("4m", Some(4_000_000)),
    Rate::of("unlimited", None),
];

impl Rate {
    const fn of(name: &'static str, pps: Option<u32>) -> Self {
        Self { name, pps }
    }

    /// Whether nobody floods.
    #[must_use]
    pub fn is_calm(&self) -> bool {
        self.name == "calm"
    }
}

/// What customers and flood met.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Cell {
    /// What protected them.
    pub defence: Defence,
    /// Who they were.
    pub clients: Clients,
    /// The flood that was asked for.
    pub rate: Rate,
    /// Customers at a fixed rate.
    pub open: Visits,
    /// Customers one after another.
    pub closed: Visits,
}

/// One load, and the flood around it.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Visits {
    /// How customers fared.
    #[serde(flatten)]
    pub report: load::Report,
    /// Flood packets per second that were sent meanwhile. Customers who come one after another, as fast as they can, take
    /// half of the core that they share with the generator.
    pub offered_pps: f64,
    /// Those among them that found room in the load balancer's receive ring.
    pub received_pps: f64,
}

/// Hands out prefixes of customers who come once.
#[derive(Debug, Default)]
pub(super) struct Fresh {
    used: usize,
}

impl Fresh {
    fn next(&mut self) -> Result<String> {
        let all: ipnet::Ipv4Net = FRESH_PREFIX_V4.parse()?;
        let prefix = all.subnets(FRESH_PREFIX_LEN)?.nth(self.used);
        self.used += 1;
        let prefix = prefix.ok_or_else(|| anyhow::anyhow!("no addresses left in {FRESH_PREFIX_V4}"))?;
        Ok(prefix.to_string())
    }
}

/// Measures a cell. The customers who are to be known visit before the flood.
pub(super) fn measure(
    defended: &Defended,
    defence: Defence,
    clients: Clients,
    rate: Rate,
    fresh: &mut Fresh,
) -> Result<Cell> {
    let topology = &defended.topology;
    if clients == Clients::Known {
        closed_calm(topology, "0.5")?;
    }
    let flood = start_flood(topology, rate)?;
    let open = visits(
        topology,
        ["--open", OPEN_PER_S],
        OPEN_SECONDS,
        &sources(clients, fresh)?,
    );
    let closed = visits(
        topology,
        ["--closed", CLOSED_IN_FLIGHT],
        CLOSED_SECONDS,
        &sources(clients, fresh)?,
    );
    if let Some(mut flood) = flood {
        flood.stop()?;
        flood.flood_report()?;
    }
    Ok(Cell {
        defence,
        clients,
        rate,
        open: open?,
        closed: closed?,
    })
}

/// Customers one after another, for `seconds`, from the fifty addresses.
pub(super) fn closed_calm(topology: &Topology, seconds: &str) -> Result<load::Report> {
    let known = sources(Clients::Known, &mut Fresh::default())?;
    load(topology, ["--closed", CLOSED_IN_FLIGHT], seconds, &known)
}

fn start_flood(topology: &Topology, rate: Rate) -> Result<Option<Actor>> {
    if rate.is_calm() {
        return Ok(None);
    }
    let target = target();
    let seconds = flood::LONGEST.as_secs().to_string();
    let mut arguments = vec!["--sources", "spoofed", "--v6-percent", "0", "--target", &target];
    arguments.extend(["--seconds", &seconds]);
    let pps = rate.pps.map(|pps| pps.to_string());
    if let Some(pps) = &pps {
        arguments.extend(["--rate", pps]);
    }
    let flood = Actor::flood(topology, &arguments)?;
    thread::sleep(LEAD);
    Ok(Some(flood))
}

/// Arguments that say where customers come from.
fn sources(clients: Clients, fresh: &mut Fresh) -> Result<[String; 2]> {
    Ok(match clients {
        Clients::Known => ["--addresses".to_owned(), KNOWN_ADDRESSES.to_owned()],
        Clients::Unknown => ["--fresh".to_owned(), fresh.next()?],
    })
}

fn visits(topology: &Topology, model: [&str; 2], seconds: &str, sources: &[String; 2]) -> Result<Visits> {
    let (start, before) = (Instant::now(), interface::traffic(topology.wire(), WIRE_INTERFACE)?);
    let report = load(topology, model, seconds, sources)?;
    let (took, after) = (start.elapsed(), interface::traffic(topology.wire(), WIRE_INTERFACE)?);
    let received = after.redirected - before.redirected;
    let lost = after.redirected_lost - before.redirected_lost;
    Ok(Visits {
        report,
        offered_pps: (received + lost) as f64 / took.as_secs_f64(),
        received_pps: received as f64 / took.as_secs_f64(),
    })
}

fn load(topology: &Topology, model: [&str; 2], seconds: &str, sources: &[String; 2]) -> Result<load::Report> {
    let target = target();
    let [option, value] = sources;
    let common = ["--seconds", seconds, "--target", &target, option, value];
    Actor::load(topology, &[&model[..], &common].concat())?.load_report()
}
