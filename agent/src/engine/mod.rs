//! The single owner of what is wanted: it takes commands, decides, writes to the kernel, records in the ledger, answers.
//! Every method takes the instant from outside, so that tests own the clock.

mod attached;
mod commands;
mod detect;
mod events;
mod fleet;
mod follow;
mod ladder;
mod lists;
mod look;
mod messages;
mod poll;
mod reload;
pub mod start;
mod thin;
mod upstream;
mod who;

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use attached::Attached;
pub use commands::detached;
use detect::Detecting;
use jiff::Timestamp;
use look::Watch;
use poll::Polls;
use tokio::sync::{broadcast, watch};

use crate::{
    apply::apply,
    clock::Now,
    command::{Command, Order},
    config::{Config, operation::LogLevel},
    control::api::Done,
    decide::{
        KernelState, Refusal, Upward, World,
        ladder::{Ladder, Watched},
    },
    detect::{Meter, NumberedEvent, Talkers, Tally},
    failpoint::{Point, reach},
    feeds::state::ListState,
    fleet::FleetState,
    host::{Host, HostFacts, TcpFacts},
    ledger::{Installed, JournalEntry, Ledger},
    overrides::{Change, Overrides},
    recent::Recent,
    snapshot::{LedgerHealth, Reload, Snapshot},
    tables::{KernelTables, LinkState, ListAction, ListPackets, Listener, MapFill, ProgramStats, Sample, SourceUsage},
    upstream::UpstreamState,
};

/// Changes how much is logged.
pub type SetLogLevel = Box<dyn Fn(LogLevel) + Send>;

/// The engine.
pub struct Engine {
    tables: Box<dyn KernelTables>,
    ledger: Ledger,
    config: Arc<Config>,
    reload: Reload,
    overrides: Arc<Overrides>,
    /// What the tables hold: this process is their only writer.
    kernel: Arc<KernelState>,
    meter: Arc<Meter>,
    recent: Recent,
    upstream: Arc<UpstreamState>,
    fleet: Arc<FleetState>,
    following: follow::Following,
    telling: fleet::Telling,
    tally: Tally,
    talkers: Arc<Talkers>,
    who: who::Who,
    host: Box<dyn Host>,
    /// The host's TCP at the last look.
    tcp: Arc<TcpFacts>,
    watch: Watch,
    listeners: Arc<Vec<Listener>>,
    lists: Arc<Vec<ListState>>,
    list_packets: Arc<Vec<ListPackets>>,
    links: Arc<Vec<LinkState>>,
    attached: Attached,
    fills: Arc<Vec<MapFill>>,
    programs: Arc<Vec<ProgramStats>>,
    samples: Arc<Vec<Sample>>,
    polls: Polls,
    detecting: Detecting,
    fresh_samples: broadcast::Sender<Arc<Vec<Sample>>>,
    ladder: Ladder,
    /// What the ladder knows of the addresses that are not at rest.
    watched: Arc<BTreeMap<IpAddr, Watched>>,
    ladder_problem: Option<String>,
    lasting_warnings: Vec<String>,
    started: Timestamp,
    snapshots: watch::Sender<Arc<Snapshot>>,
    events: broadcast::Sender<Arc<NumberedEvent>>,
    set_log_level: SetLogLevel,
    detached: bool,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("overrides", &self.overrides)
            .field("kernel", &self.kernel)
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// Where the latest snapshot is.
    #[must_use]
    pub fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshots.subscribe()
    }

    /// Sampled headers from now on, as they are read.
    #[must_use]
    pub fn samples(&self) -> broadcast::Sender<Arc<Vec<Sample>>> {
        self.fresh_samples.clone()
    }

    /// The configuration that runs.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// True once everything was taken off the interfaces: nothing is left to do.
    #[must_use]
    pub const fn is_detached(&self) -> bool {
        self.detached
    }

    /// Sources with a record now.
    ///
    /// # Errors
    /// If the kernel refuses to tell.
    pub fn sources(&self) -> Result<Vec<SourceUsage>, Refusal> {
        Ok(self.tables.sources()?)
    }

    /// Carries out a command: decides, writes, records, makes a new snapshot, and answers what was done.
    ///
    /// # Errors
    /// A refusal; then nothing has changed.
    pub fn carry_out(&mut self, order: &mut Order, now: Now) -> Result<Done, Refusal> {
        let description = order.command.describe();
        let reason = order.command.reason().map(str::to_owned);
        let is_reload = matches!(order.command, Command::Reload(_));
        let outcome = self.dispatch(order, now);
        if is_reload {
            self.reloaded(outcome.is_ok(), now);
        }
        let (changes, mut answer) = match outcome {
            Ok((changes, done)) => (changes, Ok(done)),
            Err(refusal) => (Vec::new(), Err(refusal)),
        };
        let entry = JournalEntry {
            at: now.wall,
            actor: order.actor.clone(),
            command: description,
            reason,
            succeeded: answer.is_ok(),
            result: answer
                .as_ref()
                .map_or_else(ToString::to_string, |done| done.message.clone()),
        };
        reach(Point::CommandInForce);
        let recorded = self.record(&changes, &entry);
        reach(Point::CommandRecorded);
        if let (Ok(done), Err(problem)) = (&mut answer, recorded) {
            done.warnings.push(problem);
        }
        self.publish(now);
        answer
    }

    /// Brings the tables to what follows from a configuration and what was asked for over it. All or nothing.
    fn move_to(&mut self, config: &Config, overrides: Overrides) -> Result<(), Refusal> {
        let wanted = KernelState::wanted(config, &overrides, &self.tcp);
        apply(&mut *self.tables, &self.kernel, &wanted)?;
        self.kernel = Arc::new(wanted);
        self.overrides = Arc::new(overrides);
        Ok(())
    }

    /// Makes changes to what was asked for and brings the tables there.
    fn change(&mut self, changes: &[Change]) -> Result<(), Refusal> {
        let config = Arc::clone(&self.config);
        self.move_to(&config, self.overrides.with(changes))
    }

    /// Writes down what is already in force, in the log and in the ledger.
    fn record(&mut self, changes: &[Change], entry: &JournalEntry) -> Result<(), String> {
        if entry.succeeded {
            tracing::info!(
                actor = entry.actor,
                command = entry.command,
                reason = entry.reason,
                "{}",
                entry.result
            );
        } else {
            tracing::warn!(
                actor = entry.actor,
                command = entry.command,
                reason = entry.reason,
                "refused: {}",
                entry.result
            );
        }
        self.ledger.record(changes, entry).map_err(|error| {
            tracing::error!("{error}");
            format!("in force, but not recorded yet (it is tried again), and gone after a reboot until then: {error}")
        })
    }

    fn world<'a>(&'a self, host: &'a HostFacts, now: Now) -> World<'a> {
        World {
            now,
            kernel: &self.kernel,
            host,
            config_list: &self.config.list,
            block_ttl: self.config.block_ttl,
            overrides: &self.overrides,
            upstream: Some(Upward {
                config: &self.config,
                state: &self.upstream,
            }),
            elsewhere: &[],
            stores: &self.fleet.stores,
        }
    }

    /// Tells the ledger what the tables hold, for the next start.
    fn remember_installed(&mut self) {
        let installed = Installed {
            tables: start::identity(&*self.tables),
            config_list: write_list(&self.config.list),
        };
        if let Err(error) = self.ledger.set_installed(&installed) {
            tracing::error!("{error}");
        }
    }

    fn ledger_health(&self) -> LedgerHealth {
        let problem = match (self.ledger.is_in_memory(), self.ledger.last_error()) {
            (_, Some(error)) => Some(error.to_owned()),
            (true, None) => Some("kept in memory only, lost with the next restart".to_owned()),
            (false, None) => None,
        };
        let problems: Vec<String> = problem.into_iter().chain(self.ledger.history().problem()).collect();
        LedgerHealth {
            path: self.ledger.path().to_owned(),
            problem: (!problems.is_empty()).then(|| problems.join("; ")),
            lost: self.ledger.history().lost(),
        }
    }

    /// Makes a new snapshot for everybody who answers questions.
    fn publish(&self, now: Now) {
        self.snapshots.send_replace(Arc::new(self.snapshot(now)));
    }

    fn snapshot(&self, now: Now) -> Snapshot {
        Snapshot {
            now,
            started: self.started,
            config: Arc::clone(&self.config),
            reload: self.reload.clone(),
            overrides: Arc::clone(&self.overrides),
            kernel: Arc::clone(&self.kernel),
            meter: Arc::clone(&self.meter),
            recent: self.recent.clone(),
            upstream: Arc::clone(&self.upstream),
            fleet: Arc::clone(&self.fleet),
            not_here: self.following.not_here(),
            report: self.telling.report(),
            talkers: Arc::clone(&self.talkers),
            watched: Arc::clone(&self.watched),
            tcp: Arc::clone(&self.tcp),
            listeners: Arc::clone(&self.listeners),
            lists: Arc::clone(&self.lists),
            list_packets: Arc::clone(&self.list_packets),
            links: Arc::clone(&self.links),
            unprotected: self.attached.unprotected(),
            without: self.attached.sums(now),
            fills: Arc::clone(&self.fills),
            programs: Arc::clone(&self.programs),
            samples: Arc::clone(&self.samples),
            detection: self.detection(),
            ledger: self.ledger_health(),
            warnings: self.warnings(now),
        }
    }

    fn warnings(&self, now: Now) -> Vec<String> {
        let links = self
            .links
            .iter()
            .filter_map(|link| Some(format!("{}: {}", link.interface, link.warning.as_ref()?)));
        self.lasting_warnings
            .iter()
            .cloned()
            .chain(self.attached.warnings())
            .chain(links)
            .chain(self.host_warnings())
            .chain(self.list_warnings(now))
            .chain(self.polls.warnings())
            .chain(self.ladder_problem.clone())
            .chain(self.upstream.warnings())
            .chain(self.fleet.warnings())
            .chain(self.following.not_here())
            .chain(self.reload_warning())
            .collect()
    }
}

/// The configuration's list as the ledger keeps it: `prefix action` per line.
fn write_list(list: &BTreeMap<ipnet::IpNet, ListAction>) -> String {
    list.iter()
        .map(|(prefix, action)| format!("{prefix} {action}\n"))
        .collect()
}

/// Reads that back; a line that makes no sense is as good as none.
fn read_list(text: &str) -> BTreeMap<ipnet::IpNet, ListAction> {
    text.lines()
        .filter_map(|line| {
            let (prefix, action) = line.split_once(' ')?;
            let action = [ListAction::Allow, ListAction::Block]
                .into_iter()
                .find(|known| known.to_string() == action)?;
            Some((prefix.parse().ok()?, action))
        })
        .collect()
}
