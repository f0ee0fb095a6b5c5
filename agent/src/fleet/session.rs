//! The time in which a node and etcd understand each other: from the reading of everything until something is not as it should be.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use etcd_client::{EventType, KeyValue, LeaseKeepAliveResponse, WatchResponse, WatchStream};
use jiff::Timestamp;

use super::{
    Board, Key, Keys, Node, NodeInfo, Report,
    client::{Connection, Everything, Failure, Lease, Write, Written, bounded, put_of},
    desk::Desk,
    leader::{Leading, WATCHES},
    mirror::Held,
    pace,
    queue::Entry,
    task::chance,
};
use crate::{
    clock::Now,
    config::fleet::FleetPolicy,
    decide::{Refusal, say},
};

/// How long a node is there after it was last heard of, seconds.
const LEASE_SECS: i64 = 10;
/// How often it says that it is there.
const KEEP_EVERY: Duration = Duration::from_secs(3);
/// Whoever answers each second and then says nothing for so long is gone ..
const SILENCE: Duration = Duration::from_secs(3);
/// .. and whoever only answers for the lease after so long: before the lease ends.
const PATIENCE: Duration = Duration::from_secs(9);
/// A watch that was asked so often without an answer is asked no more.
const ASKED: u32 = 3;
/// What is told at once: etcd takes 128 operations, and one of them counts the nodes.
const MOST_AT_ONCE: usize = 120;
/// Others may be faster so often.
const ROUNDS: usize = 8;

/// What comes from etcd.
#[derive(Debug)]
pub(super) enum Heard {
    /// Something has changed, or it is alive.
    Watched(WatchResponse),
    /// The lease was kept alive, or was not.
    Kept(LeaseKeepAliveResponse),
}

/// Why nothing was told.
#[derive(Debug)]
pub(super) enum Untold {
    /// Somebody else was faster.
    Beaten(Refusal),
    /// It is not known whether etcd took it, or it took nothing: what is left to be told.
    Lost(Failure, Vec<Entry>),
}

/// The session.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) connection: Connection,
    pub(super) keys: Keys,
    pub(super) node: String,
    pub(super) watch: WatchStream,
    pub(super) lease: Option<Lease>,
    kept_at: Instant,
    heard_at: Instant,
    /// The watch was asked for signs of life so often ..
    asked: u32,
    /// .. and there was one.
    answers: bool,
    /// This node's name is its own.
    pub(super) is_own: bool,
    published: Option<NodeInfo>,
    /// When it is to be said anew.
    anew_at: Instant,
    pub(super) leading: Option<Leading>,
}

impl Session {
    /// Connects, and reads everything.
    pub(super) async fn open(policy: &FleetPolicy, endpoint: &str) -> Result<(Self, Everything), Failure> {
        let mut connection = Connection::open(policy, endpoint).await?;
        let everything = connection.read(&policy.node).await?;
        let watch = connection.watch(&policy.node, everything.revision + 1).await?;
        let session = Self {
            connection,
            keys: Keys::under(&policy.section.prefix),
            node: policy.node.clone(),
            watch,
            lease: None,
            kept_at: Instant::now(),
            heard_at: Instant::now(),
            asked: 0,
            answers: false,
            is_own: false,
            published: None,
            anew_at: Instant::now(),
            leading: None,
        };
        Ok((session, everything))
    }

    /// Waits for something from etcd.
    pub(super) async fn hear(&mut self) -> Result<Heard, Failure> {
        let Self { watch, lease, .. } = self;
        let kept = async {
            match lease {
                Some(lease) => lease.acks.message().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            watched = watch.message() => match watched? {
                Some(watched) => {
                    self.heard_at = Instant::now();
                    self.answers |= watched.events().is_empty() && !watched.created() && !watched.canceled();
                    Ok(Heard::Watched(watched))
                }
                None => Err(Failure::passing("etcd ended the watch")),
            },
            kept = kept => match kept? {
                Some(kept) => {
                    self.heard_at = Instant::now();
                    Ok(Heard::Kept(kept))
                }
                None => Err(Failure::passing("etcd ended the lease's stream")),
            },
        }
    }

    /// Takes in what has changed.
    pub(super) fn take(&mut self, watched: &WatchResponse, desk: &mut Desk, now: Timestamp) -> Result<(), Failure> {
        if watched.canceled() && self.leading.is_none() && WATCHES.contains(&watched.watch_id()) {
            // This node adds up no more.
            return Ok(());
        }
        if watched.compact_revision() > 0 {
            return Err(Failure::passing(
                "etcd has compacted what this node had not seen yet: it reads everything anew",
            ));
        }
        if watched.canceled() {
            return Err(Failure::passing(format!(
                "etcd ended the watch: {}",
                watched.cancel_reason()
            )));
        }
        for event in watched.events() {
            let Some(pair) = event.kv() else { continue };
            let is_gone = event.event_type() == EventType::Delete;
            if is_gone {
                desk.mirror.remove(pair.key());
            } else {
                desk.mirror.put(put_of(pair), now);
            }
            match &mut self.leading {
                Some(leading) if is_gone => leading.remove(&self.keys, pair.key(), pair.mod_revision()),
                Some(leading) => {
                    leading.put(&self.keys, put_of(pair));
                    leading.compare_clock(&self.keys, put_of(pair), now);
                }
                None => {}
            }
        }
        Ok(())
    }

    /// What is due each second: signs of life, both ways. The lease is kept alive, which etcd answers. In a small fleet the watch is
    /// asked, too: whoever answers that has not been cut off a moment later. A proxy of etcd's never does, and is asked no more.
    pub(super) async fn beat(&mut self, nodes: u32) -> Result<(), Failure> {
        let is_small = pace::slower(nodes) == 1;
        let patience = if is_small && self.answers { SILENCE } else { PATIENCE };
        if self.heard_at.elapsed() > patience {
            let silent = self.heard_at.elapsed().as_secs();
            return Err(Failure::passing(format!("no word from etcd for {silent} s")));
        }
        if is_small && (self.answers || self.asked < ASKED) || self.lease.is_none() {
            self.asked = self.asked.saturating_add(1);
            bounded(self.watch.request_progress()).await?;
        }
        if let Some(lease) = self.lease.as_mut().filter(|_| self.kept_at.elapsed() >= KEEP_EVERY) {
            self.kept_at = Instant::now();
            bounded(lease.keeper.keep_alive()).await?;
        }
        Ok(())
    }

    /// Tells the others decisions; how many nodes there are.
    ///
    /// # Errors
    /// See [`Untold`]; then nothing of what it names holds for the others, as far as is known.
    pub(super) async fn share(&mut self, entries: Vec<Entry>, desk: &mut Desk) -> Result<u32, Untold> {
        let all = entries.len();
        let mut nodes = 0;
        let mut rest = entries;
        let mut rounds = 0;
        while !rest.is_empty() {
            let chunk: Vec<Entry> = rest.iter().take(MOST_AT_ONCE).cloned().collect();
            match self.tell(&chunk, desk).await {
                Ok(Written::Done { counted, .. }) => {
                    nodes = u32::try_from(counted).unwrap_or_default();
                    rest.drain(..chunk.len());
                }
                Ok(Written::Beaten(there)) => {
                    let seen = Arc::clone(desk.mirror.board());
                    self.reread(&chunk, &there, desk);
                    rounds += 1;
                    let winner = chunk.iter().find_map(|(key, _)| {
                        let now_there = desk.mirror.board().get(*key)?;
                        (seen.get(*key) != Some(now_there)).then_some((key.0, now_there))
                    });
                    if let Some((target, winner)) = winner {
                        return Err(Untold::Beaten(beaten(target, winner, all - rest.len(), all)));
                    }
                    if rounds > ROUNDS {
                        return Err(Untold::Lost(
                            Failure::passing("others write the same keys all the time"),
                            rest,
                        ));
                    }
                }
                Err(failure) => return Err(Untold::Lost(failure, rest)),
            }
        }
        Ok(nodes)
    }

    /// Tells what was decided while this node was cut off, as far as it still counts.
    pub(super) async fn tell_queue(&mut self, desk: &mut Desk) -> Result<(), Failure> {
        let mut beaten = 0;
        while beaten <= ROUNDS {
            let now = Timestamp::now();
            let held = Arc::clone(desk.mirror.board());
            let settled = desk.queue().settle(&held, now);
            for dropped in settled.dropped {
                desk.tell(dropped, now);
            }
            let mut tell = settled.tell;
            if tell.is_empty() {
                return Ok(());
            }
            tell.truncate(MOST_AT_ONCE);
            match self.tell(&tell, desk).await? {
                Written::Done { .. } => {
                    for entry in &tell {
                        desk.queue().remove(entry);
                    }
                }
                Written::Beaten(there) => {
                    beaten += 1;
                    self.reread(&tell, &there, desk);
                }
            }
        }
        Err(Failure::passing("others write the same keys all the time"))
    }

    /// Writes decisions if they are what this node knows that they replace.
    async fn tell(&mut self, entries: &[Entry], desk: &mut Desk) -> Result<Written, Failure> {
        let now = Timestamp::now();
        let mut leases: BTreeMap<i64, i64> = BTreeMap::new();
        let mut writes = Vec::with_capacity(entries.len());
        for (key @ (target, by), decision) in entries {
            let lease = match Board::kept_until(decision) {
                Some(end) => {
                    let seconds = end.duration_since(now).as_secs().max(1) + 1;
                    let known = leases.get(&seconds).copied();
                    let id = match known {
                        Some(id) => id,
                        None => self.connection.grant(seconds).await?,
                    };
                    leases.insert(seconds, id);
                    Some(id)
                }
                None => None,
            };
            writes.push(Write {
                key: self.keys.name(&Key::Decision(*by, *target)),
                value: decision.write(),
                lease,
                seen: desk.mirror.revision(*key),
            });
        }
        let written = self.connection.write(writes).await?;
        match &written {
            Written::Done { revision, .. } => {
                for entry in entries {
                    desk.mirror.told(entry, *revision, now);
                }
            }
            Written::Beaten(_) => {
                for lease in leases.into_values() {
                    // Nothing hangs on it, and it ends by itself.
                    let _ = self.connection.revoke(lease).await;
                }
            }
        }
        Ok(written)
    }

    /// Takes in what is there of these keys in truth.
    fn reread(&self, entries: &[Entry], there: &[KeyValue], desk: &mut Desk) {
        let now = Timestamp::now();
        for ((target, by), _) in entries {
            let name = self.keys.name(&Key::Decision(*by, *target));
            match there.iter().find(|pair| pair.key() == name.as_bytes()) {
                Some(pair) => desk.mirror.put(put_of(pair), now),
                None => desk.mirror.remove(name.as_bytes()),
            }
        }
    }

    /// Takes a lease, an earlier one if it still lives, and this node's name with it.
    pub(super) async fn settle(
        &mut self,
        earlier: Option<i64>,
        info: NodeInfo,
        desk: &mut Desk,
    ) -> Result<(), Failure> {
        self.lease = Some(self.connection.lease(earlier, LEASE_SECS).await?);
        self.kept_at = Instant::now();
        self.published = None;
        desk.publisher.lost();
        self.claim(info, desk).await
    }

    /// The id of the lease, for the next session.
    pub(super) fn lease_id(&self) -> Option<i64> {
        self.lease.as_ref().map(|lease| lease.id)
    }

    /// Whether `nodes/NAME` is as this node wrote it, and not long ago.
    pub(super) fn is_published(&self, desk: &Desk) -> bool {
        if self.anew_at <= Instant::now() {
            return false;
        }
        let held = desk.mirror.own();
        self.is_own && held.is_some_and(|held| Some(held.lease) == self.lease_id() && is_of(held, &desk.instance))
    }

    /// Writes what this node says of itself, unless another agent has its name.
    pub(super) async fn claim(&mut self, info: NodeInfo, desk: &mut Desk) -> Result<(), Failure> {
        let Some(lease) = self.lease_id() else { return Ok(()) };
        let name = self.keys.name(&Key::Node(self.node.clone()));
        for _ in 0..ROUNDS {
            let held = desk.mirror.own();
            if let Some(other) = held
                .and_then(|held| NodeInfo::read(&held.value).ok())
                .filter(|other| other.instance != info.instance)
            {
                self.is_own = false;
                self.leading = None;
                desk.namesake = Some(format!(
                    "another agent is called {} too (site {:?}, began {}): this one publishes nothing; give one of them another fleet.node",
                    self.node,
                    other.site,
                    say::instant(other.started)
                ));
                return Ok(());
            }
            let write = Write {
                key: name.clone(),
                value: info.write(),
                lease: Some(lease),
                seen: held.map_or(0, |held| held.revision),
            };
            match self.connection.write(vec![write.clone()]).await? {
                Written::Done { revision, .. } => {
                    let put = super::mirror::Put {
                        key: name.as_bytes(),
                        value: &write.value,
                        revision,
                        lease,
                    };
                    desk.mirror.put(put, Timestamp::now());
                    desk.namesake = None;
                    self.is_own = true;
                    self.published = Some(info);
                    self.anew_at = Instant::now() + pace::anew(chance());
                    return Ok(());
                }
                Written::Beaten(there) => match there.first() {
                    Some(pair) => desk.mirror.put(put_of(pair), Timestamp::now()),
                    None => desk.mirror.remove(name.as_bytes()),
                },
            }
        }
        Err(Failure::passing(format!("others write {name} all the time")))
    }

    /// Tells the others what arrives here, where there is something new to tell.
    pub(super) async fn report(&mut self, report: &Arc<Report>, desk: &mut Desk) -> Result<(), Failure> {
        let Some(lease) = self.lease_id().filter(|_| self.is_own) else {
            return Ok(());
        };
        let Some(due) = desk.publisher.due(report, Now::read().mono) else {
            return Ok(());
        };
        let value = match due {
            super::Write::Put(report) => Some(report.write()),
            super::Write::Delete => None,
        };
        let key = self.keys.name(&Key::Report(self.node.clone()));
        let written = self.connection.put(key, value, lease).await;
        match &written {
            Ok(revision) => desk.publisher.wrote(*revision),
            Err(_) => desk.publisher.failed(),
        }
        written.map(drop)
    }

    /// Whether something of it is not published yet.
    pub(super) fn is_news(&self, info: &NodeInfo) -> bool {
        self.published.as_ref().is_none_or(|known| {
            NodeInfo {
                clock: known.clock,
                ..info.clone()
            } != *known
        })
    }

    /// All nodes, by name, and what they report.
    pub(super) async fn nodes(&mut self) -> Result<Vec<Node>, Failure> {
        let (nodes, revision) = self.connection.range(self.keys.nodes(), 0).await?;
        let (reports, _) = self.connection.range(self.keys.reports(), revision).await?;
        let mut reports: BTreeMap<String, Report> = reports
            .iter()
            .filter_map(|pair| match self.keys.read(pair.key()) {
                Ok(Key::Report(name)) => Some((name, Report::read(pair.value()).ok()?)),
                _ => None,
            })
            .collect();
        let node = |pair: &KeyValue| {
            let Ok(Key::Node(name)) = self.keys.read(pair.key()) else {
                return None;
            };
            Some(Node {
                info: NodeInfo::read(pair.value()).ok()?,
                report: reports.remove(&name).unwrap_or_default(),
                name,
            })
        };
        Ok(nodes.iter().filter_map(node).collect())
    }

    /// Leaves: what hangs on the lease goes at once.
    pub(super) async fn leave(mut self) {
        if let Some(lease) = self.lease_id() {
            // If that fails, it goes a little later.
            let _ = tokio::time::timeout(Duration::from_secs(1), self.connection.revoke(lease)).await;
        }
    }
}

fn is_of(held: &Held, instance: &str) -> bool {
    NodeInfo::read(&held.value).is_ok_and(|info| info.instance == instance)
}

fn beaten(target: super::Target, winner: &super::Decision, told: usize, all: usize) -> Refusal {
    let part = if told == 0 {
        String::new()
    } else {
        format!(" ({told} of {all} changes were told to the fleet before that, and hold)")
    };
    Refusal::conflict(
        format!(
            "{target} was just decided by {} on {}: {} at {}{part}",
            winner.actor,
            winner.node,
            if winner.content.is_some() {
                "something else holds since"
            } else {
                "it was taken back"
            },
            say::instant(winner.at)
        ),
        "look at `agent fleet status` and decide again",
    )
}
