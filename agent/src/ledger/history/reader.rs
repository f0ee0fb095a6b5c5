//! Questions to the history.

use std::{cell::RefCell, collections::BTreeSet, path::Path};

use jiff::Timestamp;
use rusqlite::Connection;

use super::{
    attacks, baselines,
    events::{self, Wanted},
    is_corrupt,
    talkers::{self, AttackTalkers},
};
use crate::{
    detect::{Attack, NumberedEvent, Subject},
    ledger::{
        LedgerError,
        rates::{Interval, SecondRow, store},
    },
};

/// An open history to be asked.
#[derive(Debug)]
pub struct Reader<'a> {
    connection: &'a Connection,
    path: &'a Path,
    /// What says that the file has gone bad, if anything did.
    corrupt: RefCell<Option<String>>,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(connection: &'a Connection, path: &'a Path) -> Self {
        Self {
            connection,
            path,
            corrupt: RefCell::new(None),
        }
    }

    /// What said that the file has gone bad, if anything did.
    pub(super) fn corrupt(self) -> Option<String> {
        self.corrupt.into_inner()
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

    /// The number of the latest event; 0 before the first.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn latest_event(&self) -> Result<u64, LedgerError> {
        self.told(events::numbers(self.connection).map(|numbers| numbers.event))
    }

    /// What detection learned: of whom, when it was written, what.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn baselines(&self) -> Result<Vec<(Subject, Timestamp, Vec<u8>)>, LedgerError> {
        self.told(baselines::all(self.connection))
    }

    /// Gives what was recorded between two instants, interval by interval, oldest first; with some subjects or with all. The result
    /// counts rows that nobody understands.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn each_interval(
        &self,
        span: (Timestamp, Timestamp),
        only: Option<&BTreeSet<Subject>>,
        each: &mut dyn FnMut(Interval),
    ) -> Result<usize, LedgerError> {
        self.told(store::each_interval(self.connection, span, only, each))
    }

    /// The seconds of a subject between two instants, oldest first: there are some around its attacks.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn seconds(&self, subject: Subject, span: (Timestamp, Timestamp)) -> Result<Vec<SecondRow>, LedgerError> {
        self.told(store::seconds_of(self.connection, subject, span))
    }

    fn told<T>(&self, result: rusqlite::Result<T>) -> Result<T, LedgerError> {
        result.map_err(|source| {
            if is_corrupt(&source) {
                self.corrupt.replace(Some(source.to_string()));
            }
            LedgerError {
                path: self.path.to_owned(),
                what: "cannot be read",
                source,
            }
        })
    }
}
