//! Keeps rates small: minutes of an hour in one row, ten minutes instead of minutes after a week, and nothing after a month; and all
//! of it within a size, whatever its age.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{
    Interval, RatePeaks, RateRow,
    numbers::MEANS,
    store::{self, MINUTE, Subjects},
};
use crate::detect::{HostObservation, Rates, Standing, Subject};

/// Length of a coarse interval in seconds.
const COARSE: i64 = 600;
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// What goes at once where there is too much.
const SLICE_MS: i64 = 6 * HOUR_MS;

/// How much is kept.
#[derive(Debug, Clone, Copy)]
pub(in crate::ledger) struct Bounds {
    /// The whole file, in bytes.
    pub(in crate::ledger) bytes: i64,
    /// Days until minutes become coarse.
    pub(in crate::ledger) fine_days: i64,
    /// Days until rates go.
    pub(in crate::ledger) days: i64,
}

/// Puts the minutes of each hour that is over into one row.
pub(in crate::ledger) fn pack(connection: &Connection) -> rusqlite::Result<()> {
    let newest: Option<i64> = connection
        .query_row(
            "SELECT from_ms FROM rates WHERE packed = 0 ORDER BY id DESC LIMIT 1",
            [],
            |row| row.get(0),
        )
        .optional()?;
    let Some(newest) = newest else { return Ok(()) };
    let mut statement =
        connection.prepare("SELECT DISTINCT from_ms / ?1 FROM rates WHERE packed = 0 AND step_s = ?2")?;
    let hours: Vec<i64> = statement
        .query_map([HOUR_MS, MINUTE], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for hour in hours.into_iter().filter(|hour| *hour != newest / HOUR_MS) {
        replace(connection, hour * HOUR_MS, HOUR_MS, false, |intervals| {
            (intervals, MINUTE)
        })?;
    }
    Ok(())
}

/// Makes ten minutes of minutes where they are old, and drops what is older still. To be called with a clock that can be trusted.
pub(in crate::ledger) fn age(connection: &Connection, now: Timestamp, bounds: &Bounds) -> rusqlite::Result<()> {
    let now = now.as_millisecond();
    while let Some(day) = oldest_fine_day(connection)?.filter(|day| (day + 1 + bounds.fine_days) * DAY_MS < now) {
        coarsen(connection, day)?;
    }
    let oldest = now - bounds.days * DAY_MS;
    connection.execute("DELETE FROM rates WHERE until_ms < ?1", [oldest])?;
    connection.execute("DELETE FROM seconds WHERE until_ms < ?1", [oldest])?;
    Ok(())
}

/// Makes room until the file fits: first by making old minutes coarse, then by dropping what is oldest.
pub(in crate::ledger) fn fit(connection: &Connection, bounds: &Bounds) -> rusqlite::Result<()> {
    while used(connection)? > bounds.bytes {
        let newest: Option<i64> = connection.query_row("SELECT MAX(from_ms) FROM rates", [], |row| row.get(0))?;
        let fine = oldest_fine_day(connection)?.filter(|day| newest.is_some_and(|newest| *day < newest / DAY_MS));
        match fine {
            Some(day) => coarsen(connection, day)?,
            None if drop_oldest(connection)? == 0 => break,
            None => {}
        }
    }
    Ok(())
}

/// Bytes that are in use; what was given back is not counted.
fn used(connection: &Connection) -> rusqlite::Result<i64> {
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    Ok((pragma("page_count")? - pragma("freelist_count")?) * pragma("page_size")?)
}

fn oldest_fine_day(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    connection.query_row(
        "SELECT MIN(from_ms) / ?1 FROM rates WHERE step_s = ?2 AND packed = 1",
        [DAY_MS, MINUTE],
        |row| row.get(0),
    )
}

fn coarsen(connection: &Connection, day: i64) -> rusqlite::Result<()> {
    replace(connection, day * DAY_MS, DAY_MS, true, |minutes| {
        (merge(&minutes), COARSE)
    })
}

fn drop_oldest(connection: &Connection) -> rusqlite::Result<usize> {
    let before: Option<i64> = connection.query_row(
        "SELECT MIN(from_ms) FROM (SELECT from_ms FROM rates UNION ALL SELECT from_ms FROM seconds)",
        [],
        |row| row.get(0),
    )?;
    let Some(before) = before.map(|oldest| oldest + SLICE_MS) else {
        return Ok(0);
    };
    let rates = connection.execute("DELETE FROM rates WHERE from_ms < ?1", [before])?;
    Ok(rates + connection.execute("DELETE FROM seconds WHERE from_ms < ?1", [before])?)
}

/// Takes the rows of minutes that begin within a span, and puts one packed row in their place.
fn replace(
    connection: &Connection,
    from_ms: i64,
    length_ms: i64,
    packed: bool,
    made: impl FnOnce(Vec<Interval>) -> (Vec<Interval>, i64),
) -> rusqlite::Result<()> {
    let subjects = Subjects::read(connection)?;
    let span = params![from_ms, from_ms + length_ms, MINUTE, packed];
    let mut statement = connection.prepare(
        "SELECT block FROM rates WHERE from_ms >= ?1 AND from_ms < ?2 AND step_s = ?3 AND packed = ?4 ORDER BY from_ms, id",
    )?;
    let blobs = statement.query_map(span, |row| row.get::<_, Vec<u8>>(0))?;
    let mut intervals = Vec::new();
    for blob in blobs {
        // What is no block is of no use to anybody.
        intervals.extend(subjects.intervals(&blob?).unwrap_or_default());
    }
    drop(statement);
    connection.execute(
        "DELETE FROM rates WHERE from_ms >= ?1 AND from_ms < ?2 AND step_s = ?3 AND packed = ?4",
        span,
    )?;
    intervals.sort_by_key(|interval| interval.from);
    let (intervals, step_s) = made(intervals);
    store::put_block(connection, &intervals, &subjects, step_s, true)
}

/// Sums of a coarse interval.
struct Merged {
    seconds: f64,
    sums: [f64; MEANS],
    peaks: RatePeaks,
    standing: Standing,
}

/// Ten minutes each of minutes: means by their seconds, the highest peaks.
fn merge(minutes: &[Interval]) -> Vec<Interval> {
    let mut groups: BTreeMap<i64, Vec<&Interval>> = BTreeMap::new();
    for minute in minutes {
        groups
            .entry(minute.from.as_second().div_euclid(COARSE))
            .or_default()
            .push(minute);
    }
    groups.into_values().filter_map(|group| merge_group(&group)).collect()
}

fn merge_group(minutes: &[&Interval]) -> Option<Interval> {
    let from = minutes.first()?.from;
    let seconds: f64 = minutes.iter().map(|minute| minute.seconds).sum();
    let mean = |of: fn(&HostObservation) -> f64| {
        minutes
            .iter()
            .map(|minute| of(&minute.host) * minute.seconds)
            .sum::<f64>()
            / seconds.max(f64::MIN_POSITIVE)
    };
    let distinct: Vec<f64> = minutes
        .iter()
        .filter_map(|minute| minute.host.distinct_sources)
        .collect();
    let mut rows: BTreeMap<Subject, Merged> = BTreeMap::new();
    for minute in minutes {
        for row in &minute.rows {
            rows.entry(row.subject)
                .or_insert_with(|| Merged {
                    seconds,
                    sums: [0.0; MEANS],
                    peaks: RatePeaks::default(),
                    standing: row.standing,
                })
                .add(row, minute.seconds);
        }
    }
    Some(Interval {
        from,
        seconds,
        host: HostObservation {
            receive_drops: mean(|host| host.receive_drops),
            softirq: mean(|host| host.softirq),
            distinct_sources: distinct.iter().copied().reduce(f64::max),
            concentration: mean(|host| host.concentration),
        },
        rows: rows.into_iter().map(|(subject, merged)| merged.row(subject)).collect(),
    })
}

impl Merged {
    fn add(&mut self, row: &RateRow, seconds: f64) {
        for (sum, rate) in self.sums.iter_mut().zip(row.rates.numbers()) {
            *sum += rate * seconds;
        }
        self.peaks.syn = self.peaks.syn.max(row.peaks.syn);
        self.peaks.unproven = self.peaks.unproven.max(row.peaks.unproven);
        self.peaks.packets = self.peaks.packets.max(row.peaks.packets);
        self.standing = Standing {
            excess: self.standing.excess || row.standing.excess,
            rung: self.standing.rung.max(row.standing.rung),
            ..row.standing
        };
    }

    fn row(&self, subject: Subject) -> RateRow {
        let seconds = self.seconds.max(f64::MIN_POSITIVE);
        RateRow {
            subject,
            rates: Rates::of_numbers(&self.sums.map(|sum| sum / seconds)),
            peaks: self.peaks,
            standing: self.standing,
        }
    }
}
