//! The node that adds up what all report.

use std::collections::BTreeSet;

use agent::{
    fleet::{Adder, Key, Keys, Report, Sums},
    tables::MonotonicNs,
};
use anyhow::{Context as _, Result, bail};
use etcd_client::{EventType, GetOptions, WatchOptions, WatchStream};

use super::session::{Session, bounded};

/// What it knows of the others.
pub(super) struct Leader {
    keys: Keys,
    watch: WatchStream,
    nodes: BTreeSet<String>,
    adder: Adder,
}

impl Leader {
    /// Reads what is there, and follows it.
    pub(super) async fn begin(session: &mut Session, keys: &Keys, before: &Sums) -> Result<Self> {
        let prefix = || Some(GetOptions::new().with_prefix());
        let mut nodes = bounded(session.client.get(keys.nodes(), prefix())).await?;
        let from = nodes.header().context("an answer without a header")?.revision() + 1;
        let at = GetOptions::new().with_prefix().with_revision(from - 1);
        let mut reports = bounded(session.client.get(keys.reports(), Some(at))).await?;
        let options = || {
            WatchOptions::new()
                .with_prefix()
                .with_start_revision(from)
                .with_fragment()
        };
        let mut watch = bounded(session.client.watch(keys.nodes(), Some(options()))).await?;
        bounded(watch.watch(keys.reports(), Some(options()))).await?;
        let mut leader = Self {
            keys: keys.clone(),
            watch,
            nodes: BTreeSet::new(),
            adder: Adder::after(before),
        };
        for pair in nodes.take_kvs().into_iter().chain(reports.take_kvs()) {
            leader.take(pair.key(), Some(pair.value()), pair.mod_revision());
        }
        Ok(leader)
    }

    /// Waits for changes, and takes them in; so many. Where there is no leader, nothing ever comes.
    pub(super) async fn follow(leader: &mut Option<Self>) -> Result<u64> {
        let Some(leader) = leader else {
            return std::future::pending().await;
        };
        let change = leader
            .watch
            .message()
            .await?
            .context("the watch of reports has ended")?;
        if change.canceled() {
            bail!("the watch of reports was cancelled: {}", change.cancel_reason());
        }
        for event in change.events() {
            if let Some(pair) = event.kv() {
                let value = (event.event_type() == EventType::Put).then(|| pair.value());
                leader.take(pair.key(), value, pair.mod_revision());
            }
        }
        Ok(change.events().len() as u64)
    }

    fn take(&mut self, key: &[u8], value: Option<&[u8]>, revision: i64) {
        match (self.keys.read(key), value) {
            (Ok(Key::Node(name)), Some(_)) => drop(self.nodes.insert(name)),
            (Ok(Key::Node(name)), None) => drop(self.nodes.remove(&name)),
            (Ok(Key::Report(name)), Some(value)) => {
                if let Ok(report) = Report::read(value) {
                    self.adder.put(&name, report, revision);
                }
            }
            (Ok(Key::Report(name)), None) => self.adder.remove(&name, revision),
            _ => {}
        }
    }

    /// The sums, if they are to be told now. `held` is what etcd holds.
    pub(super) fn due(&mut self, held: &Sums, now: MonotonicNs) -> Option<Sums> {
        self.adder.due(self.nodes.len(), held, now)
    }
}
