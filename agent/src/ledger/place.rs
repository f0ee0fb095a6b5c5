//! Whether a database is still where it was opened. SQLite goes on writing into a file that somebody removed, and nobody would know
//! until the next start; all of it is still there, in the open file, and is put back.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use rusqlite::Connection;

use super::open::{self, Kind, Opened};

/// Device and inode of a file.
pub(super) type Identity = (u64, u64);

/// Side files that SQLite makes beside a database.
const SIDES: [&str; 2] = ["-wal", "-shm"];

pub(super) fn identity(path: &Path) -> Option<Identity> {
    let found = fs::metadata(path).ok()?;
    Some((found.dev(), found.ino()))
}

impl Opened {
    /// Whether the file is where it was opened; always, where there is none.
    pub(super) fn is_in_place(&self) -> bool {
        self.file.is_none() || identity(&self.path) == self.file
    }

    /// Puts a copy of all that the open file holds where it was. Something else that is there by now is kept aside.
    pub(super) fn put_back(&mut self, kind: &Kind, now: Timestamp) -> Result<(), String> {
        let failed = |what: &str, error: &dyn std::fmt::Display| {
            format!(
                "the {} {} was removed or replaced while the agent ran, and cannot be {what}: {error}",
                kind.noun,
                self.path.display()
            )
        };
        let directory = self.path.parent().unwrap_or(Path::new("/"));
        open::make_directory(directory).map_err(|error| failed("made again", &error))?;
        let copy = with_ending(&self.path, ".copy");
        gone(fs::remove_file(&copy)).map_err(|error| failed("made again", &error))?;
        self.connection
            .execute("VACUUM INTO ?1", [copy.to_string_lossy()])
            .map_err(|error| failed("made again", &error))?;
        // Closing it removes side files by their names, so that comes before there are any of the new one.
        self.connection = Connection::open_in_memory().map_err(|error| failed("opened again", &error))?;
        if self.path.exists() {
            open::keep_aside(&self.path, "replaced", now).map_err(|error| failed("kept aside", &error))?;
        }
        for side in SIDES {
            gone(fs::remove_file(with_ending(&self.path, side))).map_err(|error| failed("made again", &error))?;
        }
        fs::rename(&copy, &self.path).map_err(|error| failed("made again", &error))?;
        match open::open_again(kind, &self.path) {
            Ok(connection) => {
                self.connection = connection;
                self.file = identity(&self.path);
            }
            Err(error) => {
                let problem = failed("opened again", &error);
                // All that was there is in the file now, and is to stay there.
                *self = open::in_memory(kind, self.path.clone(), &mut Vec::new());
                return Err(problem);
            }
        }
        tracing::warn!(
            "somebody removed or replaced the {} {} while the agent ran; all that it held is there again",
            kind.noun,
            self.path.display()
        );
        Ok(())
    }
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    PathBuf::from(format!("{}{ending}", path.display()))
}

/// Gone already is as well.
fn gone(outcome: io::Result<()>) -> io::Result<()> {
    match outcome {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
