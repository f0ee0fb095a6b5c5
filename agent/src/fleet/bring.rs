//! What a node changes so that it holds what its board says. Compared with what is in force each time, so that a restart, a
//! decision that was missed or one that came twice all end the same.

use super::{Board, By, Decision, Target};
use crate::{
    clock::Now,
    overrides::{Change, Origin, Overrides},
};

/// What the actor of an override begins with that people decided for all nodes ..
pub const FROM_FLEET: &str = "fleet: ";
/// .. and that a machine did.
const FROM_MACHINE: &str = "fleet machine: ";

/// Whether an override came from the fleet.
#[must_use]
pub fn is_from_fleet(origin: &Origin) -> bool {
    origin.actor.starts_with(FROM_FLEET) || origin.actor.starts_with(FROM_MACHINE)
}

fn actor(by: By, decision: &Decision) -> String {
    let begin = match by {
        By::Human => FROM_FLEET,
        By::Machine => FROM_MACHINE,
    };
    format!("{begin}{} on {}", decision.actor, decision.node)
}

/// The board as far as what is in force tells it: what a node begins with that has lost its own. Without it, everything that the
/// fleet decided would end here until etcd can be reached.
#[must_use]
pub fn recall(overrides: &Overrides) -> Board {
    let mut board = Board::default();
    for change in puts(overrides) {
        let Some((target, Some((content, origin)))) = Target::of(&change) else {
            continue;
        };
        let known = [(By::Human, FROM_FLEET), (By::Machine, FROM_MACHINE)];
        let made = known.into_iter().find_map(|(by, begin)| {
            let (actor, node) = origin.actor.strip_prefix(begin)?.rsplit_once(" on ")?;
            Some((by, actor, node))
        });
        let Some((by, actor, node)) = made else { continue };
        let decision = Decision {
            content: Some(content),
            actor: actor.to_owned(),
            node: node.to_owned(),
            reason: origin.reason.clone(),
            at: origin.since,
            until: origin.until.map(|until| until.wall),
            force: false,
        };
        // There are no more of them than a board holds, and none is later than itself.
        let _ = board.put((target, by), decision, origin.since);
    }
    board
}

/// What would bring about everything that was asked for.
fn puts(overrides: &Overrides) -> impl Iterator<Item = Change> {
    let list = overrides
        .list
        .iter()
        .map(|(at, held)| Change::PutEntry(*at, held.clone()));
    let blackholes = overrides.blackholes.iter();
    let rungs = overrides.rungs.iter();
    let ceilings = overrides.ceilings.iter();
    let thresholds = overrides.thresholds.iter();
    let mode = overrides.mode.iter().map(|held| Change::SetMode(Some(held.clone())));
    list.chain(blackholes.map(|(at, held)| Change::PutBlackhole(*at, held.clone())))
        .chain(rungs.map(|(at, held)| Change::PutRung(*at, held.clone())))
        .chain(ceilings.map(|(at, held)| Change::PutCeiling(*at, held.clone())))
        .chain(thresholds.map(|(at, held)| Change::PutThreshold(*at, held.clone())))
        .chain(mode)
}

/// The changes that bring what was asked for on this node to what its board says. What was asked for on this node alone stays,
/// unless a human decided for all nodes since.
#[must_use]
pub fn bring(overrides: &Overrides, board: &Board, now: Now) -> Vec<Change> {
    let stand = board.targets().filter_map(|target| {
        let (by, decision) = board.standing(target, now.wall)?;
        one(overrides, target, by, decision, now)
    });
    let over = held(overrides)
        .filter(|(_, origin)| is_from_fleet(origin))
        .filter(|(target, _)| board.standing(*target, now.wall).is_none())
        .map(|(target, _)| target.removal());
    stand.chain(over).collect()
}

fn one(overrides: &Overrides, target: Target, by: By, decision: &Decision, now: Now) -> Option<Change> {
    let change = decision.change(&target, actor(by, decision), now)?;
    let Some(origin) = origin_of(overrides, target) else {
        return decision.content.map(|_| change);
    };
    let wins = if is_from_fleet(origin) {
        origin.since != decision.at || origin.actor != actor(by, decision)
    } else {
        by == By::Human && decision.at > origin.since
    };
    wins.then_some(change)
}

/// Who asked for what holds of a target on this node, if anything does.
#[must_use]
pub fn origin_of(overrides: &Overrides, target: Target) -> Option<&Origin> {
    match target {
        Target::Entry(prefix) => overrides.list.get(&prefix).map(|held| &held.origin),
        Target::Blackhole(address) => overrides.blackholes.get(&address).map(|held| &held.origin),
        Target::Rung(address) => overrides.rungs.get(&address).map(|held| &held.origin),
        Target::Ceiling(address) => overrides.ceilings.get(&address).map(|held| &held.origin),
        Target::Threshold(target) => overrides.thresholds.get(&target).map(|held| &held.origin),
        Target::Mode => overrides.mode.as_ref().map(|held| &held.origin),
    }
}

/// Everything that was asked for at run time, but for what the ladder took.
fn held(overrides: &Overrides) -> impl Iterator<Item = (Target, &Origin)> {
    let list = overrides
        .list
        .iter()
        .map(|(prefix, held)| (Target::Entry(*prefix), &held.origin));
    let blackholes = overrides.blackholes.iter();
    let rungs = overrides.rungs.iter();
    let ceilings = overrides.ceilings.iter();
    let thresholds = overrides.thresholds.iter();
    let mode = overrides.mode.iter().map(|held| (Target::Mode, &held.origin));
    list.chain(blackholes.map(|(address, held)| (Target::Blackhole(*address), &held.origin)))
        .chain(rungs.map(|(address, held)| (Target::Rung(*address), &held.origin)))
        .chain(ceilings.map(|(address, held)| (Target::Ceiling(*address), &held.origin)))
        .chain(thresholds.map(|(target, held)| (Target::Threshold(*target), &held.origin)))
        .chain(mode)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::{
        fleet::Content,
        overrides::ListOverride,
        tables::{ListAction, MonotonicNs},
    };

    const TARGET: &str = "entry/192.0.2.0/24";

    fn now() -> Now {
        Now {
            wall: "2026-01-01T12:00:00Z".parse().expect("instant"),
            mono: MonotonicNs(5_000_000_000),
        }
    }

    fn second(n: i64) -> Timestamp {
        now().wall + jiff::SignedDuration::from_secs(n)
    }

    fn board(by: By, made: i64, until: Option<i64>, content: Option<ListAction>) -> Board {
        let mut board = Board::default();
        let decision = Decision {
            content: content.map(Content::Entry),
            actor: "root".to_owned(),
            node: "lb2".to_owned(),
            reason: Some("T1".to_owned()),
            at: second(made),
            until: until.map(second),
            force: false,
        };
        let target = TARGET.parse().expect("target");
        board.put((target, by), decision, now().wall).expect("taken in");
        board
    }

    fn local(action: ListAction, since: i64) -> Overrides {
        let origin = Origin {
            actor: "uid=0 (root)".to_owned(),
            reason: None,
            since: second(since),
            until: None,
        };
        let prefix = "192.0.2.0/24".parse().expect("prefix");
        Overrides::default().with(&[Change::PutEntry(prefix, ListOverride { action, origin })])
    }

    fn action(overrides: &Overrides) -> Option<ListAction> {
        overrides.list.values().next().map(|held| held.action)
    }

    #[test]
    fn a_decision_holds_once_and_goes_with_its_end() {
        let block = board(By::Human, 0, Some(60), Some(ListAction::Block));
        let changes = bring(&Overrides::default(), &block, now());
        let held = Overrides::default().with(&changes);
        assert_eq!(action(&held), Some(ListAction::Block));
        let origin = &held.list.values().next().expect("held").origin;
        assert_eq!((origin.actor.as_str(), origin.since), ("fleet: root on lb2", second(0)));
        assert!(is_from_fleet(origin));
        assert_eq!(bring(&held, &block, now()), [], "it is there");
        let later = Now {
            wall: second(60),
            mono: MonotonicNs(65_000_000_000),
        };
        let changes = bring(&held, &block, later);
        assert_eq!(action(&held.with(&changes)), None);
        assert_eq!(bring(&held.with(&changes), &block, later), []);
        assert_eq!(
            action(&held.with(&bring(&held, &Board::default(), now()))),
            None,
            "etcd holds it no more"
        );
    }

    #[test]
    fn the_newer_one_holds_and_a_machine_never_against_a_person_of_this_node() {
        let after = |by: By, made: i64, content: Option<ListAction>, since: i64| {
            let before = local(ListAction::Allow, since);
            action(&before.with(&bring(&before, &board(by, made, None, content), now())))
        };
        let (allow, block) = (Some(ListAction::Allow), Some(ListAction::Block));
        assert_eq!(after(By::Human, -5, block, -10), block);
        assert_eq!(after(By::Human, -10, block, -5), allow);
        assert_eq!(after(By::Machine, -5, block, -10), allow);
        assert_eq!(after(By::Human, -5, None, -10), None);
        assert_eq!(after(By::Human, -10, None, -5), allow);
    }

    #[test]
    fn a_board_that_was_lost_is_found_in_what_is_in_force() {
        let block = board(By::Human, 0, Some(60), Some(ListAction::Block));
        let held = Overrides::default().with(&bring(&Overrides::default(), &block, now()));
        let recalled = recall(&held);
        assert_eq!(recalled, block);
        assert_eq!(bring(&held, &recalled, now()), []);
        assert_eq!(
            recall(&local(ListAction::Block, 0)),
            Board::default(),
            "that is no decision of the fleet"
        );
    }

    #[test]
    fn what_this_node_alone_was_asked_for_stays_without_a_decision() {
        let before = local(ListAction::Block, 0);
        assert_eq!(bring(&before, &Board::default(), now()), []);
    }
}
