//! What a node says of itself, out of a snapshot.

use std::sync::Arc;

use ipnet::IpNet;

use super::{ListVersion, NodeInfo, node::MOST_NAMED};
use crate::{
    clock::Now, config::Config, config::fleet::FleetPolicy, feeds::state::ListState, snapshot::Snapshot, tables::Mode,
};

/// What it depends on: looked at with every snapshot, while the rest is only made when this differs.
#[derive(Debug)]
pub(super) struct Basis {
    config: Arc<Config>,
    lists: Arc<Vec<ListState>>,
    mode: Mode,
}

impl Basis {
    pub(super) fn of(snapshot: &Snapshot) -> Self {
        Self {
            config: Arc::clone(&snapshot.config),
            lists: Arc::clone(&snapshot.lists),
            mode: snapshot.kernel.settings.mode,
        }
    }

    /// Whether a snapshot says the same.
    pub(super) fn is_of(&self, snapshot: &Snapshot) -> bool {
        Arc::ptr_eq(&self.config, &snapshot.config)
            && Arc::ptr_eq(&self.lists, &snapshot.lists)
            && self.mode == snapshot.kernel.settings.mode
    }
}

/// What a node says of itself.
pub(super) fn info(snapshot: &Snapshot, policy: &FleetPolicy, instance: &str) -> NodeInfo {
    let addresses: Vec<IpNet> = snapshot
        .config
        .protected
        .keys()
        .map(|address| IpNet::from(*address))
        .collect();
    let mut protects = IpNet::aggregate(&addresses);
    protects.sort_unstable();
    protects.truncate(MOST_NAMED);
    let lists = snapshot.lists.iter().filter(|list| list.read.is_some());
    NodeInfo {
        instance: instance.to_owned(),
        site: policy.section.site.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started: snapshot.started,
        clock: Now::read().wall,
        mode: snapshot.kernel.settings.mode,
        addresses: addresses.len(),
        protects,
        lists: lists.take(MOST_NAMED).map(version).collect(),
    }
}

fn version(list: &ListState) -> ListVersion {
    ListVersion {
        name: list.name.clone(),
        prefixes: list.v4 + list.v6,
        digest: list.digest.clone(),
    }
}
