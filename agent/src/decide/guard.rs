//! Guard rails: what an operator under stress must not do by accident. Every rail that is hit is named, and `--force`
//! goes past all of them.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Refusal, World};
use crate::{config::prefix, lists, tables::ListAction};

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
    let own = world.kernel.addresses.keys().copied().chain(own_addresses(world));
    if let Some(address) = own.into_iter().find(|address| net.contains(address)) {
        rails.push(format!("{} our own address", is_or_holds(net, address)));
    }
    if let Some(address) = first_inside(net, &world.host.gateways) {
        rails.push(format!("{} the default gateway", is_or_holds(net, address)));
    }
    if let Some(address) = first_inside(net, &world.host.resolvers) {
        rails.push(format!("{} a resolver of this host", is_or_holds(net, address)));
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
