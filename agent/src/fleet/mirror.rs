//! What etcd holds for a node to follow, kept up by what etcd says has changed. Pure: the same content comes out of reading
//! everything and of following every change.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;

use super::{Board, By, Decision, Garbage, Key, Keys, Sums, Target, queue::Entry};

/// What is ignored is named up to this number; the rest is counted.
const MOST_NAMED: usize = 8;
/// Ignored keys that are remembered.
const MOST_IGNORED: usize = 1_000;
/// The longest part of a key that is shown, characters.
const LONGEST_KEY: usize = 100;

/// A key and what it holds, as etcd tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Put<'a> {
    pub(super) key: &'a [u8],
    pub(super) value: &'a [u8],
    /// When it was written, as etcd counts.
    pub(super) revision: i64,
    pub(super) lease: i64,
}

/// A key that one node holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) value: Vec<u8>,
    pub(super) revision: i64,
    pub(super) lease: i64,
}

/// What etcd holds, but for nodes and reports.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Mirror {
    keys: Keys,
    /// This node's name.
    node: String,
    board: Arc<Board>,
    /// When each decision was written, garbage too: whoever writes says what they saw.
    revisions: BTreeMap<(Target, By), i64>,
    sums: Arc<Sums>,
    /// Who adds up.
    leader: Option<Held>,
    /// Who has this node's name.
    own: Option<Held>,
    /// What this is; false once somebody took that away.
    has_format: bool,
    ignored: BTreeMap<Vec<u8>, Garbage>,
}

impl Mirror {
    /// Of nothing yet but what was kept.
    pub(super) fn new(keys: Keys, node: &str, board: Board) -> Self {
        Self {
            keys,
            node: node.to_owned(),
            board: Arc::new(board),
            revisions: BTreeMap::new(),
            sums: Arc::default(),
            leader: None,
            own: None,
            has_format: true,
            ignored: BTreeMap::new(),
        }
    }

    /// Of all that etcd holds, in place of what was known.
    pub(super) fn read<'a>(keys: Keys, node: &str, held: impl IntoIterator<Item = Put<'a>>, now: Timestamp) -> Self {
        let mut mirror = Self::new(keys, node, Board::default());
        for put in held {
            mirror.put(put, now);
        }
        mirror
    }

    pub(super) fn board(&self) -> &Arc<Board> {
        &self.board
    }

    pub(super) fn sums(&self) -> &Arc<Sums> {
        &self.sums
    }

    pub(super) fn leader(&self) -> Option<&Held> {
        self.leader.as_ref()
    }

    /// The name of who adds up, if it is one.
    pub(super) fn leader_name(&self) -> Option<String> {
        let name = std::str::from_utf8(&self.leader.as_ref()?.value).ok()?;
        super::is_node(name).then(|| name.to_owned())
    }

    pub(super) fn own(&self) -> Option<&Held> {
        self.own.as_ref()
    }

    pub(super) const fn has_format(&self) -> bool {
        self.has_format
    }

    /// When a decision was written; 0 where there is none.
    pub(super) fn revision(&self, key: (Target, By)) -> i64 {
        self.revisions.get(&key).copied().unwrap_or_default()
    }

    /// A key was written.
    pub(super) fn put(&mut self, put: Put<'_>, now: Timestamp) {
        self.ignored.remove(put.key);
        if let Err(garbage) = self.take(put, now)
            && self.ignored.len() < MOST_IGNORED
        {
            self.ignored.insert(put.key.to_vec(), garbage);
        }
    }

    fn take(&mut self, put: Put<'_>, now: Timestamp) -> Result<(), Garbage> {
        let held = || Held {
            value: put.value.to_vec(),
            revision: put.revision,
            lease: put.lease,
        };
        match self.keys.read(put.key)? {
            Key::Decision(by, target) => self.decide((target, by), put, now),
            Key::Sums => {
                self.sums = Arc::default();
                self.sums = Arc::new(Sums::read(put.value)?);
                Ok(())
            }
            Key::Leader => {
                self.leader = Some(held());
                self.leader_name()
                    .map(drop)
                    .ok_or_else(|| Garbage::new("it names no node"))
            }
            Key::Node(name) if name == self.node => {
                self.own = Some(held());
                Ok(())
            }
            Key::Format => {
                self.has_format = true;
                Ok(())
            }
            // Whoever adds up looks at these.
            Key::Node(_) | Key::Report(_) => Ok(()),
        }
    }

    /// What etcd holds counts, even where it is older than what it held before: all nodes shall see the same.
    fn decide(&mut self, key: (Target, By), put: Put<'_>, now: Timestamp) -> Result<(), Garbage> {
        self.revisions.insert(key, put.revision);
        let read = Decision::read(&key.0, put.value);
        if read
            .as_ref()
            .is_ok_and(|decision| self.board.get(key) == Some(decision))
        {
            return Ok(());
        }
        let board = Arc::make_mut(&mut self.board);
        board.remove(key);
        board.put(key, read?, now).map(drop)
    }

    /// A key is gone.
    pub(super) fn remove(&mut self, key: &[u8]) {
        self.ignored.remove(key);
        match self.keys.read(key) {
            Ok(Key::Decision(by, target)) => {
                self.revisions.remove(&(target, by));
                if self.board.get((target, by)).is_some() {
                    Arc::make_mut(&mut self.board).remove((target, by));
                }
            }
            Ok(Key::Sums) => self.sums = Arc::default(),
            Ok(Key::Leader) => self.leader = None,
            Ok(Key::Node(name)) if name == self.node => self.own = None,
            Ok(Key::Format) => self.has_format = false,
            Ok(Key::Node(_) | Key::Report(_)) | Err(_) => {}
        }
    }

    /// A decision of this node is in etcd.
    pub(super) fn told(&mut self, (key, decision): &Entry, revision: i64, now: Timestamp) {
        let name = self.keys.name(&Key::Decision(key.1, key.0));
        let put = Put {
            key: name.as_bytes(),
            value: &decision.write(),
            revision,
            lease: 0,
        };
        self.put(put, now);
    }

    /// What is ignored: the key and why.
    pub(super) fn garbage(&self) -> Vec<String> {
        named(&self.ignored)
    }
}

/// Names what is ignored, and counts the rest.
pub(super) fn named(ignored: &BTreeMap<Vec<u8>, Garbage>) -> Vec<String> {
    let line = |(key, why): (&Vec<u8>, &Garbage)| {
        let key: String = String::from_utf8_lossy(key).chars().take(LONGEST_KEY).collect();
        format!("{}: {why}", Garbage::new(key))
    };
    let mut lines: Vec<String> = ignored.iter().take(MOST_NAMED).map(line).collect();
    match ignored.len() - lines.len() {
        0 => {}
        more if ignored.len() >= MOST_IGNORED => lines.push(format!("{more} more keys at least")),
        more => lines.push(format!("{more} more keys")),
    }
    lines
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::{fleet::Content, tables::ListAction};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).expect("instant")
    }

    fn value(made: i64) -> Vec<u8> {
        let decision = Decision {
            content: Some(Content::Entry(ListAction::Block)),
            actor: "root".to_owned(),
            node: "lb2".to_owned(),
            reason: None,
            at: at(made),
            until: None,
            force: false,
        };
        decision.write()
    }

    fn fresh() -> Mirror {
        Mirror::new(Keys::under("/levee/"), "lb1", Board::default())
    }

    const NAMES: [&str; 9] = [
        "/levee/decisions/human/entry/192.0.2.0/24",
        "/levee/decisions/machine/entry/192.0.2.0/24",
        "/levee/decisions/human/mode",
        "/levee/decisions/dog/mode",
        "/levee/sums",
        "/levee/leader",
        "/levee/nodes/lb1",
        "/levee/nodes/lb2",
        "/levee/format",
    ];

    fn some_value() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            (-60i64..200_000).prop_map(value),
            Just(br#"{"nodes":3,"sums":[]}"#.to_vec()),
            Just(b"lb2".to_vec()),
            vec(any::<u8>(), 0..8),
        ]
    }

    proptest! {
        /// Whoever followed every change knows what one knows who reads everything afterwards, whatever was written.
        #[test]
        fn following_is_as_good_as_reading(changes in vec((0..NAMES.len(), proptest::option::of(some_value())), 0..40)) {
            let mut followed = fresh();
            let mut content: BTreeMap<usize, (Vec<u8>, i64)> = BTreeMap::new();
            // The marker is there before anything else is.
            content.insert(8, (b"{}".to_vec(), 0));
            for (revision, (key, value)) in (1..).zip(changes) {
                let name = NAMES[key].as_bytes();
                if let Some(value) = value {
                    followed.put(Put { key: name, value: &value, revision, lease: 7 }, at(0));
                    content.insert(key, (value, revision));
                } else {
                    followed.remove(name);
                    content.remove(&key);
                }
            }
            let held = content.iter().map(|(key, (value, revision))| {
                Put { key: NAMES[*key].as_bytes(), value, revision: *revision, lease: 7 }
            });
            let mut read = Mirror::read(Keys::under("/levee/"), "lb1", held, at(0));
            if !content.contains_key(&8) {
                read.remove(b"/levee/format");
            }
            prop_assert_eq!(followed, read);
        }
    }

    #[test]
    fn what_makes_no_sense_is_named_counted_and_bounded() {
        let mut mirror = fresh();
        for n in 0..2_000 {
            let key = format!("/levee/decisions/human/entry/\x1b[{n}");
            mirror.put(
                Put {
                    key: key.as_bytes(),
                    value: b"",
                    revision: n,
                    lease: 0,
                },
                at(0),
            );
        }
        let told = mirror.garbage();
        assert_eq!(told.len(), MOST_NAMED + 1);
        assert!(told.iter().all(|line| !line.contains('\x1b')), "{told:?}");
        assert!(told[MOST_NAMED].contains("at least"), "{told:?}");
        assert!(mirror.board().is_empty());
    }

    #[test]
    fn a_revision_is_known_of_garbage_too_and_what_is_put_right_is_named_no_more() {
        let mut mirror = fresh();
        let key = (Target::Entry("192.0.2.0/24".parse().expect("prefix")), By::Human);
        let mut put = |value: &[u8], revision| {
            mirror.put(
                Put {
                    key: NAMES[0].as_bytes(),
                    value,
                    revision,
                    lease: 0,
                },
                at(0),
            );
            (mirror.revision(key), mirror.garbage().len(), mirror.board().len())
        };
        assert_eq!(put(&value(0), 3), (3, 0, 1));
        assert_eq!(put(b"nonsense", 4), (4, 1, 0));
        assert_eq!(put(&value(86_500), 5), (5, 1, 0), "from the future");
        assert_eq!(put(&value(-1), 6), (6, 0, 1), "older, and all the same what etcd holds");
        mirror.remove(NAMES[0].as_bytes());
        assert_eq!((mirror.revision(key), mirror.board().len()), (0, 0));
    }
}
