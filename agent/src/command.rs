//! What the engine can be told, by whom, and how it answers.

use std::net::IpAddr;

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::oneshot;

use crate::{
    config::{Config, fleet::Scope},
    control::api::{
        AllowRequest, BlockRequest, Done, ModeRequest, RemoveRequest, RungRequest, ThresholdRequest, UnsetRequest,
    },
    decide::{Elsewhere, Refusal},
    feeds::state::ListState,
    fleet::FleetState,
    host::{HostFacts, TcpFacts},
    ladder::Rung,
    ledger::JournalEntry,
    overrides::Change,
    tables::{ListImage, SourceUsage},
    upstream::UpstreamState,
};

/// Something that changes what the kernel enforces.
#[derive(Debug, Clone)]
pub enum Command {
    /// Block a source or blackhole an address.
    Block(BlockRequest),
    /// Take that back.
    Unblock(RemoveRequest),
    /// Put a source on the allowlist.
    Allow(AllowRequest),
    /// Take that back.
    Unallow(RemoveRequest),
    /// Set a threshold.
    SetThreshold(ThresholdRequest),
    /// Go back to the configured one.
    UnsetThreshold(UnsetRequest),
    /// Put addresses on a rung, or let them take it by themselves again.
    SetRung(RungRequest),
    /// Set the mode.
    SetMode(ModeRequest),
    /// Go over to a configuration that was read and found sound.
    Reload(Box<Config>),
    /// Take the program off every interface and unpin everything.
    Detach,
}

impl Command {
    /// As one would type it.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Block(request) => format!("block-ip {}", request.target),
            Self::Unblock(request) => format!("unblock-ip {}", request.target),
            Self::Allow(request) => format!("allow-ip {}", request.target),
            Self::Unallow(request) => format!("unallow-ip {}", request.target),
            Self::SetThreshold(request) => format!("threshold set {}", request.target),
            Self::UnsetThreshold(query) => format!("threshold unset {}", query.target),
            Self::SetRung(RungRequest { target, rung, .. }) => {
                format!("rung {target} {}", rung.map_or("auto", Rung::name))
            }
            Self::SetMode(ModeRequest { mode: Some(mode), .. }) => format!("mode set {mode}"),
            Self::SetMode(_) => "mode unset".to_owned(),
            Self::Reload(_) => "reload".to_owned(),
            Self::Detach => "detach".to_owned(),
        }
    }

    /// Why, in the words of who asked.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Block(request) => request.reason.as_deref(),
            Self::Allow(request) => request.reason.as_deref(),
            Self::SetThreshold(request) => request.reason.as_deref(),
            Self::SetRung(request) => request.reason.as_deref(),
            Self::SetMode(request) => request.reason.as_deref(),
            Self::Unblock(_) | Self::Unallow(_) | Self::UnsetThreshold(_) | Self::Reload(_) | Self::Detach => None,
        }
    }

    /// For whom it says that it decides, and whether a machine does; `None` for what each node does by itself.
    #[must_use]
    pub const fn whom(&self) -> Option<(Option<Scope>, bool)> {
        Some(match self {
            Self::Block(request) => (request.scope, request.automatic),
            Self::Unblock(request) | Self::Unallow(request) => (request.scope, request.automatic),
            Self::Allow(request) => (request.scope, request.automatic),
            Self::SetThreshold(request) => (request.scope, request.automatic),
            Self::UnsetThreshold(request) => (request.scope, request.automatic),
            Self::SetRung(request) => (request.scope, request.automatic),
            Self::SetMode(request) => (request.scope, request.automatic),
            Self::Reload(_) | Self::Detach => return None,
        })
    }

    /// Past the guard rails.
    #[must_use]
    pub const fn force(&self) -> bool {
        match self {
            Self::Block(request) => request.force,
            Self::Allow(request) => request.force,
            Self::SetRung(request) => request.force,
            Self::Unblock(_)
            | Self::Unallow(_)
            | Self::SetThreshold(_)
            | Self::UnsetThreshold(_)
            | Self::SetMode(_)
            | Self::Reload(_)
            | Self::Detach => false,
        }
    }
}

/// A command on its way to the engine.
#[derive(Debug)]
pub struct Order {
    /// What.
    pub command: Command,
    /// Who.
    pub actor: String,
    /// The host at this moment: gateways and resolvers may have changed since the last command.
    pub host: HostFacts,
    /// Where the answer goes.
    pub answer: oneshot::Sender<Result<Done, Refusal>>,
}

/// A command that is to hold for all nodes: what it changes is decided here, and told to all by the fleet's task.
#[derive(Debug)]
pub struct Decide {
    /// What.
    pub command: Command,
    /// Who.
    pub actor: String,
    /// The host at this moment.
    pub host: HostFacts,
    /// What other nodes protect.
    pub elsewhere: Vec<Elsewhere>,
    /// Where the answer goes: the changes, and what is said once they are in force.
    pub answer: oneshot::Sender<Result<(Vec<Change>, Done), Refusal>>,
}

/// What the keeper of the lists has to tell.
#[derive(Debug)]
pub struct ListUpdate {
    /// Lists to put in place of those that the kernel has.
    pub image: Option<Arc<ListImage>>,
    /// How the lists stand.
    pub states: Vec<ListState>,
    /// Told whether the kernel took them.
    pub answer: oneshot::Sender<Result<(), String>>,
}

/// Everything that reaches the engine.
#[derive(Debug)]
pub enum Message {
    /// A command.
    Order(Box<Order>),
    /// What the host's TCP is like now, or why that could not be read.
    Host(Result<Box<TcpFacts>, String>),
    /// The host's interfaces, gateways and resolvers now.
    Surroundings(Box<HostFacts>),
    /// An interface of the configuration appeared, went, or changed.
    Interfaces,
    /// The configuration file was to be loaded anew, and cannot be used.
    NotReloaded,
    /// Peers of open connections.
    Connected(Vec<IpAddr>),
    /// How things stand with the network above.
    Upstream(Box<UpstreamState>),
    /// What a command would change, which is to hold for all nodes.
    Decide(Box<Decide>),
    /// How things stand with the other nodes; whoever waits is told once this node does what they decided.
    Fleet(Box<FleetState>, Option<oneshot::Sender<()>>),
    /// A command that was refused before it came to the engine, for the journal.
    NotDone(Box<JournalEntry>),
    /// New lists, or news of them.
    Lists(ListUpdate),
    /// A question that only the kernel's tables answer: the sources recorded now.
    Sources(oneshot::Sender<Result<Vec<SourceUsage>, Refusal>>),
    /// A question to the journal: the first so many commands between two instants.
    Journal {
        /// Between these.
        span: (Timestamp, Timestamp),
        /// So many.
        at_most: usize,
        /// Where the answer goes.
        answer: oneshot::Sender<Result<Vec<JournalEntry>, Refusal>>,
    },
}
