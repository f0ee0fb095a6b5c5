//! `unblock-ip` and `unallow-ip`: what there is to take back.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Refusal, World, say};
use crate::{
    config::prefix,
    control::api::{BlockAs, Done, RemoveRequest},
    lists,
    tables::ListAction,
};

/// What is taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    /// The source list entry.
    pub entry: Option<IpNet>,
    /// Blackholes.
    pub blackholes: Vec<IpAddr>,
    /// The answer once it is done.
    pub done: Done,
}

/// Decides what `unblock-ip` does.
///
/// # Errors
/// If there is nothing to take back, or the configuration holds it.
pub fn unblock(request: &RemoveRequest, world: &World<'_>) -> Result<Removal, Refusal> {
    let net = prefix::parse(&request.target)?;
    let wants = |what: BlockAs| request.block_as.is_none_or(|told| told == what);
    let blackholes: Vec<IpAddr> = if wants(BlockAs::Destination) {
        world
            .protected_in(net)
            .into_iter()
            .filter(|address| world.is_blackholed(*address))
            .collect()
    } else {
        Vec::new()
    };
    let listed = wants(BlockAs::Source) && world.list().get(&net) == Some(&ListAction::Block);
    if listed && blackholes.is_empty() {
        held_by_configuration(net, ListAction::Block, world)?;
    }
    let entry = (listed && !is_configured_for_good(net, ListAction::Block, world)).then_some(net);
    if entry.is_none() && blackholes.is_empty() {
        return Err(not_blocked(net, world));
    }
    let mut sentences = Vec::new();
    if let Some(net) = entry {
        sentences.push(format!("Unblocked {} as a source.", prefix::display(net)));
    }
    if !blackholes.is_empty() {
        sentences.push(format!(
            "Took {} out of the blackhole: new connections reach it again.",
            say::some_of(&blackholes)
        ));
    }
    let targets = entry
        .into_iter()
        .chain(blackholes.iter().copied().map(IpNet::from))
        .collect();
    let warnings = entry
        .into_iter()
        .filter_map(|net| still_decided(net, ListAction::Block, world))
        .collect();
    Ok(Removal {
        entry,
        blackholes,
        done: Done {
            message: sentences.join(" "),
            targets,
            warnings,
            ..Done::default()
        },
    })
}

/// Decides what `unallow-ip` does.
///
/// # Errors
/// If there is nothing to take back, or the configuration holds it.
pub fn unallow(request: &RemoveRequest, world: &World<'_>) -> Result<Removal, Refusal> {
    let net = prefix::parse(&request.target)?;
    if world.list().get(&net) != Some(&ListAction::Allow) {
        let hint = covering(net, ListAction::Allow, world)
            .map(|outer| format!("{outer}, which holds it, is: `agent unallow-ip {outer}`"));
        return Err(Refusal::not_found(
            format!("{} is not on the allowlist", prefix::display(net)),
            hint,
        ));
    }
    held_by_configuration(net, ListAction::Allow, world)?;
    let done = Done {
        message: format!(
            "Took {} off the allowlist: the rules hold for it again.",
            prefix::display(net)
        ),
        targets: vec![net],
        warnings: still_decided(net, ListAction::Allow, world).into_iter().collect(),
        ..Done::default()
    };
    Ok(Removal {
        entry: Some(net),
        blackholes: Vec::new(),
        done,
    })
}

/// Whether the entry in force is the configuration's own, rather than a run-time one over it.
fn is_configured_for_good(net: IpNet, action: ListAction, world: &World<'_>) -> bool {
    let forever = world
        .kernel
        .entries
        .get(&net)
        .is_some_and(|entry| entry.until.is_none());
    forever && world.config_list.get(&net) == Some(&action)
}

fn held_by_configuration(net: IpNet, action: ListAction, world: &World<'_>) -> Result<(), Refusal> {
    if !is_configured_for_good(net, action, world) {
        return Ok(());
    }
    let (state, other) = match action {
        ListAction::Allow => ("allowed", "block-ip --as source --force"),
        ListAction::Block => ("blocked", "allow-ip"),
    };
    let net = prefix::display(net);
    Err(Refusal::conflict(
        format!("{net} is {state} by the configuration file"),
        format!("take it out of `{action}` there and run `agent reload`, or override it with `agent {other} {net}`"),
    ))
}

fn not_blocked(net: IpNet, world: &World<'_>) -> Refusal {
    let hint = covering(net, ListAction::Block, world).map(|outer| {
        let net = prefix::display(net);
        format!("{outer}, which holds it, is: `agent unblock-ip {outer}`, or `agent allow-ip {net}` for it alone")
    });
    Refusal::not_found(format!("{} is not blocked", prefix::display(net)), hint)
}

fn covering(net: IpNet, action: ListAction, world: &World<'_>) -> Option<IpNet> {
    lists::nearest_covering(&world.list(), net)
        .filter(|(_, found)| **found == action)
        .map(|(outer, _)| outer)
}

/// What decides about a prefix once its own entry is gone, if that is not the rules.
fn still_decided(net: IpNet, removed: ListAction, world: &World<'_>) -> Option<String> {
    let shown = prefix::display(net);
    if let Some(configured) = world.config_list.get(&net).filter(|configured| **configured != removed) {
        return Some(format!("the configuration's `{configured}` for {shown} holds again"));
    }
    let list = world.list();
    let (outer, action) = lists::nearest_covering(&list, net)?;
    let state = match action {
        ListAction::Allow => "allowed",
        ListAction::Block => "blocked",
    };
    Some(format!("{shown} is still {state}, by {outer}"))
}
