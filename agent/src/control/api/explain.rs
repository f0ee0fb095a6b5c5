//! What would become of a packet, as JSON.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{
    explain::{Flag, Proto},
    reasons::Stage,
    tables::Mode,
};

/// `POST /v1/explain`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExplainRequest {
    /// Who would send it.
    pub source: IpAddr,
    /// Whom it would go to.
    pub destination: IpAddr,
    /// The protocol; TCP when left out.
    #[serde(default)]
    pub proto: Proto,
    /// Destination port; 443 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Source port; one that clients use when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_port: Option<u16>,
    /// TCP flags; a SYN when left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<Flag>,
    /// The interface by which it would come in; any when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExplainView {
    /// The packet in a line.
    pub packet: String,
    /// Who would send it.
    pub source: IpAddr,
    /// Whom it would go to.
    pub destination: IpAddr,
    /// The verdict: `pass`, `drop` or `reply`.
    pub action: String,
    /// Why: the counter that it would move.
    pub reason: String,
    /// The reason in a sentence.
    pub describe: String,
    /// The mode.
    pub mode: Mode,
    /// Whether the verdict is carried out: not in monitor mode, nor where no program is attached.
    pub carried_out: bool,
    /// All in a sentence.
    pub summary: String,
    /// What each CPU says of it, when they differ.
    pub by_cpu: Vec<CpuView>,
    /// The stages in their order, up to the one that decides, and what more is known.
    pub stages: Vec<StageView>,
    /// What the next rung of the ladder would do to such packets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_rung: Option<String>,
    /// What would change it.
    pub changes: Vec<ChangeView>,
    /// What else one should know.
    pub notes: Vec<String>,
}

/// What one CPU says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuView {
    /// The CPU.
    pub cpu: u32,
    /// The verdict.
    pub action: String,
    /// Why.
    pub reason: String,
    /// It had packets in the last seconds.
    pub busy: bool,
}

/// One stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageView {
    /// Which.
    pub stage: Stage,
    /// The verdict is made here.
    pub decides: bool,
    /// What it finds; one thing a line.
    pub says: Vec<String>,
}

/// One way to change the verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeView {
    /// What to do: a command, or a change of the configuration.
    pub what: String,
    /// What comes of it.
    pub effect: String,
}
