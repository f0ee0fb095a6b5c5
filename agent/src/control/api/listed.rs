//! What is listed: blocked and allowed sources, blackholed addresses, large lists.

use std::net::IpAddr;

use ipnet::IpNet;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::OriginView;
use crate::tables::ListAction;

/// One entry of the source list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryView {
    /// The sources.
    pub prefix: IpNet,
    /// What happens to them.
    pub action: ListAction,
    /// Who, when, why, until.
    #[serde(flatten)]
    pub origin: OriginView,
}

/// One blackholed address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlackholeView {
    /// The address.
    pub address: IpAddr,
    /// Established connections and replies too.
    pub all: bool,
    /// Who, when, why, until.
    #[serde(flatten)]
    pub origin: OriginView,
}

/// One large list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LargeListView {
    /// Its name.
    pub name: String,
    /// What happens to its sources.
    pub action: ListAction,
    /// Where it is read from; absent where only the kernel was asked.
    pub from: Option<String>,
    /// IPv4 prefixes of the version that holds.
    pub v4: u64,
    /// IPv6 prefixes of it.
    pub v6: u64,
    /// Packets that it decided about.
    pub packets: u64,
    /// Lines of it that were no prefix; absent where only the kernel was asked.
    pub invalid: Option<usize>,
    /// The first of them, with their numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub invalid_lines: Vec<String>,
    /// Its prefixes that an earlier list decides otherwise; absent where only the kernel was asked.
    pub conflicts: Option<usize>,
    /// When the version that holds was read; absent without one.
    pub read: Option<Timestamp>,
    /// How long ago that was, in seconds.
    pub age_seconds: Option<i64>,
    /// When it ends unless it is read before.
    pub until: Option<Timestamp>,
    /// Why the latest reading brought no new version, if it did not.
    pub problem: Option<String>,
    /// When it is read next.
    pub next: Option<Timestamp>,
}

/// `GET /v1/list`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListView {
    /// Blackholed addresses of ours.
    pub blackholes: Vec<BlackholeView>,
    /// Source list.
    pub sources: Vec<EntryView>,
    /// Large lists.
    #[serde(default)]
    pub lists: Vec<LargeListView>,
}
