//! What happened: attacks, events, rates, baselines. It has a file of its own beside the ledger's (`history.db`), because it is
//! written in another way: once a second in one transaction, by a thread of its own, so that no disk keeps a packet, a command or a
//! poll waiting; and because a history that cannot be read must not take the blocks with it.

pub(super) mod attacks;
pub(super) mod baselines;
pub(super) mod events;
mod file;
mod reader;
pub(super) mod schema;
pub(super) mod talkers;
pub(super) mod upkeep;
mod writer;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{SyncSender, TrySendError, sync_channel},
    },
};

use jiff::Timestamp;
use rusqlite::ErrorCode;

use super::{LedgerError, open};
pub use file::{HistoryFile, HistoryFileError};
pub use reader::Reader;
pub use talkers::{AttackTalker, AttackTalkers};
pub(super) use writer::Job;

/// Jobs that wait for the disk at most; what comes then is lost, and counted.
const QUEUE: usize = 16_384;

const KIND: open::Kind = open::Kind {
    file: "history.db",
    noun: "history",
    migrations: schema::HISTORY,
    // Room that is given back must not stay in the file: it has a limit.
    settings: "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_size_limit = 4194304;",
    check: false,
    lost: "attacks, events, rates and what was learned before are not known any more",
    without: "the agent runs without a history: attacks, events and rates are lost with the next restart",
};

/// The highest numbers given so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Numbers {
    pub(super) attack: u64,
    pub(super) event: u64,
}

/// How the history is.
#[derive(Debug, Default)]
struct Health {
    /// What keeps it from being written.
    problem: Option<String>,
    /// Kept in memory only.
    in_memory: bool,
    /// What happened on the way, for good.
    warnings: Vec<String>,
    /// Records that there was no room for.
    lost: u64,
}

/// A way to the history, for any number of threads.
#[derive(Debug, Clone)]
pub struct History {
    jobs: SyncSender<Job>,
    health: Arc<Mutex<Health>>,
    path: PathBuf,
}

impl History {
    /// What is wrong with the file, if a newer agent wrote it.
    pub(super) fn newer(directory: &Path) -> Option<String> {
        open::newer(&KIND, directory)
    }

    /// Opens `history.db` in a directory, or the best that can be had, and starts its thread.
    pub(super) fn open(directory: &Path, now: Timestamp) -> (Self, Numbers, Vec<String>) {
        let (opened, warnings) = open::open(&KIND, directory, now);
        let numbers = events::numbers(&opened.connection).unwrap_or_default();
        let path = opened.path.clone();
        let health = Arc::new(Mutex::new(Health {
            in_memory: opened.in_memory,
            ..Health::default()
        }));
        let (jobs, waiting) = sync_channel(QUEUE);
        let writer = writer::Writer::new(opened, Arc::clone(&health));
        std::thread::Builder::new()
            .name("history".to_owned())
            .spawn(move || writer.run(&waiting))
            .expect("a thread can be made at the start");
        (Self { jobs, health, path }, numbers, warnings)
    }

    /// What is not as it should be, if anything.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        let health = lock(&self.health);
        let lost = (health.lost > 0).then(|| format!("{} records were lost", health.lost));
        let in_memory = health
            .in_memory
            .then(|| "the history is kept in memory only, lost with the next restart".to_owned());
        let parts: Vec<String> = health
            .warnings
            .iter()
            .cloned()
            .chain(health.problem.clone())
            .chain(in_memory)
            .chain(lost)
            .collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    }

    /// Records that were lost because the disk took none, since the start.
    #[must_use]
    pub fn lost(&self) -> u64 {
        lock(&self.health).lost
    }

    /// Gives something to be written. It never waits: where there is no room, it is lost and counted.
    pub(super) fn put(&self, job: Job) {
        match self.jobs.try_send(job) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => lock(&self.health).lost += 1,
        }
    }

    /// Asks, after everything before was written.
    ///
    /// # Errors
    /// If the file cannot be read, or the history has ended.
    pub async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Reader<'_>) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let history = self.clone();
        // Where the queue is full, waiting for room must not hold up a runtime's thread.
        tokio::task::spawn_blocking(move || history.ask_now(question))
            .await
            .unwrap_or_else(|_| Err(self.ended()))
    }

    /// The same for a thread that may wait.
    ///
    /// # Errors
    /// If the file cannot be read, or the history has ended.
    pub fn ask_now<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Reader<'_>) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let (answer, answered) = sync_channel(1);
        let job = Job::Ask(Box::new(move |reader: &Reader<'_>| {
            // Whoever does not wait any more does not need it.
            let _ = answer.send(question(reader));
        }));
        self.jobs.send(job).map_err(|_| self.ended())?;
        answered.recv().map_err(|_| self.ended())?
    }

    /// Writes what is left and closes the file. What comes later is lost.
    pub(super) fn end(&self) {
        let (done, ended) = sync_channel(1);
        if self.jobs.send(Job::End(done)).is_ok() {
            // A thread that is gone has nothing left to write.
            let _ = ended.recv();
        }
    }

    fn ended(&self) -> LedgerError {
        LedgerError {
            path: self.path.clone(),
            what: "cannot be read",
            source: rusqlite::Error::InvalidQuery,
        }
    }
}

fn lock(health: &Mutex<Health>) -> MutexGuard<'_, Health> {
    // It holds words for people: whatever a panic left there is better than none.
    health.lock().unwrap_or_else(PoisonError::into_inner)
}

/// SQLite cannot make sense of the file any more.
fn is_corrupt(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    )
}
