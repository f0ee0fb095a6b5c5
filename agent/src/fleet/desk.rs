//! What one node knows of its fleet: what etcd held when it was last seen, what the others do not know yet, and both as one board,
//! kept over restarts.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};

use super::{
    Board, FleetState, Keys, Link, Publisher,
    bring::recall,
    mirror::Mirror,
    queue::{Entry, Queue},
    store::Store,
};
use crate::{config::fleet::FleetPolicy, snapshot::Snapshot};

/// What went wrong is told for so long ..
const TOLD: SignedDuration = SignedDuration::from_hours(1);
/// .. and so many of it.
const MOST_TOLD: usize = 8;
/// A board that changes all the time is written so often at most; the queue is written at once.
const KEEP_EVERY: Duration = Duration::from_secs(1);

/// Everything that a node knows.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) instance: String,
    pub(super) mirror: Mirror,
    queue: Queue,
    /// Both together.
    board: Arc<Board>,
    store: Store,
    /// What the store holds.
    kept: (Arc<Board>, Queue),
    kept_at: Instant,
    /// Why nothing can be kept.
    unkept: Option<String>,
    /// What went wrong lately.
    told: Vec<(Timestamp, String)>,
    /// Another agent has this node's name.
    pub(super) namesake: Option<String>,
    /// Where etcd is.
    pub(super) stores: Vec<IpAddr>,
    /// What the node that adds up ignores.
    pub(super) ignored: Vec<String>,
    /// Whose clock differs from this one's, where this node adds up.
    pub(super) clocks: Vec<String>,
    /// What this node tells the others of what arrives here.
    pub(super) publisher: Publisher,
}

impl Desk {
    /// As the state directory and what is in force tell it.
    pub(super) fn open(snapshot: &Snapshot) -> Self {
        let store = Store::new(&snapshot.config.state_directory);
        let mut told = Vec::new();
        let (instance, mut board, queue) = match store.open() {
            Ok((kept, problem)) => {
                told.extend(problem.map(|problem| (snapshot.now.wall, problem)));
                (kept.instance, kept.board, kept.queue)
            }
            Err(error) => {
                told.push((
                    snapshot.now.wall,
                    format!("the kernel gives no random numbers: {error}"),
                ));
                (std::process::id().to_string(), Board::default(), Queue::default())
            }
        };
        for (key, decision) in recall(&snapshot.overrides).iter() {
            // No later than itself, and a board that is full needs no more.
            let _ = board.put(*key, decision.clone(), decision.at);
        }
        let mut desk = Self {
            instance,
            mirror: Mirror::new(Keys::under(""), "", board),
            queue,
            board: Arc::default(),
            store,
            kept: (Arc::default(), Queue::default()),
            kept_at: Instant::now(),
            unkept: None,
            told,
            namesake: None,
            stores: Vec::new(),
            ignored: Vec::new(),
            clocks: Vec::new(),
            publisher: Publisher::default(),
        };
        desk.merge(snapshot.now.wall);
        desk
    }

    /// Begins to follow a fleet, perhaps another one than before.
    pub(super) fn follow(&mut self, policy: &FleetPolicy) {
        let board = Board::clone(self.mirror.board());
        self.mirror = Mirror::new(Keys::under(&policy.section.prefix), &policy.node, board);
    }

    /// What counts here.
    pub(super) const fn board(&self) -> &Arc<Board> {
        &self.board
    }

    pub(super) const fn queue(&mut self) -> &mut Queue {
        &mut self.queue
    }

    /// Takes in what the others cannot be told now; false where there is no room for all.
    pub(super) fn queue_all(&mut self, entries: Vec<Entry>) -> bool {
        entries.into_iter().all(|entry| self.queue.put(entry))
    }

    /// Something went wrong that people should know.
    pub(super) fn tell(&mut self, what: String, now: Timestamp) {
        tracing::warn!("fleet: {what}");
        self.told.push((now, what));
        let surplus = self.told.len().saturating_sub(MOST_TOLD);
        self.told.drain(..surplus);
    }

    /// Puts together what etcd holds and what it does not know yet, and keeps it.
    pub(super) fn merge(&mut self, now: Timestamp) {
        self.board = Arc::clone(self.mirror.board());
        if !self.queue.is_empty() {
            let board = Arc::make_mut(&mut self.board);
            for (key, decision) in self.queue.entries() {
                // What is too much, or from a clock that was wrong, is not lost: it stays queued.
                let _ = board.put(*key, decision.clone(), now);
            }
        }
        self.keep();
    }

    /// Writes down what has changed.
    pub(super) fn keep(&mut self) {
        let is_urgent = self.kept.1 != self.queue || self.kept_at.elapsed() >= KEEP_EVERY;
        if !is_urgent || (self.kept.0 == *self.mirror.board() && self.kept.1 == self.queue) {
            return;
        }
        self.unkept = self.store.keep(&self.instance, self.mirror.board(), &self.queue).err();
        self.kept = (Arc::clone(self.mirror.board()), self.queue.clone());
        self.kept_at = Instant::now();
    }

    /// For everybody who asks.
    pub(super) fn state(&mut self, node: &str, link: Link, now: Timestamp) -> FleetState {
        let (sums, own) = self.publisher.believed(self.mirror.sums());
        let fresh = self
            .told
            .iter()
            .filter(|(at, _)| now < at.checked_add(TOLD).unwrap_or(Timestamp::MAX));
        let problems = self
            .namesake
            .iter()
            .chain(&self.unkept)
            .chain(&self.clocks)
            .chain(fresh.map(|(_, what)| what));
        FleetState {
            node: Some(node.to_owned()),
            link,
            board: Arc::clone(&self.board),
            queued: self.queue.shown(),
            own,
            sums,
            leader: self.mirror.leader_name(),
            stores: self.stores.clone(),
            garbage: self
                .mirror
                .garbage()
                .into_iter()
                .chain(self.ignored.iter().cloned())
                .collect(),
            problems: problems.cloned().collect(),
        }
    }
}
