//! What all nodes decided is done here: but for what would cut this node off, and again where the kernel did not take it. And what
//! happens to the fleet is told.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use super::{Engine, thin::Thin};
use crate::{
    clock::Now,
    decide::{Refusal, World, guard},
    detect::{Event, Subject, What},
    fleet::{Board, FROM_FLEET, FleetState, Link, Target, bring},
    host::HostFacts,
    ladder::Rung,
    ledger::JournalEntry,
    overrides::Change,
    tables::ListAction,
};

/// Attempts at one time to have the kernel take a part of what it did not take as a whole.
const TRIES: u32 = 64;
/// What is not done here is named up to so often; the rest is counted.
const NAMED_NOT_HERE: usize = 32;
/// Pieces of garbage that are told one by one at one time.
const NAMED: usize = 4;

/// What is remembered of the others' decisions.
#[derive(Debug, Default)]
pub(super) struct Following {
    /// The host when it was last looked at.
    pub(super) host: HostFacts,
    /// What is not done here, and why.
    held_back: BTreeMap<Target, String>,
    /// Why the kernel did not take all.
    problem: Option<String>,
    /// Attacks that are thin on every node.
    pub(super) thin: Thin,
}

impl Following {
    /// What was decided for all nodes and is not done here, and why: a bounded number, the rest counted.
    pub(super) fn not_here(&self) -> Vec<String> {
        let named = self.held_back.iter().take(NAMED_NOT_HERE);
        let named = named.map(|(target, why)| format!("fleet: {} is not done here: {why}", target.words()));
        let more = self.held_back.len().saturating_sub(NAMED_NOT_HERE);
        let more = (more > 0).then(|| format!("fleet: {more} more decisions are not done here"));
        named.chain(more).chain(self.problem.clone()).collect()
    }
}

impl Engine {
    /// Takes in what the host is like: what must not be cut off.
    pub fn note_host(&mut self, host: HostFacts) {
        self.following.host = host;
    }

    /// Has something told until the agent ends: what went wrong after the engine began.
    pub fn note_warnings(&mut self, warnings: Vec<String>) {
        self.lasting_warnings.extend(warnings);
    }

    /// Does what the fleet's decisions come to now. What fails is tried again.
    pub(super) fn follow_fleet(&mut self, now: Now) {
        if !self.fleet.is_on() || self.detached {
            return;
        }
        let board = Arc::clone(&self.fleet.board);
        let wanted = self.hold_back(bring(&self.overrides, &board, now), &board, now);
        let mut wanted = wanted;
        wanted.extend(self.let_go(&wanted));
        let (mut done, mut tries) = (Vec::new(), TRIES);
        let outcome = self.do_what_goes(&wanted, &mut tries, &mut done);
        let problem = outcome
            .err()
            .map(|error| format!("fleet: not all that was decided is in force here, and it is tried again: {error}"));
        if let Some(problem) = problem.as_ref().filter(|_| problem != self.following.problem) {
            tracing::error!("{problem}");
        }
        self.following.problem = problem;
        for change in &done {
            // Not recorded is not lost: it is compared again with what the fleet says.
            let _ = self.record(std::slice::from_ref(change), &entry(change, now));
        }
    }

    /// What the ladder took goes where the fleet allows it no more.
    fn let_go(&self, wanted: &[Change]) -> Vec<Change> {
        let over = |change: &Change| match change {
            Change::PutCeiling(address, ceiling) => {
                let taken = self.overrides.taken.get(address)?;
                (taken.rung > ceiling.rung).then_some(Change::RemoveTaken(*address))
            }
            _ => None,
        };
        wanted.iter().filter_map(over).collect()
    }

    /// All of it at once; where the kernel does not take that, as much as it takes.
    fn do_what_goes(&mut self, wanted: &[Change], tries: &mut u32, done: &mut Vec<Change>) -> Result<(), Refusal> {
        if wanted.is_empty() {
            return Ok(());
        }
        if *tries == 0 {
            return Err(Refusal::failed("the kernel refuses too much of it"));
        }
        *tries -= 1;
        match self.change(wanted) {
            Ok(()) => {
                done.extend_from_slice(wanted);
                Ok(())
            }
            Err(error) if wanted.len() == 1 => Err(error),
            Err(_) => {
                let (first, second) = wanted.split_at(wanted.len() / 2);
                let outcome = self.do_what_goes(first, tries, done);
                self.do_what_goes(second, tries, done).and(outcome)
            }
        }
    }

    /// Leaves out what would cut this node off and was not forced; says so once.
    fn hold_back(&mut self, wanted: Vec<Change>, board: &Board, now: Now) -> Vec<Change> {
        let host = self.following.host.clone();
        let world = self.world(&host, now);
        let (mut kept, mut held_back, mut holes) = (Vec::new(), BTreeMap::new(), Vec::new());
        for change in wanted {
            let target = Target::of(&change).map(|(target, _)| target);
            let stands = target.and_then(|target| board.standing(target, now.wall));
            let force = stands.is_none_or(|(_, decision)| decision.force);
            match (target, rail(&change, &mut holes, &world).filter(|_| !force)) {
                (Some(target), Some(why)) => drop(held_back.insert(target, (why, change))),
                _ => kept.push(change),
            }
        }
        let news: Vec<(Target, String, Change)> = held_back
            .iter()
            .filter(|(target, (why, _))| self.following.held_back.get(target) != Some(why))
            .map(|(target, (why, change))| (*target, why.clone(), change.clone()))
            .collect();
        self.following.held_back = held_back.into_iter().map(|(target, (why, _))| (target, why)).collect();
        for (target, why, change) in news {
            let refused = JournalEntry {
                succeeded: false,
                result: why.clone(),
                ..entry(&change, now)
            };
            // The event tells it too.
            let _ = self.record(&[], &refused);
            let about = target.words();
            self.tell_of_fleet(None, What::FleetHeldBack { about, why }, now);
        }
        kept
    }

    /// Tells what happened to the fleet between two pictures of it.
    pub(super) fn tell_fleet_news(&mut self, before: &FleetState, now: Now) {
        let state = Arc::clone(&self.fleet);
        for what in news(before, &state) {
            self.tell_of_fleet(None, what, now);
        }
        self.tell_thin(now);
    }

    pub(super) fn tell_of_fleet(&mut self, subject: Option<Subject>, what: What, now: Now) {
        self.happened(Event {
            at: now.wall,
            subject,
            attack: None,
            what,
        });
    }
}

/// Why a change would cut this node off.
fn rail(change: &Change, holes: &mut Vec<IpAddr>, world: &World<'_>) -> Option<String> {
    match change {
        Change::PutEntry(net, put) if put.action == ListAction::Block => guard::cuts_off(*net, world),
        Change::PutBlackhole(address, _) => last_one(*address, holes, world),
        Change::PutRung(address, put) if put.rung >= Rung::Blackhole => last_one(*address, holes, world),
        _ => None,
    }
}

fn last_one(address: IpAddr, holes: &mut Vec<IpAddr>, world: &World<'_>) -> Option<String> {
    if world.is_blackholed(address) {
        return None;
    }
    holes.push(address);
    let refusal = guard::blackhole(holes, world).err()?;
    // It stays reachable, so what comes after it is judged without it.
    holes.pop();
    Some(refusal.error)
}

/// What has changed that people should know.
fn news(before: &FleetState, now: &FleetState) -> Vec<What> {
    let mut news = Vec::new();
    match (&before.link, &now.link) {
        (Link::Down { .. }, Link::Down { .. }) => {}
        (_, Link::Down { why, .. }) => news.push(What::FleetCutOff { why: why.clone() }),
        (Link::Down { since, .. }, Link::Up { since: up }) => {
            let seconds = (*up - *since).total(jiff::Unit::Second).unwrap_or_default();
            news.push(What::FleetBack { seconds });
        }
        _ => {}
    }
    let lost = before.queued.iter().filter(|queued| !now.queued.contains(queued));
    news.extend(lost.filter_map(|queued| {
        let winner = now.board.get((queued.target, queued.by))?;
        let is_ours = winner.at == queued.at && Some(&winner.node) == now.node.as_ref();
        let stands = now.is_up() && !is_ours && winner.at > queued.at;
        stands.then(|| What::FleetLost {
            about: queued.target.words(),
            by: format!("{} on {}", winner.actor, winner.node),
        })
    }));
    let garbage: Vec<&String> = now
        .garbage
        .iter()
        .filter(|what| !before.garbage.contains(what))
        .collect();
    news.extend(
        garbage
            .iter()
            .take(NAMED)
            .map(|what| What::FleetGarbage { what: (*what).clone() }),
    );
    if garbage.len() > NAMED {
        let what = format!("and {} more: `agent fleet status` names them", garbage.len() - NAMED);
        news.push(What::FleetGarbage { what });
    }
    news
}

fn entry(change: &Change, now: Now) -> JournalEntry {
    let told = Target::of(change);
    let about = told
        .as_ref()
        .map_or_else(|| "what the ladder took".to_owned(), |(target, _)| target.words());
    let command = told.as_ref().map_or_else(String::new, |(target, _)| target.to_string());
    let (actor, reason, result) = match told.and_then(|(_, held)| held) {
        Some((content, origin)) => (
            origin.actor.clone(),
            origin.reason.clone(),
            format!("Decided for all nodes: {about}: {}.", content.words()),
        ),
        None => (
            FROM_FLEET.trim_end_matches([':', ' ']).to_owned(),
            None,
            format!("Taken back for all nodes: {about}."),
        ),
    };
    JournalEntry {
        at: now.wall,
        actor,
        command,
        reason,
        succeeded: true,
        result,
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::fleet::{By, Decision, Queued};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).expect("instant")
    }

    fn down(second: i64) -> Link {
        Link::Down {
            since: at(second),
            why: "nobody answers".to_owned(),
        }
    }

    fn state(link: Link) -> FleetState {
        FleetState {
            node: Some("lb1".to_owned()),
            link,
            ..FleetState::default()
        }
    }

    fn names(before: &FleetState, now: &FleetState) -> Vec<&'static str> {
        news(before, now).iter().map(What::name).collect()
    }

    #[test]
    fn what_is_not_done_here_is_named_up_to_a_number() {
        let mut following = Following::default();
        assert_eq!(following.not_here(), [""; 0]);
        for last in 0..40 {
            let target = format!("entry/192.0.2.{last}/32").parse().expect("target");
            following.held_back.insert(target, "it is the gateway".to_owned());
        }
        following.problem = Some("fleet: not all is in force".to_owned());
        let told = following.not_here();
        assert_eq!(told.len(), NAMED_NOT_HERE + 2, "{told:?}");
        assert!(told[0].ends_with("is not done here: it is the gateway"), "{told:?}");
        assert_eq!(told[NAMED_NOT_HERE], "fleet: 8 more decisions are not done here");
        assert_eq!(told[NAMED_NOT_HERE + 1], "fleet: not all is in force");
    }

    #[test]
    fn each_change_of_the_link_is_told_once() {
        let (up, gone) = (state(Link::Up { since: at(60) }), state(down(0)));
        assert_eq!(names(&state(Link::Connecting), &gone), ["fleet_cut_off"]);
        assert_eq!(names(&up, &gone), ["fleet_cut_off"]);
        assert_eq!(names(&gone, &gone), [""; 0]);
        assert_eq!(names(&state(Link::Connecting), &up), [""; 0]);
        assert_eq!(news(&gone, &up), [What::FleetBack { seconds: 60.0 }]);
    }

    #[test]
    fn a_queued_decision_that_lost_is_told_with_who_won() {
        let target: Target = "entry/192.0.2.0/24".parse().expect("target");
        let queued = Queued {
            target,
            by: By::Human,
            at: at(0),
        };
        let before = FleetState {
            queued: vec![queued],
            ..state(down(0))
        };
        let after = |node: &str, made: i64| {
            let decision = Decision {
                content: None,
                actor: "root".to_owned(),
                node: node.to_owned(),
                reason: None,
                at: at(made),
                until: None,
                force: false,
            };
            let mut board = Board::default();
            board.put((target, By::Human), decision, at(60)).expect("sound");
            FleetState {
                board: Arc::new(board),
                ..state(Link::Up { since: at(60) })
            }
        };
        assert_eq!(names(&before, &after("lb1", 0)), ["fleet_back"], "it was told");
        let told = news(&before, &after("lb2", 5));
        let lost = What::FleetLost {
            about: "the source list entry 192.0.2.0/24".to_owned(),
            by: "root on lb2".to_owned(),
        };
        assert!(told.contains(&lost), "{told:?}");
    }

    #[test]
    fn garbage_is_named_once_and_not_without_end() {
        let up = state(Link::Up { since: at(0) });
        let full = FleetState {
            garbage: (0..10).map(|n| format!("key {n}: no JSON")).collect(),
            ..up.clone()
        };
        assert_eq!(names(&up, &full), ["fleet_garbage"; 5]);
        assert_eq!(names(&full, &full), [""; 0]);
    }
}
