//! Decisions of this node that the others do not know yet: made while it was cut off, or of which it is not known whether etcd took
//! them.

use jiff::Timestamp;

use super::{Board, By, Decision, MOST_DECISIONS, QUEUED, Queued, Target};

/// One of them.
pub(super) type Entry = ((Target, By), Decision);

/// The oldest first, and one of each kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Queue {
    entries: Vec<Entry>,
}

/// What becomes of a queue once etcd can be read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Settled {
    /// The others are to be told.
    pub(super) tell: Vec<Entry>,
    /// They are not told, and why, in a sentence each.
    pub(super) dropped: Vec<String>,
}

impl Queue {
    /// What was kept of one.
    pub(super) fn of(entries: Vec<Entry>) -> Self {
        let mut queue = Self::default();
        for entry in entries.into_iter().take(MOST_DECISIONS) {
            queue.put(entry);
        }
        queue
    }

    /// Takes one in, in place of an earlier one of the same kind; false where there is no room.
    pub(super) fn put(&mut self, entry: Entry) -> bool {
        self.entries.retain(|(key, _)| *key != entry.0);
        let has_room = self.entries.len() < MOST_DECISIONS;
        if has_room {
            self.entries.push(entry);
        }
        has_room
    }

    /// The others know this one now, or are never told.
    pub(super) fn remove(&mut self, entry: &Entry) {
        self.entries.retain(|known| known != entry);
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// For people.
    pub(super) fn shown(&self) -> Vec<Queued> {
        let shown = self.entries.iter().map(|((target, by), decision)| Queued {
            target: *target,
            by: *by,
            at: decision.at,
        });
        shown.collect()
    }

    /// Which of them are still to be told, against what all others decided meanwhile; the rest goes from here.
    pub(super) fn settle(&mut self, held: &Board, now: Timestamp) -> Settled {
        let mut settled = Settled::default();
        for entry in std::mem::take(&mut self.entries) {
            match lost(entry.0, &entry.1, held, now) {
                None => settled.tell.push(entry),
                Some(why) if why.is_empty() => {}
                Some(why) => settled.dropped.push(why),
            }
        }
        self.entries.clone_from(&settled.tell);
        settled
    }
}

/// Why a decision is not told any more: empty where the others know it already.
fn lost((target, by): (Target, By), decision: &Decision, held: &Board, now: Timestamp) -> Option<String> {
    let made = crate::decide::say::instant(decision.at);
    if let Some(known) = held.get((target, by)) {
        if known == decision {
            return Some(String::new());
        }
        if known.stamp() >= decision.stamp() {
            return Some(format!(
                "what {} decided about {target} at {made} while this node was cut off is not told to the others: {} on {} decided later",
                decision.actor, known.actor, known.node
            ));
        }
    }
    if decision.at.checked_add(QUEUED).is_ok_and(|end| end < now) {
        return Some(format!(
            "what {} decided about {target} at {made} is not told to the other nodes: that is too long ago",
            decision.actor
        ));
    }
    if !decision.holds(now) {
        return Some(format!(
            "what {} decided about {target} at {made} is not told to the other nodes: it has ended",
            decision.actor
        ));
    }
    None
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::{fleet::Content, tables::ListAction};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).expect("instant")
    }

    fn entry(n: u8, made: i64, until: Option<i64>) -> Entry {
        let target = Target::Entry(format!("192.0.2.{n}/32").parse().expect("prefix"));
        let decision = Decision {
            content: Some(Content::Entry(ListAction::Block)),
            actor: "root".to_owned(),
            node: "lb1".to_owned(),
            reason: None,
            at: at(made),
            until: until.map(at),
            force: false,
        };
        ((target, By::Human), decision)
    }

    fn board(entries: &[Entry]) -> Board {
        let mut board = Board::default();
        for (key, decision) in entries {
            board.put(*key, decision.clone(), at(0)).expect("taken in");
        }
        board
    }

    #[test]
    fn what_is_new_is_told_and_the_rest_is_named() {
        let day = QUEUED.as_secs();
        let mut theirs = entry(4, 60, None);
        theirs.1.actor = "carol".to_owned();
        let known = entry(5, 10, None);
        let held = board(&[theirs, known.clone()]);
        let fresh = entry(1, 50, Some(1_000));
        let mut queue = Queue::of(vec![
            fresh.clone(),
            entry(2, 50, Some(90)),
            entry(3, 100 - day - 1, None),
            entry(4, 59, None),
            known,
        ]);
        let settled = queue.settle(&held, at(100));
        assert_eq!(settled.tell, std::slice::from_ref(&fresh));
        let wanted = [
            ("192.0.2.2", "ended"),
            ("192.0.2.3", "too long ago"),
            ("192.0.2.4", "carol"),
        ];
        assert_eq!(settled.dropped.len(), wanted.len());
        for (said, (target, why)) in settled.dropped.iter().zip(wanted) {
            assert!(said.contains(target) && said.contains(why), "{said}");
        }
        assert_eq!(queue.entries(), std::slice::from_ref(&fresh), "until etcd has it");
        queue.remove(&fresh);
        assert!(queue.is_empty());
    }

    #[test]
    fn the_latest_of_a_kind_is_told() {
        let mut queue = Queue::of(vec![entry(1, 0, None), entry(2, 1, None), entry(1, 2, None)]);
        let made: Vec<SignedDuration> = queue
            .shown()
            .iter()
            .map(|one| one.at - at(0))
            .map(|span| span.try_into().expect("seconds"))
            .collect();
        assert_eq!(made, [SignedDuration::from_secs(1), SignedDuration::from_secs(2)]);
        assert_eq!(queue.settle(&Board::default(), at(3)).tell.len(), 2);
    }
}
