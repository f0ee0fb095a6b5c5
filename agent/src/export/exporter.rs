//! A snapshot as Prometheus metrics: written out anew at each scrape, so that nothing is kept twice.

use std::{fmt, sync::Arc};

use prometheus_client::{collector::Collector, encoding::DescriptorEncoder};
use tokio::sync::watch;

use super::{addresses, agent, attacks, fleet, groups, kernel, lists, traffic, upstream, writer::Writer};
use crate::snapshot::Snapshot;

/// Writes the latest snapshot.
#[derive(Debug)]
pub(super) struct Exporter {
    snapshots: watch::Receiver<Arc<Snapshot>>,
}

impl Exporter {
    pub(super) const fn new(snapshots: watch::Receiver<Arc<Snapshot>>) -> Self {
        Self { snapshots }
    }
}

impl Collector for Exporter {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let snapshot = Arc::clone(&self.snapshots.borrow());
        let mut out = Writer::new(encoder);
        traffic::packets(&mut out, &snapshot)?;
        traffic::senders(&mut out, &snapshot)?;
        addresses::addresses(&mut out, &snapshot)?;
        groups::groups(&mut out, &snapshot)?;
        attacks::attacks(&mut out, &snapshot)?;
        upstream::upstream(&mut out, &snapshot)?;
        fleet::fleet(&mut out, &snapshot)?;
        lists::lists(&mut out, &snapshot)?;
        kernel::kernel(&mut out, &snapshot)?;
        agent::agent(&mut out, &snapshot)
    }
}
