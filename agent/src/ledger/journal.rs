//! The journal: every command that changed something or was refused, with who, why and what came of it.

use jiff::Timestamp;
use rusqlite::{Connection, Row, params};

/// The latest entries stay whatever their age: a clock that is years ahead for a moment must not take them all.
const KEEP_ANYWAY: i64 = 100;
/// Entries older than this go.
const KEEP_DAYS: i64 = 90;
/// More entries than this go, the oldest first.
const KEEP_ROWS: i64 = 100_000;

/// One command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalEntry {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// What they asked for.
    pub command: String,
    /// Why, in their words.
    pub reason: Option<String>,
    /// Whether it was done.
    pub succeeded: bool,
    /// The sentence that they were answered.
    pub result: String,
}

/// Appends an entry and drops what is too old or too much.
pub(super) fn append(connection: &Connection, entry: &JournalEntry) -> rusqlite::Result<()> {
    connection.execute(
        "INSERT INTO commands (at_ms, actor, command, reason, succeeded, result) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            entry.at.as_millisecond(),
            entry.actor,
            entry.command,
            entry.reason,
            entry.succeeded,
            entry.result
        ],
    )?;
    let oldest_ms = entry.at.as_millisecond() - KEEP_DAYS * 24 * 3600 * 1000;
    connection.execute(
        "DELETE FROM commands WHERE at_ms < ?1 AND id <= (SELECT MAX(id) FROM commands) - ?2",
        [oldest_ms, KEEP_ANYWAY],
    )?;
    connection.execute(
        "DELETE FROM commands WHERE id <= (SELECT MAX(id) FROM commands) - ?1",
        [KEEP_ROWS],
    )?;
    Ok(())
}

/// The latest entries, newest first.
pub(super) fn latest(connection: &Connection, at_most: usize) -> rusqlite::Result<Vec<JournalEntry>> {
    let mut statement = connection
        .prepare("SELECT at_ms, actor, command, reason, succeeded, result FROM commands ORDER BY id DESC LIMIT ?1")?;
    let rows = statement.query_map([i64::try_from(at_most).unwrap_or(i64::MAX)], read)?;
    rows.collect()
}

/// Entries between two instants, oldest first.
pub(super) fn between(
    connection: &Connection,
    (since, until): (Timestamp, Timestamp),
    at_most: usize,
) -> rusqlite::Result<Vec<JournalEntry>> {
    let mut statement = connection.prepare(
        "SELECT at_ms, actor, command, reason, succeeded, result FROM commands WHERE at_ms >= ?1 AND at_ms <= ?2 ORDER BY id LIMIT ?3",
    )?;
    let limit = i64::try_from(at_most).unwrap_or(i64::MAX);
    let rows = statement.query_map(params![since.as_millisecond(), until.as_millisecond(), limit], read)?;
    rows.collect()
}

fn read(row: &Row<'_>) -> rusqlite::Result<JournalEntry> {
    Ok(JournalEntry {
        at: Timestamp::from_millisecond(row.get(0)?).unwrap_or(Timestamp::UNIX_EPOCH),
        actor: row.get(1)?,
        command: row.get(2)?,
        reason: row.get(3)?,
        succeeded: row.get(4)?,
        result: row.get(5)?,
    })
}
