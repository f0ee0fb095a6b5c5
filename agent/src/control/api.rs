//! The control socket's language: requests and answers as JSON. The server, the client and the command line's own
//! `--json` use the same types, so what a script reads from the one it reads from the other.

mod attacks;
mod capture;
mod detection;
mod explain;
mod fleet;
mod notify;
mod overview;
mod preview;
mod privileges;
mod requests;
mod upstream;

pub use capture::{CaptureLine, CaptureRequest, PacketView};
pub use explain::{ChangeView, CpuView, ExplainRequest, ExplainView, StageView};
pub use fleet::{DecisionView, FleetTopView, FleetView, LinkView, NodeView, QueuedView, SumView};
pub use notify::{EndpointView, TestRequest, TestView};
pub use overview::{AddressLine, AddressView, HostView, OverviewQuery, OverviewSort, OverviewView, ReasonRate};
pub use preview::{PreviewRequest, PreviewView, ReachView};
pub use privileges::PrivilegesView;
pub use requests::{
    AllowRequest, BlockAs, BlockRequest, ModeRequest, RemoveRequest, RungRequest, ThresholdRequest, UnsetRequest,
};
pub use upstream::{RouteStateView, RouteView, UpstreamView};

pub use attacks::{AttackView, AttacksQuery, CommandView, EventView, EventsQuery, FollowLine};

use std::{collections::BTreeMap, net::IpAddr, path::PathBuf};

use ipnet::IpNet;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use detection::DetectionView;

use crate::{
    snapshot::Unprotected,
    tables::{Limit, LinkState, ListAction, Listener, MapFill, Method, Mode, ProgramStats, Rung},
    vectors::Vectors,
};

/// `GET /v1/safe?target=..`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetQuery {
    /// A protected address, or a prefix that holds some.
    pub target: String,
}

/// `GET /v1/stats?address=..`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatsQuery {
    /// Only this address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
}

/// `GET /v1/sources?limit=..` and `GET /v1/prefixes?limit=..`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourcesQuery {
    /// Lines at most; 20 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

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

/// `POST /v1/lists/refresh`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefreshRequest {
    /// The list; all when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
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

/// `GET /v1/safe?target=..`: whether addresses can be put back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SafeView {
    /// The address or prefix.
    pub target: String,
    /// Yes or no: yes if it is so for every address.
    pub safe: bool,
    /// Why, in a sentence.
    pub why: String,
    /// What arrives at all of them that may be an attack, in packets per second.
    pub residual_pps: f64,
    /// Every address.
    pub addresses: Vec<SafeAddressView>,
}

/// One address of [`SafeView`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SafeAddressView {
    /// The address.
    pub address: IpAddr,
    /// Yes or no.
    pub safe: bool,
    /// Why, in a sentence.
    pub why: String,
    /// The rung where it stands.
    pub rung: String,
    /// What arrives that may be an attack, in packets per second.
    pub residual_pps: f64,
    /// Since half its SYN rate or more arrived; absent if that was not seen.
    pub seconds_since_excess: Option<f64>,
    /// The calm that is still missing.
    pub cooldown_left_seconds: f64,
    /// The attack that goes on.
    pub attack: Option<u64>,
    /// What the other nodes see of it; absent where there is no fleet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fleet: Option<SafeFleetView>,
}

/// What the other nodes of the fleet see of an address.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SafeFleetView {
    /// There is no way to them: the answer is for this node alone.
    pub cut_off: bool,
    /// SYNs per second there that nobody completes.
    pub unproven_pps: f64,
    /// Nodes that report it, but for this one.
    pub nodes: u32,
    /// Of them, those whose own traffic is an attack.
    pub attacked_nodes: u32,
}

/// One line of `GET /v1/groups`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupView {
    /// The prefix.
    pub prefix: IpNet,
    /// Protected addresses in it.
    pub addresses: usize,
    /// `limit`, or `verify` while every SYN to any of its addresses must prove itself.
    pub rung: String,
    /// In verify since when.
    pub since: Option<Timestamp>,
    /// SYNs that its addresses share; absent for no limit.
    pub limit: Option<Limit>,
    /// What is not a SYN.
    pub vectors: Vectors,
    /// Of all its addresses together, over the last poll; absent where only the kernel was asked.
    pub rates: Option<RatesView>,
    /// Packets per second that it had no room for.
    pub over_pps: Option<f64>,
    /// Packets that it had no room for, since the maps were made.
    pub over: u64,
    /// Its addresses that meet packets over a rate now, over their own or the group's.
    pub over_rate: Vec<IpAddr>,
}

/// `GET /v1/listeners`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListenersView {
    /// What the host's TCP is told to do, by the names of sysctl(8).
    pub sysctls: BTreeMap<String, String>,
    /// Listeners of protected addresses, as the program was told.
    pub listeners: Vec<Listener>,
}

/// Packets by verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct RatesView {
    /// SYNs per second, whatever became of them.
    pub syn_pps: f64,
    /// Packets per second that passed their rules.
    pub pass_pps: f64,
    /// Packets per second that broke one.
    pub drop_pps: f64,
    /// Packets per second that were answered here.
    pub reply_pps: f64,
    /// Handshakes per second that this host completed. SYNs without them are half-open pressure.
    #[serde(default)]
    pub handshakes_pps: f64,
}

/// One address in `GET /v1/stats`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AddressStatsView {
    /// The address; absent for all traffic to anything that is not protected.
    pub address: Option<IpAddr>,
    /// Its threshold.
    pub limit: Option<Limit>,
    /// Its rates of what is not a SYN.
    #[serde(default)]
    pub vectors: Option<Vectors>,
    /// Its rung of the ladder: `observe`, `limit`, `verify`, `known` or `blackhole`.
    pub rung: Option<String>,
    /// Since when, where that is known.
    #[serde(default)]
    pub rung_since: Option<Timestamp>,
    /// How its sources prove themselves in verify.
    #[serde(default)]
    pub method: Option<Method>,
    /// This host has the address itself, and sees its handshakes complete.
    #[serde(default)]
    pub local: bool,
    /// Handshakes completed since the maps were made.
    #[serde(default)]
    pub handshakes: u64,
    /// Rates over the last poll.
    pub rates: RatesView,
    /// Since when SYNs are over a rate; absent when they are not now.
    pub over_since: Option<Timestamp>,
    /// Packets by reason since the maps were made; reasons that were never met are left out.
    pub packets: BTreeMap<String, u64>,
}

/// `GET /v1/stats`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatsView {
    /// When the counters were read.
    pub at: Timestamp,
    /// The mode: in `monitor` what is counted as dropped did pass.
    pub mode: Mode,
    /// Every protected address, then the rest.
    pub addresses: Vec<AddressStatsView>,
    /// Packets that large lists decided about, by their names.
    #[serde(default)]
    pub lists: BTreeMap<String, u64>,
}

/// Traffic to protected addresses per second, over the last ten seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct TrafficView {
    /// Packets per second, whatever their protocol and their verdict.
    pub packets_pps: f64,
    /// Bits of their frames per second.
    pub bits_per_s: f64,
    /// SYNs per second.
    pub syn_pps: f64,
    /// Packets per second whose verdict is drop.
    pub drop_pps: f64,
    /// Of all packets to protected addresses, 0 to 1.
    pub share: f64,
}

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
