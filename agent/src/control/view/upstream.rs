//! How things stand with the network above.

use std::net::IpAddr;

use crate::{
    control::api::{RouteStateView, RouteView, UpstreamView},
    snapshot::Snapshot,
    upstream::{Route, RouteState},
};

/// Every address on the rung `upstream`, and what is left of the budget.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "budgets are a thousand at most")]
pub fn upstream(snapshot: &Snapshot) -> UpstreamView {
    let state = &snapshot.upstream;
    let Some(policy) = &snapshot.config.upstream else {
        return UpstreamView::default();
    };
    UpstreamView {
        enabled: true,
        announce: Some(policy.section.announce.name().to_owned()),
        sessions: state.sessions.clone(),
        routes: state
            .routes
            .iter()
            .map(|(address, route)| view(*address, route))
            .collect(),
        last_hour: [state.started as u32, policy.section.per_hour],
        at_once: [state.announced.len() as u32, policy.section.at_once],
        problem: state.problem.clone(),
    }
}

fn view(address: IpAddr, route: &Route) -> RouteView {
    let wanted = &route.wanted;
    let (state, sessions, announced, refused) = match &route.state {
        RouteState::Asked => (RouteStateView::Asked, Vec::new(), None, None),
        RouteState::Announced { sessions, since } => (RouteStateView::Announced, sessions.clone(), Some(*since), None),
        RouteState::Refused(why) => (RouteStateView::Refused, Vec::new(), None, Some(why.clone())),
    };
    RouteView {
        address,
        state,
        sessions,
        announced,
        refused,
        actor: wanted.actor.clone(),
        reason: wanted.reason.clone(),
        since: wanted.since,
        until: wanted.until,
    }
}
