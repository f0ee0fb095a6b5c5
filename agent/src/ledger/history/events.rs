//! Rows of events, and the numbers that are given.

use jiff::Timestamp;
use rusqlite::{Connection, Row, ToSql, params};

use super::Numbers;
use crate::detect::NumberedEvent;

/// Events that are kept: the latest.
pub(super) const KEEP_ROWS: i64 = 50_000;

/// Writes an event.
pub(super) fn put(connection: &Connection, event: &NumberedEvent) -> rusqlite::Result<()> {
    let to_text = |error: serde_json::Error| rusqlite::Error::ToSqlConversionFailure(error.into());
    let text = serde_json::to_string(event).map_err(to_text)?;
    let severity = serde_json::to_string(&event.what.severity()).map_err(to_text)?;
    let id = i64::try_from(event.id).unwrap_or(i64::MAX);
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO events (id, at_ms, attack, severity, name, subject, event) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            id,
            event.at.as_millisecond(),
            event.attack.map(|attack| i64::try_from(attack).unwrap_or(i64::MAX)),
            severity.trim_matches('"'),
            event.what.name(),
            event.subject.map(|subject| subject.to_string()),
            text
        ])?;
    if let Some(attack) = event.attack {
        number(connection, "attack", i64::try_from(attack).unwrap_or(i64::MAX))?;
    }
    number(connection, "event", id)
}

/// Which events are wanted.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted {
    /// With a higher number.
    pub after: u64,
    /// Not before.
    pub since: Option<Timestamp>,
    /// Not after.
    pub until: Option<Timestamp>,
    /// Of this attack.
    pub attack: Option<u64>,
}

/// The first of those that are wanted, oldest first.
pub(super) fn some(connection: &Connection, wanted: Wanted, at_most: usize) -> rusqlite::Result<Vec<NumberedEvent>> {
    let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let since = wanted.since.map_or(i64::MIN, Timestamp::as_millisecond);
    let until = wanted.until.map_or(i64::MAX, Timestamp::as_millisecond);
    let limit = i64::try_from(at_most).unwrap_or(i64::MAX);
    let after = number(wanted.after);
    let attack = wanted.attack.map(number);
    let mut values: Vec<&dyn ToSql> = vec![&after, &since, &until, &limit];
    let mut text = "SELECT id, event FROM events WHERE id > ?1 AND at_ms >= ?2 AND at_ms <= ?3".to_owned();
    if let Some(attack) = &attack {
        text += " AND attack = ?5";
        values.push(attack);
    }
    text += " ORDER BY id LIMIT ?4";
    let mut statement = connection.prepare(&text)?;
    let rows = statement.query_map(&values[..], read)?;
    rows.filter_map(Result::transpose).collect()
}

/// A row that nobody understands is named and left.
fn read(row: &Row<'_>) -> rusqlite::Result<Option<NumberedEvent>> {
    let text: String = row.get(1)?;
    match serde_json::from_str(&text) {
        Ok(event) => Ok(Some(event)),
        Err(error) => {
            let id: i64 = row.get(0)?;
            tracing::warn!("event {id} in the history is not understood: {error}");
            Ok(None)
        }
    }
}

/// Remembers that a number was given.
pub(super) fn number(connection: &Connection, name: &str, given: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO numbers (name, latest) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET latest = MAX(latest, excluded.latest)",
        )?
        .execute(params![name, given])
        .map(drop)
}

/// The numbers given so far.
pub(super) fn numbers(connection: &Connection) -> rusqlite::Result<Numbers> {
    let mut numbers = Numbers::default();
    let mut statement = connection.prepare("SELECT name, latest FROM numbers")?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))?;
    for row in rows {
        let (name, latest) = row?;
        let latest = u64::try_from(latest).unwrap_or_default();
        match name.as_str() {
            "attack" => numbers.attack = latest,
            "event" => numbers.event = latest,
            _ => {}
        }
    }
    Ok(numbers)
}
