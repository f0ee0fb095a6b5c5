//! The history's thread: it gathers what is to be written, and writes once a second in one transaction. Attacks and loud events
//! are written at once, and held to survive a power cut; the rest may lose its last second.

use std::{
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, RecvTimeoutError, SyncSender},
    },
    time::{Duration, Instant},
};

use jiff::Timestamp;
use rusqlite::Connection;

use super::{
    Health, KIND, Reader, attacks, baselines, events, is_corrupt, lock,
    talkers::{self, AttackTalkers},
    upkeep::{self, Trust},
};
use crate::{
    detect::{Attack, NumberedEvent, Severity, Subject},
    ledger::{
        open::{self, Opened},
        rates::{Interval, Seconds, store},
    },
};

/// Between two transactions.
const EVERY: Duration = Duration::from_secs(1);
/// Between two tries when a transaction fails.
const AGAIN: Duration = Duration::from_secs(5);
/// A file of many megabytes takes a while to look at: what the start needs comes first.
const CHECK: Duration = Duration::from_secs(5);
/// Between two looks at how much there is.
const UPKEEP: Duration = Duration::from_secs(600);
/// Jobs that are taken in before it is seen what is due.
const AT_ONCE: usize = 4_096;
/// Records that wait for a disk that takes none; then the oldest are lost.
const WAITING: usize = 50_000;

/// A question, with its way back.
type Question = Box<dyn FnOnce(&Reader<'_>) + Send>;

/// What the thread can be given.
pub(in crate::ledger) enum Job {
    /// An attack began or changed.
    Attack(Box<Attack>),
    /// Something happened.
    Event(Box<NumberedEvent>),
    /// Who sent most in an attack so far.
    Talkers(u64, Box<AttackTalkers>),
    /// What was learned.
    Baselines(Timestamp, Vec<(Subject, Vec<u8>)>),
    /// An interval of rates is over.
    Interval(Box<Interval>),
    /// Seconds of somebody who is attacked.
    Seconds(Box<Seconds>),
    /// Answer this.
    Ask(Question),
    /// Write what is left, close the file, say so.
    End(SyncSender<()>),
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Job")
    }
}

impl Job {
    /// It must not wait for the next turn, and must survive a power cut.
    fn urgent(&self) -> bool {
        match self {
            Self::Event(event) => event.what.severity() > Severity::Info,
            Self::Attack(_)
            | Self::Talkers(..)
            | Self::Baselines(..)
            | Self::Interval(_)
            | Self::Seconds(_)
            | Self::Ask(_)
            | Self::End(_) => false,
        }
    }

    fn write(&self, connection: &Connection) -> rusqlite::Result<()> {
        match self {
            Self::Attack(attack) => attacks::put(connection, attack),
            Self::Event(event) => events::put(connection, event),
            Self::Talkers(attack, talkers) => talkers::put(connection, *attack, talkers),
            Self::Baselines(at, learned) => baselines::put(connection, *at, learned),
            Self::Interval(interval) => store::put_interval(connection, interval),
            Self::Seconds(seconds) => store::put_seconds(connection, seconds),
            Self::Ask(_) | Self::End(_) => Ok(()),
        }
    }
}

/// The thread's own.
pub(super) struct Writer {
    opened: Opened,
    health: Arc<Mutex<Health>>,
    waiting: Vec<Job>,
    /// When every page is looked at, once.
    check: Option<Instant>,
    /// When it is looked next at how much there is.
    upkeep: Instant,
    trust: Trust,
}

impl Writer {
    pub(super) fn new(opened: Opened, health: Arc<Mutex<Health>>) -> Self {
        Self {
            opened,
            health,
            waiting: Vec::new(),
            check: Some(Instant::now() + CHECK),
            upkeep: Instant::now() + UPKEEP,
            trust: Trust::new(Instant::now(), Timestamp::now()),
        }
    }

    /// Works until it is told to end, or everybody who could ask is gone.
    pub(super) fn run(mut self, jobs: &Receiver<Job>) {
        let mut due: Option<Instant> = None;
        loop {
            let next = due.into_iter().chain(self.check).min();
            let job = match next {
                None => jobs.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(next) => jobs.recv_timeout(next.saturating_duration_since(Instant::now())),
            };
            match job {
                Ok(job) => {
                    if !self.take(job, jobs) {
                        return;
                    }
                    // Whatever goes on coming in, what is due is written.
                    if due.is_some_and(|due| due <= Instant::now()) {
                        due = None;
                        self.commit();
                    }
                }
                Err(RecvTimeoutError::Timeout) if due.is_some_and(|due| due <= Instant::now()) => {
                    due = None;
                    self.commit();
                    self.keep_within_bounds();
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.check = None;
                    self.look_at_every_page();
                }
                Err(RecvTimeoutError::Disconnected) => {
                    self.commit();
                    return;
                }
            }
            if self.waiting.is_empty() {
                due = None;
            } else {
                let pause = if lock(&self.health).problem.is_some() {
                    AGAIN
                } else {
                    EVERY
                };
                due.get_or_insert_with(|| Instant::now() + pause);
            }
        }
    }

    /// Takes a job and all that came with it; false once it was told to end.
    fn take(&mut self, first: Job, jobs: &Receiver<Job>) -> bool {
        let mut next = Some(first);
        let mut urgent = false;
        let mut left = AT_ONCE;
        while let Some(job) = next {
            urgent |= job.urgent();
            match job {
                Job::Ask(question) => {
                    self.commit();
                    let reader = Reader::new(&self.opened.connection, &self.opened.path);
                    question(&reader);
                    if let Some(problem) = reader.corrupt() {
                        self.replace(&problem);
                    }
                }
                Job::End(done) => {
                    self.commit();
                    self.close();
                    // Whoever does not wait any more does not need to know.
                    let _ = done.send(());
                    return false;
                }
                job @ (Job::Attack(_)
                | Job::Event(_)
                | Job::Talkers(..)
                | Job::Baselines(..)
                | Job::Interval(_)
                | Job::Seconds(_)) => {
                    self.waiting.push(job);
                }
            }
            left -= 1;
            next = if left > 0 { jobs.try_recv().ok() } else { None };
        }
        if urgent {
            self.commit();
        }
        true
    }

    /// Writes all that waits, or nothing of it.
    fn commit(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let mut written = self.in_place().and_then(|()| self.write());
        if let Err(error) = &written
            && is_corrupt(error)
        {
            let error = error.to_string();
            self.replace(&error);
            written = self.write();
        }
        let mut health = lock(&self.health);
        match written {
            Ok(()) => {
                self.waiting.clear();
                if health.problem.take().is_some() {
                    tracing::info!("the history is written again");
                }
            }
            Err(error) => {
                let problem = format!("the history {} cannot be written: {error}", self.opened.path.display());
                if health.problem.as_ref() != Some(&problem) {
                    tracing::error!("{problem}; it is tried again");
                }
                health.problem = Some(problem);
                let too_many = self.waiting.len().saturating_sub(WAITING);
                self.waiting.drain(..too_many);
                health.lost += u64::try_from(too_many).unwrap_or(u64::MAX);
            }
        }
    }

    /// Sees to it that the file is where people look for it.
    fn in_place(&mut self) -> rusqlite::Result<()> {
        if self.opened.is_in_place() {
            return Ok(());
        }
        let outcome = self.opened.put_back(&KIND, Timestamp::now());
        outcome.map_err(|problem| {
            rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CANTOPEN), Some(problem))
        })
    }

    fn write(&mut self) -> rusqlite::Result<()> {
        let durable = self.waiting.iter().any(Job::urgent);
        let connection = &mut self.opened.connection;
        connection.pragma_update(None, "synchronous", if durable { "FULL" } else { "NORMAL" })?;
        let transaction = connection.transaction()?;
        for job in &self.waiting {
            job.write(&transaction)?;
        }
        transaction.commit()
    }

    /// From time to time: drops what is too much, and gives back the room.
    fn keep_within_bounds(&mut self) {
        if self.upkeep > Instant::now() {
            return;
        }
        self.upkeep = Instant::now() + UPKEEP;
        let now = self.trust.check(Instant::now(), Timestamp::now());
        if let Err(error) = self.make_room(now) {
            tracing::warn!("the history {} cannot be tidied: {error}", self.opened.path.display());
        }
    }

    fn make_room(&mut self, now: Option<Timestamp>) -> rusqlite::Result<()> {
        let transaction = self.opened.connection.transaction()?;
        upkeep::keep_within(&transaction, now, &upkeep::BOUNDS)?;
        transaction.commit()?;
        self.opened.connection.execute_batch("PRAGMA incremental_vacuum;")
    }

    /// Finds out early what would be found out in the midst of an attack.
    fn look_at_every_page(&mut self) {
        let found = match open::problem(&self.opened.connection) {
            Ok(found) => found,
            Err(error) => is_corrupt(&error).then(|| error.to_string()),
        };
        if let Some(problem) = found {
            self.replace(&problem);
        }
    }

    /// Keeps the file aside and begins a new one.
    fn replace(&mut self, error: &str) {
        let path = self.opened.path.clone();
        self.close();
        let (opened, warnings) = open::replace(&KIND, path, error, Timestamp::now());
        for warning in &warnings {
            tracing::error!("{warning}");
        }
        let mut health = lock(&self.health);
        health.in_memory = opened.in_memory;
        health.warnings.extend(warnings);
        drop(health);
        self.opened = opened;
    }

    /// Lets go of the file.
    fn close(&mut self) {
        if let Ok(nothing) = Connection::open_in_memory() {
            self.opened.connection = nothing;
        }
    }
}
