//! Rows of attacks.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::detect::Attack;

/// Attacks that are kept: the latest.
pub(super) const KEEP_ROWS: i64 = 10_000;

/// Writes an attack as it is now.
pub(super) fn put(connection: &Connection, attack: &Attack) -> rusqlite::Result<()> {
    let text = serde_json::to_string(attack).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    let id = i64::try_from(attack.id).unwrap_or(i64::MAX);
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO attacks (id, subject, started_ms, ended_ms, attack) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            id,
            attack.subject.to_string(),
            attack.started.as_millisecond(),
            attack.ended.map(jiff::Timestamp::as_millisecond),
            text
        ])?;
    super::events::number(connection, "attack", id)
}

/// The latest ones, newest first; only those that go on, if asked so.
pub(super) fn latest(connection: &Connection, only_open: bool, at_most: usize) -> rusqlite::Result<Vec<Attack>> {
    let mut statement = connection.prepare(if only_open {
        "SELECT id, attack FROM attacks WHERE ended_ms IS NULL ORDER BY id DESC LIMIT ?1"
    } else {
        "SELECT id, attack FROM attacks ORDER BY id DESC LIMIT ?1"
    })?;
    let rows = statement.query_map([i64::try_from(at_most).unwrap_or(i64::MAX)], read)?;
    rows.filter_map(Result::transpose).collect()
}

/// One of them.
pub(super) fn one(connection: &Connection, id: u64) -> rusqlite::Result<Option<Attack>> {
    connection
        .query_row(
            "SELECT id, attack FROM attacks WHERE id = ?1",
            [i64::try_from(id).unwrap_or(i64::MAX)],
            read,
        )
        .optional()
        .map(Option::flatten)
}

/// A row that nobody understands is named and left.
fn read(row: &Row<'_>) -> rusqlite::Result<Option<Attack>> {
    let text: String = row.get(1)?;
    match serde_json::from_str(&text) {
        Ok(attack) => Ok(Some(attack)),
        Err(error) => {
            let id: i64 = row.get(0)?;
            tracing::warn!("attack {id} in the history is not understood: {error}");
            Ok(None)
        }
    }
}
