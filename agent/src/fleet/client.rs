//! One connection to one etcd, with an end to every call: which calls a fleet makes, and what their errors mean to people.

use std::{error::Error as _, fs, path::Path, time::Duration};

use etcd_client::{
    Certificate, Client, Compare, CompareOp, ConnectOptions, Error, GetOptions, GetResponse, Identity, KeyValue,
    KvClient, LeaseKeepAliveStream, LeaseKeeper, PutOptions, ResponseHeader, TlsOptions, Txn, TxnOp, TxnOpResponse,
    WatchOptions, WatchStream,
};

use super::{Key, Keys, MOST_DECISIONS, mirror::Put};
use crate::config::fleet::FleetPolicy;

/// Time for a connection to come about.
const CONNECT: Duration = Duration::from_secs(1);
/// Time for every call.
const CALL: Duration = Duration::from_secs(2);
/// Keys of one page of an answer.
const PAGE: i64 = 1_000;
/// Keys that are read at most: whoever writes more by mistake fills no memory.
const MOST_KEYS: usize = 2 * MOST_DECISIONS + 1_000;
/// The largest answer, bytes.
const LARGEST: usize = 32 * 1024 * 1024;
/// What the format's key holds.
const FORMAT: &str = r#"{"levee":1}"#;
/// gRPC's codes (grpc.io, "Status codes and their use in gRPC").
const CANCELLED: i32 = 1;
const UNKNOWN: i32 = 2;
const DEADLINE_EXCEEDED: i32 = 4;
const UNAVAILABLE: i32 = 14;

/// Why there is no way to etcd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    /// In a sentence.
    pub(super) why: String,
    /// It is worth trying again soon: nobody answered. What was refused is refused again.
    pub(super) is_passing: bool,
}

impl Failure {
    /// What passes by itself.
    pub(super) fn passing(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            is_passing: true,
        }
    }

    /// What somebody has to put right.
    pub(super) fn lasting(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            is_passing: false,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let Error::GRpcStatus(status) = &error else {
            return Self::lasting(error.to_string());
        };
        let mut why = status.message().to_owned();
        let mut source = status.source();
        while let Some(cause) = source {
            let text = cause.to_string();
            if !why.contains(&text) {
                why = format!("{why}: {text}");
            }
            source = cause.source();
        }
        let is_tls = ["certificate", "handshake", "alert", "InvalidContentType"]
            .iter()
            .any(|word| why.contains(word));
        let code = i32::from(status.code());
        Self {
            is_passing: matches!(code, CANCELLED | UNKNOWN | DEADLINE_EXCEEDED | UNAVAILABLE) && !is_tls,
            why: helped(why),
        }
    }
}

/// Says what to do, where it is known.
fn helped(why: String) -> String {
    let help = [
        (
            "database space exceeded",
            "etcd's store is full: compact and defragment it, then `etcdctl alarm disarm`",
        ),
        ("invalid user ID or password", "look at fleet.user and fleet.password"),
        (
            "permission denied",
            "give fleet.user a role that may read and write everything under fleet.prefix",
        ),
        (
            "user name is empty",
            "etcd asks for a user: write fleet.user and fleet.password",
        ),
        ("UnknownIssuer", "look at fleet.ca"),
        (
            "not valid for name",
            "the certificate is for another name than fleet.endpoints says",
        ),
        (
            "CertificateRequired",
            "etcd asks for a certificate: write fleet.cert and fleet.key",
        ),
        (
            "BadCertificate",
            "etcd wants another certificate, or none was given: look at fleet.cert and fleet.key",
        ),
        ("UnknownCA", "etcd does not trust the certificate in fleet.cert"),
        (
            "InvalidContentType",
            "that etcd speaks no TLS: write http://, or give it a certificate",
        ),
    ];
    match help.iter().find(|(part, _)| why.contains(part)) {
        Some((_, help)) => format!("{why}; {help}"),
        None => why,
    }
}

/// Waits for an answer, but not for ever.
pub(super) async fn bounded<T>(call: impl Future<Output = Result<T, Error>>) -> Result<T, Failure> {
    match tokio::time::timeout(CALL, call).await {
        Ok(answer) => answer.map_err(Failure::from),
        Err(_) => Err(Failure::passing(format!("no answer within {} s", CALL.as_secs()))),
    }
}

/// Everything that etcd holds for a node to follow, at one instant.
#[derive(Debug)]
pub(super) struct Everything {
    /// That instant.
    pub(super) revision: i64,
    held: Vec<KeyValue>,
}

impl Everything {
    pub(super) fn puts(&self) -> impl Iterator<Item = Put<'_>> {
        self.held.iter().map(put_of)
    }
}

/// A key as etcd tells it.
pub(super) fn put_of(pair: &KeyValue) -> Put<'_> {
    Put {
        key: pair.key(),
        value: pair.value(),
        revision: pair.mod_revision(),
        lease: pair.lease(),
    }
}

/// What became of a write that says what it saw before.
#[derive(Debug)]
pub(super) enum Written {
    /// It holds, since this revision; besides what was asked for with it.
    Done { revision: i64, counted: i64 },
    /// Somebody else was faster: what is there of the keys now.
    Beaten(Vec<KeyValue>),
}

/// A connection.
pub(super) struct Connection {
    client: Client,
    kv: KvClient,
    keys: Keys,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}

impl Connection {
    /// To one endpoint; certificates and password are read now, so that new ones hold from the next connection on.
    pub(super) async fn open(policy: &FleetPolicy, endpoint: &str) -> Result<Self, Failure> {
        let mut options = ConnectOptions::new()
            .with_connect_timeout(CONNECT)
            .with_require_leader(true)
            .with_auto_token_refresh(true);
        let section = &policy.section;
        if endpoint.starts_with("https://") {
            options = options.with_tls(tls(policy)?);
        }
        if let (Some(user), Some(password)) = (&section.user, &section.password) {
            options = options.with_user(user, password.read().map_err(Failure::lasting)?);
        }
        let at = |failure: Failure| Failure {
            why: format!("{endpoint}: {}", failure.why),
            ..failure
        };
        let client = bounded(Client::connect([endpoint], Some(options))).await.map_err(at)?;
        let kv = client.kv_client().max_decoding_message_size(LARGEST);
        let mut connection = Self {
            client,
            kv,
            keys: Keys::under(&section.prefix),
        };
        // Only the first call connects.
        connection.mark().await.map_err(at)?;
        Ok(connection)
    }

    /// Makes sure that the prefix is a fleet's: an empty one becomes one, any other is left alone.
    pub(super) async fn mark(&mut self) -> Result<(), Failure> {
        let name = self.keys.name(&Key::Format);
        let read = bounded(self.kv.get(name.clone(), None)).await?;
        if let Some(pair) = read.kvs().first() {
            return self.check(pair.value());
        }
        let prefix = self.keys.all();
        let first = GetOptions::new().with_prefix().with_limit(1).with_keys_only();
        let txn = Txn::new()
            .when([Compare::create_revision(prefix, CompareOp::Equal, 0).with_prefix()])
            .and_then([TxnOp::put(name.clone(), FORMAT, None)])
            .or_else([TxnOp::get(name, None), TxnOp::get(prefix, Some(first))]);
        let answer = bounded(self.kv.txn(txn)).await?;
        if answer.succeeded() {
            return Ok(());
        }
        let found: Vec<GetResponse> = gets(answer.op_responses());
        let pair = |n: usize| found.get(n).and_then(|found: &GetResponse| found.kvs().first());
        match (pair(0), pair(1)) {
            (Some(marker), _) => self.check(marker.value()),
            (None, other) => Err(Failure::lasting(format!(
                "the prefix {prefix} holds something that is not a fleet's ({}): write another fleet.prefix",
                other.map_or_else(String::new, |pair| super::Garbage::new(String::from_utf8_lossy(
                    pair.key()
                ))
                .to_string())
            ))),
        }
    }

    fn check(&self, marker: &[u8]) -> Result<(), Failure> {
        let read: Option<serde_json::Value> = serde_json::from_slice(marker).ok();
        if read.is_some_and(|marker| marker["levee"] == 1) {
            return Ok(());
        }
        Err(Failure::lasting(format!(
            "{}format does not hold {FORMAT}: another version's, or not a fleet's; write another fleet.prefix",
            self.keys.all()
        )))
    }

    /// Reads everything that a node follows, as it was at one instant.
    pub(super) async fn read(&mut self, node: &str) -> Result<Everything, Failure> {
        let name = |key: Key| self.keys.name(&key);
        let single = [name(Key::Sums), name(Key::Leader), name(Key::Node(node.to_owned()))];
        let txn = Txn::new().and_then(single.map(|name| TxnOp::get(name, None)));
        let answer = bounded(self.kv.txn(txn)).await?;
        let revision = answer.header().map_or(0, ResponseHeader::revision);
        let mut held: Vec<KeyValue> = Vec::new();
        for mut found in gets(answer.op_responses()) {
            held.append(&mut found.take_kvs());
        }
        held.append(&mut self.range(self.keys.decisions(), revision).await?.0);
        Ok(Everything { revision, held })
    }

    /// All keys under a prefix at one revision (0: now), in pages; and that revision.
    pub(super) async fn range(&mut self, prefix: String, revision: i64) -> Result<(Vec<KeyValue>, i64), Failure> {
        let end = after_prefix(&prefix);
        let (mut from, mut revision) = (prefix.into_bytes(), revision);
        let mut page = PAGE;
        let mut held: Vec<KeyValue> = Vec::new();
        loop {
            let options = GetOptions::new()
                .with_range(end.clone())
                .with_limit(page)
                .with_revision(revision);
            let mut answer = match bounded(self.kv.get(from.clone(), Some(options))).await {
                // Values are larger than they should be: fewer of them at once.
                Err(failure) if failure.why.contains("message length too large") && page > 1 => {
                    page = (page / 8).max(1);
                    continue;
                }
                answer => answer?,
            };
            if revision == 0 {
                revision = answer.header().map_or(0, ResponseHeader::revision);
            }
            let more = answer.more();
            held.append(&mut answer.take_kvs());
            let Some(last) = held.last().filter(|_| more && held.len() < MOST_KEYS) else {
                return Ok((held, revision));
            };
            from = [last.key(), &[0]].concat();
        }
    }

    /// Watches what a node follows, from a revision on.
    pub(super) async fn watch(&mut self, node: &str, from: i64) -> Result<WatchStream, Failure> {
        let options = || WatchOptions::new().with_start_revision(from).with_fragment();
        let decisions = self.keys.decisions();
        let mut client = self.client.watch_client().max_decoding_message_size(LARGEST);
        let mut stream = bounded(client.watch(decisions, Some(options().with_prefix()))).await?;
        for key in [Key::Sums, Key::Leader, Key::Node(node.to_owned()), Key::Format] {
            bounded(stream.watch(self.keys.name(&key), Some(options()))).await?;
        }
        Ok(stream)
    }

    /// A lease, with its keeper; an earlier one as long as it lives.
    pub(super) async fn lease(&mut self, earlier: Option<i64>, seconds: i64) -> Result<Lease, Failure> {
        let id = match earlier {
            Some(id) => id,
            None => self.grant(seconds).await?,
        };
        match tokio::time::timeout(CALL, self.client.lease_keep_alive(id)).await {
            Ok(Ok((keeper, acks))) => Ok(Lease { id, keeper, acks }),
            Ok(Err(Error::LeaseKeepAliveError(_))) if earlier.is_some() => Box::pin(self.lease(None, seconds)).await,
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(Failure::passing("the lease is not kept alive in time")),
        }
    }

    /// A lease that nobody keeps alive.
    pub(super) async fn grant(&mut self, seconds: i64) -> Result<i64, Failure> {
        Ok(bounded(self.client.lease_grant(seconds, None)).await?.id())
    }

    /// Ends a lease, and what hangs on it.
    pub(super) async fn revoke(&mut self, lease: i64) -> Result<(), Failure> {
        bounded(self.client.lease_revoke(lease)).await.map(drop)
    }

    /// Writes keys if none of them has changed since the revisions that are named; counts nodes on the way.
    pub(super) async fn write(&mut self, puts: Vec<Write>) -> Result<Written, Failure> {
        let seen = |put: &Write| Compare::mod_revision(put.key.clone(), CompareOp::Equal, put.seen);
        let compares: Vec<Compare> = puts.iter().map(seen).collect();
        let look: Vec<TxnOp> = puts.iter().map(|put| TxnOp::get(put.key.clone(), None)).collect();
        let count = GetOptions::new().with_prefix().with_count_only();
        let write = |put: Write| {
            let options = put.lease.map(|lease| PutOptions::new().with_lease(lease));
            TxnOp::put(put.key, put.value, options)
        };
        let mut writes: Vec<TxnOp> = puts.into_iter().map(write).collect();
        writes.push(TxnOp::get(self.keys.nodes(), Some(count)));
        let txn = Txn::new().when(compares).and_then(writes).or_else(look);
        let answer = bounded(self.kv.txn(txn)).await?;
        let revision = answer.header().map_or(0, ResponseHeader::revision);
        let found = gets(answer.op_responses());
        if answer.succeeded() {
            let counted = found.first().map_or(0, GetResponse::count);
            return Ok(Written::Done { revision, counted });
        }
        let there = found.into_iter().flat_map(|mut found| found.take_kvs());
        Ok(Written::Beaten(there.collect()))
    }

    /// Writes a key, or deletes it; gives the revision since which that is so.
    pub(super) async fn put(&mut self, key: String, value: Option<Vec<u8>>, lease: i64) -> Result<i64, Failure> {
        let revision = |header: Option<&ResponseHeader>| header.map_or(i64::MAX, ResponseHeader::revision);
        match value {
            Some(value) => {
                let options = PutOptions::new().with_lease(lease);
                let answer = bounded(self.kv.put(key, value, Some(options))).await?;
                Ok(revision(answer.header()))
            }
            None => {
                let answer = bounded(self.kv.delete(key, None)).await?;
                Ok(revision(answer.header()))
            }
        }
    }
}

/// One key to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Write {
    pub(super) key: String,
    pub(super) value: Vec<u8>,
    pub(super) lease: Option<i64>,
    /// The revision of what is there, as far as is known; 0 where there is nothing.
    pub(super) seen: i64,
}

/// A lease that is kept alive.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) id: i64,
    pub(super) keeper: LeaseKeeper,
    pub(super) acks: LeaseKeepAliveStream,
}

fn gets(answers: Vec<TxnOpResponse>) -> Vec<GetResponse> {
    let get = |answer| match answer {
        TxnOpResponse::Get(found) => Some(found),
        TxnOpResponse::Put(_) | TxnOpResponse::Delete(_) | TxnOpResponse::Txn(_) => None,
    };
    answers.into_iter().filter_map(get).collect()
}

/// The first key behind all that begin with a prefix, which ends with `/`.
fn after_prefix(prefix: &str) -> Vec<u8> {
    let mut end = prefix.as_bytes().to_vec();
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    end
}

fn tls(policy: &FleetPolicy) -> Result<TlsOptions, Failure> {
    let section = &policy.section;
    let read = |key: &str, path: &Path| {
        fs::read(path).map_err(|error| Failure::lasting(format!("{key}: cannot read {}: {error}", path.display())))
    };
    let mut tls = TlsOptions::new();
    tls = match &section.ca {
        Some(ca) => tls.ca_certificate(Certificate::from_pem(read("fleet.ca", ca)?)),
        None => tls.with_enabled_roots(),
    };
    if let (Some(cert), Some(key)) = (&section.cert, &section.key) {
        tls = tls.identity(Identity::from_pem(read("fleet.cert", cert)?, read("fleet.key", key)?));
    }
    Ok(tls)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_end_behind_the_prefix() {
        assert_eq!(after_prefix("/levee/nodes/"), b"/levee/nodes0");
    }

    #[test]
    fn what_can_be_done_is_said() {
        let said = helped("etcdserver: mvcc: database space exceeded".to_owned());
        assert!(said.contains("alarm disarm"), "{said}");
        assert_eq!(helped("no leader".to_owned()), "no leader");
    }
}
