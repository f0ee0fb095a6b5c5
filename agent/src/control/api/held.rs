//! What holds: thresholds, the mode, rungs.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::OriginView;
use crate::{
    tables::{Limit, Method, Mode, Rung},
    vectors::Vectors,
};

/// One threshold in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThresholdView {
    /// `source`, `address`, one protected address, or the prefix of a group.
    pub target: String,
    /// What holds; absent for a group without a SYN rate.
    #[serde(flatten)]
    pub limit: Option<Limit>,
    /// What the configuration says.
    pub configured: Option<Limit>,
    /// Rates of what is not a SYN; absent for sources, which have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vectors: Option<Vectors>,
    /// What the configuration says of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configured_vectors: Option<Vectors>,
    /// Set at run time by whom, if it was.
    pub set_by: Option<OriginView>,
}

/// `GET /v1/mode`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModeView {
    /// What holds.
    pub mode: Mode,
    /// What the configuration says, where it is known.
    pub configured: Option<Mode>,
    /// Set at run time by whom, if it was.
    pub set_by: Option<OriginView>,
}

/// One line of `GET /v1/rungs`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RungView {
    /// The address.
    pub address: IpAddr,
    /// The rung in force: `observe`, `limit`, `verify`, `known`, or `blackhole`.
    pub rung: String,
    /// Since when, where that is known.
    pub since: Option<Timestamp>,
    /// Who put it there until when; absent while it takes its rung by itself.
    pub forced: Option<OriginView>,
    /// The rung that it took by itself above what the kernel side does, or would have taken.
    #[serde(default)]
    pub automatic: Option<AutomaticView>,
    /// How high it may go by itself for now, and who said so; absent while the configuration decides.
    #[serde(default)]
    pub ceiling: Option<OriginView>,
    /// The highest rung that it takes by itself.
    pub highest: Rung,
    /// How sources prove themselves in verify.
    pub method: Method,
    /// SYNs per second; absent where only the kernel was asked.
    pub syn_pps: Option<f64>,
    /// Handshakes that this host completed per second; absent for an address that it forwards for, and where only the
    /// kernel was asked.
    pub handshakes_pps: Option<f64>,
}

/// The rung that an address took by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AutomaticView {
    /// The rung.
    pub rung: Rung,
    /// It is only said: the configuration or the mode does not let it be done.
    pub dry_run: bool,
    /// Since when.
    pub since: Timestamp,
    /// It stays there until then at least.
    pub held_until: Timestamp,
    /// How long that is, in seconds.
    pub hold_left_seconds: u64,
    /// Why, in a sentence.
    pub reason: String,
}
