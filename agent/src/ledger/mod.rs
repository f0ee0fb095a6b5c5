//! The ledger: what people asked for and who asked, and what happened, in SQLite, so that it survives a restart and a reboot.
//! Only this module knows SQLite. A file that cannot be read is kept aside, never overwritten, and never stops the agent.

mod happened;
mod history;
mod journal;
mod open;
mod rates;
mod schema;
mod store;
mod sysctls;

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::Connection;

pub use history::{AttackTalker, AttackTalkers, History, HistoryFile, HistoryFileError, Reader, events::Wanted};
pub use journal::JournalEntry;
pub use rates::{Interval, RatePeaks, RateRow, SecondRow};
pub use sysctls::FormerSysctls;

use crate::{
    clock::Now,
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
    connection: Connection,
    path: PathBuf,
    in_memory: bool,
    last_error: Option<String>,
    history: History,
    numbers: history::Numbers,
    /// The highest number of an attack before this agent.
    earlier: u64,
    recorder: rates::Recorder,
}

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
            connection: opened.connection,
            path: opened.path,
            in_memory: opened.in_memory,
            last_error: None,
            history,
            numbers,
            earlier: numbers.attack,
            recorder: rates::Recorder::default(),
        };
        (ledger, warnings)
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
        &self.path
    }

    /// True if nothing outlives this process.
    #[must_use]
    pub const fn is_in_memory(&self) -> bool {
        self.in_memory
    }

    /// The latest failure, until something succeeds again.
    #[must_use]
    pub fn last_error(&self) -> Option<&str> {
        self.last_error.as_deref()
    }

    /// What still holds, and sentences about rows that could not be understood (they are left where they are).
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn overrides(&mut self, now: Now) -> Result<(Overrides, Vec<String>), LedgerError> {
        let result = store::load(&self.connection, now);
        self.noted("cannot be read", result)
    }

    /// Records changes and the command that made them, all or nothing.
    ///
    /// # Errors
    /// If the file cannot be written; nothing is recorded then.
    pub fn record(&mut self, changes: &[Change], entry: &JournalEntry) -> Result<(), LedgerError> {
        let result = record(&mut self.connection, changes, entry);
        self.noted("cannot record", result)
    }

    /// Records changes that nobody made anew, such as an end that was put off: without a line in the journal.
    ///
    /// # Errors
    /// If the file cannot be written; nothing is recorded then.
    pub fn keep(&mut self, changes: &[Change]) -> Result<(), LedgerError> {
        if changes.is_empty() {
            return Ok(());
        }
        let result = keep(&mut self.connection, changes);
        self.noted("cannot record", result)
    }

    /// The latest commands, newest first.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn journal(&mut self, at_most: usize) -> Result<Vec<JournalEntry>, LedgerError> {
        let result = journal::latest(&self.connection, at_most);
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
        let result = journal::between(&self.connection, span, at_most);
        self.noted("cannot be read", result)
    }

    /// What was put into the kernel's tables when this was last said.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn installed(&mut self) -> Result<Installed, LedgerError> {
        let result = store::installed(&self.connection);
        self.noted("cannot be read", result)
    }

    /// Says what the kernel's tables hold now.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn set_installed(&mut self, installed: &Installed) -> Result<(), LedgerError> {
        let result = store::set_installed(&self.connection, installed);
        self.noted("cannot record", result)
    }

    /// The sysctls that were set, as they were before.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn former_sysctls(&mut self) -> Result<FormerSysctls, LedgerError> {
        let result = store::former_sysctls(&self.connection).map(|text| FormerSysctls::parse(&text));
        self.noted("cannot be read", result)
    }

    /// Says what was set.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn set_former_sysctls(&mut self, former: &FormerSysctls) -> Result<(), LedgerError> {
        let result = store::set_former_sysctls(&self.connection, &former.to_string());
        self.noted("cannot record", result)
    }

    fn noted<T>(&mut self, what: &'static str, result: rusqlite::Result<T>) -> Result<T, LedgerError> {
        let result = result.map_err(|source| LedgerError {
            path: self.path.clone(),
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
    for change in changes {
        store::apply(&transaction, change)?;
    }
    journal::append(&transaction, entry)?;
    transaction.commit()
}
