//! What the engine does by itself. Many times a second: read the counters, and have the detector look at what they gained.
//! Once a second: everything that is dearer, and the snapshot that people see.

use std::sync::Arc;

use super::Engine;
use crate::{
    clock::Now,
    detect::{Event, HostObservation, Sight, What},
    host::load::Load,
    ledger::JournalEntry,
    overrides::Change,
    tables::{self, CounterReading, Gain, MonotonicNs},
};

/// Time between two refreshes, in nanoseconds. A poll that comes a little early counts as in time.
const REFRESH_NS: u64 = 950_000_000;
/// Walking tables for their fill is dear: once in so many refreshes.
const FILLS_EVERY: u64 = 15;
/// Sampled headers that are kept.
const KEEP_SAMPLES: usize = 256;
/// Sampled headers that are taken out of the kernel's ring in one refresh; more than it holds.
const DRAIN_SAMPLES: usize = 4_096;
/// Sources whose share of all traffic the detector is told.
const TOP_SOURCES: usize = 10;
/// After so many nanoseconds (an agent that was stopped and went on) counters are read anew: see
/// [`tables::KernelTables::recount`].
const TOO_LONG_NS: u64 = 20_000_000_000;

/// What goes on from poll to poll.
#[derive(Debug)]
pub(super) struct Polls {
    /// The latest reading.
    reading: CounterReading,
    /// When it was made.
    read: Now,
    /// When the last refresh was.
    refreshed: Option<MonotonicNs>,
    refreshes: u64,
    /// How the host kept up between its last two looks.
    pub(super) load: Load,
    /// Why the latest poll failed.
    poll_problem: Option<String>,
    /// Why the latest refresh failed.
    refresh_problem: Option<String>,
}

impl Polls {
    pub(super) fn begin(reading: CounterReading, now: Now) -> Self {
        Self {
            reading,
            read: now,
            refreshed: None,
            refreshes: 0,
            load: Load::default(),
            poll_problem: None,
            refresh_problem: None,
        }
    }

    /// What is not as it should be.
    pub(super) fn warnings(&self) -> impl Iterator<Item = String> + '_ {
        self.poll_problem.iter().chain(&self.refresh_problem).cloned()
    }

    fn is_refresh_due(&self, now: Now) -> bool {
        self.refreshed
            .is_none_or(|refreshed| now.mono.0.saturating_sub(refreshed.0) >= REFRESH_NS)
    }
}

impl Engine {
    /// One poll.
    pub fn tick(&mut self, now: Now) {
        // First of all: nothing else matters where nothing protects.
        let attached = self.keep_attached(now);
        let outcome = self.poll(now);
        self.polls.poll_problem = told(outcome.as_ref().err());
        let happened = outcome.unwrap_or(false) || attached;
        if self.polls.is_refresh_due(now) {
            self.keep_pinned(now);
            self.ledger.catch_up(now.wall);
            self.expire(now);
            self.follow_fleet(now);
            self.keep_detected(now);
            self.keep_who(now);
            self.polls.refresh_problem = told(self.refresh(now).err().as_ref());
            self.publish(now);
        } else if happened {
            self.publish(now);
        }
    }

    /// Reads what the counters gained, and has the detector look at it; true when something happened.
    fn poll(&mut self, now: Now) -> tables::Result<bool> {
        let since = self.polls.read;
        let gains = self.recount(since, now)?;
        self.polls.read = now;
        let sight = Sight {
            since,
            now,
            kernel: &self.kernel,
            reading: &self.polls.reading,
            gains: &gains,
            host: self.host_observation(),
            elsewhere: &self.telling.elsewhere(now),
        };
        let Some(tick) = sight.tick() else {
            return Ok(false);
        };
        self.ledger.record_rates(&tick);
        Ok(self.detect(&tick))
    }

    fn recount(&mut self, since: Now, now: Now) -> tables::Result<Vec<Gain>> {
        let reading = &mut self.polls.reading;
        if now.mono.0.saturating_sub(since.mono.0) < TOO_LONG_NS {
            return self.tables.recount(reading);
        }
        let anew = self.tables.counters()?;
        let gains = anew.since(reading);
        *reading = anew;
        Ok(gains)
    }

    fn host_observation(&self) -> HostObservation {
        HostObservation {
            receive_drops: self.polls.load.receive_drops,
            softirq: self.polls.load.softirq,
            distinct_sources: self.talkers.distinct_sources,
            concentration: self.talkers.concentration(TOP_SOURCES),
        }
    }

    /// Everything that is not needed many times a second.
    fn refresh(&mut self, now: Now) -> tables::Result<()> {
        self.polls.refreshed = Some(now.mono);
        // A second look at the same instant (the first one, right after the start) has no rates to tell.
        if self.polls.read.mono > self.meter.at.mono {
            self.meter = Arc::new(self.meter.next(self.polls.reading.clone(), self.polls.read));
            self.recent.note(&self.meter);
        }
        self.talkers = Arc::new(self.tally.next(&self.tables.tally(now.mono)?, now));
        self.programs = Arc::new(self.tables.programs()?);
        self.links = Arc::new(self.tables.links()?);
        self.list_packets = Arc::new(self.tables.lists()?);
        if self.polls.refreshes.is_multiple_of(FILLS_EVERY) {
            self.fills = Arc::new(self.tables.fills()?);
        }
        self.polls.refreshes += 1;
        let fresh = self.tables.drain_samples(DRAIN_SAMPLES);
        if !fresh.is_empty() {
            // Nobody follows: nothing is lost, the latest are in the snapshot.
            let _ = self.fresh_samples.send(Arc::new(fresh.clone()));
            let too_many = (self.samples.len() + fresh.len()).saturating_sub(KEEP_SAMPLES);
            self.samples = Arc::new(self.samples.iter().cloned().chain(fresh).skip(too_many).collect());
        }
        Ok(())
    }

    /// Takes out what has ended. The kernel has stopped honouring it by itself; this makes room and tells the ledger.
    fn expire(&mut self, now: Now) {
        let expired = self.overrides.expired(now);
        if expired.is_empty() {
            return;
        }
        match self.change(&expired) {
            Ok(()) => {
                for change in &expired {
                    let entry = JournalEntry {
                        at: now.wall,
                        actor: "timer".to_owned(),
                        command: "expire".to_owned(),
                        reason: None,
                        succeeded: true,
                        result: describe(change),
                    };
                    // Not recorded is not lost: the ledger knows the end of each entry.
                    let _ = self.record(std::slice::from_ref(change), &entry);
                    self.happened(Event {
                        at: now.wall,
                        subject: None,
                        attack: None,
                        what: What::Notice { text: entry.result },
                    });
                }
            }
            Err(error) => tracing::error!("cannot take out what has ended (the kernel ignores it already): {error}"),
        }
    }
}

/// Logs why tables could not be read, and says it for `status`.
fn told(error: Option<&tables::TableError>) -> Option<String> {
    error.map(|error| {
        tracing::error!("cannot read the kernel's tables: {error}");
        format!("the counters are old: {error}")
    })
}

fn describe(change: &Change) -> String {
    match change {
        Change::RemoveEntry(prefix) => format!("The source list entry {prefix} has ended."),
        Change::RemoveBlackhole(address) => format!("The blackhole of {address} has ended."),
        Change::RemoveThreshold(target) => format!("The run-time threshold of {target} has ended."),
        Change::RemoveRung(address) => format!("The forced rung of {address} has ended: it takes its rung by itself."),
        Change::RemoveCeiling(address) => {
            format!("The ladder may put {address} as high again as the configuration says.")
        }
        Change::RemoveTaken(address) => {
            format!("The rung of {address} that the ladder took has ended, because it was not renewed.")
        }
        Change::SetMode(_) => "The run-time mode has ended.".to_owned(),
        Change::PutEntry(..)
        | Change::PutBlackhole(..)
        | Change::PutThreshold(..)
        | Change::PutRung(..)
        | Change::PutCeiling(..)
        | Change::PutTaken(..) => String::new(),
    }
}
