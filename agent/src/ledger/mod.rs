//! The ledger: what people asked for and who asked, and what happened, in SQLite, so that it survives a restart and a reboot.
//! Only this module knows SQLite. A file that cannot be read is kept aside, never overwritten, and never stops the agent.

mod happened;
mod history;
mod journal;
mod open;
mod place;
mod rates;
mod schema;
mod store;
mod sysctls;

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use open::Opened;
use rusqlite::{Connection, Transaction};

pub use history::{AttackTalker, AttackTalkers, History, HistoryFile, HistoryFileError, Reader, events::Wanted};
pub use journal::JournalEntry;
pub use rates::{Interval, RatePeaks, RateRow, SecondRow};
pub use sysctls::FormerSysctls;

use crate::{
    clock::Now,
    failpoint::{Point, reach},
    overrides::{Change, Overrides},
};

/// What kept the ledger from doing its work.
#[derive(Debug, thiserror::Error)]
#[error("the ledger {path} {what}: {source}", path = path.display())]
pub struct LedgerError {
    path: PathBuf,
    what: &'static str,
    source: rusqlite::Error,
}

/// What the ledger remembers about the kernel's tables, to tell on the next start what must have happened since.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Installed {
    /// Boot and generation of the tables that everything was put into; empty when that was never finished.
    pub tables: String,
    /// Source list of the configuration that was put there: `prefix action` per line.
    pub config_list: String,
}

/// The open ledger.
#[derive(Debug)]
pub struct Ledger {
    opened: Opened,
    last_error: Option<String>,
    /// Why the file is not where it belongs.
    misplaced: Option<String>,
    /// What could not be recorded yet, oldest first.
    unrecorded: Vec<(Vec<Change>, JournalEntry)>,
    history: History,
    numbers: history::Numbers,
    /// The highest number of an attack before this agent.
    earlier: u64,
    recorder: rates::Recorder,
}

/// Commands that wait for a disk that takes none; beyond that the oldest are not recorded.
const UNRECORDED: usize = 10_000;

const KIND: open::Kind = open::Kind {
    file: "ledger.db",
    noun: "ledger",
    migrations: schema::LEDGER,
    settings: "",
    check: true,
    lost: "blocks, allows, thresholds and the mode set at run time are not known any more, except those that the kernel still holds",
    without: "the agent runs without a ledger: what is changed now is lost with the next restart",
};

impl Ledger {
    /// Opens `ledger.db` in a directory, or the best that can be had: a fresh file beside an unreadable one, or memory
    /// where no file can be written. The sentences say what is not as it should be.
    #[must_use]
    pub fn open(directory: &Path, now: Timestamp) -> (Self, Vec<String>) {
        let (opened, mut warnings) = open::open(&KIND, directory, now);
        let (history, numbers, more) = History::open(directory, now);
        for warning in more {
            // What keeps both from their files is told once.
            if !warnings.contains(&warning) {
                warnings.push(warning);
            }
        }
        let ledger = Self {
            opened,
            last_error: None,
            misplaced: None,
            unrecorded: Vec::new(),
            history,
            numbers,
            earlier: numbers.attack,
            recorder: rates::Recorder::default(),
        };
        (ledger, warnings)
    }

    /// Fails where a newer agent kept its ledger or its history: this one would do without what people asked of that one.
    ///
    /// # Errors
    /// There is such a file; the sentence names it and the way out. Nothing was touched.
    pub fn refuse_newer(directory: &Path) -> anyhow::Result<()> {
        let newer = open::newer(&KIND, directory).or_else(|| History::newer(directory));
        newer.map_or(Ok(()), |what| {
            Err(anyhow::anyhow!(
                "{what}: start that agent again, or move the file away to begin without what it holds; what is in the kernel goes on \
                 protecting"
            ))
        })
    }

    /// Makes the directory for a ledger, closed to others.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn make_directory(directory: &Path) -> std::io::Result<()> {
        open::make_directory(directory)
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.opened.path
    }

    /// True if nothing outlives this process.
    #[must_use]
    pub const fn is_in_memory(&self) -> bool {
        self.opened.in_memory
    }

    /// The latest failure, until something succeeds again.
    #[must_use]
    pub fn last_error(&self) -> Option<&str> {
        self.misplaced.as_deref().or(self.last_error.as_deref())
    }

    /// What still holds, and sentences about rows that could not be understood (they are left where they are).
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn overrides(&mut self, now: Now) -> Result<(Overrides, Vec<String>), LedgerError> {
        let result = store::load(&self.opened.connection, now);
        self.noted("cannot be read", result)
    }

    /// Records changes and the command that made them, all or nothing.
    ///
    /// # Errors
    /// If the file cannot be written; nothing is recorded then, and [`Self::catch_up`] tries it again.
    pub fn record(&mut self, changes: &[Change], entry: &JournalEntry) -> Result<(), LedgerError> {
        // In the order in which it was asked for: what is written later must not be undone by what came before it.
        let result = self
            .catch_up_all()
            .and_then(|()| record(&mut self.opened.connection, changes, entry));
        if result.is_err() {
            let too_many = (self.unrecorded.len() + 1).saturating_sub(UNRECORDED);
            self.unrecorded.drain(..too_many);
            self.unrecorded.push((changes.to_vec(), entry.clone()));
        }
        self.noted("cannot record", result)
    }

    /// Looks after the file: puts it back where somebody removed it, and records what could not be recorded before. Nothing to do
    /// costs one look at the file.
    pub fn catch_up(&mut self, now: Timestamp) {
        if !self.opened.is_in_place() {
            let problem = self.opened.put_back(&KIND, now).err();
            if let Some(problem) = problem
                .as_ref()
                .filter(|problem| self.misplaced.as_ref() != Some(problem))
            {
                tracing::error!("{problem}");
            }
            self.misplaced = problem;
        }
        if !self.unrecorded.is_empty() && self.misplaced.is_none() {
            let waiting = self.unrecorded.len();
            let result = self.catch_up_all();
            if self.noted("cannot record", result).is_ok() {
                tracing::info!(waiting, "recorded what could not be recorded before");
            }
        }
    }

    fn catch_up_all(&mut self) -> rusqlite::Result<()> {
        let transaction = self.opened.connection.transaction()?;
        for (changes, entry) in &self.unrecorded {
            record_in(&transaction, changes, entry)?;
        }
        transaction.commit()?;
        self.unrecorded.clear();
        Ok(())
    }

    /// Records changes that nobody made anew, such as an end that was put off: without a line in the journal.
    ///
    /// # Errors
    /// If the file cannot be written; nothing is recorded then.
    pub fn keep(&mut self, changes: &[Change]) -> Result<(), LedgerError> {
        if changes.is_empty() {
            return Ok(());
        }
        let result = keep(&mut self.opened.connection, changes);
        self.noted("cannot record", result)
    }

    /// The latest commands, newest first.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn journal(&mut self, at_most: usize) -> Result<Vec<JournalEntry>, LedgerError> {
        let result = journal::latest(&self.opened.connection, at_most);
        self.noted("cannot be read", result)
    }

    /// The first commands between two instants, oldest first.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn journal_between(
        &mut self,
        span: (Timestamp, Timestamp),
        at_most: usize,
    ) -> Result<Vec<JournalEntry>, LedgerError> {
        let result = journal::between(&self.opened.connection, span, at_most);
        self.noted("cannot be read", result)
    }

    /// What was put into the kernel's tables when this was last said.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn installed(&mut self) -> Result<Installed, LedgerError> {
        let result = store::installed(&self.opened.connection);
        self.noted("cannot be read", result)
    }

    /// Says what the kernel's tables hold now.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn set_installed(&mut self, installed: &Installed) -> Result<(), LedgerError> {
        let result = store::set_installed(&self.opened.connection, installed);
        self.noted("cannot record", result)
    }

    /// The sysctls that were set, as they were before.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn former_sysctls(&mut self) -> Result<FormerSysctls, LedgerError> {
        let result = store::former_sysctls(&self.opened.connection).map(|text| FormerSysctls::parse(&text));
        self.noted("cannot be read", result)
    }

    /// Says what was set.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn set_former_sysctls(&mut self, former: &FormerSysctls) -> Result<(), LedgerError> {
        let result = store::set_former_sysctls(&self.opened.connection, &former.to_string());
        self.noted("cannot record", result)
    }

    fn noted<T>(&mut self, what: &'static str, result: rusqlite::Result<T>) -> Result<T, LedgerError> {
        let result = result.map_err(|source| LedgerError {
            path: self.opened.path.clone(),
            what,
            source,
        });
        self.last_error = result.as_ref().err().map(ToString::to_string);
        result
    }
}

fn keep(connection: &mut Connection, changes: &[Change]) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    for change in changes {
        store::apply(&transaction, change)?;
    }
    transaction.commit()
}

fn record(connection: &mut Connection, changes: &[Change], entry: &JournalEntry) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    record_in(&transaction, changes, entry)?;
    reach(Point::CommandUncommitted);
    transaction.commit()
}

fn record_in(transaction: &Transaction<'_>, changes: &[Change], entry: &JournalEntry) -> rusqlite::Result<()> {
    for change in changes {
        store::apply(transaction, change)?;
    }
    journal::append(transaction, entry)
}
