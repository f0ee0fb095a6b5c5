//! The node that adds up what all of them report: one at a time, for as long as its lease lives.

use std::collections::{BTreeMap, BTreeSet};

use etcd_client::WatchOptions;
use jiff::Timestamp;

use super::{
    Adder, Garbage, Key, Keys, Report, Sums,
    client::{Failure, Write, Written, bounded, put_of},
    clocks::Clocks,
    desk::Desk,
    mirror::{Put, named},
    session::Session,
};
use crate::clock::Now;

/// Nodes that are taken in.
const MOST_NODES: usize = 10_000;
/// Its watches, by number.
pub(super) const WATCHES: [i64; 2] = [101, 102];
/// Ignored keys that are remembered.
const MOST_IGNORED: usize = 1_000;

/// What the node that adds up knows.
#[derive(Debug, Default)]
pub(super) struct Leading {
    /// Who is there.
    nodes: BTreeSet<String>,
    /// What they report.
    reports: Adder,
    clocks: Clocks,
    ignored: BTreeMap<Vec<u8>, Garbage>,
}

impl Leading {
    /// A key was written.
    pub(super) fn put(&mut self, keys: &Keys, put: Put<'_>) {
        self.ignored.remove(put.key);
        let taken = match keys.read(put.key) {
            Ok(Key::Node(name)) if self.nodes.len() < MOST_NODES => {
                self.nodes.insert(name);
                super::NodeInfo::read(put.value).map(drop)
            }
            Ok(Key::Report(name)) => {
                self.reports.remove(&name, put.revision);
                match Report::read(put.value) {
                    Ok(report) if self.reports.count() < MOST_NODES => {
                        self.reports.put(&name, report, put.revision);
                        Ok(())
                    }
                    Ok(_) => Err(Garbage::new("there are too many reports")),
                    Err(garbage) => Err(garbage),
                }
            }
            Err(garbage) => Err(garbage),
            Ok(_) => Ok(()),
        };
        if let Err(garbage) = taken
            && self.ignored.len() < MOST_IGNORED
        {
            self.ignored.insert(put.key.to_vec(), garbage);
        }
    }

    /// A key is written in this moment: what a node says of its clock is compared with this one's.
    pub(super) fn compare_clock(&mut self, keys: &Keys, put: Put<'_>, now: Timestamp) {
        if let Ok(Key::Node(name)) = keys.read(put.key)
            && self.nodes.contains(&name)
            && let Ok(info) = super::NodeInfo::read(put.value)
        {
            self.clocks.put(&name, info.clock, now);
        }
    }

    /// Whose clock differs from this node's.
    pub(super) fn clocks(&self) -> Vec<String> {
        self.clocks.problems()
    }

    /// A key is gone since a revision.
    pub(super) fn remove(&mut self, keys: &Keys, key: &[u8], revision: i64) {
        self.ignored.remove(key);
        match keys.read(key) {
            Ok(Key::Node(name)) => {
                self.nodes.remove(&name);
                self.clocks.remove(&name);
            }
            Ok(Key::Report(name)) => self.reports.remove(&name, revision),
            Ok(_) | Err(_) => {}
        }
    }

    /// What is ignored of it.
    pub(super) fn garbage(&self) -> Vec<String> {
        named(&self.ignored)
    }

    /// What is to be written now, if anything.
    fn due(&mut self, held: &Sums, now: Now) -> Option<Sums> {
        self.reports.due(self.nodes.len(), held, now.mono)
    }
}

impl Session {
    /// Becomes the node that adds up if there is none, and stops where another one is.
    pub(super) async fn lead(&mut self, desk: &mut Desk) -> Result<(), Failure> {
        let Some(lease) = self.lease_id() else { return Ok(()) };
        let held = desk.mirror.leader();
        let is_mine = held.is_some_and(|held| held.lease == lease);
        if !is_mine && self.leading.take().is_some() {
            for id in WATCHES {
                bounded(self.watch.cancel(id)).await?;
            }
        }
        if !self.is_own || self.leading.is_some() {
            return Ok(());
        }
        // An earlier run of this agent may have left its name, on a lease that has not ended yet.
        let is_left = desk.mirror.leader_name().as_deref() == Some(&*self.node);
        let may_be = is_mine || is_left || held.is_none();
        if !may_be || !(is_mine || self.write_leader(lease, desk).await?) {
            return Ok(());
        }
        let mut leading = Leading {
            reports: Adder::after(desk.mirror.sums()),
            ..Leading::default()
        };
        let (nodes, revision) = self.connection.range(self.keys.nodes(), 0).await?;
        let (reports, _) = self.connection.range(self.keys.reports(), revision).await?;
        for pair in nodes.iter().chain(&reports) {
            leading.put(&self.keys, put_of(pair));
        }
        self.leading = Some(leading);
        for (id, prefix) in WATCHES.into_iter().zip([self.keys.nodes(), self.keys.reports()]) {
            let options = WatchOptions::new()
                .with_start_revision(revision + 1)
                .with_prefix()
                .with_fragment()
                .with_watch_id(id);
            bounded(self.watch.watch(prefix, Some(options))).await?;
        }
        Ok(())
    }

    async fn write_leader(&mut self, lease: i64, desk: &mut Desk) -> Result<bool, Failure> {
        let key = self.keys.name(&Key::Leader);
        let write = Write {
            key: key.clone(),
            value: self.node.clone().into_bytes(),
            lease: Some(lease),
            seen: desk.mirror.leader().map_or(0, |held| held.revision),
        };
        let now = Timestamp::now();
        match self.connection.write(vec![write]).await? {
            Written::Done { revision, .. } => {
                let value = self.node.as_bytes();
                desk.mirror.put(
                    Put {
                        key: key.as_bytes(),
                        value,
                        revision,
                        lease,
                    },
                    now,
                );
                Ok(true)
            }
            // Who was faster is told by the watch, too.
            Written::Beaten(_) => Ok(false),
        }
    }

    /// Writes what the reports come to, where that has changed.
    pub(super) async fn add_up(&mut self, desk: &Desk) -> Result<(), Failure> {
        let Some(lease) = self.lease_id() else { return Ok(()) };
        let Some(leading) = self.leading.as_mut() else {
            return Ok(());
        };
        let Some(sums) = leading.due(desk.mirror.sums(), Now::read()) else {
            return Ok(());
        };
        // With the lease: sums of a node that is gone are old.
        let written = self
            .connection
            .put(self.keys.name(&Key::Sums), Some(sums.write()), lease);
        written.await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{fleet::Pressure, ladder::Rung};

    fn report(unproven: f64) -> Report {
        Report {
            pressures: vec![Pressure {
                address: "203.0.113.7".parse().expect("address"),
                unproven,
                syn: unproven,
                threshold: 100.0,
                rung: Rung::Observe,
                attacked: false,
            }],
        }
    }

    fn put(leading: &mut Leading, key: &str, value: &[u8]) {
        let put = Put {
            key: key.as_bytes(),
            value,
            revision: 1,
            lease: 1,
        };
        leading.put(&Keys::under("/levee/"), put);
    }

    fn sums(leading: &Leading) -> Vec<crate::fleet::Sum> {
        leading.reports.sums(leading.nodes.len()).sums
    }

    #[test]
    fn reports_of_all_are_added_and_garbage_counts_for_nothing() {
        let mut leading = Leading::default();
        put(&mut leading, "/levee/reports/lb1", &report(30.0).write());
        put(&mut leading, "/levee/reports/lb2", &report(50.0).write());
        put(&mut leading, "/levee/reports/lb3", b"{}}");
        assert_eq!(sums(&leading)[0].unproven.to_bits(), 80.0f64.to_bits());
        assert_eq!(leading.garbage().len(), 1);
        put(&mut leading, "/levee/reports/lb2", b"nonsense");
        assert_eq!(
            sums(&leading)[0].nodes,
            1,
            "what was said before does not count for what is said now"
        );
        leading.remove(&Keys::under("/levee/"), b"/levee/reports/lb1", 2);
        leading.remove(&Keys::under("/levee/"), b"/levee/reports/lb2", 3);
        assert!(sums(&leading).is_empty());
        assert_eq!(leading.garbage().len(), 1);
    }
}
