//! Whose clock differs from this node's: the node that adds up compares what a node wrote with its own clock at the moment when it
//! sees that.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

/// More is a difference.
const MOST: SignedDuration = SignedDuration::from_secs(2);
/// Nodes that are named.
const NAMED: usize = 8;

/// What was seen of one clock: its time less this node's, now and the time before.
#[derive(Debug, Clone, Copy)]
struct Seen {
    last: SignedDuration,
    before: Option<SignedDuration>,
}

impl Seen {
    /// How far it is off. What is seen late makes a clock look slow, and nothing makes it look fast; so a slow one is believed when
    /// it was seen twice, as far as both say.
    fn difference(self) -> Option<SignedDuration> {
        let known = match self.before {
            _ if self.last > SignedDuration::ZERO => self.last,
            Some(before) => self.last.max(before).min(SignedDuration::ZERO),
            None => return None,
        };
        (known.abs() > MOST).then_some(known)
    }
}

/// The clocks of all nodes.
#[derive(Debug, Default)]
pub(super) struct Clocks(BTreeMap<String, Seen>);

impl Clocks {
    /// A node wrote what its clock said, and this is seen now.
    pub(super) fn put(&mut self, node: &str, clock: Timestamp, now: Timestamp) {
        let last = clock.duration_since(now);
        let before = self.0.get(node).map(|seen| seen.last);
        self.0.insert(node.to_owned(), Seen { last, before });
    }

    /// A node is gone.
    pub(super) fn remove(&mut self, node: &str) {
        self.0.remove(node);
    }

    /// Those that differ, in sentences: a bounded number.
    pub(super) fn problems(&self) -> Vec<String> {
        let mut differ: Vec<(&str, SignedDuration)> = self
            .0
            .iter()
            .filter_map(|(node, seen)| Some((&**node, seen.difference()?)))
            .collect();
        let more = differ.len().saturating_sub(NAMED);
        differ.truncate(NAMED);
        let named = differ.into_iter().map(|(node, difference)| {
            let way = if difference.is_positive() { "ahead of" } else { "behind" };
            let seconds = difference.abs().as_secs_f64();
            format!("the clock of {node} is {seconds:.1} s {way} this node's: look at NTP on both")
        });
        let more = (more > 0).then(|| format!("the clocks of {more} more nodes differ from this node's"));
        named.chain(more).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millisecond(1_800_000_000_000 + millis).expect("instant")
    }

    #[test]
    fn a_fast_clock_is_named_at_once_and_no_longer_than_it_is_fast() {
        let mut clocks = Clocks::default();
        clocks.put("lb1", at(1_900), at(0));
        assert_eq!(clocks.problems(), [""; 0]);
        clocks.put("lb2", at(3_200), at(0));
        assert_eq!(
            clocks.problems(),
            ["the clock of lb2 is 3.2 s ahead of this node's: look at NTP on both"]
        );
        clocks.put("lb2", at(-100), at(0));
        assert_eq!(clocks.problems(), [""; 0]);
    }

    #[test]
    fn what_is_seen_late_once_is_no_slow_clock() {
        let mut clocks = Clocks::default();
        clocks.put("lb1", at(0), at(6_000));
        assert_eq!(clocks.problems(), [""; 0], "once may be the way");
        clocks.put("lb1", at(0), at(4_000));
        assert_eq!(
            clocks.problems(),
            ["the clock of lb1 is 4.0 s behind this node's: look at NTP on both"]
        );
        clocks.put("lb1", at(0), at(100));
        assert_eq!(clocks.problems(), [""; 0]);
        clocks.put("lb1", at(0), at(9_000));
        assert_eq!(clocks.problems(), [""; 0]);
    }

    #[test]
    fn not_without_end_and_none_that_is_gone() {
        let mut clocks = Clocks::default();
        for node in 0..11 {
            clocks.put(&format!("lb{node}"), at(5_000), at(0));
        }
        let problems = clocks.problems();
        assert_eq!(problems.len(), NAMED + 1, "{problems:?}");
        assert_eq!(problems[NAMED], "the clocks of 3 more nodes differ from this node's");
        for node in 0..11 {
            clocks.remove(&format!("lb{node}"));
        }
        assert_eq!(clocks.problems(), [""; 0]);
    }
}
