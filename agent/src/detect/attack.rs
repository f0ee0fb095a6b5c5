//! Attacks and events in plain types: what detection says, the ledger keeps, and people and hooks are told.

use std::{collections::BTreeSet, fmt};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Subject;
use crate::{fleet::Elsewhere, ladder::Rung};

/// What an attack is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttackVector {
    /// SYNs that complete no handshake.
    Syn,
    /// TCP other than SYNs.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP.
    Icmp,
    /// Other protocols.
    Other,
    /// Fragments.
    Fragments,
    /// Reflected UDP.
    Amplified,
    /// Packets that no sound host sends.
    Malformed,
}

impl AttackVector {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Syn,
        Self::Tcp,
        Self::Udp,
        Self::Icmp,
        Self::Other,
        Self::Fragments,
        Self::Amplified,
        Self::Malformed,
    ];

    /// The word for it, in tables, JSON and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Syn => "syn",
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Icmp => "icmp",
            Self::Other => "other",
            Self::Fragments => "fragments",
            Self::Amplified => "amplified",
            Self::Malformed => "malformed",
        }
    }
}

impl fmt::Display for AttackVector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One attack on one subject, from its first excess to its last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attack {
    /// Number in the ledger, from 1; it never comes again.
    pub id: u64,
    /// What is attacked.
    pub subject: Subject,
    /// When the excess began.
    pub started: Timestamp,
    /// When it was detected.
    pub detected: Timestamp,
    /// The latest excess.
    pub last_excess: Timestamp,
    /// When it was over: the last excess, told once it was calm for the hold. `None` while it goes on.
    pub ended: Option<Timestamp>,
    /// What it was made of so far.
    pub vectors: BTreeSet<AttackVector>,
    /// Rungs taken so far.
    pub rungs: BTreeSet<Rung>,
    /// The highest rates.
    pub peaks: Peaks,
    /// Seconds in which customers were hurt: handshakes under half of what they were before, while SYNs were over.
    pub impact_seconds: f64,
    /// It is fleet-wide: what arrives here was not enough to tell it, and what arrives at the other nodes was added. The most of
    /// that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fleet: Option<Elsewhere>,
}

/// The highest rates of an attack in packets per second, over a second each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Peaks {
    /// SYNs.
    pub syn: f64,
    /// SYNs without a completed handshake.
    pub unproven: f64,
    /// All packets.
    pub packets: f64,
    /// Dropped.
    pub dropped: f64,
    /// Answered.
    pub replied: f64,
    /// Different sources within a second, of all traffic to protected addresses.
    pub distinct_sources: f64,
}

/// How loud an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Severity {
    /// For the record.
    Info,
    /// Somebody should look.
    Warning,
    /// Somebody must look.
    Critical,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        })
    }
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// What it is about; `None` for the host.
    pub subject: Option<Subject>,
    /// The attack that it belongs to.
    pub attack: Option<u64>,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// An event with its number in the ledger, as everybody who follows gets it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NumberedEvent {
    /// From 1, rising.
    pub id: u64,
    /// The event.
    #[serde(flatten)]
    pub event: Event,
}

impl std::ops::Deref for NumberedEvent {
    type Target = Event;

    fn deref(&self) -> &Event {
        &self.event
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum What {
    /// An attack began.
    AttackStarted {
        /// By what it was told.
        vectors: BTreeSet<AttackVector>,
        /// SYNs per second then.
        syn: f64,
        /// Packets per second then.
        packets: f64,
        /// From the onset to the detection, in milliseconds.
        delay_ms: u64,
        /// What arrived at the other nodes, where it is told only with that.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        elsewhere: Option<Elsewhere>,
    },
    /// It is made of something more.
    VectorAdded {
        /// What.
        vector: AttackVector,
    },
    /// It is over.
    AttackEnded {
        /// How long it went on, in seconds.
        seconds: f64,
    },
    /// Completed handshakes fall while SYNs rise: customers do not get in.
    HandshakesFalling {
        /// Handshakes per second now.
        now: f64,
        /// Handshakes per second before.
        before: f64,
    },
    /// Many more connections than usual, and they are real: nothing to defend against.
    Busy {
        /// Handshakes per second.
        handshakes: f64,
    },
    /// A subject went to another rung.
    RungChanged {
        /// From.
        from: Rung,
        /// To.
        to: Rung,
        /// Why, in a sentence.
        why: String,
        /// It was only said, not done.
        dry_run: bool,
    },
    /// This host loses packets before it can judge them: ask upstream.
    HostSaturated {
        /// Packets per second lost by the interfaces.
        receive_drops: f64,
        /// Share of its time that the busiest CPU spends in softirqs, 0 to 1.
        softirq: f64,
    },
    /// That is over.
    HostRecovered,
    /// The network above was asked to drop what goes to the subject, and BIRD announces it.
    UpstreamAnnounced {
        /// To these sessions.
        sessions: Vec<String>,
    },
    /// It is not asked any more.
    UpstreamWithdrawn,
    /// It should be asked, and is not.
    UpstreamRefused {
        /// Why, in a sentence.
        why: String,
    },
    /// This node does not reach the fleet's etcd: it goes on by itself.
    FleetCutOff {
        /// Why, in a sentence.
        why: String,
    },
    /// It does again, and knows what was decided meanwhile.
    FleetBack {
        /// How long it did not, in seconds.
        seconds: f64,
    },
    /// A decision made here while cut off came to nothing: somebody decided later.
    FleetLost {
        /// About what, in words.
        about: String,
        /// Who decided later.
        by: String,
    },
    /// Etcd holds something that makes no sense; it is ignored.
    FleetGarbage {
        /// The key, and why.
        what: String,
    },
    /// What all nodes decided is not done here: it would cut this node off.
    FleetHeldBack {
        /// About what, in words.
        about: String,
        /// Why, in a sentence.
        why: String,
    },
    /// An attack is thin on every node, and too much in sum.
    FleetAttack {
        /// SYNs per second that nobody completed, at all nodes.
        unproven: f64,
        /// The lowest threshold of a node.
        threshold: f64,
        /// Nodes that see it.
        nodes: u32,
    },
    /// An interface of the configuration lost the program: what arrives there is not judged.
    InterfaceLost {
        /// Its name.
        interface: String,
        /// Why, in words.
        why: String,
    },
    /// It has the program again.
    InterfaceBack {
        /// Its name.
        interface: String,
        /// How long it was without, at most, in seconds.
        seconds: f64,
    },
    /// Something else that people should know, in a sentence.
    Notice {
        /// The sentence.
        text: String,
    },
}

impl What {
    /// The word for it, as in JSON.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::AttackStarted { .. } => "attack_started",
            Self::VectorAdded { .. } => "vector_added",
            Self::AttackEnded { .. } => "attack_ended",
            Self::HandshakesFalling { .. } => "handshakes_falling",
            Self::Busy { .. } => "busy",
            Self::RungChanged { .. } => "rung_changed",
            Self::HostSaturated { .. } => "host_saturated",
            Self::HostRecovered => "host_recovered",
            Self::UpstreamAnnounced { .. } => "upstream_announced",
            Self::UpstreamWithdrawn => "upstream_withdrawn",
            Self::UpstreamRefused { .. } => "upstream_refused",
            Self::FleetCutOff { .. } => "fleet_cut_off",
            Self::FleetBack { .. } => "fleet_back",
            Self::FleetLost { .. } => "fleet_lost",
            Self::FleetGarbage { .. } => "fleet_garbage",
            Self::FleetHeldBack { .. } => "fleet_held_back",
            Self::FleetAttack { .. } => "fleet_attack",
            Self::InterfaceLost { .. } => "interface_lost",
            Self::InterfaceBack { .. } => "interface_back",
            Self::Notice { .. } => "notice",
        }
    }

    /// How loud it is.
    #[must_use]
    pub const fn severity(&self) -> Severity {
        match self {
            Self::AttackStarted { .. }
            | Self::HandshakesFalling { .. }
            | Self::HostSaturated { .. }
            | Self::UpstreamRefused { .. }
            | Self::FleetAttack { .. }
            | Self::InterfaceLost { .. } => Severity::Critical,
            Self::VectorAdded { .. }
            | Self::RungChanged { .. }
            | Self::UpstreamAnnounced { .. }
            | Self::UpstreamWithdrawn
            | Self::FleetCutOff { .. }
            | Self::FleetLost { .. }
            | Self::FleetGarbage { .. }
            | Self::FleetHeldBack { .. }
            | Self::InterfaceBack { .. } => Severity::Warning,
            Self::AttackEnded { .. }
            | Self::Busy { .. }
            | Self::HostRecovered
            | Self::FleetBack { .. }
            | Self::Notice { .. } => Severity::Info,
        }
    }
}
