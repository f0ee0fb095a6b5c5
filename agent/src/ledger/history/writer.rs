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
use rusqlite::{Connection, ErrorCode};

use super::{
    Health, KIND, Reader, attacks, baselines, events, lock,
    talkers::{self, AttackTalkers},
    upkeep,
};
use crate::{
    detect::{Attack, NumberedEvent, Severity, Subject},
    ledger::open::{self, Opened},
};

/// Between two transactions.
const EVERY: Duration = Duration::from_secs(1);
/// Between two tries when a transaction fails.
const AGAIN: Duration = Duration::from_secs(5);
/// Between two looks at how much there is.
const UPKEEP: Duration = Duration::from_secs(600);
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
            Self::Attack(_) | Self::Talkers(..) | Self::Baselines(..) | Self::Ask(_) | Self::End(_) => false,
        }
    }

    fn write(&self, connection: &Connection) -> rusqlite::Result<()> {
        match self {
            Self::Attack(attack) => attacks::put(connection, attack),
            Self::Event(event) => events::put(connection, event),
            Self::Talkers(attack, talkers) => talkers::put(connection, *attack, talkers),
            Self::Baselines(at, learned) => baselines::put(connection, *at, learned),
            Self::Ask(_) | Self::End(_) => Ok(()),
        }
    }
}

/// The thread's own.
pub(super) struct Writer {
    opened: Opened,
    health: Arc<Mutex<Health>>,
    waiting: Vec<Job>,
    /// When it is looked next at how much there is.
    upkeep: Instant,
}

impl Writer {
    pub(super) fn new(opened: Opened, health: Arc<Mutex<Health>>) -> Self {
        Self {
            opened,
            health,
            waiting: Vec::new(),
            upkeep: Instant::now() + UPKEEP,
        }
    }

    /// Works until it is told to end, or everybody who could ask is gone.
    pub(super) fn run(mut self, jobs: &Receiver<Job>) {
        self.look_at_every_page();
        let mut due: Option<Instant> = None;
        loop {
            let job = match due {
                None => jobs.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(due) => jobs.recv_timeout(due.saturating_duration_since(Instant::now())),
            };
            match job {
                Ok(job) => {
                    if !self.take(job, jobs) {
                        return;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    due = None;
                    self.commit();
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
        while let Some(job) = next {
            urgent |= job.urgent();
            match job {
                Job::Ask(question) => {
                    self.commit();
                    question(&Reader::new(&self.opened.connection, &self.opened.path));
                }
                Job::End(done) => {
                    self.commit();
                    self.close();
                    // Whoever does not wait any more does not need to know.
                    let _ = done.send(());
                    return false;
                }
                job @ (Job::Attack(_) | Job::Event(_) | Job::Talkers(..) | Job::Baselines(..)) => {
                    self.waiting.push(job);
                }
            }
            next = jobs.try_recv().ok();
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
        let mut written = self.write();
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

    fn write(&mut self) -> rusqlite::Result<()> {
        let durable = self.waiting.iter().any(Job::urgent);
        let connection = &mut self.opened.connection;
        connection.pragma_update(None, "synchronous", if durable { "FULL" } else { "NORMAL" })?;
        let transaction = connection.transaction()?;
        for job in &self.waiting {
            job.write(&transaction)?;
        }
        if self.upkeep <= Instant::now() {
            upkeep::keep_within(&transaction)?;
            self.upkeep = Instant::now() + UPKEEP;
        }
        transaction.commit()
    }

    /// A file of a hundred megabytes takes a while to look at: the agent does not wait for it.
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

/// SQLite cannot make sense of the file any more.
fn is_corrupt(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    )
}
