//! The history of rates: of every subject by the minute, and around attacks by the second. Recorded by [`Recorder`], which is
//! pure; kept in blobs, for 4,096 addresses make 177 million of minutes in a month.

mod block;
mod code;
#[cfg(test)]
mod month;
mod numbers;
mod recorder;
mod seconds;
pub(super) mod store;
pub(super) mod upkeep;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::detect::{HostObservation, Rates, Standing, Subject};
pub(super) use recorder::{Recorded, Recorder};

/// The highest rates within an interval, each over a second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RatePeaks {
    /// SYNs per second.
    pub syn: f64,
    /// SYNs without a completed handshake per second.
    pub unproven: f64,
    /// All packets per second.
    pub packets: f64,
}

/// One subject in an interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RateRow {
    /// Which.
    pub subject: Subject,
    /// Means over the interval.
    pub rates: Rates,
    /// The highest.
    pub peaks: RatePeaks,
    /// What held: the highest rung, an excess at any time, the threshold at the end.
    pub standing: Standing,
}

/// What was recorded of an interval. Rates are off by 6 % at most: they are kept in steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// When it began.
    pub from: Timestamp,
    /// Seconds of it that were observed.
    pub seconds: f64,
    /// The host: means.
    pub host: HostObservation,
    /// Subjects that had any traffic. Whoever is missing had none.
    pub rows: Vec<RateRow>,
}

/// One subject in a second. Exact to seven digits.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SecondRow {
    /// When it began.
    pub from: Timestamp,
    /// Means over it.
    pub rates: Rates,
    /// What held.
    pub standing: Standing,
}

/// Some seconds of one subject in a row.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::ledger) struct Seconds {
    /// Which.
    pub(in crate::ledger) subject: Subject,
    /// The seconds, oldest first.
    pub(in crate::ledger) rows: Vec<SecondRow>,
}
