//! Opening the ledger whatever state its file is in: an unreadable one is renamed and kept, a newer one too, and where no
//! file can be written the agent runs on in memory and says so.

use std::{
    fs,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::Timestamp;
use rusqlite::Connection;

use super::{Ledger, schema};

/// How long a command waits for somebody who reads the file with `sqlite3` at the same time.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// Why a file is not our ledger.
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

pub(super) fn open(directory: &Path, now: Timestamp) -> (Ledger, Vec<String>) {
    let path = directory.join("ledger.db");
    let mut warnings = Vec::new();
    if let Err(error) = make_directory(directory) {
        warnings.push(format!(
            "the state directory {} cannot be made: {error}",
            directory.display()
        ));
        return (in_memory(path, &mut warnings), warnings);
    }
    let why = match open_file(&path) {
        Ok(connection) => return (on_disk(connection, path), warnings),
        Err(Refused::Unusable(error)) => {
            warnings.push(format!("the ledger {} cannot be used: {error}", path.display()));
            return (in_memory(path, &mut warnings), warnings);
        }
        Err(Refused::Unreadable(error)) => Aside {
            suffix: "unreadable".to_owned(),
            why: format!("cannot be read ({error})"),
        },
        Err(Refused::Newer(version)) => Aside {
            suffix: format!("version-{version}"),
            why: format!(
                "was written by a newer agent (version {version}, this one knows {})",
                schema::VERSION
            ),
        },
    };
    match keep_aside(&path, &why.suffix, now) {
        Ok(kept) => warnings.push(format!(
            "the ledger {} {}; it is kept as {} and a new one begins: blocks, allows, thresholds and the mode set at run time are \
             not known any more, except those that the kernel still holds",
            path.display(),
            why.why,
            kept.display()
        )),
        Err(error) => {
            warnings.push(format!("the ledger {} {}, and cannot be renamed: {error}", path.display(), why.why));
            return (in_memory(path, &mut warnings), warnings);
        }
    }
    match open_file(&path) {
        Ok(connection) => (on_disk(connection, path), warnings),
        Err(Refused::Unreadable(error) | Refused::Unusable(error)) => {
            warnings.push(format!("a new ledger {} cannot be made: {error}", path.display()));
            (in_memory(path, &mut warnings), warnings)
        }
        Err(Refused::Newer(_)) => (in_memory(path, &mut warnings), warnings),
    }
}

/// Why a file is put aside, and the word in its new name.
struct Aside {
    suffix: String,
    why: String,
}

pub(super) fn make_directory(directory: &Path) -> std::io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o750).create(directory)
}

fn on_disk(connection: Connection, path: PathBuf) -> Ledger {
    Ledger {
        connection,
        path,
        in_memory: false,
        last_error: None,
    }
}

fn in_memory(path: PathBuf, warnings: &mut Vec<String>) -> Ledger {
    warnings.push("the agent runs without a ledger: what is changed now is lost with the next restart".to_owned());
    let mut connection = Connection::open_in_memory().expect("SQLite opens a database in memory");
    schema::migrate(&mut connection).expect("the schema fits an empty database");
    Ledger {
        connection,
        path,
        in_memory: true,
        last_error: None,
    }
}

fn open_file(path: &Path) -> Result<Connection, Refused> {
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    let version = schema::version(&connection)?;
    if version > schema::VERSION {
        return Err(Refused::Newer(version));
    }
    let verdict: String = connection.pragma_query_value(None, "quick_check", |row| row.get(0))?;
    if verdict != "ok" {
        return Err(Refused::Unreadable(verdict));
    }
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // A block that somebody was told is in force must be there after a power cut too; writes are rare.
    connection.pragma_update(None, "synchronous", "FULL")?;
    schema::migrate(&mut connection)?;
    // Who blocked whom and why is nobody else's business. SQLite gives its side files the same mode.
    fs::set_permissions(path, fs::Permissions::from_mode(0o640))
        .map_err(|error| Refused::Unusable(format!("its mode cannot be set: {error}")))?;
    Ok(connection)
}

/// Renames the file and its side files to a name that is not taken.
fn keep_aside(path: &Path, suffix: &str, now: Timestamp) -> std::io::Result<PathBuf> {
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
