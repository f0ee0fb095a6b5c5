//! The fleet: how this node stands with it, who else is there, and what arrives at all of them.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    fleet::{By, ListVersion},
    ladder::Rung,
    tables::Mode,
};

/// The way to etcd.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkView {
    /// There is no `[fleet]`.
    #[default]
    Off,
    /// Not tried to its end yet.
    Connecting,
    /// What the others decide is seen.
    Up,
    /// This node goes on by itself.
    Down,
}

/// `GET /v1/fleet`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FleetView {
    /// This node's name; absent without `[fleet]`.
    pub node: Option<String>,
    /// What all keys in etcd begin with.
    pub prefix: String,
    /// The way to etcd.
    pub link: LinkView,
    /// Since when it is so, where that is known.
    pub since: Option<Timestamp>,
    /// Why it is down.
    pub why: Option<String>,
    /// The node that adds the reports up.
    pub leader: Option<String>,
    /// Nodes of the fleet; 0 where that is not known.
    pub nodes: u32,
    /// What holds for all nodes.
    pub decisions: Vec<DecisionView>,
    /// Decisions of this node that the others do not know yet, the oldest first.
    pub queued: Vec<QueuedView>,
    /// What etcd holds under the prefix that makes no sense.
    pub garbage: Vec<String>,
    /// What is not as it should be besides.
    pub problems: Vec<String>,
}

/// What holds for all nodes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DecisionView {
    /// `entry`, `blackhole`, `rung`, `ceiling`, `threshold` or `mode`.
    pub kind: String,
    /// About what: an address, a prefix, `source`, `address`; empty for the mode.
    pub about: String,
    /// What holds, in a word or two.
    pub holds: String,
    /// A human or a machine.
    pub by: By,
    /// Who asked.
    pub actor: String,
    /// At which node.
    pub node: String,
    /// Why.
    pub reason: Option<String>,
    /// When, by that node's clock.
    pub at: Timestamp,
    /// When it ends by itself.
    pub until: Option<Timestamp>,
    /// It is what holds on this node; false where this node decided otherwise, or would be cut off.
    pub here: bool,
}

/// A decision that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueuedView {
    /// About what, in words.
    pub about: String,
    /// A human's or a machine's.
    pub by: By,
    /// Made then.
    pub at: Timestamp,
}

/// One line of `GET /v1/fleet/nodes`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeView {
    /// Its name.
    pub node: String,
    /// The node that is asked.
    pub this: bool,
    /// It adds the reports up.
    pub leader: bool,
    /// Where it stands.
    pub site: String,
    /// The agent's version.
    pub version: String,
    /// When the agent began.
    pub started: Timestamp,
    /// Whether verdicts are carried out.
    pub mode: Mode,
    /// Addresses that it protects.
    pub addresses: usize,
    /// Its large lists.
    pub lists: Vec<ListVersion>,
    /// Of them, those of which it has another version than most nodes have.
    pub lists_differ: Vec<String>,
    /// Addresses that it reports.
    pub reports: usize,
    /// SYNs per second of them that nobody completes.
    pub unproven: f64,
}

/// One line of `GET /v1/fleet/top`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SumView {
    /// The address.
    pub address: IpAddr,
    /// SYNs per second that nobody completes, at all nodes.
    pub unproven_pps: f64,
    /// Of them, at this node.
    pub unproven_here_pps: f64,
    /// SYNs per second, at all nodes.
    pub syn_pps: f64,
    /// The lowest threshold of a node, SYNs per second.
    pub threshold_pps: f64,
    /// Nodes that report it.
    pub nodes: u32,
    /// Of them, those where it is an attack by itself.
    pub attacked: u32,
    /// The highest rung where it stands.
    pub rung: Rung,
}

/// `GET /v1/fleet/top`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FleetTopView {
    /// The way to etcd: what is not up shows what was.
    pub link: LinkView,
    /// Nodes of the fleet.
    pub nodes: u32,
    /// Addresses, the most attacked first; what is not named is little.
    pub sums: Vec<SumView>,
}
