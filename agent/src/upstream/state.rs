//! How things stand with the network above.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use jiff::Timestamp;

use super::Wanted;

/// How things stand with the network above.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UpstreamState {
    /// There is somebody to be asked.
    pub enabled: bool,
    /// BIRD's BGP sessions that are up.
    pub sessions: Vec<String>,
    /// Addresses on the rung `upstream`.
    pub routes: BTreeMap<IpAddr, Route>,
    /// Addresses that the file holds.
    pub announced: BTreeSet<IpAddr>,
    /// Announcements of the last hour.
    pub started: usize,
    /// What keeps the routes from being what they should be.
    pub problem: Option<String>,
}

/// One address on the rung `upstream`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Who wants it, why, until when.
    pub wanted: Wanted,
    /// How far it got.
    pub state: RouteState,
}

/// How far a route got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteState {
    /// Handed to BIRD, and not seen in its exports yet.
    Asked,
    /// BIRD exports it.
    Announced {
        /// To these sessions.
        sessions: Vec<String>,
        /// Seen since then.
        since: Timestamp,
    },
    /// A guard rail is in the way.
    Refused(String),
}

impl UpstreamState {
    /// What is not as it should be.
    pub fn warnings(&self) -> impl Iterator<Item = String> {
        let problem = self.problem.iter().map(|problem| format!("upstream: {problem}"));
        let refused = self.routes.iter().filter_map(|(address, route)| match &route.state {
            RouteState::Refused(why) => Some(format!("upstream: {address} is not announced: {why}")),
            RouteState::Asked | RouteState::Announced { .. } => None,
        });
        problem.chain(refused)
    }

    /// Whether BIRD exports an address.
    #[must_use]
    pub fn is_announced(&self, address: IpAddr) -> bool {
        let route = self.routes.get(&address);
        route.is_some_and(|route| matches!(route.state, RouteState::Announced { .. }))
    }
}
