//! A load balancer under siege: a flood that must not reach its stack, real customers, and faults in the middle of both.
//!
//! [`Siege::lay`] brings up a lab whose agent drops the flood for three reasons, each of which has its own way of being lost: a
//! list of the configuration, a block by hand, a blackholed address. [`Siege::begin`] starts a flood and customers. Whatever is
//! then done to the agent or to the host, [`Siege::outcome`] says what customers met and how many packets of the flood were
//! seen behind XDP since the last outcome. That number has no tolerance: it is 0, or protection lapsed.

mod customers;
mod gauge;
mod outcome;
mod rows;

use std::{
    fmt, fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use customers::Customers;
use gauge::Gauge;

pub use customers::Served;
pub use outcome::Outcome;
pub use rows::{Row, Rows, Section, keep, kept_rows, recorded_rows, table};

use crate::{
    actor::Actor,
    addresses::vips,
    child::Running,
    flood,
    guarded::until_within,
    levee::{Agent, Home, Settings},
    server,
    topology::Topology,
    wire,
};

/// Packets per second of the flood.
pub const FLOOD_PPS: u32 = 20_000;

/// What of the flood's sources the list of the configuration has.
pub const LISTED: [&str; 2] = ["198.18.0.0/25", "2001:db8:b000::/59"];

/// What of them is blocked by hand.
pub const BLOCKED: [&str; 2] = ["198.18.0.128/25", "2001:db8:b000:20::/59"];

/// The flood's sources: all of both.
const BOTS: [&str; 4] = ["--bots-v4", "256", "--bots-v6", "64"];

/// How long the start of everything may take, on a machine that does other things too.
const PATIENCE: Duration = Duration::from_secs(15);

/// What keeps the flood out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// Its sources: half of them are in a list of the configuration, half were blocked by hand.
    Blocked,
    /// Its target: a blackholed address of each family. Its sources are random.
    Blackholed,
}

impl fmt::Display for Held {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Blocked => "blocked sources",
            Self::Blackholed => "a blackholed address",
        })
    }
}

/// The lab. Dropping it ends flood, customers, agent and lab.
#[derive(Debug)]
pub struct Siege {
    // The order is that of dropping: what sends before what answers, all before the lab.
    customers: Option<Customers>,
    flood: Option<Assault>,
    agent: Option<Agent>,
    _server: Running,
    gauge: Gauge,
    topology: Topology,
    section: Section,
}

/// A flood that runs.
#[derive(Debug)]
struct Assault {
    actor: Actor,
    held: Held,
    since: Instant,
    moved_before: u64,
}

impl Siege {
    /// Brings up lab, server and agent, and has the agent hold what [`Held`] says. Rows go to this section of the document.
    ///
    /// # Errors
    /// Something does not start.
    pub fn lay(section: Section) -> Result<Self> {
        Self::lay_with(section, &Settings::default())
    }

    /// The same with settings of one's own; the list is added to them.
    ///
    /// # Errors
    /// Something does not start.
    pub fn lay_with(section: Section, settings: &Settings) -> Result<Self> {
        let topology = Topology::routed()?;
        let server = server::start(&topology, false)?;
        let gauge = Gauge::set_up(&topology)?;
        let mut siege = Self {
            customers: None,
            flood: None,
            agent: None,
            _server: server,
            gauge,
            topology,
            section,
        };
        siege
            .home()
            .configure(siege.topology.lab(), &siege.with_list(settings))?;
        let list = siege.list();
        fs::write(&list, LISTED.join("\n") + "\n").with_context(|| format!("cannot write {}", list.display()))?;
        siege.start_agent()?;
        siege.hold()?;
        Ok(siege)
    }

    /// The file of the list.
    #[must_use]
    pub fn list(&self) -> PathBuf {
        self.home().directory().join("flood.list")
    }

    /// Settings with the list of the siege added.
    #[must_use]
    pub fn with_list(&self, settings: &Settings) -> Settings {
        let mut settings = settings.clone();
        settings.more += &format!(
            "\n[[list]]\nname = \"flood\"\nfrom = {:?}\naction = \"block\"\nrefresh = \"1s\"\n",
            self.list()
        );
        settings
    }

    /// Asks for the blocks by hand and the blackholes, and waits until list and all are in force.
    ///
    /// # Errors
    /// The agent refuses, or does not hold them.
    pub fn hold(&self) -> Result<()> {
        let home = self.home();
        for prefix in BLOCKED {
            home.ask(&["block-ip", prefix, "--ttl", "1h", "--reason", "siege"])?;
        }
        for address in blackholed() {
            home.ask(&["block-ip", &address, "--ttl", "1h", "--reason", "siege"])?;
        }
        until_within(PATIENCE, "the list is in force", || self.list_holds())
    }

    /// Whether the list is in force, as `agent lists` tells.
    ///
    /// # Errors
    /// The agent's command fails.
    pub fn list_holds(&self) -> Result<bool> {
        let lists = self.home().ask_json(&["lists"])?;
        let some = |family: &str| lists[0][family].as_u64().is_some_and(|count| count > 0);
        Ok(some("v4") && some("v6"))
    }

    /// Fails unless everything that was asked for is still there: the list, the blocks, the blackholes.
    ///
    /// # Errors
    /// Something is lost; it says what.
    pub fn nothing_is_lost(&self) -> Result<()> {
        let list = self.home().ask(&["list"])?;
        let wanted = BLOCKED.into_iter().map(ToOwned::to_owned).chain(blackholed());
        let lost: Vec<String> = wanted.filter(|wanted| !list.contains(wanted.as_str())).collect();
        ensure!(lost.is_empty(), "lost: {lost:?}; there is\n{list}");
        until_within(PATIENCE, "the list is in force again", || self.list_holds())
    }

    /// The lab.
    #[must_use]
    pub const fn topology(&self) -> &Topology {
        &self.topology
    }

    /// The agent's commands, whether it runs or not.
    #[must_use]
    pub fn home(&self) -> Home {
        Home::of(&self.topology)
    }

    /// The agent that runs.
    ///
    /// # Errors
    /// None does.
    pub fn agent(&mut self) -> Result<&mut Agent> {
        self.agent.as_mut().context("no agent runs")
    }

    /// Gives the agent away: for those who end it in their own way, or start another one.
    pub fn take_agent(&mut self) -> Option<Agent> {
        self.agent.take()
    }

    /// Ends the agent as `kill -9` does.
    ///
    /// # Errors
    /// None runs.
    pub fn kill_agent(&mut self) -> Result<()> {
        self.agent()?.process().kill()?;
        self.agent = None;
        Ok(())
    }

    /// Starts an agent with the configuration that is there, and waits until it answers.
    ///
    /// # Errors
    /// It does not start.
    pub fn start_agent(&mut self) -> Result<()> {
        // The old one first: it would be ended after the new one had started.
        self.agent = None;
        self.agent = Some(Agent::start_as_configured(&self.topology, false)?);
        Ok(())
    }

    /// Starts it in other surroundings: by way of a program that replaces itself by the agent.
    ///
    /// # Errors
    /// It does not start.
    pub fn start_agent_within(&mut self, wrapper: &[&str]) -> Result<()> {
        self.agent = None;
        self.agent = Some(Agent::start_within(&self.topology, wrapper)?);
        Ok(())
    }

    /// Starts flood and customers, and waits until packets of both arrive. A flood that runs ends before.
    ///
    /// It lasts [`flood::LONGEST`]: see [`Self::time_left`].
    ///
    /// # Errors
    /// They do not start, or the flood does not arrive.
    pub fn begin(&mut self, held: Held) -> Result<()> {
        self.end_flood()?;
        if self.customers.is_none() {
            self.customers = Some(Customers::come(self.topology.client())?);
        }
        let moved_before = wire::seen(self.topology.lab())?.moved;
        let (rate, targets) = (FLOOD_PPS.to_string(), self.targets(held).join(","));
        let common = ["--rate", &rate, "--target", &targets, "--seconds", "20"];
        let sources: &[&str] = match held {
            Held::Blocked => &BOTS,
            Held::Blackholed => &["--sources", "spoofed"],
        };
        self.flood = Some(Assault {
            actor: Actor::flood(&self.topology, &[&common, sources].concat())?,
            held,
            since: Instant::now(),
            moved_before,
        });
        let lab = self.topology.lab();
        until_within(PATIENCE, "the flood arrives", || {
            Ok(wire::seen(lab)?.moved > moved_before + 1_000)
        })
    }

    /// Begins another flood of the same kind unless the one that runs lasts for so long.
    ///
    /// # Errors
    /// As for [`Self::begin`]; and if none was begun.
    pub fn keep_on(&mut self, left: Duration) -> Result<()> {
        let flood = self.flood.as_ref().context("there is no flood to keep up")?;
        let (held, moved_before) = (flood.held, flood.moved_before);
        if self.time_left() < left {
            self.begin(held)?;
            if let Some(flood) = &mut self.flood {
                flood.moved_before = moved_before;
            }
        }
        Ok(())
    }

    /// How long the flood that runs will go on; a fault that takes longer needs another [`Self::begin`].
    #[must_use]
    pub fn time_left(&self) -> Duration {
        let left = |flood: &Assault| flood::LONGEST.saturating_sub(flood.since.elapsed());
        self.flood.as_ref().map_or(Duration::ZERO, left)
    }

    /// Says that the wire was made anew, and with it what counts the flood: from zero.
    pub const fn wire_is_new(&mut self) {
        if let Some(flood) = &mut self.flood {
            flood.moved_before = 0;
        }
    }

    /// Packets of the flood that were seen behind XDP since the last outcome: for those who wait for some.
    ///
    /// # Errors
    /// The gauge cannot be read.
    pub fn unprotected_so_far(&self) -> Result<u64> {
        self.gauge.peek(&self.topology)
    }

    /// Forgets what happened so far: for faults that take protection off on purpose, or for a start where there was none.
    ///
    /// # Errors
    /// The gauge cannot be read, or sees nothing.
    pub fn from_here(&mut self) -> Result<()> {
        self.gauge.read(&self.topology)?;
        let moved = wire::seen(self.topology.lab())?.moved;
        if let (Some(assault), Some(customers)) = (&mut self.flood, &self.customers) {
            assault.moved_before = moved;
            let _before = customers.so_far();
        }
        Ok(())
    }

    /// What came of a fault: all that happened since the last outcome, or since the beginning. A row of the document.
    ///
    /// # Errors
    /// No flood runs any more, so there is nothing to be told; or the gauge cannot be read.
    pub fn outcome(&mut self, fault: &str, kept: &str) -> Result<Outcome> {
        let left = self.time_left();
        let moved = wire::seen(self.topology.lab())?.moved;
        let (Some(assault), Some(customers)) = (&mut self.flood, &self.customers) else {
            bail!("{fault}: there is no siege, nothing was begun");
        };
        ensure!(
            !left.is_zero(),
            "{fault}: it took longer than the flood; begin another one before"
        );
        let flood = moved
            .checked_sub(assault.moved_before)
            .with_context(|| format!("{fault}: the wire counts less than before; was it made anew?"))?;
        assault.moved_before = moved;
        ensure!(flood > 0, "{fault}: no packet of the flood arrived meanwhile");
        let outcome = Outcome {
            fault: fault.to_owned(),
            held: assault.held,
            flood,
            unprotected: self.gauge.read(&self.topology)?,
            served: customers.so_far(),
            kept: kept.to_owned(),
        };
        eprintln!("siege: {outcome}");
        rows::record(self.section, &outcome)?;
        Ok(outcome)
    }

    /// Ends the flood; customers go on coming.
    ///
    /// # Errors
    /// The flood failed.
    pub fn end_flood(&mut self) -> Result<()> {
        if let Some(mut assault) = self.flood.take() {
            assault.actor.stop()?;
            assault.actor.flood_report()?;
        }
        Ok(())
    }

    fn targets(&self, held: Held) -> Vec<String> {
        match held {
            Held::Blocked => vips()[..2].iter().map(ToString::to_string).collect(),
            Held::Blackholed => blackholed(),
        }
    }
}

/// The blackholed address of each family. Customers do not go there.
#[must_use]
pub fn blackholed() -> Vec<String> {
    vips()[2..4].iter().map(ToString::to_string).collect()
}
