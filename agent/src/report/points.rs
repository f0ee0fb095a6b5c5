//! The rates of one subject as a line: seconds where there are any, minutes elsewhere.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    detect::{Rates, Subject},
    ladder::Rung,
    ledger::{Interval, LedgerError, Reader, SecondRow},
};

/// Points of a report at most: more are put together.
const MOST: usize = 2_400;

/// Rates over some seconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RatePoint {
    /// When they began.
    pub from: Timestamp,
    /// Seconds that were observed.
    pub seconds: f64,
    /// Means, in packets per second.
    #[serde(flatten)]
    pub rates: Rates,
    /// SYNs per second that the subject may have.
    pub syn_threshold: Option<f64>,
    /// The highest rung.
    pub rung: Option<Rung>,
}

/// Reads the rates of a subject between two instants.
pub(super) fn read(
    reader: &Reader<'_>,
    subject: Subject,
    span: (Timestamp, Timestamp),
) -> Result<Vec<RatePoint>, LedgerError> {
    let seconds = reader.seconds(subject, span)?;
    let known: BTreeSet<i64> = seconds.iter().map(|row| row.from.as_second()).collect();
    let mut points: Vec<RatePoint> = seconds.iter().map(of_second).collect();
    let only = BTreeSet::from([subject]);
    reader.each_interval(span, Some(&only), &mut |interval| {
        let from = interval.from.as_second();
        let until = interval.from.as_millisecond() + millis(interval.seconds);
        if known.range(from..until.div_euclid(1_000)).next().is_none() {
            points.push(of_interval(&interval));
        }
    })?;
    points.sort_by_key(|point| point.from);
    Ok(thin(points))
}

#[expect(clippy::cast_possible_truncation, reason = "seconds of an interval")]
const fn millis(seconds: f64) -> i64 {
    (seconds * 1_000.0) as i64
}

const fn of_second(row: &SecondRow) -> RatePoint {
    RatePoint {
        from: row.from,
        seconds: 1.0,
        rates: row.rates,
        syn_threshold: row.standing.syn_threshold,
        rung: Some(row.standing.rung),
    }
}

/// An interval in which the subject is missing is one without traffic.
fn of_interval(interval: &Interval) -> RatePoint {
    let row = interval.rows.first();
    RatePoint {
        from: interval.from,
        seconds: interval.seconds,
        rates: row.map(|row| row.rates).unwrap_or_default(),
        syn_threshold: row.and_then(|row| row.standing.syn_threshold),
        rung: row.map(|row| row.standing.rung),
    }
}

/// Puts neighbours together until there are few enough.
fn thin(points: Vec<RatePoint>) -> Vec<RatePoint> {
    if points.len() <= MOST {
        return points;
    }
    let together = points.len().div_ceil(MOST);
    points.chunks(together).filter_map(mean).collect()
}

/// Points as one: means by their seconds.
pub(super) fn mean(points: &[RatePoint]) -> Option<RatePoint> {
    let first = points.first()?;
    let seconds: f64 = points.iter().map(|point| point.seconds).sum();
    let of = |rate: fn(&Rates) -> f64| {
        points
            .iter()
            .map(|point| rate(&point.rates) * point.seconds)
            .sum::<f64>()
            / seconds.max(f64::MIN_POSITIVE)
    };
    Some(RatePoint {
        from: first.from,
        seconds,
        rates: Rates {
            syn: of(|rates| rates.syn),
            handshakes: of(|rates| rates.handshakes),
            tcp: of(|rates| rates.tcp),
            udp: of(|rates| rates.udp),
            icmp: of(|rates| rates.icmp),
            other: of(|rates| rates.other),
            fragments: of(|rates| rates.fragments),
            amplified: of(|rates| rates.amplified),
            malformed: of(|rates| rates.malformed),
            blocked: of(|rates| rates.blocked),
            blackholed: of(|rates| rates.blackholed),
            passed: of(|rates| rates.passed),
            dropped: of(|rates| rates.dropped),
            replied: of(|rates| rates.replied),
            unanswered: of(|rates| rates.unanswered),
            over_vectors: of(|rates| rates.over_vectors),
        },
        syn_threshold: points.iter().rev().find_map(|point| point.syn_threshold),
        rung: points.iter().filter_map(|point| point.rung).max(),
    })
}
