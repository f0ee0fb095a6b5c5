//! The network above.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// `GET /v1/upstream`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpstreamView {
    /// There is somebody to be asked: `[upstream]` is set up.
    pub enabled: bool,
    /// `blackhole` or `flowspec`.
    pub announce: Option<String>,
    /// BIRD's BGP sessions that are up.
    pub sessions: Vec<String>,
    /// Addresses on the rung `upstream`.
    pub routes: Vec<RouteView>,
    /// Announcements of the last hour, and how many there may be.
    pub last_hour: [u32; 2],
    /// Announcements at once, and how many there may be.
    pub at_once: [u32; 2],
    /// What keeps the routes from being what they should be.
    pub problem: Option<String>,
}

/// One address on the rung `upstream`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteView {
    /// The address.
    pub address: IpAddr,
    /// How far it got.
    pub state: RouteStateView,
    /// BIRD announces it to these sessions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sessions: Vec<String>,
    /// Since when BIRD does.
    pub announced: Option<Timestamp>,
    /// Why it is refused.
    pub refused: Option<String>,
    /// Who wants it.
    pub actor: String,
    /// Why.
    pub reason: Option<String>,
    /// Since when.
    pub since: Timestamp,
    /// When it ends by itself.
    pub until: Option<Timestamp>,
}

/// How far a route got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RouteStateView {
    /// Handed to BIRD, and not seen in its exports yet.
    Asked,
    /// BIRD announces it.
    Announced,
    /// A guard rail is in the way.
    Refused,
}

impl RouteStateView {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Announced => "announced",
            Self::Refused => "refused",
        }
    }
}
