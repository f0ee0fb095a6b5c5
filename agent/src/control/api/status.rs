//! How the agent itself is.

use std::{collections::BTreeMap, net::IpAddr, path::PathBuf};

use ipnet::IpNet;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{AllSourcesView, DetectionView, FleetView, LargeListView, ModeView, PrefixView, PrivilegesView, RatesView};
use crate::{
    snapshot::Unprotected,
    tables::{LinkState, Listener, MapFill, ProgramStats},
};

/// The ledger's health.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerView {
    /// The file.
    pub path: PathBuf,
    /// False while something is wrong with it.
    pub healthy: bool,
    /// What is wrong.
    pub problem: Option<String>,
}

/// The daemon in `GET /v1/status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaemonView {
    /// Its process.
    pub pid: u32,
    /// Its version.
    pub version: String,
    /// Since when it runs.
    pub since: Timestamp,
    /// Its configuration file.
    pub config: PathBuf,
    /// Its ledger.
    pub ledger: LedgerView,
    /// What it gave up of its rights; absent as long as it has not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub privileges: Option<PrivilegesView>,
}

/// `GET /v1/status`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatusView {
    /// The daemon; absent when it does not run and only the kernel was asked.
    pub daemon: Option<DaemonView>,
    /// The mode.
    pub mode: ModeView,
    /// Where the program is attached.
    pub interfaces: Vec<LinkState>,
    /// Interfaces of the configuration where it is not; empty when only the kernel was asked.
    #[serde(default)]
    pub unprotected: Vec<Unprotected>,
    /// Protected addresses.
    pub protected: usize,
    /// Of those, blackholed.
    pub blackholed: Vec<IpAddr>,
    /// Of those, with SYNs over a rate now.
    pub over_rate: Vec<IpAddr>,
    /// Groups of them.
    #[serde(default)]
    pub groups: usize,
    /// Of those, over their SYN rate: every SYN to any of their addresses must prove itself.
    #[serde(default)]
    pub groups_verifying: Vec<IpNet>,
    /// Addresses that make unknown sources prove themselves (or admit none), by themselves or because somebody said so.
    #[serde(default)]
    pub verifying: Vec<IpAddr>,
    /// Allowed source prefixes.
    pub allowed: usize,
    /// Blocked source prefixes.
    pub blocked: usize,
    /// Large lists.
    #[serde(default)]
    pub lists: Vec<LargeListView>,
    /// How this node stands with the others; absent without `[fleet]`, and when only the kernel was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fleet: Option<FleetView>,
    /// What is detected; absent when only the kernel was asked.
    #[serde(default)]
    pub detection: Option<DetectionView>,
    /// Rates to all protected addresses; absent when only the kernel was asked.
    pub rates: Option<RatesView>,
    /// What all sources together do; absent when only the kernel was asked.
    #[serde(default)]
    pub sources: Option<AllSourcesView>,
    /// The prefixes that send most, heaviest first.
    #[serde(default)]
    pub busiest: Vec<PrefixView>,
    /// How full the kernel's tables are.
    pub maps: Vec<MapFill>,
    /// What the programs cost.
    pub programs: Vec<ProgramStats>,
    /// What is not as it should be.
    pub warnings: Vec<String>,
}

/// `GET /v1/listeners`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListenersView {
    /// What the host's TCP is told to do, by the names of sysctl(8).
    pub sysctls: BTreeMap<String, String>,
    /// Listeners of protected addresses, as the program was told.
    pub listeners: Vec<Listener>,
}
