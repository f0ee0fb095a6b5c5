//! Guard rails: what an operator under stress must not do by accident. Every rail that is hit is named, and `--force`
//! goes past all of them.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Refusal, World, elsewhere};
use crate::{config::prefix, lists, tables::ListAction, upstream};

/// The way out of every guard rail.
const FORCE: &str = "repeat it with --force if that is what you want";

/// Guard rails of blocking a source.
///
/// # Errors
/// Every rail that is hit, in one refusal.
pub fn block_source(net: IpNet, ssh_peer: Option<IpAddr>, world: &World<'_>) -> Result<(), Refusal> {
    let mut rails = Vec::new();
    if let Some((outer, ListAction::Allow)) = lists::deciding(&world.list(), net) {
        rails.push(format!("it is on the allowlist ({})", prefix::display(outer)));
    }
    rails.extend(own_rails(net, world));
    let theirs = elsewhere::inside(world.elsewhere, net);
    if let Some(address) = theirs
        .into_iter()
        .find(|address| !world.kernel.addresses.contains_key(address))
    {
        let node = elsewhere::who_protects(world.elsewhere, address).unwrap_or_default();
        rails.push(format!("{} an address of {node}", is_or_holds(net, address)));
    }
    if let Some(address) = ssh_peer
        .map(|peer| peer.to_canonical())
        .filter(|peer| net.contains(peer))
    {
        rails.push(format!(
            "{} the machine that you are logged in from",
            is_or_holds(net, address)
        ));
    }
    if lists::is_too_wide(net) {
        rails.push(too_wide());
    }
    refuse_if_any("blocked as a source", net, &rails)
}

/// What of this node a blocked source would cut off: what no other node can know that decides for all.
#[must_use]
pub fn cuts_off(net: IpNet, world: &World<'_>) -> Option<String> {
    let rails = own_rails(net, world);
    (!rails.is_empty()).then(|| rails.join(", and "))
}

fn own_rails(net: IpNet, world: &World<'_>) -> Vec<String> {
    let own = world.kernel.addresses.keys().copied().chain(own_addresses(world));
    let own = own.into_iter().find(|address| net.contains(address));
    let gateway = first_inside(net, &world.host.gateways);
    let resolver = first_inside(net, &world.host.resolvers);
    let store = first_inside(net, world.stores);
    let named = [
        (own, "our own address"),
        (gateway, "the default gateway"),
        (resolver, "a resolver of this host"),
        (store, "an etcd of the fleet"),
    ];
    let rails = named
        .into_iter()
        .filter_map(|(address, what)| Some(format!("{} {what}", is_or_holds(net, address?))));
    rails.collect()
}

/// Guard rails of allowing a source.
///
/// # Errors
/// Every rail that is hit, in one refusal.
pub fn allow_source(net: IpNet) -> Result<(), Refusal> {
    let rails = if lists::is_too_wide(net) {
        vec![too_wide()]
    } else {
        Vec::new()
    };
    refuse_if_any("allowed", net, &rails)
}

/// Guard rail of blackholing: something must stay reachable.
///
/// # Errors
/// If no protected address would be left.
pub fn blackhole(addresses: &[IpAddr], world: &World<'_>) -> Result<(), Refusal> {
    if !addresses
        .iter()
        .any(|address| world.kernel.addresses.contains_key(address))
    {
        return Ok(());
    }
    let left = |address: &&IpAddr| !addresses.contains(address) && !world.is_blackholed(**address);
    if world.kernel.addresses.keys().any(|address| left(&address)) {
        return Ok(());
    }
    let what = match addresses {
        [one] => {
            format!("{one} is the last protected address that is not blackholed: nothing of ours would be reachable")
        }
        many => format!(
            "these {} are the last protected addresses that are not blackholed: nothing of ours would be reachable",
            many.len()
        ),
    };
    Err(Refusal::conflict(what, FORCE))
}

/// Guard rails of asking the network above to drop what goes to addresses.
///
/// # Errors
/// If there is nobody to be asked; without `force` the budget, and that something must stay reachable.
pub fn upstream(addresses: &[IpAddr], force: bool, world: &World<'_>) -> Result<(), Refusal> {
    let Some(upward) = &world.upstream else {
        let way_out = "start it; until then, blackhole the address here with `agent block-ip`";
        return Err(Refusal::conflict(
            "only a running agent speaks with the network above",
            way_out,
        ));
    };
    if upward.config.upstream.is_none() {
        return Err(Refusal::invalid(
            "the rung upstream cannot be taken: this agent does not speak with the network above",
            "set up [upstream] in the configuration (docs/upstream.md), ask your provider by hand, or blackhole the address here \
             with `agent block-ip`",
        ));
    }
    let mut announced = upward.state.announced.clone();
    let new = addresses
        .iter()
        .filter(|address| !upward.state.announced.contains(*address));
    for (started, address) in (upward.state.started..).zip(new) {
        if let Some(rail) = upstream::rail(*address, &announced, started, upward.config).filter(|_| !force) {
            return Err(Refusal::conflict(format!("{address} is not announced: {rail}"), FORCE));
        }
        announced.insert(*address);
    }
    Ok(())
}

fn refuse_if_any(what: &str, net: IpNet, rails: &[String]) -> Result<(), Refusal> {
    if rails.is_empty() {
        return Ok(());
    }
    Err(Refusal::conflict(
        format!("{} is not {what}: {}", prefix::display(net), rails.join(", and ")),
        FORCE,
    ))
}

fn too_wide() -> String {
    format!(
        "it is wider than a /{} (IPv6: /{})",
        lists::SHORTEST_V4,
        lists::SHORTEST_V6
    )
}

fn own_addresses<'a>(world: &World<'a>) -> impl Iterator<Item = IpAddr> + use<'a> {
    world
        .host
        .interfaces
        .iter()
        .flat_map(|interface| interface.addresses.iter().copied())
}

fn first_inside(net: IpNet, addresses: &[IpAddr]) -> Option<IpAddr> {
    addresses.iter().copied().find(|address| net.contains(address))
}

fn is_or_holds(net: IpNet, address: IpAddr) -> String {
    if prefix::is_single(net) {
        "it is".to_owned()
    } else {
        format!("it holds {address},")
    }
}
