//! How things stand with the fleet.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::{
    control::api::{DecisionView, FleetTopView, FleetView, LinkView, NodeView, QueuedView, SumView},
    fleet::{By, Decision, FleetState, Link, ListVersion, Node, Target, is_from_fleet, origin_of},
    snapshot::Snapshot,
};

/// How this node stands, and what holds for all.
#[must_use]
pub fn fleet(snapshot: &Snapshot) -> FleetView {
    let Some(policy) = &snapshot.config.fleet else {
        return FleetView::default();
    };
    let state = &snapshot.fleet;
    let (since, why) = match &state.link {
        Link::Up { since } => (Some(*since), None),
        Link::Down { since, why } => (Some(*since), Some(why.clone())),
        Link::Off | Link::Connecting => (None, None),
    };
    let queued = state.queued.iter().map(|queued| QueuedView {
        about: queued.target.words(),
        by: queued.by,
        at: queued.at,
    });
    let problems = state.problems.iter().chain(&snapshot.not_here);
    FleetView {
        node: Some(policy.node.clone()),
        prefix: policy.section.prefix.clone(),
        link: link(&state.link),
        since,
        why,
        leader: state.leader.clone(),
        nodes: state.sums.nodes,
        decisions: decisions(snapshot),
        queued: queued.collect(),
        garbage: state.garbage.clone(),
        problems: problems.cloned().collect(),
    }
}

/// The way to etcd; while nothing was heard of the task yet it is being tried.
pub(super) const fn link(link: &Link) -> LinkView {
    match link {
        Link::Off | Link::Connecting => LinkView::Connecting,
        Link::Up { .. } => LinkView::Up,
        Link::Down { .. } => LinkView::Down,
    }
}

/// What holds for all nodes.
fn decisions(snapshot: &Snapshot) -> Vec<DecisionView> {
    let (board, now) = (&snapshot.fleet.board, snapshot.now.wall);
    let standing = board.targets().filter_map(|target| {
        let (by, decision) = board.standing(target, now)?;
        let holds = decision.content.as_ref()?.words();
        Some((target, by, decision, holds))
    });
    standing
        .map(|(target, by, decision, holds)| DecisionView {
            kind: target.kind().to_owned(),
            about: target.about(),
            holds,
            by,
            actor: decision.actor.clone(),
            node: decision.node.clone(),
            reason: decision.reason.clone(),
            at: decision.at,
            until: decision.until,
            here: is_here(snapshot, target, decision),
        })
        .collect()
}

fn is_here(snapshot: &Snapshot, target: Target, decision: &Decision) -> bool {
    origin_of(&snapshot.overrides, target).is_some_and(|origin| is_from_fleet(origin) && origin.since == decision.at)
}

/// How many decisions stand, by kind and by whom.
#[must_use]
pub fn decisions_by_kind(state: &FleetState, now: Timestamp) -> BTreeMap<(&'static str, By), u32> {
    let mut kinds = BTreeMap::new();
    let standing = state.board.targets().filter_map(|target| {
        let (by, decision) = state.board.standing(target, now)?;
        decision.content.map(|_| (target.kind(), by))
    });
    for key in standing {
        *kinds.entry(key).or_insert(0) += 1;
    }
    kinds
}

/// All nodes. Of each list the version that most nodes have is the one that the others differ from.
#[must_use]
pub fn nodes(nodes: &[Node], snapshot: &Snapshot) -> Vec<NodeView> {
    let mut versions: BTreeMap<&str, BTreeMap<&ListVersion, usize>> = BTreeMap::new();
    for list in nodes.iter().flat_map(|node| &node.info.lists) {
        *versions.entry(&list.name).or_default().entry(list).or_default() += 1;
    }
    let common: BTreeMap<&str, &ListVersion> = versions
        .into_iter()
        .filter_map(|(name, counted)| {
            let (version, _) = counted.into_iter().max_by_key(|(_, count)| *count)?;
            Some((name, version))
        })
        .collect();
    let view = |node: &Node| {
        let has = |name: &str| node.info.lists.iter().find(|list| list.name == name);
        let differs =
            |(name, version): (&&str, &&ListVersion)| (has(name) != Some(*version)).then(|| (*name).to_owned());
        NodeView {
            node: node.name.clone(),
            this: Some(&node.name) == snapshot.fleet.node.as_ref(),
            leader: Some(&node.name) == snapshot.fleet.leader.as_ref(),
            site: node.info.site.clone(),
            version: node.info.version.clone(),
            started: node.info.started,
            mode: node.info.mode,
            addresses: node.info.addresses,
            lists: node.info.lists.clone(),
            lists_differ: common.iter().filter_map(differs).collect(),
            reports: node.report.pressures.len(),
            unproven: node.report.pressures.iter().fold(0.0, |sum, one| sum + one.unproven),
        }
    };
    nodes.iter().map(view).collect()
}

/// What arrives at all nodes, the most attacked address first.
#[must_use]
pub fn fleet_top(snapshot: &Snapshot) -> FleetTopView {
    let state = &snapshot.fleet;
    if snapshot.config.fleet.is_none() {
        return FleetTopView::default();
    }
    let view = |sum: &crate::fleet::Sum| SumView {
        address: sum.address,
        unproven_pps: sum.unproven,
        unproven_here_pps: state.own.of(sum.address).map_or(0.0, |own| own.unproven),
        syn_pps: sum.syn,
        threshold_pps: sum.threshold,
        nodes: sum.nodes,
        attacked: sum.attacked,
        rung: sum.rung,
    };
    FleetTopView {
        link: link(&state.link),
        nodes: state.sums.nodes,
        sums: state.sums.sums.iter().map(view).collect(),
    }
}
