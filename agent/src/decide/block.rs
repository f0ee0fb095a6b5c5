//! `block-ip` and `allow-ip`: what a target means, and whether the guard rails let it pass.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Refusal, World, check_reason, elsewhere, guard, say};
use crate::{
    clock::Expiry,
    config::{prefix, units::Ttl},
    control::api::{AllowRequest, BlockAs, BlockRequest, Done},
    lists,
    tables::ListAction,
};

/// What a request to block or allow comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// An entry of the source list.
    Entry {
        /// The sources.
        prefix: IpNet,
        /// What happens to them.
        action: ListAction,
    },
    /// Blackholes of our own addresses.
    Blackhole {
        /// The addresses.
        addresses: Vec<IpAddr>,
        /// Established connections and replies too.
        all: bool,
    },
}

/// A decision with the words for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What is to be done.
    pub effect: Effect,
    /// When it ends by itself.
    pub until: Option<Expiry>,
    /// The answer once it is done.
    pub done: Done,
}

/// Decides what `block-ip` does.
///
/// # Errors
/// A target that is not clear, or a guard rail without `force`.
pub fn block(request: &BlockRequest, world: &World<'_>) -> Result<Decision, Refusal> {
    check_reason(request.reason.as_deref())?;
    let net = prefix::parse(&request.target)?;
    let until = expiry(request.ttl.unwrap_or(world.block_ttl), world);
    match meaning(net, request.block_as, world)? {
        BlockAs::Source => block_source(request, net, until, world),
        BlockAs::Destination => blackhole(request, net, until, world),
    }
}

/// Decides what `allow-ip` does.
///
/// # Errors
/// A target that is not clear, or a guard rail without `force`.
pub fn allow(request: &AllowRequest, world: &World<'_>) -> Result<Decision, Refusal> {
    check_reason(request.reason.as_deref())?;
    let net = prefix::parse(&request.target)?;
    if !request.force {
        guard::allow_source(net)?;
    }
    already_configured(net, ListAction::Allow, world)?;
    let until = expiry(request.ttl.unwrap_or(Ttl::Never), world);
    let mut warnings = Vec::new();
    if world.list().get(&net) == Some(&ListAction::Block) {
        warnings.push(format!("this replaces the block of {}", prefix::display(net)));
    }
    let message = format!(
        "Allowed {} {}: it passes every rule.",
        prefix::display(net),
        say::until(until, world.now)
    );
    Ok(listed(net, ListAction::Allow, until, message, warnings))
}

/// When a lifetime that begins now ends.
pub(super) fn expiry(ttl: Ttl, world: &World<'_>) -> Option<Expiry> {
    ttl.duration().map(|duration| world.now.plus(duration))
}

/// Source or destination: as told, else a protected address is a destination and anything else a source.
fn meaning(net: IpNet, told: Option<BlockAs>, world: &World<'_>) -> Result<BlockAs, Refusal> {
    if let Some(told) = told {
        return Ok(told);
    }
    let ours = world.protected_here(net);
    let theirs = elsewhere::inside(world.elsewhere, net);
    if let Some(address) = theirs
        .into_iter()
        .find(|address| !world.kernel.addresses.contains_key(address))
    {
        let node = elsewhere::who_protects(world.elsewhere, address).unwrap_or_default();
        return Err(Refusal::invalid(
            format!("{address} is protected by {node}, and not by this node"),
            "say --as destination to blackhole it there, or --as source to drop what comes from there",
        ));
    }
    let bits = net.max_prefix_len() - net.prefix_len();
    let whole = bits < 32 && ours.len() as u64 == 1u64 << bits;
    if ours.is_empty() {
        return Ok(BlockAs::Source);
    }
    if whole {
        return Ok(BlockAs::Destination);
    }
    Err(Refusal::invalid(
        format!(
            "{net} holds {} of our own addresses ({}) and others",
            ours.len(),
            say::some_of(&ours)
        ),
        "say --as destination to blackhole ours, or --as source to drop what comes from there",
    ))
}

fn block_source(
    request: &BlockRequest,
    net: IpNet,
    until: Option<Expiry>,
    world: &World<'_>,
) -> Result<Decision, Refusal> {
    if request.all {
        return Err(Refusal::invalid(
            "--all belongs to a blackhole of one of our addresses",
            "leave it out: a blocked source is dropped with everything it sends",
        ));
    }
    already_configured(net, ListAction::Block, world)?;
    if !request.force {
        guard::block_source(net, request.ssh_peer, world)?;
    }
    let list = world.list();
    let mut warnings: Vec<String> = say::mode_warning(world.mode()).into_iter().collect();
    if list.get(&net) == Some(&ListAction::Allow) {
        warnings.push(format!("this replaces the allowlist entry {}", prefix::display(net)));
    }
    let inside = list
        .iter()
        .filter(|(inner, action)| **action == ListAction::Allow && **inner != net && lists::contains(net, **inner));
    warnings.extend(inside.map(|(inner, _)| {
        format!(
            "{} inside it is on the allowlist and still passes",
            prefix::display(*inner)
        )
    }));
    let message = format!(
        "Blocked {} as a source {}.",
        prefix::display(net),
        say::until(until, world.now)
    );
    Ok(listed(net, ListAction::Block, until, message, warnings))
}

fn blackhole(
    request: &BlockRequest,
    net: IpNet,
    until: Option<Expiry>,
    world: &World<'_>,
) -> Result<Decision, Refusal> {
    let addresses = world.protected_in(net);
    if addresses.is_empty() {
        return Err(Refusal::invalid(
            format!(
                "{} is not a protected address, so it cannot be blackholed",
                prefix::display(net)
            ),
            "`agent stats` shows the protected ones; without --as destination it is blocked as a source",
        ));
    }
    if !request.force {
        guard::blackhole(&addresses, world)?;
    }
    let consequence = if request.all {
        "nothing reaches it any more, not even established connections and replies to our own"
    } else {
        "nothing new reaches it; established connections and replies to our own go on"
    };
    let whose = if addresses.len() == 1 {
        "one of our addresses"
    } else {
        "addresses of ours"
    };
    let message = format!(
        "Blackholed {}, {whose}, {}: {consequence}.",
        say::some_of(&addresses),
        say::until(until, world.now)
    );
    let done = Done {
        message,
        targets: addresses.iter().copied().map(IpNet::from).collect(),
        until: until.map(|until| until.wall),
        warnings: say::mode_warning(world.mode()).into_iter().collect(),
        ..Done::default()
    };
    Ok(Decision {
        effect: Effect::Blackhole {
            addresses,
            all: request.all,
        },
        until,
        done,
    })
}

/// What the configuration does for good need not be done for a while, and would end with it.
fn already_configured(net: IpNet, action: ListAction, world: &World<'_>) -> Result<(), Refusal> {
    let in_force = world.list().get(&net) == Some(&action);
    if world.config_list.get(&net) != Some(&action) || !in_force {
        return Ok(());
    }
    let state = match action {
        ListAction::Allow => "allowed",
        ListAction::Block => "blocked",
    };
    Err(Refusal::conflict(
        format!(
            "{} is {state} by the configuration already, for good",
            prefix::display(net)
        ),
        "there is nothing to do",
    ))
}

/// The decision to list a prefix.
fn listed(
    prefix: IpNet,
    action: ListAction,
    until: Option<Expiry>,
    message: String,
    warnings: Vec<String>,
) -> Decision {
    Decision {
        effect: Effect::Entry { prefix, action },
        until,
        done: Done {
            message,
            targets: vec![prefix],
            until: until.map(|until| until.wall),
            warnings,
            ..Done::default()
        },
    }
}
