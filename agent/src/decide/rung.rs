//! `rung ADDR ..`: putting addresses on a rung of the ladder by hand, and letting them take it by themselves again.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Refusal, World, block::expiry, check_reason, guard, say};
use crate::{
    clock::Expiry,
    config::prefix,
    control::api::{Done, RungRequest},
    ladder::{ForcedRung, Method, Rung},
    tables::AddressState,
};

/// A decision with its end and the words for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Whose rung.
    pub addresses: Vec<IpAddr>,
    /// The rung; `None` gives it back to the kernel side.
    pub rung: Option<Rung>,
    /// When it ends by itself.
    pub until: Option<Expiry>,
    /// The answer once it is done.
    pub done: Done,
}

impl Decision {
    /// What the tables are to hold for it.
    #[must_use]
    pub fn forced(&self) -> Option<ForcedRung> {
        self.rung.map(|rung| ForcedRung {
            rung,
            until: self.until.map(|until| until.mono),
        })
    }
}

/// Decides what `rung` does.
///
/// # Errors
/// A target that is no protected address, or nothing to take back.
pub fn force(request: &RungRequest, world: &World<'_>) -> Result<Decision, Refusal> {
    check_reason(request.reason.as_deref())?;
    let net = prefix::parse(&request.target)?;
    let addresses = world.protected_in(net);
    if addresses.is_empty() {
        return Err(Refusal::invalid(
            format!("{} is not a protected address", prefix::display(net)),
            "`agent rung` shows the protected ones; add it to `protect` in the configuration to protect it",
        ));
    }
    match request.rung {
        Some(rung) => forced(rung, addresses, request, world),
        None => given_back(&addresses, request, world),
    }
}

fn forced(rung: Rung, addresses: Vec<IpAddr>, request: &RungRequest, world: &World<'_>) -> Result<Decision, Refusal> {
    let meaning = meaning(rung, &request.target)?;
    if rung == Rung::Upstream {
        guard::upstream(&addresses, request.force, world)?;
    }
    let until = expiry(request.ttl.unwrap_or(world.block_ttl), world);
    let message = format!(
        "Put {} on the rung {rung} {}: {meaning}.",
        say::some_of(&addresses),
        say::until(until, world.now)
    );
    let without_proof = addresses
        .iter()
        .filter_map(|address| world.kernel.addresses.get(address))
        .filter(|state| rung == Rung::Verify && state.ladder.method == Method::Drop)
        .map(|state| state.address)
        .collect::<Vec<_>>();
    let mut warnings: Vec<String> = say::mode_warning(world.mode()).into_iter().collect();
    if !without_proof.is_empty() {
        warnings.push(format!(
            "{} has verify = \"drop\": unknown sources are dropped and cannot prove themselves",
            say::some_of(&without_proof)
        ));
    }
    Ok(Decision {
        done: Done {
            message,
            targets: addresses.iter().copied().map(IpNet::from).collect(),
            until: until.map(|until| until.wall),
            warnings,
            ..Done::default()
        },
        addresses,
        rung: Some(rung),
        until,
    })
}

/// What a rung means to customers; or where it is to be had, if not here.
fn meaning(rung: Rung, target: &str) -> Result<&'static str, Refusal> {
    match rung {
        Rung::Observe => Ok("packets are counted, and no rate drops any"),
        Rung::Limit => Ok("what exceeds its rates is dropped, customers with the flood"),
        Rung::Verify => Ok("every SYN of an unknown source must prove itself"),
        Rung::Known => Ok("only sources that completed a handshake lately get in, and no new customer"),
        Rung::Blackhole => Err(Refusal::invalid(
            "the rung blackhole has a command of its own, which knows what must not be cut off",
            format!("blackhole it with `agent block-ip {target}`, and take that back with `agent unblock-ip {target}`"),
        )),
        Rung::Upstream => Ok("nothing new gets in here, and the network above is asked to drop what goes there"),
    }
}

fn given_back(addresses: &[IpAddr], request: &RungRequest, world: &World<'_>) -> Result<Decision, Refusal> {
    if request.ttl.is_some() {
        return Err(Refusal::invalid(
            "a lifetime belongs to a rung that is forced",
            "leave --ttl out: auto holds until a rung is forced again",
        ));
    }
    let overrides = world.overrides;
    // In the kernel that is a blackhole.
    let is_upstream = |address: &IpAddr| {
        overrides
            .rungs
            .get(address)
            .is_some_and(|forced| forced.rung == Rung::Upstream)
    };
    let is_forced = |state: &AddressState| {
        let in_kernel = state.rung.is_some_and(|forced| forced.at(world.now.mono).is_some());
        let by_ladder = overrides.taken.contains_key(&state.address) && !overrides.rungs.contains_key(&state.address);
        in_kernel && !by_ladder || is_upstream(&state.address) || overrides.ceilings.contains_key(&state.address)
    };
    let forced: Vec<IpAddr> = addresses
        .iter()
        .copied()
        .filter(|address| match world.kernel.addresses.get(address) {
            Some(state) => is_forced(state),
            None => overrides.rungs.contains_key(address) || overrides.ceilings.contains_key(address),
        })
        .collect();
    if forced.is_empty() {
        let taken = addresses.iter().find_map(|address| overrides.taken.get(address));
        let hint = match taken {
            None => "it takes its rung by itself already".to_owned(),
            Some(taken) => format!(
                "it took {} by itself ({}); force another rung to keep it from that, such as `agent rung {} verify`",
                taken.rung,
                taken.origin.reason.as_deref().unwrap_or("without a reason"),
                request.target
            ),
        };
        return Err(Refusal::not_found(
            format!("the rung of {} is not forced", say::some_of(addresses)),
            Some(hint),
        ));
    }
    let done = Done {
        message: format!("{} takes its rung by itself again.", say::some_of(&forced)),
        targets: forced.iter().copied().map(IpNet::from).collect(),
        ..Done::default()
    };
    Ok(Decision {
        addresses: forced,
        rung: None,
        until: None,
        done,
    })
}
