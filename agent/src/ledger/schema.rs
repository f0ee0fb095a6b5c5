//! How a file of an earlier version becomes one of this version, and the tables of what people asked for. `PRAGMA user_version`
//! is the version; a migration is added to a list, and an existing one is never changed.

use rusqlite::Connection;

use crate::failpoint::{Point, reach};

/// One script per version: the first makes version 1 of an empty file. Times are milliseconds of the Unix epoch.
pub(super) const LEDGER: &[&str] = &[
    "
    CREATE TABLE list_entries (
        prefix TEXT PRIMARY KEY NOT NULL,
        action TEXT NOT NULL,
        actor TEXT NOT NULL,
        reason TEXT,
        since_ms INTEGER NOT NULL,
        until_ms INTEGER
    ) STRICT;
    CREATE TABLE blackholes (
        address TEXT PRIMARY KEY NOT NULL,
        everything INTEGER NOT NULL,
        actor TEXT NOT NULL,
        reason TEXT,
        since_ms INTEGER NOT NULL,
        until_ms INTEGER
    ) STRICT;
    CREATE TABLE thresholds (
        target TEXT PRIMARY KEY NOT NULL,
        syn_rate_pps INTEGER,
        syn_burst INTEGER,
        actor TEXT NOT NULL,
        reason TEXT,
        since_ms INTEGER NOT NULL,
        until_ms INTEGER
    ) STRICT;
    CREATE TABLE mode (
        only_row INTEGER PRIMARY KEY NOT NULL CHECK (only_row = 1),
        mode TEXT NOT NULL,
        actor TEXT NOT NULL,
        reason TEXT,
        since_ms INTEGER NOT NULL,
        until_ms INTEGER
    ) STRICT;
    CREATE TABLE commands (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        at_ms INTEGER NOT NULL,
        actor TEXT NOT NULL,
        command TEXT NOT NULL,
        reason TEXT,
        succeeded INTEGER NOT NULL,
        result TEXT NOT NULL
    ) STRICT;
    CREATE INDEX commands_at ON commands (at_ms);
    CREATE TABLE installed (key TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL) STRICT;
",
    "
    CREATE TABLE rungs (
        address TEXT PRIMARY KEY NOT NULL,
        rung TEXT NOT NULL,
        actor TEXT NOT NULL,
        reason TEXT,
        since_ms INTEGER NOT NULL,
        until_ms INTEGER
    ) STRICT;
",
    // Rates of vectors, as the JSON that the control socket takes.
    "ALTER TABLE thresholds ADD COLUMN vectors TEXT;",
    // What the ladder took, and how high people let it go.
    "
    CREATE TABLE taken (
        address TEXT PRIMARY KEY NOT NULL,
        rung TEXT NOT NULL,
        held_until_ms INTEGER NOT NULL,
        actor TEXT NOT NULL,
        reason TEXT,
        since_ms INTEGER NOT NULL,
        until_ms INTEGER
    ) STRICT;
    CREATE TABLE ceilings (
        address TEXT PRIMARY KEY NOT NULL,
        rung TEXT NOT NULL,
        actor TEXT NOT NULL,
        reason TEXT,
        since_ms INTEGER NOT NULL,
        until_ms INTEGER
    ) STRICT;
",
];

/// The version of a file; 0 for an empty one.
pub(super) fn version(connection: &Connection) -> rusqlite::Result<usize> {
    connection
        .pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))
        .map(|v| usize::try_from(v).unwrap_or(0))
}

/// Brings a file of the latest version or an earlier one up to date, version by version, each in one transaction.
pub(super) fn migrate(connection: &mut Connection, migrations: &[&str]) -> rusqlite::Result<()> {
    let current = version(connection)?;
    for (index, script) in migrations.iter().enumerate().skip(current) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(script)?;
        transaction.pragma_update(None, "user_version", i64::try_from(index + 1).unwrap_or(i64::MAX))?;
        transaction.commit()?;
        reach(Point::LedgerMigrating);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{super::history::schema::HISTORY, *};

    #[test]
    fn a_file_of_the_first_version_keeps_its_rows() {
        let mut connection = Connection::open_in_memory().expect("memory");
        connection.execute_batch(LEDGER[0]).expect("the first version");
        connection.pragma_update(None, "user_version", 1).expect("its number");
        connection
            .execute_batch("INSERT INTO mode VALUES (1, 'enforce', 'root', NULL, 0, NULL)")
            .expect("a row");
        migrate(&mut connection, LEDGER).expect("migrates");
        assert_eq!(version(&connection), Ok(LEDGER.len()));
        let count = |table: &str| connection.query_row(&format!("SELECT COUNT(*) FROM {table}"), [], |row| row.get(0));
        assert_eq!((count("mode"), count("rungs")), (Ok(1), Ok(0)));
    }

    #[test]
    fn an_empty_file_becomes_current_and_stays_so() {
        for migrations in [LEDGER, HISTORY] {
            let mut connection = Connection::open_in_memory().expect("memory");
            assert_eq!(version(&connection), Ok(0));
            migrate(&mut connection, migrations).expect("migrates");
            assert_eq!(version(&connection), Ok(migrations.len()));
            migrate(&mut connection, migrations).expect("does nothing");
            assert_eq!(version(&connection), Ok(migrations.len()));
        }
    }
}
