//! What a person looks at: all addresses by how hard they are pressed, and one of them closely. The live terminal and the page
//! show this, so that both say the same.

use std::net::IpAddr;

use ipnet::IpNet;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    AddressStatsView, AllSourcesView, LedgerView, LinkView, ModeView, PrefixView, RatesView, RungView, SafeAddressView,
    SourceView,
};
use crate::{
    detect::Attack,
    tables::{Limit, LinkState, MapFill},
};

/// What addresses are ordered by, the most first; `address` and `rung` by themselves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum OverviewSort {
    /// Attacked ones first, then by their part of what they may have.
    #[default]
    Pressure,
    /// SYNs per second.
    Syn,
    /// Dropped packets per second.
    Drop,
    /// Completed handshakes per second.
    Handshakes,
    /// The rung, highest first.
    Rung,
    /// The address itself.
    Address,
}

impl OverviewSort {
    /// All of them, in the order in which a person goes through them.
    pub const ALL: [Self; 6] = [
        Self::Pressure,
        Self::Syn,
        Self::Drop,
        Self::Handshakes,
        Self::Rung,
        Self::Address,
    ];

    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pressure => "pressure",
            Self::Syn => "syn",
            Self::Drop => "drop",
            Self::Handshakes => "handshakes",
            Self::Rung => "rung",
            Self::Address => "address",
        }
    }
}

/// `GET /v1/overview?sort=..&filter=..&offset=..&limit=..`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OverviewQuery {
    /// The order of addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sort: Option<OverviewSort>,
    /// Only addresses whose text holds this, that lie in this prefix, or that stand on the rung of this name; `attack` for those
    /// that are attacked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// So many of them are left out at the beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<usize>,
    /// So many at most; 50 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// `GET /v1/overview`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OverviewView {
    /// When the counters were read.
    pub at: Timestamp,
    /// Since when the agent runs.
    pub since: Timestamp,
    /// Its version.
    pub version: String,
    /// The mode: in `monitor` what is counted as dropped did pass.
    pub mode: ModeView,
    /// Protected addresses.
    pub protected: usize,
    /// Of those, the ones that the filter lets through.
    pub matched: usize,
    /// Those of them that were asked for, in order.
    pub addresses: Vec<AddressLine>,
    /// Rates to all protected addresses.
    pub rates: RatesView,
    /// SYNs per second to all protected addresses, see [`AddressLine::syn_series`].
    pub syn_series: Vec<u32>,
    /// Packets per second to all protected addresses by verdict and reason, most first.
    pub reasons: Vec<ReasonRate>,
    /// Attacks that go on, oldest first.
    pub attacks: Vec<Attack>,
    /// What all sources together do.
    pub sources: AllSourcesView,
    /// The prefixes that send most, heaviest first.
    pub prefixes: Vec<PrefixView>,
    /// The host below.
    pub host: HostView,
    /// The ledger.
    pub ledger: LedgerView,
    /// How the network above can be asked, `blackhole` or `flowspec`; absent where it cannot.
    #[serde(default)]
    pub upstream: Option<String>,
    /// How this node stands with its fleet; absent where it is alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fleet: Option<LinkView>,
    /// What is not as it should be.
    pub warnings: Vec<String>,
}

/// One address among all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AddressLine {
    /// The address.
    pub address: IpAddr,
    /// The rung in force.
    pub rung: String,
    /// Somebody put it there.
    pub forced: bool,
    /// SYNs per second as a part of its threshold, or what another protocol has of its own, whatever is most; 1 is all that it may have.
    pub pressure: f64,
    /// Its threshold.
    pub limit: Limit,
    /// Rates over the last second.
    pub rates: RatesView,
    /// This host has the address itself, and sees its handshakes complete.
    pub local: bool,
    /// Since when SYNs are over a rate; absent when they are not now.
    pub over_since: Option<Timestamp>,
    /// The attack on it, or on a group of it, that goes on.
    pub attack: Option<u64>,
    /// SYNs per second of the last seconds, oldest first, at most [`crate::recent::SECONDS`]; one each second.
    pub syn_series: Vec<u32>,
    /// SYNs per second that nobody completes at the other nodes of the fleet; absent where no other reports it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elsewhere_pps: Option<f64>,
}

/// Packets per second that met one reason.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReasonRate {
    /// The reason's name, see `agent why`.
    pub reason: String,
    /// `pass`, `drop` or `reply`.
    pub action: String,
    /// Packets per second.
    pub pps: f64,
}

/// The host below the program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HostView {
    /// It loses packets before the program can judge them.
    pub saturated: bool,
    /// Packets per second that its interfaces lost.
    pub receive_drops_pps: f64,
    /// Share of its time that the busiest CPU spent in softirqs, 0 to 1.
    pub softirq: f64,
    /// Where the program is attached.
    pub interfaces: Vec<LinkState>,
    /// How full the kernel's tables are.
    pub maps: Vec<MapFill>,
}

/// `GET /v1/addresses/ADDRESS`: one address, closely.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AddressView {
    /// When the counters were read.
    pub at: Timestamp,
    /// The mode.
    pub mode: ModeView,
    /// As among all.
    pub line: AddressLine,
    /// Its thresholds and counters.
    pub stats: AddressStatsView,
    /// Where it stands, why and until when.
    pub rung: RungView,
    /// Whether it can be put back.
    pub safe: SafeAddressView,
    /// Packets per second by verdict and reason, most first.
    pub reasons: Vec<ReasonRate>,
    /// Groups that it is in.
    pub groups: Vec<IpNet>,
    /// The heaviest sources of all traffic to protected addresses: the tally does not know destinations.
    pub sources: Vec<SourceView>,
    /// The latest attacks on it or on its groups, newest first.
    pub attacks: Vec<Attack>,
}
