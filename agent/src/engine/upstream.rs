//! The network above: the engine is told how things stand, and tells what has changed.

use std::{net::IpAddr, sync::Arc};

use super::Engine;
use crate::{
    clock::Now,
    detect::{Event, Subject, What},
    upstream::{Route, RouteState, UpstreamState},
};

impl Engine {
    /// Takes in how things stand with the network above.
    pub fn take_upstream(&mut self, state: UpstreamState, now: Now) {
        if let Some(problem) = state
            .problem
            .as_ref()
            .filter(|problem| self.upstream.problem.as_ref() != Some(*problem))
        {
            tracing::error!("upstream: {problem}");
        }
        let before = std::mem::replace(&mut self.upstream, Arc::new(state));
        let now_stands = Arc::clone(&self.upstream);
        for (address, what) in news(&before, &now_stands) {
            self.happened(Event {
                at: now.wall,
                subject: Some(Subject::Address(address)),
                attack: self.watched.get(&address).and_then(|watched| watched.attack),
                what,
            });
        }
        self.publish(now);
    }
}

/// What has changed of each address.
fn news(before: &UpstreamState, now: &UpstreamState) -> Vec<(IpAddr, What)> {
    let mut news = Vec::new();
    for (address, Route { state, .. }) in &now.routes {
        let then = before.routes.get(address).map(|route| &route.state);
        match state {
            RouteState::Announced { sessions, .. } if !before.is_announced(*address) => {
                let sessions = sessions.clone();
                news.push((*address, What::UpstreamAnnounced { sessions }));
            }
            RouteState::Refused(why) if then != Some(state) => {
                news.push((*address, What::UpstreamRefused { why: why.clone() }));
            }
            RouteState::Announced { .. } | RouteState::Refused(_) | RouteState::Asked => {}
        }
    }
    let gone = before
        .announced
        .iter()
        .filter(|address| !now.announced.contains(*address));
    // A BIRD that cannot be asked has withdrawn nothing.
    if now.problem.is_none() {
        news.extend(gone.map(|address| (*address, What::UpstreamWithdrawn)));
    }
    news
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::upstream::Wanted;

    fn state(route: Option<RouteState>) -> UpstreamState {
        let address: IpAddr = "203.0.113.7".parse().expect("address");
        let route = route.map(|state| Route {
            wanted: Wanted {
                actor: "ladder".to_owned(),
                reason: None,
                since: Timestamp::UNIX_EPOCH,
                until: None,
                by_hand: false,
            },
            state,
        });
        let is_refused = matches!(
            route,
            Some(Route {
                state: RouteState::Refused(_),
                ..
            })
        );
        UpstreamState {
            enabled: true,
            announced: route.iter().filter(|_| !is_refused).map(|_| address).collect(),
            routes: route.into_iter().map(|route| (address, route)).collect(),
            ..UpstreamState::default()
        }
    }

    #[test]
    fn each_step_is_told_once() {
        let names = |before: &UpstreamState, now: &UpstreamState| -> Vec<&str> {
            news(before, now).iter().map(|(_, what)| what.name()).collect()
        };
        let announced = state(Some(RouteState::Announced {
            sessions: vec!["up".to_owned()],
            since: Timestamp::UNIX_EPOCH,
        }));
        let (nothing, asked) = (state(None), state(Some(RouteState::Asked)));
        let refused = state(Some(RouteState::Refused("4 are announced already".to_owned())));
        assert_eq!(names(&nothing, &asked), Vec::<&str>::new());
        assert_eq!(names(&asked, &announced), ["upstream_announced"]);
        assert_eq!(names(&announced, &announced), Vec::<&str>::new());
        assert_eq!(names(&announced, &nothing), ["upstream_withdrawn"]);
        assert_eq!(names(&nothing, &refused), ["upstream_refused"]);
        assert_eq!(names(&refused, &refused), Vec::<&str>::new());
        let blind = UpstreamState {
            problem: Some("BIRD does not answer".to_owned()),
            ..nothing
        };
        assert_eq!(names(&announced, &blind), Vec::<&str>::new());
    }
}
