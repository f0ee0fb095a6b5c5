//! What all nodes decided, as one node knows it: of each target the latest decision by humans and by machines. Boards that saw the
//! same decisions in any order, any number of times, are the same (a map of last-writer-wins registers: Shapiro, Preguiça, Baquero,
//! Zawirski, "A comprehensive study of Convergent and Commutative Replicated Data Types", INRIA RR-7506, 2011, 3.2.1).

use std::{collections::BTreeMap, net::IpAddr};

use jiff::{SignedDuration, Timestamp};

use super::{By, Decision, Garbage, Target};

/// A change that could not be told to the others for so long is not told any more.
pub const QUEUED: SignedDuration = SignedDuration::from_hours(24);
/// What was taken back, or has ended, is remembered for longer than that: nothing queued elsewhere brings it back.
pub const KEPT: SignedDuration = SignedDuration::from_hours(25);
/// Decisions by humans and by machines, at most: whoever publishes more by mistake fills no memory.
pub const MOST_DECISIONS: usize = 10_000;
/// A decision from further in the future than this is garbage: everything would lose against it.
const AHEAD: SignedDuration = SignedDuration::from_hours(24);

/// The order of decisions: the later one wins, whatever order they come in. Equal instants go by the node's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp<'a> {
    at: Timestamp,
    node: &'a str,
}

impl Decision {
    /// Its place in the order.
    #[must_use]
    pub fn stamp(&self) -> Stamp<'_> {
        Stamp {
            at: self.at,
            node: &self.node,
        }
    }

    fn is_newer(&self, other: &Self) -> bool {
        // Who gives two decisions one stamp is wrong, but all boards shall agree even so.
        (self.stamp(), self.write()) > (other.stamp(), other.write())
    }
}

/// All decisions that are known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Board {
    decisions: BTreeMap<(Target, By), Decision>,
}

impl Board {
    /// Takes a decision in, unless a newer one of the same kind is known; true if it is the latest now.
    ///
    /// # Errors
    /// If it comes from the future, or there are too many.
    pub fn put(&mut self, (target, by): (Target, By), decision: Decision, now: Timestamp) -> Result<bool, Garbage> {
        if decision.at > now + AHEAD {
            return Err(Garbage::new(format!(
                "a decision about {target} is dated {}, more than a day from now: the clock of {} is wrong",
                decision.at, decision.node
            )));
        }
        let is_known = self.decisions.get(&(target, by));
        if is_known.is_none() && self.decisions.len() >= MOST_DECISIONS {
            return Err(Garbage::new(format!(
                "there are more than {MOST_DECISIONS} decisions: {target} is not taken in"
            )));
        }
        let is_latest = is_known.is_none_or(|known| decision.is_newer(known));
        if is_latest {
            self.decisions.insert((target, by), decision);
        }
        Ok(is_latest)
    }

    /// Forgets one: etcd does not hold it any more.
    pub fn remove(&mut self, key: (Target, By)) {
        self.decisions.remove(&key);
    }

    /// The latest decision of one kind.
    #[must_use]
    pub fn get(&self, key: (Target, By)) -> Option<&Decision> {
        self.decisions.get(&key)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&(Target, By), &Decision)> {
        self.decisions.iter()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.decisions.len()
    }

    /// True if there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.decisions.is_empty()
    }

    /// What all targets are that are decided about.
    pub fn targets(&self) -> impl Iterator<Item = Target> {
        let mut last = None;
        self.decisions
            .keys()
            .filter_map(move |(target, _)| (last.replace(*target) != Some(*target)).then_some(*target))
    }

    /// The decision that counts for a target: a human's while it holds; a machine's only where it is newer than the latest of
    /// humans. Its content is nothing where the target was taken back.
    #[must_use]
    pub fn standing(&self, target: Target, now: Timestamp) -> Option<(By, &Decision)> {
        let human = self.get((target, By::Human));
        if let Some(human) = human.filter(|human| human.holds(now)) {
            return Some((By::Human, human));
        }
        let machine = self.get((target, By::Machine)).filter(|machine| machine.holds(now))?;
        human
            .is_none_or(|human| machine.stamp() > human.stamp())
            .then_some((By::Machine, machine))
    }

    /// What is blackholed now.
    pub fn blackholed(&self, now: Timestamp) -> impl Iterator<Item = IpAddr> {
        self.targets().filter_map(move |target| match target {
            Target::Blackhole(address) => {
                let (_, decision) = self.standing(target, now)?;
                decision.content.is_some().then_some(address)
            }
            _ => None,
        })
    }

    /// The instant of a decision that is made now: later than all that are known of its target, however wrong clocks are, in whole
    /// milliseconds.
    #[must_use]
    pub fn stamp(&self, target: Target, now: Timestamp) -> Timestamp {
        let known = By::ALL.into_iter().filter_map(|by| self.get((target, by)));
        let after = known.map(|decision| decision.at.as_millisecond() + 1).max();
        let at = after.unwrap_or(i64::MIN).max(now.as_millisecond());
        Timestamp::from_millisecond(at).unwrap_or(now)
    }

    /// Whether a decision says nothing any more that a later one could contradict.
    #[must_use]
    pub fn is_over(decision: &Decision, now: Timestamp) -> bool {
        Self::kept_until(decision).is_some_and(|end| end < now)
    }

    /// How long it is to be remembered; `None` is for ever.
    #[must_use]
    pub fn kept_until(decision: &Decision) -> Option<Timestamp> {
        let end = match (decision.until, decision.content) {
            (Some(until), _) => until.max(decision.at),
            (None, None) => decision.at,
            (None, Some(_)) => return None,
        };
        Some(end.checked_add(KEPT).unwrap_or(Timestamp::MAX))
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::{fleet::Content, tables::ListAction};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).expect("instant")
    }

    fn target(n: u8) -> Target {
        Target::Entry(format!("192.0.2.{n}/32").parse().expect("prefix"))
    }

    fn decision(node: usize, when: Timestamp, until: Option<Timestamp>, blocks: bool) -> Decision {
        Decision {
            content: blocks.then_some(Content::Entry(ListAction::Block)),
            actor: "test".to_owned(),
            node: format!("lb{node}"),
            reason: None,
            at: when,
            until,
            force: false,
        }
    }

    /// What happens to a fleet of three.
    #[derive(Debug, Clone)]
    enum Step {
        /// A node decides, by its own clock.
        Decide {
            node: usize,
            target: u8,
            by: By,
            ttl: Option<i64>,
            blocks: bool,
        },
        /// Two nodes tell each other all they know.
        Meet(usize, usize),
        /// Time goes on.
        Wait(i64),
    }

    fn step() -> impl Strategy<Value = Step> {
        let by = prop_oneof![Just(By::Human), Just(By::Machine)];
        let ttl = proptest::option::of(1i64..600);
        prop_oneof![
            4 => (0usize..3, 0u8..3, by, ttl, any::<bool>()).prop_map(|(node, target, by, ttl, blocks)| Step::Decide {
                node,
                target,
                by,
                ttl,
                blocks,
            }),
            2 => (0usize..3, 0usize..3).prop_map(|(a, b)| Step::Meet(a, b)),
            1 => (1i64..400).prop_map(Step::Wait),
        ]
    }

    fn tell(from: &Board, to: &mut Board, now: Timestamp) {
        for (key, decision) in from.iter() {
            to.put(*key, decision.clone(), now).expect("few, and of today");
        }
    }

    proptest! {
        /// Any order of decisions, partitions and ends: once all have told each other all, they agree; what counts is the newest of
        /// humans while it holds, and nothing that ended.
        #[test]
        fn boards_converge(steps in vec(step(), 1..60), skews in [-300i64..300, -300i64..300, -300i64..300]) {
            let mut boards = [Board::default(), Board::default(), Board::default()];
            let mut made: Vec<((Target, By), Decision)> = Vec::new();
            let mut time = 0;
            for step in steps {
                match step {
                    Step::Decide { node, target: number, by, ttl, blocks } => {
                        let (target, clock) = (target(number), at(time + skews[node]));
                        let stamp = boards[node].stamp(target, clock);
                        let known = By::ALL.into_iter().filter_map(|by| boards[node].get((target, by)));
                        prop_assert!(known.into_iter().all(|known| known.at < stamp), "newer than all that it knew");
                        let decision = decision(node, stamp, ttl.map(|ttl| at(time + ttl)), blocks);
                        prop_assert_eq!(boards[node].put((target, by), decision.clone(), clock), Ok(true));
                        made.push(((target, by), decision));
                    }
                    Step::Meet(a, b) => {
                        let before = boards[a].clone();
                        tell(&boards[b].clone(), &mut boards[a], at(time));
                        tell(&before, &mut boards[b], at(time));
                    }
                    Step::Wait(seconds) => time += seconds,
                }
            }
            for (a, b) in [(0, 1), (1, 2), (2, 0), (0, 1), (1, 2)] {
                let from = boards[a].clone();
                tell(&from, &mut boards[b], at(time));
            }
            prop_assert_eq!(&boards[0], &boards[1]);
            prop_assert_eq!(&boards[1], &boards[2]);
            for number in 0..3 {
                let target = target(number);
                let latest = |by: By| {
                    let of = made.iter().filter(|(key, _)| *key == (target, by)).map(|(_, decision)| decision);
                    of.max_by_key(|decision| (decision.at, decision.node.clone()))
                };
                let human = latest(By::Human);
                let wanted = match human.filter(|human| human.holds(at(time))) {
                    Some(human) => Some((By::Human, human)),
                    None => latest(By::Machine)
                        .filter(|machine| machine.holds(at(time)))
                        .filter(|machine| human.is_none_or(|human| machine.stamp() > human.stamp()))
                        .map(|machine| (By::Machine, machine)),
                };
                prop_assert_eq!(boards[0].standing(target, at(time)), wanted);
            }
        }
    }

    #[test]
    fn a_human_holds_against_a_newer_machine_and_what_they_took_back_does_not_come_again() {
        let mut board = Board::default();
        let now = at(0);
        let mut put = |by: By, decision: Decision| board.put((target(1), by), decision, now).expect("taken in");
        put(By::Machine, decision(1, at(0), None, true));
        put(By::Human, decision(2, at(1), Some(at(100)), false));
        put(By::Machine, decision(1, at(2), None, true));
        let stands =
            |board: &Board, seconds: i64| board.standing(target(1), at(seconds)).map(|(by, found)| (by, found.at));
        assert_eq!(stands(&board, 50), Some((By::Human, at(1))));
        assert_eq!(
            stands(&board, 100),
            Some((By::Machine, at(2))),
            "decided after the human did"
        );
        let mut board = Board::default();
        board
            .put((target(1), By::Machine), decision(1, at(0), None, true), now)
            .expect("taken in");
        board
            .put((target(1), By::Human), decision(2, at(1), Some(at(100)), false), now)
            .expect("taken in");
        assert_eq!(stands(&board, 100), None, "taken back for good");
    }

    #[test]
    fn what_would_win_for_ever_and_what_is_too_much_is_refused() {
        let mut board = Board::default();
        let far = decision(1, at(25 * 3_600), None, true);
        board
            .put((target(1), By::Human), far, at(0))
            .expect_err("from the future");
        for n in 0..MOST_DECISIONS {
            let prefix = format!("10.{}.{}.0/24", n / 256, n % 256).parse().expect("prefix");
            let made = decision(1, at(0), None, true);
            board
                .put((Target::Entry(prefix), By::Human), made, at(0))
                .expect("room");
        }
        board
            .put((target(1), By::Human), decision(1, at(0), None, true), at(0))
            .expect_err("full");
        let known = Target::Entry("10.0.0.0/24".parse().expect("prefix"));
        assert_eq!(
            board.put((known, By::Human), decision(1, at(1), None, false), at(0)),
            Ok(true)
        );
    }

    #[test]
    fn what_ended_is_remembered_for_longer_than_anything_is_queued() {
        assert!(KEPT > QUEUED);
        let ended = decision(1, at(0), Some(at(60)), true);
        assert!(!Board::is_over(&ended, at(60) + QUEUED));
        assert!(Board::is_over(&ended, at(61) + KEPT));
        assert!(!Board::is_over(&decision(1, at(0), None, true), at(0) + KEPT + KEPT));
        assert!(Board::is_over(&decision(1, at(0), None, false), at(1) + KEPT));
    }
}
