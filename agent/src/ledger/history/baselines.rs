//! What detection learned of each subject, in its own form.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use crate::detect::Subject;

/// Writes what was learned of some subjects.
pub(super) fn put(connection: &Connection, at: Timestamp, learned: &[(Subject, Vec<u8>)]) -> rusqlite::Result<()> {
    let mut statement = connection
        .prepare_cached("INSERT OR REPLACE INTO baselines (subject, updated_ms, baseline) VALUES (?1, ?2, ?3)")?;
    for (subject, baseline) in learned {
        statement.execute(params![subject.to_string(), at.as_millisecond(), baseline])?;
    }
    Ok(())
}

/// All that was learned: of whom, when it was written, what. Of a subject that nobody understands any more, nothing.
pub(super) fn all(connection: &Connection) -> rusqlite::Result<Vec<(Subject, Timestamp, Vec<u8>)>> {
    let mut statement = connection.prepare("SELECT subject, updated_ms, baseline FROM baselines ORDER BY subject")?;
    let rows = statement.query_map([], |row| {
        Ok((
            row.get::<_, String>(0)?,
            row.get::<_, i64>(1)?,
            row.get::<_, Vec<u8>>(2)?,
        ))
    })?;
    let mut all = Vec::new();
    for row in rows {
        let (subject, at, baseline) = row?;
        if let Ok(subject) = subject.parse() {
            all.push((
                subject,
                Timestamp::from_millisecond(at).unwrap_or(Timestamp::UNIX_EPOCH),
                baseline,
            ));
        }
    }
    Ok(all)
}
