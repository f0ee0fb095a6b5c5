//! What the engine can be told, by whom, and how it answers.

use std::net::IpAddr;

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::oneshot;

use crate::{
    config::Config,
    control::api::{
        AllowRequest, BlockRequest, Done, ModeRequest, RemoveRequest, RungRequest, TargetQuery, ThresholdRequest,
    },
    decide::Refusal,
    feeds::state::ListState,
    host::{HostFacts, TcpFacts},
    ladder::Rung,
    ledger::JournalEntry,
    tables::{ListImage, SourceUsage},
};

/// Something that changes what the kernel enforces.
#[derive(Debug)]
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
    UnsetThreshold(TargetQuery),
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
    /// Peers of open connections.
    Connected(Vec<IpAddr>),
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
