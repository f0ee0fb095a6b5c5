//! Changes as decisions: what is written into etcd for what a command changes on this node.

use jiff::Timestamp;

use super::{Board, By, Decision, Target, queue::Entry};
use crate::{decide::Refusal, overrides::Change};

/// What other nodes take in of a text, characters; see `Decision::read`.
const LONGEST: usize = 200;

/// What somebody wants for all nodes.
#[derive(Debug)]
pub struct Draft {
    /// What.
    pub changes: Vec<Change>,
    /// Who asks.
    pub actor: String,
    /// Why, for what is taken back.
    pub reason: Option<String>,
    /// A human or a machine.
    pub by: By,
    /// Past the guard rails of each node.
    pub force: bool,
}

impl Draft {
    /// The decisions of this node, each later than all that the board knows of its target.
    ///
    /// # Errors
    /// If a change is none that can hold for all.
    pub(super) fn decisions(&self, node: &str, board: &Board, now: Timestamp) -> Result<Vec<Entry>, Refusal> {
        let mut made: Vec<Entry> = Vec::with_capacity(self.changes.len());
        for change in &self.changes {
            let (target, held) = Target::of(change).ok_or_else(|| {
                Refusal::invalid(
                    "what a node's own ladder did cannot hold for the fleet",
                    "ask for a rung instead",
                )
            })?;
            let origin = held.map(|(_, origin)| origin);
            let reason = origin.map_or(self.reason.as_deref(), |origin| origin.reason.as_deref());
            let decision = Decision {
                content: held.map(|(content, _)| content),
                actor: printable(&self.actor),
                node: node.to_owned(),
                reason: reason.map(printable),
                at: board.stamp(target, now),
                until: origin.and_then(|origin| origin.until).map(|until| until.wall),
                force: self.force,
            };
            Decision::read(&target, &decision.write())
                .map_err(|garbage| Refusal::failed(format!("{target} cannot be told to the other nodes: {garbage}")))?;
            // Of several changes of one target the last one counts, as on one node.
            made.retain(|((known, _), _)| *known != target);
            made.push(((target, self.by), decision));
        }
        Ok(made)
    }
}

fn printable(text: &str) -> String {
    let text = text.chars().take(LONGEST);
    text.map(|char| if char.is_control() { ' ' } else { char }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        overrides::{ListOverride, Origin},
        tables::ListAction,
    };

    fn put(reason: &str) -> Change {
        let origin = Origin {
            actor: "x".to_owned(),
            reason: Some(reason.to_owned()),
            since: Timestamp::UNIX_EPOCH,
            until: None,
        };
        let action = ListAction::Block;
        Change::PutEntry("192.0.2.0/24".parse().expect("prefix"), ListOverride { action, origin })
    }

    #[test]
    fn a_decision_is_later_than_all_that_is_known_and_can_be_read_by_others() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().expect("instant");
        let decisions = |changes: &[Change], board: &Board| {
            let draft = Draft {
                changes: changes.to_vec(),
                actor: "uid=0 (root)".to_owned(),
                reason: Some("over".to_owned()),
                by: By::Human,
                force: false,
            };
            draft.decisions("lb1", board, now).expect("made")
        };
        let mut board = Board::default();
        let [(key, first)] = &decisions(&[put(&"x\n".repeat(300))], &board)[..] else {
            panic!("one change, one decision")
        };
        assert_eq!(
            first.reason.as_ref().map(|reason| reason.chars().count()),
            Some(LONGEST)
        );
        assert_eq!(board.put(*key, first.clone(), now), Ok(true));
        let undo = Change::RemoveEntry("192.0.2.0/24".parse().expect("prefix"));
        let made = decisions(&[put("again"), undo], &board);
        assert_eq!(made.len(), 1, "the last one counts");
        let (_, second) = &made[0];
        assert!(second.content.is_none() && second.at > first.at);
        assert_eq!(second.reason.as_deref(), Some("over"));
    }
}
