//! Who sends.

use ipnet::IpNet;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::TrafficView;
use crate::tables::{Limit, ListAction};

/// One line of `GET /v1/prefixes`, and of the busiest prefixes in `GET /v1/status`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PrefixView {
    /// An IPv4 /24 or an IPv6 /48.
    pub prefix: IpNet,
    /// Traffic from there.
    #[serde(flatten)]
    pub traffic: TrafficView,
    /// When a packet of it was last looked at.
    pub last: Timestamp,
    /// The source list entry that decides about the whole prefix, if any.
    pub listed: Option<ListAction>,
}

/// What all sources together do, over the last ten seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct AllSourcesView {
    /// Traffic to protected addresses.
    #[serde(flatten)]
    pub traffic: TrafficView,
    /// Different sources (IPv4 addresses and IPv6 /64) within a second, an estimate with a standard error of 6 %; absent before
    /// it was counted.
    pub distinct: Option<f64>,
    /// Of all packets, those of the ten heaviest sources, 0 to 1.
    pub top10_share: f64,
}

/// `GET /v1/prefixes`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PrefixesView {
    /// What all sources together do.
    pub all: AllSourcesView,
    /// The heaviest, heaviest first.
    pub prefixes: Vec<PrefixView>,
}

/// One line of `GET /v1/sources`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourceView {
    /// An IPv4 address or an IPv6 /64.
    pub source: IpNet,
    /// Traffic from there.
    #[serde(flatten)]
    pub traffic: TrafficView,
    /// SYNs per second over its threshold.
    pub over_pps: f64,
    /// SYNs within its threshold since its bucket began; 0 while it has none.
    pub syns_within: u64,
    /// SYNs over its threshold since its bucket began; 0 while it has none.
    pub syns_over: u64,
    /// Since when it is recorded.
    pub since: Timestamp,
    /// When a packet of it was last looked at.
    pub last: Timestamp,
    /// The source list entry that decides about it, if any.
    pub listed: Option<ListAction>,
}

/// `GET /v1/sources`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourcesView {
    /// What all sources together do.
    pub all: AllSourcesView,
    /// Sources with a SYN bucket of their own now.
    pub recorded: usize,
    /// The threshold of every source; absent where only the kernel was asked.
    pub limit: Limit,
    /// The heaviest, heaviest first.
    pub sources: Vec<SourceView>,
}

/// One line of `GET /v1/samples`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SampleView {
    /// When it came.
    pub at: Timestamp,
    /// Why it was (or, in `monitor`, would have been) dropped.
    pub reason: String,
    /// Who sent what to whom, as far as its header tells.
    pub packet: String,
    /// Length of the whole frame in bytes.
    pub frame_bytes: u32,
    /// Its first bytes in hexadecimal, from the Ethernet header on.
    pub header_hex: String,
}
