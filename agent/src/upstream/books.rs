//! How often the network above was asked: the last hour's announcements, kept in the state directory, so that a restart is no new
//! budget.

use std::{
    fs, io,
    net::IpAddr,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// The file in the state directory.
const FILE: &str = "upstream.json";
/// What is older is forgotten.
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// The last hour's announcements.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Books {
    entries: Vec<Entry>,
    path: Option<PathBuf>,
}

/// One announcement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    at: Timestamp,
    address: IpAddr,
}

impl Books {
    /// What the state directory knows. A file that makes no sense is as good as none: the budget begins anew.
    #[must_use]
    pub fn open(state_directory: &Path) -> Self {
        let path = state_directory.join(FILE);
        let text = fs::read(&path);
        let entries = text.ok().and_then(|text| serde_json::from_slice(&text).ok());
        Self {
            entries: entries.unwrap_or_default(),
            path: Some(path),
        }
    }

    /// Announcements of the hour before an instant. What a wall clock that was set back left in the future counts, too.
    #[must_use]
    pub fn of_last_hour(&self, now: Timestamp) -> usize {
        self.entries.iter().filter(|entry| now - HOUR < entry.at).count()
    }

    /// Notes announcements.
    ///
    /// # Errors
    /// If they cannot be kept: they count until the next restart.
    pub fn note(&mut self, addresses: impl IntoIterator<Item = IpAddr>, now: Timestamp) -> io::Result<()> {
        self.entries.retain(|entry| now - HOUR < entry.at);
        let before = self.entries.len();
        let entries = addresses.into_iter().map(|address| Entry { at: now, address });
        self.entries.extend(entries);
        match &self.path {
            Some(path) if self.entries.len() > before => write_whole(path, &serde_json::to_vec(&self.entries)?, 0o600),
            _ => Ok(()),
        }
    }
}

/// Writes a file so that whoever reads it sees all of it or what was there before, and so that those may read it whom `mode` lets,
/// whatever the umask.
pub(crate) fn write_whole(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // BIRD's include patterns (`*.conf`) must not meet it.
    let new = path.with_file_name(format!(".{name}.new"));
    fs::write(&new, content)?;
    fs::set_permissions(&new, fs::Permissions::from_mode(mode))?;
    fs::File::open(&new)?.sync_all()?;
    fs::rename(&new, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_is_remembered_over_restarts_and_no_longer() {
        let directory = tempfile::tempdir().expect("directory");
        let address = |text: &str| text.parse::<IpAddr>().expect("address");
        let noon: Timestamp = "2026-01-01T12:00:00Z".parse().expect("instant");
        let mut books = Books::open(directory.path());
        books
            .note([address("203.0.113.7"), address("2001:db8::7")], noon)
            .expect("kept");
        let books = Books::open(directory.path());
        assert_eq!(books.of_last_hour(noon + SignedDuration::from_mins(59)), 2);
        assert_eq!(books.of_last_hour(noon + SignedDuration::from_mins(60)), 0);
        fs::write(directory.path().join(FILE), b"{").expect("written");
        assert_eq!(Books::open(directory.path()).of_last_hour(noon), 0);
    }
}
