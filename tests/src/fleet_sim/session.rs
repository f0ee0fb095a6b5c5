//! A node's session with etcd, as an agent has it: one connection, one lease, one stream of watches.

use std::time::{Duration, Instant};

use agent::fleet::{By, Decision, Key, Keys, Sums, Target, Write};
use anyhow::{Context as _, Result, bail};
use etcd_client::{
    Client, Compare, CompareOp, ConnectOptions, EventType, GetOptions, KeyValue, LeaseKeepAliveStream, LeaseKeeper,
    PutOptions, ResponseHeader, Txn, TxnOp, TxnOpResponse, WatchOptions, WatchResponse, WatchStream,
};
use tokio::time::timeout;

/// Every call has an end, and so has connecting.
const CALL: Duration = Duration::from_secs(2);
const CONNECT: Duration = Duration::from_secs(1);
/// Whoever says nothing for so long is gone: where the watch answers, and where only the lease does.
const SILENCE: Duration = Duration::from_secs(3);
const PATIENCE: Duration = Duration::from_secs(9);

/// What a node is told.
#[derive(Debug)]
pub(super) enum Told {
    /// A decision.
    Decision((Target, By), Box<Decision>),
    /// Sums.
    Sums(Sums),
    /// There is no leader any more.
    NoLeader,
}

/// A session.
pub(super) struct Session {
    pub(super) client: Client,
    lease: i64,
    keeper: LeaseKeeper,
    pub(super) acks: LeaseKeepAliveStream,
    pub(super) watch: WatchStream,
    /// When etcd was last heard of.
    pub(super) heard: Instant,
}

impl Session {
    /// Connects, reads what a node follows, watches it, and says who is there: call by call as an agent does.
    pub(super) async fn open(
        endpoint: &str,
        keys: &Keys,
        name: &str,
        lease: i64,
        info: Vec<u8>,
    ) -> Result<(Self, Vec<Told>)> {
        let options = ConnectOptions::new()
            .with_connect_timeout(CONNECT)
            .with_require_leader(true);
        let mut client = bounded(Client::connect([endpoint], Some(options))).await?;
        bounded(client.get(keys.name(&Key::Format), None)).await?;
        let own = keys.name(&Key::Node(name.to_owned()));
        let (held, revision) = read(&mut client, keys).await?;
        let watch = follow(&mut client, keys, own.clone(), revision + 1).await?;
        let lease = bounded(client.lease_grant(lease, None)).await?.id();
        let (keeper, acks) = bounded(client.lease_keep_alive(lease)).await?;
        let claim = TxnOp::put(own, info, Some(PutOptions::new().with_lease(lease)));
        bounded(client.txn(Txn::new().and_then([claim]))).await?;
        let mut told: Vec<Told> = held.iter().filter_map(|pair| put(keys, pair)).collect();
        let has_leader = |pair: &KeyValue| keys.read(pair.key()) == Ok(Key::Leader);
        if !held.iter().any(has_leader) {
            told.push(Told::NoLeader);
        }
        let session = Self {
            client,
            lease,
            keeper,
            acks,
            watch,
            heard: Instant::now(),
        };
        Ok((session, told))
    }

    /// Asks etcd for a sign of life on the watch, where it `answers`.
    ///
    /// # Errors
    /// There was none for long.
    pub(super) async fn beat(&mut self, answers: bool) -> Result<()> {
        let patience = if answers { SILENCE } else { PATIENCE };
        if self.heard.elapsed() > patience {
            bail!("no word from etcd for {:?}", self.heard.elapsed());
        }
        if answers {
            bounded(self.watch.request_progress()).await?;
        }
        Ok(())
    }

    /// Keeps the lease alive.
    pub(super) async fn keep(&mut self) -> Result<()> {
        bounded(self.keeper.keep_alive()).await
    }

    /// Becomes the leader, unless there is one.
    pub(super) async fn lead(&mut self, keys: &Keys, name: &str) -> Result<bool> {
        let key = keys.name(&Key::Leader);
        let put = TxnOp::put(key.clone(), name, Some(PutOptions::new().with_lease(self.lease)));
        let txn = Txn::new()
            .when([Compare::create_revision(key, CompareOp::Equal, 0)])
            .and_then([put]);
        Ok(bounded(self.client.txn(txn)).await?.succeeded())
    }

    /// Writes what this node sees or, if it is nothing, deletes it; since which revision it holds.
    pub(super) async fn report(&mut self, keys: &Keys, name: &str, write: &Write) -> Result<i64> {
        let key = keys.name(&Key::Report(name.to_owned()));
        match write {
            Write::Put(report) => self.write(key, report.write()).await,
            Write::Delete => {
                let deleted = bounded(self.client.delete(key, None)).await?;
                Ok(deleted.header().map_or(0, ResponseHeader::revision))
            }
        }
    }

    /// Writes what goes with this node; since which revision it holds.
    pub(super) async fn write(&mut self, key: String, value: Vec<u8>) -> Result<i64> {
        let options = PutOptions::new().with_lease(self.lease);
        let written = bounded(self.client.put(key, value, Some(options))).await?;
        Ok(written.header().map_or(0, ResponseHeader::revision))
    }

    /// Ends the lease, and with it what this node has written.
    pub(super) async fn close(mut self) -> Result<()> {
        bounded(self.client.lease_revoke(self.lease)).await.map(drop)
    }
}

/// Waits for an answer, but not for ever.
pub(super) async fn bounded<T>(call: impl Future<Output = Result<T, etcd_client::Error>>) -> Result<T> {
    let answer = timeout(CALL, call).await.context("no answer in time")?;
    Ok(answer?)
}

/// What a node follows, as it was at one instant.
async fn read(client: &mut Client, keys: &Keys) -> Result<(Vec<KeyValue>, i64)> {
    let prefix = GetOptions::new().with_prefix();
    let txn = Txn::new().and_then([
        TxnOp::get(keys.name(&Key::Sums), None),
        TxnOp::get(keys.name(&Key::Leader), None),
        TxnOp::get(keys.decisions(), Some(prefix)),
    ]);
    let answer = bounded(client.txn(txn)).await?;
    let revision = answer.header().context("an answer without a header")?.revision();
    let held = answer.op_responses().into_iter().flat_map(|answer| match answer {
        TxnOpResponse::Get(mut found) => found.take_kvs(),
        TxnOpResponse::Put(_) | TxnOpResponse::Delete(_) | TxnOpResponse::Txn(_) => Vec::new(),
    });
    Ok((held.collect(), revision))
}

/// Watches what a node follows: one stream for all of it.
async fn follow(client: &mut Client, keys: &Keys, own: String, from: i64) -> Result<WatchStream> {
    let options = || WatchOptions::new().with_start_revision(from).with_fragment();
    let mut stream = bounded(client.watch(keys.decisions(), Some(options().with_prefix()))).await?;
    let others = [Key::Sums, Key::Leader, Key::Format].map(|key| keys.name(&key));
    for key in others.into_iter().chain([own]) {
        bounded(stream.watch(key, Some(options()))).await?;
    }
    Ok(stream)
}

/// What a change of keys tells a node.
///
/// # Errors
/// The watch was cancelled.
pub(super) fn told(keys: &Keys, response: &WatchResponse) -> Result<Vec<Told>> {
    if response.canceled() {
        bail!("the watch was cancelled: {}", response.cancel_reason());
    }
    let told = response.events().iter().filter_map(|event| {
        let pair = event.kv()?;
        match (event.event_type(), keys.read(pair.key())) {
            (EventType::Put, _) => put(keys, pair),
            (EventType::Delete, Ok(Key::Leader)) => Some(Told::NoLeader),
            (EventType::Delete, _) => None,
        }
    });
    Ok(told.collect())
}

fn put(keys: &Keys, pair: &KeyValue) -> Option<Told> {
    match keys.read(pair.key()).ok()? {
        Key::Decision(by, target) => {
            let decision = Decision::read(&target, pair.value()).ok()?;
            Some(Told::Decision((target, by), Box::new(decision)))
        }
        Key::Sums => Some(Told::Sums(Sums::read(pair.value()).ok()?)),
        Key::Format | Key::Node(_) | Key::Report(_) | Key::Leader => None,
    }
}
