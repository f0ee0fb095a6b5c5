//! Questions to the history.

use std::path::Path;

use jiff::Timestamp;
use rusqlite::Connection;

use super::{
    attacks, baselines,
    events::{self, Wanted},
    talkers::{self, AttackTalkers},
};
use crate::{
    detect::{Attack, NumberedEvent, Subject},
    ledger::LedgerError,
};

/// An open history to be asked.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    connection: &'a Connection,
    path: &'a Path,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(connection: &'a Connection, path: &'a Path) -> Self {
        Self { connection, path }
    }

    /// The latest attacks, newest first.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn attacks(&self, at_most: usize) -> Result<Vec<Attack>, LedgerError> {
        self.told(attacks::latest(self.connection, false, at_most))
    }

    /// Those that go on, newest first.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn open_attacks(&self) -> Result<Vec<Attack>, LedgerError> {
        self.told(attacks::latest(self.connection, true, usize::MAX))
    }

    /// One attack.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn attack(&self, id: u64) -> Result<Option<Attack>, LedgerError> {
        self.told(attacks::one(self.connection, id))
    }

    /// Who sent most while it went on.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn talkers(&self, attack: u64) -> Result<AttackTalkers, LedgerError> {
        self.told(talkers::of(self.connection, attack))
    }

    /// The first events of those that are wanted, oldest first.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn events(&self, wanted: Wanted, at_most: usize) -> Result<Vec<NumberedEvent>, LedgerError> {
        self.told(events::some(self.connection, wanted, at_most))
    }

    /// What detection learned: of whom, when it was written, what.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn baselines(&self) -> Result<Vec<(Subject, Timestamp, Vec<u8>)>, LedgerError> {
        self.told(baselines::all(self.connection))
    }

    fn told<T>(&self, result: rusqlite::Result<T>) -> Result<T, LedgerError> {
        result.map_err(|source| LedgerError {
            path: self.path.to_owned(),
            what: "cannot be read",
            source,
        })
    }
}
