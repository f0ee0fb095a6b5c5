//! Blobs of rates in the history's tables.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::{Interval, SecondRow, Seconds, block, seconds};
use crate::detect::Subject;

/// Length of an interval that was just recorded, in seconds.
pub(super) const MINUTE: i64 = 60;

/// The numbers of subjects in blobs.
pub(super) struct Subjects {
    by_id: HashMap<u32, Subject>,
    ids: HashMap<Subject, u32>,
}

impl Subjects {
    pub(super) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let mut statement = connection.prepare_cached("SELECT id, name FROM subjects")?;
        let rows = statement.query_map([], |row| Ok((row.get::<_, u32>(0)?, row.get::<_, String>(1)?)))?;
        let mut all = Self {
            by_id: HashMap::new(),
            ids: HashMap::new(),
        };
        for row in rows {
            let (id, name) = row?;
            if let Ok(subject) = name.parse() {
                all.by_id.insert(id, subject);
                all.ids.insert(subject, id);
            }
        }
        Ok(all)
    }

    /// Gives numbers to those that have none.
    fn meet(&mut self, connection: &Connection, subjects: impl Iterator<Item = Subject>) -> rusqlite::Result<()> {
        let mut statement = connection.prepare_cached("INSERT INTO subjects (name) VALUES (?1) RETURNING id")?;
        for subject in subjects {
            if !self.ids.contains_key(&subject) {
                let id = statement.query_row([subject.to_string()], |row| row.get(0))?;
                self.by_id.insert(id, subject);
                self.ids.insert(subject, id);
            }
        }
        Ok(())
    }

    /// What a blob holds of all subjects; `None` for what is no block.
    pub(super) fn intervals(&self, blob: &[u8]) -> Option<Vec<Interval>> {
        block::read(blob, &self.by_id, None)
    }

    pub(super) const fn ids(&self) -> &HashMap<Subject, u32> {
        &self.ids
    }
}

/// Writes an interval that is over.
pub(in crate::ledger) fn put_interval(connection: &Connection, interval: &Interval) -> rusqlite::Result<()> {
    let mut subjects = Subjects::read(connection)?;
    subjects.meet(connection, interval.rows.iter().map(|row| row.subject))?;
    put_block(connection, std::slice::from_ref(interval), &subjects, MINUTE, false)
}

/// Writes intervals in one row.
pub(super) fn put_block(
    connection: &Connection,
    intervals: &[Interval],
    subjects: &Subjects,
    step_s: i64,
    packed: bool,
) -> rusqlite::Result<()> {
    let ends = intervals.iter().map(end_ms);
    let begins = intervals.iter().map(|interval| interval.from.as_millisecond());
    let (Some(from), Some(until)) = (begins.min(), ends.max()) else {
        return Ok(());
    };
    connection
        .prepare_cached("INSERT INTO rates (from_ms, until_ms, step_s, packed, block) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![
            from,
            until,
            step_s,
            packed,
            block::write(intervals, subjects.ids())
        ])
        .map(drop)
}

#[expect(clippy::cast_possible_truncation, reason = "seconds of an interval")]
fn end_ms(interval: &Interval) -> i64 {
    interval.from.as_millisecond() + (interval.seconds * 1000.0) as i64
}

/// Writes seconds of somebody who is attacked.
pub(in crate::ledger) fn put_seconds(connection: &Connection, seconds: &Seconds) -> rusqlite::Result<()> {
    let (Some(first), Some(last)) = (seconds.rows.first(), seconds.rows.last()) else {
        return Ok(());
    };
    let mut subjects = Subjects::read(connection)?;
    subjects.meet(connection, std::iter::once(seconds.subject))?;
    connection
        .prepare_cached("INSERT INTO seconds (subject, from_ms, until_ms, block) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![
            subjects.ids().get(&seconds.subject),
            first.from.as_millisecond(),
            last.from.as_millisecond() + 1000,
            seconds::write(&seconds.rows)
        ])
        .map(drop)
}

/// Gives the intervals between two instants, oldest first, one by one, with some subjects or all of them. A blob that is no block is
/// left out, and counted in the result.
pub(in crate::ledger) fn each_interval(
    connection: &Connection,
    (since, until): (Timestamp, Timestamp),
    only: Option<&BTreeSet<Subject>>,
    each: &mut dyn FnMut(Interval),
) -> rusqlite::Result<usize> {
    let subjects = Subjects::read(connection)?;
    let mut statement =
        connection.prepare("SELECT block FROM rates WHERE until_ms > ?1 AND from_ms < ?2 ORDER BY from_ms, id")?;
    let mut rows = statement.query(params![since.as_millisecond(), until.as_millisecond()])?;
    let mut unclear = 0;
    while let Some(row) = rows.next()? {
        let blob: Vec<u8> = row.get(0)?;
        match block::read(&blob, &subjects.by_id, only) {
            Some(intervals) => intervals
                .into_iter()
                .filter(|interval| end_ms(interval) > since.as_millisecond() && interval.from < until)
                .for_each(&mut *each),
            None => unclear += 1,
        }
    }
    Ok(unclear)
}

/// The seconds of a subject between two instants, oldest first.
pub(in crate::ledger) fn seconds_of(
    connection: &Connection,
    subject: Subject,
    (since, until): (Timestamp, Timestamp),
) -> rusqlite::Result<Vec<SecondRow>> {
    let mut statement = connection.prepare(
        "SELECT block FROM seconds JOIN subjects ON subjects.id = seconds.subject \
         WHERE name = ?1 AND until_ms > ?2 AND from_ms < ?3 ORDER BY from_ms, seconds.id",
    )?;
    let mut rows = statement.query(params![
        subject.to_string(),
        since.as_millisecond(),
        until.as_millisecond()
    ])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let blob: Vec<u8> = row.get(0)?;
        let read = seconds::read(&blob).unwrap_or_default();
        all.extend(read.into_iter().filter(|row| row.from >= since && row.from < until));
    }
    // What came before an attack that follows another closely was written with both.
    all.sort_by_key(|row| row.from);
    all.dedup_by_key(|row| row.from);
    Ok(all)
}
