//! Rows of the ledger to [`Overrides`] and back.

use std::{str::FromStr, time::Duration};

use ipnet::IpNet;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::Installed;
use crate::{
    clock::{Expiry, Now},
    config::units::{Burst, Rate},
    overrides::{
        BlackholeOverride, Change, ListOverride, ModeOverride, Origin, Overrides, RungOverride, Taken,
        ThresholdOverride,
    },
    tables::{ListAction, Mode, Rung},
    vectors::VectorsOverride,
};

/// How long a row outlives its end: 7 days.
const FORGET_AFTER_MS: i64 = 7 * 24 * 3600 * 1000;

/// Makes one change in the tables.
pub(super) fn apply(connection: &Connection, change: &Change) -> rusqlite::Result<()> {
    match change {
        Change::PutEntry(prefix, entry) => put(
            connection,
            "INSERT OR REPLACE INTO list_entries (actor, reason, since_ms, until_ms, prefix, action) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            &entry.origin,
            &[&prefix.to_string(), &entry.action.to_string()],
        ),
        Change::RemoveEntry(prefix) => remove(
            connection,
            "DELETE FROM list_entries WHERE prefix = ?1",
            &prefix.to_string(),
        ),
        Change::PutBlackhole(address, hole) => put(
            connection,
            "INSERT OR REPLACE INTO blackholes (actor, reason, since_ms, until_ms, address, everything) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            &hole.origin,
            &[&address.to_string(), &hole.all],
        ),
        Change::RemoveBlackhole(address) => remove(
            connection,
            "DELETE FROM blackholes WHERE address = ?1",
            &address.to_string(),
        ),
        Change::PutThreshold(target, set) => put(
            connection,
            "INSERT OR REPLACE INTO thresholds (actor, reason, since_ms, until_ms, target, syn_rate_pps, syn_burst, vectors) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            &set.origin,
            &[
                &target.to_string(),
                &set.syn_rate.map(Rate::per_second),
                &set.syn_burst.map(Burst::events),
                &write_vectors(&set.vectors),
            ],
        ),
        Change::RemoveThreshold(target) => remove(
            connection,
            "DELETE FROM thresholds WHERE target = ?1",
            &target.to_string(),
        ),
        Change::PutRung(address, forced) => put(
            connection,
            "INSERT OR REPLACE INTO rungs (actor, reason, since_ms, until_ms, address, rung) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            &forced.origin,
            &[&address.to_string(), &forced.rung.name()],
        ),
        Change::RemoveRung(address) => remove(connection, "DELETE FROM rungs WHERE address = ?1", &address.to_string()),
        Change::PutCeiling(address, ceiling) => put(
            connection,
            "INSERT OR REPLACE INTO ceilings (actor, reason, since_ms, until_ms, address, rung) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            &ceiling.origin,
            &[&address.to_string(), &ceiling.rung.name()],
        ),
        Change::RemoveCeiling(address) => remove(
            connection,
            "DELETE FROM ceilings WHERE address = ?1",
            &address.to_string(),
        ),
        Change::PutTaken(address, taken) => put(
            connection,
            "INSERT OR REPLACE INTO taken (actor, reason, since_ms, until_ms, address, rung, held_until_ms) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            &taken.origin,
            &[
                &address.to_string(),
                &taken.rung.name(),
                &taken.held_until.as_millisecond(),
            ],
        ),
        Change::RemoveTaken(address) => {
            remove(connection, "DELETE FROM taken WHERE address = ?1", &address.to_string())
        }
        Change::SetMode(Some(mode)) => put(
            connection,
            "INSERT OR REPLACE INTO mode (actor, reason, since_ms, until_ms, only_row, mode) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            &mode.origin,
            &[&1, &mode.mode.to_string()],
        ),
        Change::SetMode(None) => connection.execute("DELETE FROM mode", []).map(drop),
    }
}

fn put(
    connection: &Connection,
    statement: &str,
    origin: &Origin,
    rest: &[&dyn rusqlite::ToSql],
) -> rusqlite::Result<()> {
    let since_ms = origin.since.as_millisecond();
    let until_ms = origin.until.map(|until| until.wall.as_millisecond());
    let mut values: Vec<&dyn rusqlite::ToSql> = vec![&origin.actor, &origin.reason, &since_ms, &until_ms];
    values.extend(rest);
    connection.execute(statement, &*values).map(drop)
}

fn remove(connection: &Connection, statement: &str, key: &str) -> rusqlite::Result<()> {
    connection.execute(statement, [key]).map(drop)
}

/// Everything that still holds, with the time it has left, and sentences about rows that nobody understands.
pub(super) fn load(connection: &Connection, now: Now) -> rusqlite::Result<(Overrides, Vec<String>)> {
    forget_long_expired(connection, now)?;
    let mut loader = Loader {
        connection,
        now,
        overrides: Overrides::default(),
        unclear: Vec::new(),
    };
    loader.rows("list_entries", "prefix, action", |row, origin| {
        let action = text(row, 5)?;
        let entry = ListOverride {
            action: list_action(&action)?,
            origin,
        };
        Some(Change::PutEntry(parsed::<IpNet>(row)?, entry))
    })?;
    loader.rows("blackholes", "address, everything", |row, origin| {
        Some(Change::PutBlackhole(
            parsed(row)?,
            BlackholeOverride {
                all: row.get(5).ok()?,
                origin,
            },
        ))
    })?;
    loader.rows(
        "thresholds",
        "target, syn_rate_pps, syn_burst, vectors",
        |row, origin| {
            let number = |index| row.get::<_, Option<u32>>(index).ok();
            let syn_rate = number(5)?.map(|rate| Rate::new(rate).ok_or(())).transpose().ok()?;
            let syn_burst = number(6)?.map(|burst| Burst::new(burst).ok_or(())).transpose().ok()?;
            Some(Change::PutThreshold(
                parsed(row)?,
                ThresholdOverride {
                    syn_rate,
                    syn_burst,
                    vectors: read_vectors(row.get(7).ok()?)?,
                    origin,
                },
            ))
        },
    )?;
    loader.rows("rungs", "address, rung", |row, origin| {
        let rung = rung(row).filter(|rung| *rung != Rung::Blackhole)?;
        Some(Change::PutRung(parsed(row)?, RungOverride { rung, origin }))
    })?;
    loader.rows("ceilings", "address, rung", |row, origin| {
        let rung = rung(row)?;
        Some(Change::PutCeiling(parsed(row)?, RungOverride { rung, origin }))
    })?;
    loader.rows("taken", "address, rung, held_until_ms", |row, origin| {
        let taken = Taken {
            rung: rung(row)?,
            held_until: Timestamp::from_millisecond(row.get(6).ok()?).ok()?,
            origin,
        };
        Some(Change::PutTaken(parsed(row)?, taken))
    })?;
    loader.rows("mode", "only_row, mode", |row, origin| {
        let mode = <Mode as clap::ValueEnum>::from_str(&text(row, 5)?, false).ok()?;
        Some(Change::SetMode(Some(ModeOverride { mode, origin })))
    })?;
    Ok((loader.overrides, loader.unclear))
}

/// Rows that ended while no agent ran are skipped when they are read, and deleted only later: the wall clock may be wrong
/// for the first minutes after a boot.
fn forget_long_expired(connection: &Connection, now: Now) -> rusqlite::Result<()> {
    let oldest_ms = now.wall.as_millisecond() - FORGET_AFTER_MS;
    for table in [
        "list_entries",
        "blackholes",
        "thresholds",
        "rungs",
        "ceilings",
        "taken",
        "mode",
    ] {
        connection.execute(&format!("DELETE FROM {table} WHERE until_ms < ?1"), [oldest_ms])?;
    }
    Ok(())
}

struct Loader<'a> {
    connection: &'a Connection,
    now: Now,
    overrides: Overrides,
    unclear: Vec<String>,
}

impl Loader<'_> {
    /// Reads one table. The origin is columns 0 to 3, the key column 4, what `make` needs follows.
    fn rows(
        &mut self,
        table: &str,
        columns: &str,
        make: impl Fn(&Row<'_>, Origin) -> Option<Change>,
    ) -> rusqlite::Result<()> {
        let query = format!("SELECT actor, reason, since_ms, until_ms, {columns} FROM {table}");
        let mut statement = self.connection.prepare(&query)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let Some(origin) = self.origin(row) else { continue };
            match make(row, origin) {
                Some(change) => self.overrides.apply(&change),
                None => self.unclear.push(format!(
                    "the ledger's row {:?} of table {table} is not understood and left as it is",
                    row.get::<_, rusqlite::types::Value>(4)?
                )),
            }
        }
        Ok(())
    }

    /// Who, when, why, until; `None` if it is over.
    fn origin(&self, row: &Row<'_>) -> Option<Origin> {
        let time = |ms: i64| Timestamp::from_millisecond(ms).ok();
        let since = time(row.get(2).ok()?)?;
        let until = match row.get::<_, Option<i64>>(3).ok()? {
            None => None,
            Some(until_ms) => Some(self.end(since, time(until_ms)?)?),
        };
        Some(Origin {
            actor: text(row, 0)?,
            reason: row.get(1).ok()?,
            since,
            until,
        })
    }

    /// When something ends that was asked for `since` then; `None` if it has.
    fn end(&self, since: Timestamp, until: Timestamp) -> Option<Expiry> {
        if since <= self.now.wall {
            return self.now.until_wall(until);
        }
        // The wall clock is behind what it was (a machine that boots without a battery begins in 1970): what was asked for an
        // hour must not live for years.
        let whole = Duration::try_from(until.duration_since(since)).ok()?;
        Some(self.now.plus(whole))
    }
}

/// Rates of vectors, where any are set.
fn write_vectors(vectors: &VectorsOverride) -> Option<String> {
    if vectors.is_empty() {
        return None;
    }
    serde_json::to_string(vectors).ok()
}

/// Reads that back.
fn read_vectors(text: Option<String>) -> Option<VectorsOverride> {
    match text {
        None => Some(VectorsOverride::default()),
        Some(text) => serde_json::from_str(&text).ok(),
    }
}

fn text(row: &Row<'_>, index: usize) -> Option<String> {
    row.get(index).ok()
}

fn parsed<T: FromStr>(row: &Row<'_>) -> Option<T> {
    text(row, 4)?.parse().ok()
}

fn rung(row: &Row<'_>) -> Option<Rung> {
    <Rung as clap::ValueEnum>::from_str(&text(row, 5)?, false).ok()
}

fn list_action(text: &str) -> Option<ListAction> {
    match text {
        "allow" => Some(ListAction::Allow),
        "block" => Some(ListAction::Block),
        _ => None,
    }
}

/// Sysctls as they were before the agent set them, in the words of [`super::FormerSysctls`].
pub(super) fn former_sysctls(connection: &Connection) -> rusqlite::Result<String> {
    connection
        .query_row("SELECT value FROM installed WHERE key = 'sysctls'", [], |row| {
            row.get(0)
        })
        .optional()
        .map(Option::unwrap_or_default)
}

/// Replaces that.
pub(super) fn set_former_sysctls(connection: &Connection, text: &str) -> rusqlite::Result<()> {
    connection
        .execute(
            "INSERT OR REPLACE INTO installed (key, value) VALUES ('sysctls', ?1)",
            [text],
        )
        .map(drop)
}

/// What was put into the kernel's tables.
pub(super) fn installed(connection: &Connection) -> rusqlite::Result<Installed> {
    let read = |key: &str| {
        connection
            .query_row("SELECT value FROM installed WHERE key = ?1", [key], |row| row.get(0))
            .optional()
            .map(Option::unwrap_or_default)
    };
    Ok(Installed {
        tables: read("tables")?,
        config_list: read("config_list")?,
    })
}

/// Replaces that.
pub(super) fn set_installed(connection: &Connection, installed: &Installed) -> rusqlite::Result<()> {
    connection
        .execute(
            "INSERT OR REPLACE INTO installed (key, value) VALUES ('tables', ?1), ('config_list', ?2)",
            params![installed.tables, installed.config_list],
        )
        .map(drop)
}
