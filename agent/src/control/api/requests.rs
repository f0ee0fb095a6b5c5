//! What is asked for: requests that change what holds, on this node or on all nodes, and which part of an answer is wanted.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{
    config::{
        fleet::Scope,
        units::{Burst, Rate, Ttl},
    },
    tables::{Mode, Rung},
    vectors::VectorsOverride,
};

/// How a target is blocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum BlockAs {
    /// Drop what comes from there.
    Source,
    /// Blackhole: drop what is new and goes there.
    Destination,
}

/// `POST /v1/blocks`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockRequest {
    /// Address or prefix.
    pub target: String,
    /// How long; `block_ttl` of the configuration when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Ttl>,
    /// Why, for the ledger and for colleagues.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Source or destination; decided by what the target is when left out.
    #[serde(default, rename = "as", skip_serializing_if = "Option::is_none")]
    pub block_as: Option<BlockAs>,
    /// A blackhole takes established connections and replies too.
    #[serde(default)]
    pub all: bool,
    /// Past the guard rails.
    #[serde(default)]
    pub force: bool,
    /// From where the caller is logged in, so that they are not locked out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh_peer: Option<IpAddr>,
    /// This node alone or all nodes; `fleet.commands` of the configuration when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// A machine decides: what a human decided for all nodes stays.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub automatic: bool,
}

/// `POST /v1/allows`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AllowRequest {
    /// Address or prefix.
    pub target: String,
    /// How long; for good when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Ttl>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Past the guard rails.
    #[serde(default)]
    pub force: bool,
    /// This node alone or all nodes; `fleet.commands` of the configuration when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// A machine decides: what a human decided for all nodes stays.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub automatic: bool,
}

/// `DELETE /v1/blocks?target=..&as=..` and `DELETE /v1/allows?target=..`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoveRequest {
    /// Address or prefix, as it was given.
    pub target: String,
    /// Only the source block, or only the blackhole.
    #[serde(default, rename = "as", skip_serializing_if = "Option::is_none")]
    pub block_as: Option<BlockAs>,
    /// This node alone or all nodes; `fleet.commands` of the configuration when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// A machine decides: what a human decided for all nodes stays.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub automatic: bool,
}

/// `PUT /v1/thresholds`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThresholdRequest {
    /// `source`, `address`, one protected address, or the prefix of a group.
    pub target: String,
    /// SYNs per second; unchanged when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub syn_rate: Option<Rate>,
    /// SYNs at once above that; unchanged when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub syn_burst: Option<Burst>,
    /// Rates of what is not a SYN; unchanged where left out.
    #[serde(default, skip_serializing_if = "VectorsOverride::is_empty")]
    pub vectors: VectorsOverride,
    /// How long; until it is unset when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Ttl>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// This node alone or all nodes; `fleet.commands` of the configuration when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// A machine decides: what a human decided for all nodes stays.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub automatic: bool,
}

/// `DELETE /v1/thresholds?target=..`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnsetRequest {
    /// `source`, `address`, one protected address, or the prefix of a group.
    pub target: String,
    /// This node alone or all nodes; `fleet.commands` of the configuration when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// A machine decides: what a human decided for all nodes stays.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub automatic: bool,
}

/// `PUT /v1/rungs`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RungRequest {
    /// A protected address, or a prefix that holds some.
    pub target: String,
    /// The rung; taken by itself again when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rung: Option<Rung>,
    /// How long; `block_ttl` of the configuration when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Ttl>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Past the guard rails.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub force: bool,
    /// This node alone or all nodes; `fleet.commands` of the configuration when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// A machine decides: what a human decided for all nodes stays.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub automatic: bool,
}

/// `PUT /v1/mode`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModeRequest {
    /// The mode; back to the configured one when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// How long; until it is set again when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Ttl>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// This node alone or all nodes; `fleet.commands` of the configuration when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// A machine decides: what a human decided for all nodes stays.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub automatic: bool,
}

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

/// `POST /v1/lists/refresh`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefreshRequest {
    /// The list; all when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}
