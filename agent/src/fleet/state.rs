//! How a node stands with its fleet, and what it can be asked.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::{Board, By, Draft, NodeInfo, Report, Sums, Target};
use crate::decide::Refusal;

/// How a node stands with its fleet.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FleetState {
    /// This node's name; `None` where there is no fleet.
    pub node: Option<String>,
    /// The way to etcd.
    pub link: Link,
    /// Decisions of all nodes.
    pub board: Arc<Board>,
    /// Decisions of this node that the others do not know yet, the oldest first.
    pub queued: Vec<Queued>,
    /// What of the sums is this node's own: see [`super::Publisher::believed`].
    pub own: Arc<Report>,
    /// What all reports come to.
    pub sums: Arc<Sums>,
    /// The node that adds up.
    pub leader: Option<String>,
    /// Where etcd is, as far as its names were found.
    pub stores: Vec<IpAddr>,
    /// What etcd holds under the prefix that makes no sense: the key and why, a bounded number.
    pub garbage: Vec<String>,
    /// What is not as it should be besides.
    pub problems: Vec<String>,
}

/// The way to etcd.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Link {
    /// There is no fleet.
    #[default]
    Off,
    /// Not tried to its end yet.
    Connecting,
    /// All that happens is seen.
    Up {
        /// Since when.
        since: Timestamp,
    },
    /// This node goes on by itself.
    Down {
        /// Since when.
        since: Timestamp,
        /// Why, in a sentence.
        why: String,
    },
}

/// A decision that waits for the way to etcd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queued {
    /// About this.
    pub target: Target,
    /// By whom.
    pub by: By,
    /// Made then.
    pub at: Timestamp,
}

/// What arrives for an address at the other nodes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Elsewhere {
    /// SYNs that nobody completed, per second.
    pub unproven: f64,
    /// Nodes that report it, but for this one.
    pub nodes: u32,
    /// Of them, those whose own traffic is an attack.
    pub attacked: u32,
}

impl FleetState {
    /// Whether there is a fleet.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.node.is_some()
    }

    /// Whether this node sees what the others decide.
    #[must_use]
    pub const fn is_up(&self) -> bool {
        matches!(self.link, Link::Up { .. })
    }

    /// What arrives for an address at the other nodes. Nothing while this node is cut off: what it knew is old.
    #[must_use]
    pub fn elsewhere(&self, address: IpAddr) -> Elsewhere {
        let Some(sum) = self.sums.get(address).filter(|_| self.is_up()) else {
            return Elsewhere::default();
        };
        let own = self.own.of(address);
        let nodes = sum.nodes.saturating_sub(u32::from(own.is_some()));
        if nodes == 0 {
            return Elsewhere::default();
        }
        Elsewhere {
            unproven: (sum.unproven - own.map_or(0.0, |own| own.unproven)).max(0.0),
            nodes,
            attacked: sum
                .attacked
                .saturating_sub(own.map_or(0, |own| u32::from(own.attacked))),
        }
    }

    /// The same of all addresses of which something arrives there.
    #[must_use]
    pub fn all_elsewhere(&self) -> BTreeMap<IpAddr, Elsewhere> {
        let named = self.sums.sums.iter().filter(|_| self.is_up());
        named
            .map(|sum| (sum.address, self.elsewhere(sum.address)))
            .filter(|(_, elsewhere)| elsewhere.unproven > 0.0)
            .collect()
    }

    /// What is not as it should be.
    pub fn warnings(&self) -> impl Iterator<Item = String> {
        let down = match &self.link {
            Link::Down { since, why } => Some(format!(
                "fleet: cut off from etcd since {}: {why}; this node keeps what it knows",
                crate::decide::say::instant(*since)
            )),
            Link::Off | Link::Connecting | Link::Up { .. } => None,
        };
        let queued = (!self.queued.is_empty()).then(|| {
            format!(
                "fleet: {} {} the other nodes do not know yet",
                self.queued.len(),
                if self.queued.len() == 1 {
                    "decision of this node that"
                } else {
                    "decisions of this node that"
                }
            )
        });
        let garbage = self.garbage.iter().map(|what| format!("fleet: ignored {what}"));
        let problems = self.problems.iter().map(|problem| format!("fleet: {problem}"));
        down.into_iter().chain(queued).chain(problems).chain(garbage)
    }
}

/// Something that the task is asked.
#[derive(Debug)]
pub enum Order {
    /// To decide for all nodes. Answered once etcd holds all of it and this node does what it says; or, where this node is cut off,
    /// once it is queued and holds here.
    ///
    /// The answer is a refusal if somebody else decided about the same at the same moment.
    Share(Draft, oneshot::Sender<Result<Shared, Refusal>>),
    /// For all nodes, by name, and what they report.
    Nodes(oneshot::Sender<Result<Vec<Node>, Refusal>>),
    /// To leave: this node goes from etcd, and the task ends. Answered when that is done or cannot be done.
    Leave(oneshot::Sender<()>),
}

/// A node as etcd knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// What it says of itself.
    pub info: NodeInfo,
    /// What it sees.
    pub report: Report,
}

/// How far a decision got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shared {
    /// Every node that is not cut off knows it, of so many.
    Told {
        /// Nodes of the fleet.
        nodes: u32,
    },
    /// It holds here, and the others are told once etcd can be reached.
    Queued,
}
