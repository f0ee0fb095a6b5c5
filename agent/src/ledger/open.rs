//! Opening a database whatever state its file is in: an unreadable one is renamed and kept, a newer one is left as it is, and
//! where no file can be written the agent runs on in memory and says so.

use std::{
    fs,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags};

use super::{
    place::{Identity, identity},
    schema,
};

/// How long a write waits for somebody who reads the file with `sqlite3` at the same time.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// Pages of a file that are kept in memory, KiB (`PRAGMA cache_size`). What is written is appended or goes to as many places as there are
/// addresses, and what is read is read once; the kernel keeps the file's pages anyway. SQLite's own 2,000 for each file would fill over
/// hours, as the file grows, and look like a leak.
const CACHE_KIB: i64 = 64;

/// What sort of database it is.
pub(super) struct Kind {
    /// The file's name in the state directory.
    pub(super) file: &'static str,
    /// What people call it.
    pub(super) noun: &'static str,
    /// How it came to be what it is.
    pub(super) migrations: &'static [&'static str],
    /// Settings that must come before its first table.
    pub(super) settings: &'static str,
    /// Every page is looked at before it is used.
    pub(super) check: bool,
    /// What is not known any more when it was kept aside.
    pub(super) lost: &'static str,
    /// What it means to have no file.
    pub(super) without: &'static str,
}

/// An open database.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) connection: Connection,
    pub(super) path: PathBuf,
    pub(super) in_memory: bool,
    /// The file as it was opened; none in memory.
    pub(super) file: Option<Identity>,
}

/// Why a file is not ours to use.
enum Refused {
    /// A newer agent wrote it.
    Newer(usize),
    /// SQLite cannot make sense of it.
    Unreadable(String),
    /// It may be fine, but it cannot be used now: no permission, a full disk, another process.
    Unusable(String),
}

impl From<rusqlite::Error> for Refused {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase, TypeMismatch, Unknown};
        match error.sqlite_error_code() {
            // `Unknown` is SQLITE_ERROR: a table that exists already, a column that does not: not the schema it says it is.
            None | Some(DatabaseCorrupt | NotADatabase | TypeMismatch | Unknown) => Self::Unreadable(error.to_string()),
            Some(_) => Self::Unusable(error.to_string()),
        }
    }
}

/// Opens it, or the best that can be had; the sentences say what is not as it should be.
pub(super) fn open(kind: &Kind, directory: &Path, now: Timestamp) -> (Opened, Vec<String>) {
    let path = directory.join(kind.file);
    let noun = kind.noun;
    let mut warnings = Vec::new();
    if let Err(error) = make_directory(directory) {
        warnings.push(format!(
            "the state directory {} cannot be made: {error}",
            directory.display()
        ));
        return (in_memory(kind, path, &mut warnings), warnings);
    }
    let why = match open_file(kind, &path) {
        Ok(connection) => return (on_disk(connection, path), warnings),
        Err(Refused::Unusable(error)) => {
            warnings.push(format!("the {noun} {} cannot be used: {error}", path.display()));
            return (in_memory(kind, path, &mut warnings), warnings);
        }
        Err(Refused::Newer(version)) => {
            warnings.push(said_of_newer(kind, &path, version));
            return (in_memory(kind, path, &mut warnings), warnings);
        }
        Err(Refused::Unreadable(error)) => error,
    };
    (begin_anew(kind, path, &why, now, &mut warnings), warnings)
}

/// Keeps an unreadable file aside and begins a new one.
pub(super) fn replace(kind: &Kind, path: PathBuf, error: &str, now: Timestamp) -> (Opened, Vec<String>) {
    let mut warnings = Vec::new();
    let opened = begin_anew(kind, path, error, now, &mut warnings);
    (opened, warnings)
}

fn begin_anew(kind: &Kind, path: PathBuf, why: &str, now: Timestamp, warnings: &mut Vec<String>) -> Opened {
    let noun = kind.noun;
    match keep_aside(&path, "unreadable", now) {
        Ok(kept) => warnings.push(format!(
            "the {noun} {} cannot be read ({why}); it is kept as {} and a new one begins: {}",
            path.display(),
            kept.display(),
            kind.lost
        )),
        Err(error) => {
            warnings.push(format!(
                "the {noun} {} cannot be read ({why}), and cannot be renamed: {error}",
                path.display()
            ));
            return in_memory(kind, path, warnings);
        }
    }
    match open_file(kind, &path) {
        Ok(connection) => on_disk(connection, path),
        Err(Refused::Unreadable(error) | Refused::Unusable(error)) => {
            warnings.push(format!("a new {noun} {} cannot be made: {error}", path.display()));
            in_memory(kind, path, warnings)
        }
        Err(Refused::Newer(_)) => in_memory(kind, path, warnings),
    }
}

/// What is wrong with a file that a newer agent wrote, if it was: for those who must not begin without it.
pub(super) fn newer(kind: &Kind, directory: &Path) -> Option<String> {
    let path = directory.join(kind.file);
    let connection = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
    let version = schema::version(&connection).ok()?;
    (version > kind.migrations.len()).then(|| said_of_newer(kind, &path, version))
}

fn said_of_newer(kind: &Kind, path: &Path, version: usize) -> String {
    format!(
        "the {} {} was written by a newer agent (version {version}, this one knows {}) and is left as it is",
        kind.noun,
        path.display(),
        kind.migrations.len()
    )
}

pub(super) fn make_directory(directory: &Path) -> std::io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o750).create(directory)
}

fn on_disk(connection: Connection, path: PathBuf) -> Opened {
    Opened {
        connection,
        file: identity(&path),
        path,
        in_memory: false,
    }
}

pub(super) fn in_memory(kind: &Kind, path: PathBuf, warnings: &mut Vec<String>) -> Opened {
    warnings.push(kind.without.to_owned());
    let mut connection = Connection::open_in_memory().expect("SQLite opens a database in memory");
    schema::migrate(&mut connection, kind.migrations).expect("the schema fits an empty database");
    Opened {
        connection,
        path,
        in_memory: true,
        file: None,
    }
}

fn open_file(kind: &Kind, path: &Path) -> Result<Connection, Refused> {
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    let version = schema::version(&connection)?;
    if version > kind.migrations.len() {
        return Err(Refused::Newer(version));
    }
    if kind.check
        && let Some(problem) = problem(&connection)?
    {
        return Err(Refused::Unreadable(problem));
    }
    connection.execute_batch(kind.settings)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // A block that somebody was told is in force must be there after a power cut too; writes are rare.
    connection.pragma_update(None, "synchronous", "FULL")?;
    // Sorting spills into memory: the agent may write nowhere but to its own directories (see `privileges`).
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    schema::migrate(&mut connection, kind.migrations)?;
    // Who blocked whom and why is nobody else's business. SQLite gives its side files the same mode.
    fs::set_permissions(path, fs::Permissions::from_mode(0o640))
        .map_err(|error| Refused::Unusable(format!("its mode cannot be set: {error}")))?;
    Ok(connection)
}

/// Opens one that was just put where it belongs.
pub(super) fn open_again(kind: &Kind, path: &Path) -> Result<Connection, String> {
    open_file(kind, path).map_err(|refused| match refused {
        Refused::Unreadable(error) | Refused::Unusable(error) => error,
        Refused::Newer(version) => format!("it is of version {version}"),
    })
}

/// Looks at every page; what is wrong, if anything.
pub(super) fn problem(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let verdict: String = connection.pragma_query_value(None, "quick_check", |row| row.get(0))?;
    Ok((verdict != "ok").then_some(verdict))
}

/// Renames the file and its side files to a name that is not taken.
pub(super) fn keep_aside(path: &Path, suffix: &str, now: Timestamp) -> std::io::Result<PathBuf> {
    let stamp = now.strftime("%Y%m%dT%H%M%SZ").to_string();
    let with = |ending: &str| PathBuf::from(format!("{}.{ending}", path.display()));
    let kept = (0..)
        .map(|n| {
            with(&if n == 0 {
                format!("{suffix}-{stamp}")
            } else {
                format!("{suffix}-{stamp}-{n}")
            })
        })
        .find(|candidate| !candidate.exists())
        .unwrap_or_else(|| with(suffix));
    fs::rename(path, &kept)?;
    for side in ["-wal", "-shm"] {
        let from = PathBuf::from(format!("{}{side}", path.display()));
        if from.exists() {
            fs::rename(&from, format!("{}{side}", kept.display()))?;
        }
    }
    Ok(kept)
}
