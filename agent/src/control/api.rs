//! The control socket's language: requests and answers as JSON. The server, the client and the command line's own
//! `--json` use the same types, so what a script reads from the one it reads from the other.

mod attacks;
mod capture;
mod detection;
mod explain;
mod fleet;
mod held;
mod listed;
mod notify;
mod overview;
mod preview;
mod privileges;
mod requests;
mod safe;
mod sources;
mod status;
mod traffic;
mod upstream;

use std::net::IpAddr;

use ipnet::IpNet;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use attacks::{AttackView, AttacksQuery, CommandView, EventView, EventsQuery, FollowLine};
pub use capture::{CaptureLine, CaptureRequest, PacketView};
pub use detection::DetectionView;
pub use explain::{ChangeView, CpuView, ExplainRequest, ExplainView, StageView};
pub use fleet::{DecisionView, FleetTopView, FleetView, LinkView, NodeView, QueuedView, SumView};
pub use held::{AutomaticView, ModeView, RungView, ThresholdView};
pub use listed::{BlackholeView, EntryView, LargeListView, ListView};
pub use notify::{EndpointView, TestRequest, TestView};
pub use overview::{AddressLine, AddressView, HostView, OverviewQuery, OverviewSort, OverviewView, ReasonRate};
pub use preview::{PreviewRequest, PreviewView, ReachView};
pub use privileges::PrivilegesView;
pub use requests::{
    AllowRequest, BlockAs, BlockRequest, ModeRequest, RefreshRequest, RemoveRequest, RungRequest, SourcesQuery,
    StatsQuery, TargetQuery, ThresholdRequest, UnsetRequest,
};
pub use safe::{SafeAddressView, SafeFleetView, SafeView};
pub use sources::{AllSourcesView, PrefixView, PrefixesView, SampleView, SourceView, SourcesView};
pub use status::{DaemonView, LedgerView, ListenersView, StatusView};
pub use traffic::{AddressStatsView, GroupView, RatesView, StatsView, TrafficView};
pub use upstream::{RouteStateView, RouteView, UpstreamView};

/// Answer to everything that changes something.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// What was done, in one sentence.
    pub message: String,
    /// What was done it to: addresses or prefixes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<IpNet>,
    /// Until when; absent for what does not end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// What changed, one line each (reload).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<String>,
    /// What the caller should know besides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Addresses that were taken out of a blackhole before that was safe (`agent safe`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_safe: Vec<IpAddr>,
    /// Decided for all nodes, and how far that got; absent for what this node alone was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fleet: Option<Reached>,
}

/// How far a decision for all nodes got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reached {
    /// All nodes that are not cut off know it: so many.
    Nodes(u32),
    /// It holds here; the others are told once etcd can be reached. So many decisions wait.
    Queued(usize),
}

/// Body of every answer that is not a success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiError {
    /// What is wrong.
    pub error: String,
    /// The way out, if there is one to name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// Who asked, when, why, until.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OriginView {
    /// Who; `configuration` for what the file says, `unknown` where only the kernel was asked.
    pub actor: String,
    /// Why.
    pub reason: Option<String>,
    /// Since when it holds.
    pub since: Option<Timestamp>,
    /// When it ends by itself.
    pub until: Option<Timestamp>,
}
