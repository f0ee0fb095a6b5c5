//! What the engine does by itself, once per poll: take out what has ended, read the counters, make a snapshot.

use std::sync::Arc;

use super::Engine;
use crate::{
    clock::Now,
    detect::{Event, What},
    ledger::JournalEntry,
    overrides::Change,
};

/// Walking tables for their fill is dear: once in so many polls.
const FILLS_EVERY: u64 = 15;
/// Sampled headers that are kept.
const KEEP_SAMPLES: usize = 256;
/// Sampled headers that are taken out of the kernel's ring in one poll; more than it holds.
const DRAIN_SAMPLES: usize = 4_096;

impl Engine {
    /// One poll.
    pub fn tick(&mut self, now: Now) {
        self.expire(now);
        self.poll_problem = self.read(now).err().map(|error| {
            tracing::error!("cannot read the kernel's tables: {error}");
            format!("the counters are old: {error}")
        });
        self.polls += 1;
        self.publish(now);
    }

    fn read(&mut self, now: Now) -> crate::tables::Result<()> {
        // A second poll at the same instant (the first one, right after the start) has no rates to tell.
        let reading = self.tables.counters()?;
        if now.mono > self.meter.at.mono {
            self.meter = Arc::new(self.meter.next(reading, now));
        }
        self.talkers = Arc::new(self.tally.next(&self.tables.tally(now.mono)?, now));
        self.programs = Arc::new(self.tables.programs()?);
        self.links = Arc::new(self.tables.links()?);
        self.list_packets = Arc::new(self.tables.lists()?);
        if self.polls.is_multiple_of(FILLS_EVERY) {
            self.fills = Arc::new(self.tables.fills()?);
        }
        let fresh = self.tables.drain_samples(DRAIN_SAMPLES);
        if !fresh.is_empty() {
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

fn describe(change: &Change) -> String {
    match change {
        Change::RemoveEntry(prefix) => format!("The source list entry {prefix} has ended."),
        Change::RemoveBlackhole(address) => format!("The blackhole of {address} has ended."),
        Change::RemoveThreshold(target) => format!("The run-time threshold of {target} has ended."),
        Change::RemoveRung(address) => format!("The forced rung of {address} has ended: it takes its rung by itself."),
        Change::SetMode(_) => "The run-time mode has ended.".to_owned(),
        Change::PutEntry(..) | Change::PutBlackhole(..) | Change::PutThreshold(..) | Change::PutRung(..) => {
            String::new()
        }
    }
}
