//! The history's file while no agent runs: read, never written.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags};

use super::{KIND, Reader};
use crate::ledger::{JournalEntry, LedgerError, journal, schema};

/// The file, to be read only.
#[derive(Debug)]
pub struct HistoryFile {
    connection: Connection,
    path: PathBuf,
}

/// Why it cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum HistoryFileError {
    /// There is none.
    #[error("there is no history at {0}: no agent has run with this state.directory yet")]
    None(PathBuf),
    /// Another version wrote it.
    #[error("the history {path} has version {version}, and this agent knows {known}: an agent that is started brings it up to date", path = path.display())]
    OtherVersion {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: usize,
        /// Ours.
        known: usize,
    },
    /// It cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl HistoryFile {
    /// Opens `history.db` in a directory.
    ///
    /// # Errors
    /// If there is none, another version wrote it, or it cannot be read.
    pub fn open(directory: &Path) -> Result<Self, HistoryFileError> {
        let path = directory.join(KIND.file);
        if path
            .metadata()
            .is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
        {
            return Err(HistoryFileError::None(path));
        }
        let unreadable = |source| LedgerError {
            path: path.clone(),
            what: "cannot be read",
            source,
        };
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&path, flags).map_err(unreadable)?;
        let version = schema::version(&connection).map_err(unreadable)?;
        if version != KIND.migrations.len() {
            return Err(HistoryFileError::OtherVersion {
                path,
                version,
                known: KIND.migrations.len(),
            });
        }
        Ok(Self { connection, path })
    }

    /// The first commands of the ledger beside it between two instants, oldest first.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn journal_between(
        &self,
        span: (Timestamp, Timestamp),
        at_most: usize,
    ) -> Result<Vec<JournalEntry>, LedgerError> {
        let path = self.path.with_file_name(crate::ledger::KIND.file);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Connection::open_with_flags(&path, flags)
            .and_then(|connection| journal::between(&connection, span, at_most))
            .map_err(|source| LedgerError {
                path,
                what: "cannot be read",
                source,
            })
    }

    /// To be asked.
    #[must_use]
    pub fn reader(&self) -> Reader<'_> {
        Reader::new(&self.connection, &self.path)
    }
}
