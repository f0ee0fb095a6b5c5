//! The other nodes: the engine decides what a command changes for all, is told what all decided, and says what
//! this node has to tell them.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc, time::Duration};

use super::Engine;
use crate::{
    clock::Now,
    command::Decide,
    decide::{
        World,
        changes::{Case, Outcome, changes},
    },
    fleet::{BELIEVED, Elsewhere, FleetState, NOTED, Report, report_of},
    tables::MonotonicNs,
};

/// Between two pictures that are made only because this node has something new to tell, in nanoseconds.
const NEWS_NS: u64 = 200_000_000;

/// What this node has to tell, and what it was told.
#[derive(Debug, Default)]
pub(super) struct Telling {
    report: Arc<Report>,
    since: Option<MonotonicNs>,
    elsewhere: Arc<BTreeMap<IpAddr, Elsewhere>>,
    /// When the latest sums came.
    heard: Option<MonotonicNs>,
}

impl Telling {
    pub(super) fn report(&self) -> Arc<Report> {
        Arc::clone(&self.report)
    }

    /// What arrives at the other nodes; nothing when that was not heard for long.
    pub(super) fn elsewhere(&self, now: Now) -> Arc<BTreeMap<IpAddr, Elsewhere>> {
        let is_fresh = |heard: MonotonicNs| Duration::from_nanos(now.mono.0.saturating_sub(heard.0)) <= BELIEVED;
        if self.heard.is_some_and(is_fresh) {
            Arc::clone(&self.elsewhere)
        } else {
            Arc::default()
        }
    }
}

impl Engine {
    /// Decides what a command changes; nothing is changed by it.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn decide(&self, decide: &Decide, now: Now) -> Outcome {
        let case = Case {
            actor: &decide.actor,
            world: World {
                elsewhere: &decide.elsewhere,
                ..self.world(&decide.host, now)
            },
            config: &self.config,
            watched: &self.watched,
        };
        changes(&decide.command, &case)
    }

    /// Takes in how things stand with the other nodes, and does what was decided.
    pub fn take_fleet(&mut self, state: FleetState, now: Now) {
        if self.fleet.sums != state.sums {
            self.telling.heard = Some(now.mono);
        }
        self.telling.elsewhere = Arc::new(state.all_elsewhere());
        let before = std::mem::replace(&mut self.fleet, Arc::new(state));
        self.follow_fleet(now);
        self.tell_fleet_news(&before, now);
        self.publish(now);
    }

    /// Sees what this node has to tell after a tick; true if that is so new that it cannot wait for the next refresh.
    pub(super) fn tell_fleet(&mut self, now: Now) -> bool {
        let (pressing, before) = (self.detecting.pressing(), &self.telling.report);
        if pressing.is_empty() && before.pressures.is_empty() {
            return false;
        }
        let top = self.config.fleet.as_ref().map_or(0, |fleet| fleet.section.top);
        let report = report_of(pressing, self.fleet.sums.nodes, top, before);
        let since = self
            .telling
            .since
            .map_or(u64::MAX, |since| now.mono.0.saturating_sub(since.0));
        let is_news = report.differs(before, NOTED) && since >= NEWS_NS;
        if is_news {
            self.telling.report = Arc::new(report);
            self.telling.since = Some(now.mono);
        }
        is_news
    }
}
