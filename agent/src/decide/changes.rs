//! From a command to changes of what was asked for: decided here, and put into force, or only shown, by who asked.

use std::{collections::BTreeMap, net::IpAddr};

use super::{
    Refusal, World,
    block::{self, Effect},
    ladder::Watched,
    rung, safe, say, threshold,
    unblock::{self, Removal},
};
use crate::{
    clock::Expiry,
    command::Command,
    config::Config,
    control::api::{Done, ModeRequest, ThresholdRequest},
    ladder::Rung,
    overrides::{
        BlackholeOverride, Change, ListOverride, ModeOverride, Origin, RungOverride, ThresholdOverride, ThresholdTarget,
    },
    tables::Mode,
};

/// What a command comes to: changes, and the answer once they are in force.
pub type Outcome = Result<(Vec<Change>, Done), Refusal>;

/// What a command meets.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// Who asks.
    pub actor: &'a str,
    /// What there is.
    pub world: World<'a>,
    /// The configuration that runs.
    pub config: &'a Config,
    /// What the ladder knows of the addresses that are not at rest.
    pub watched: &'a BTreeMap<IpAddr, Watched>,
}

/// Decides what a command changes.
///
/// # Errors
/// Why it is refused; and for `reload` and `detach`, which change more than what was asked for.
pub fn changes(command: &Command, case: &Case<'_>) -> Outcome {
    let world = &case.world;
    match command {
        Command::Block(request) => Ok(put(block::block(request, world)?, command, case)),
        Command::Allow(request) => Ok(put(block::allow(request, world)?, command, case)),
        Command::Unblock(request) => Ok(unblock(unblock::unblock(request, world)?, command, case)),
        Command::Unallow(request) => {
            let removal = unblock::unallow(request, world)?;
            Ok((removed(&removal), removal.done))
        }
        Command::SetThreshold(request) => {
            let decision = threshold::set(request, world)?;
            Ok(set_threshold(request, decision, command, case))
        }
        Command::UnsetThreshold(request) => {
            let (target, done) = threshold::unset(&request.target, world.overrides)?;
            Ok((vec![Change::RemoveThreshold(target)], done))
        }
        Command::SetRung(request) => Ok(set_rung(rung::force(request, world)?, command, case)),
        Command::SetMode(request) => {
            let decision = threshold::mode(request, case.config.mode, world)?;
            Ok(set_mode(request, decision, command, case))
        }
        Command::Reload(_) | Command::Detach => Err(Refusal::failed(format!(
            "`{}` is not a change of what was asked for",
            command.describe()
        ))),
    }
}

impl Case<'_> {
    fn origin(&self, command: &Command, until: Option<Expiry>) -> Origin {
        Origin {
            actor: self.actor.to_owned(),
            reason: command.reason().map(str::to_owned),
            since: self.world.now.wall,
            until,
        }
    }
}

fn put(decision: block::Decision, command: &Command, case: &Case<'_>) -> (Vec<Change>, Done) {
    let origin = case.origin(command, decision.until);
    let changes = match decision.effect {
        Effect::Entry { prefix, action } => vec![Change::PutEntry(prefix, ListOverride { action, origin })],
        Effect::Blackhole { addresses, all } => {
            let hole = |address| {
                let origin = origin.clone();
                Change::PutBlackhole(address, BlackholeOverride { all, origin })
            };
            addresses.into_iter().map(hole).collect()
        }
    };
    (changes, decision.done)
}

/// What the ladder blackholed or would blackhole, it leaves alone for `block_ttl`: who takes a blackhole back has decided.
fn unblock(mut removal: Removal, command: &Command, case: &Case<'_>) -> (Vec<Change>, Done) {
    let now = case.world.now;
    let until = case.config.block_ttl.duration().map(|ttl| now.plus(ttl));
    let mut more = Vec::new();
    for &address in &removal.blackholes {
        let policy = case.config.protected.get(&address).map(|protected| protected.ladder);
        let policy = policy.unwrap_or_default();
        more.push(Change::RemoveTaken(address));
        let forced = case.world.overrides.rungs.get(&address);
        if forced.is_some_and(|forced| forced.rung == Rung::Upstream) {
            more.push(Change::RemoveRung(address));
        }
        if policy.highest >= Rung::Blackhole && !policy.is_only_said(Rung::Blackhole) {
            let (rung, origin) = (Rung::Known, case.origin(command, until));
            more.push(Change::PutCeiling(address, RungOverride { rung, origin }));
            removal.done.warnings.push(format!(
                "the ladder will not blackhole {address} {}; `agent rung {address} auto` lets it",
                say::until(until, now)
            ));
        }
    }
    warn_of_danger(&mut removal, case);
    let mut changes = removed(&removal);
    changes.extend(more);
    (changes, removal.done)
}

/// Whoever takes an address out of a blackhole while it is still flooded is told so.
fn warn_of_danger(removal: &mut Removal, case: &Case<'_>) {
    for &address in &removal.blackholes {
        let policy = case.config.protected.get(&address).map(|protected| protected.ladder);
        let answer = safe::judge(&safe::Case {
            now: case.world.now,
            address,
            rung: Rung::Blackhole,
            watched: case.watched.get(&address),
            cooldown: policy.unwrap_or_default().calm,
            // It is undone here: what arrives here is what it meets.
            others: safe::Others::default(),
        });
        if !answer.safe {
            removal.done.not_safe.push(address);
            removal
                .done
                .warnings
                .push(format!("it was not safe to put {address} back: {}", answer.why));
        }
    }
}

fn set_threshold(
    request: &ThresholdRequest,
    decision: threshold::Decision<ThresholdTarget>,
    command: &Command,
    case: &Case<'_>,
) -> (Vec<Change>, Done) {
    // What is not named stays as it was set before.
    let before = case.world.overrides.thresholds.get(&decision.what);
    let set = ThresholdOverride {
        syn_rate: request.syn_rate.or_else(|| before.and_then(|before| before.syn_rate)),
        syn_burst: request.syn_burst.or_else(|| before.and_then(|before| before.syn_burst)),
        vectors: before.map_or(request.vectors, |before| request.vectors.or(&before.vectors)),
        origin: case.origin(command, decision.until),
    };
    (vec![Change::PutThreshold(decision.what, set)], decision.done)
}

fn set_rung(decision: rung::Decision, command: &Command, case: &Case<'_>) -> (Vec<Change>, Done) {
    let origin = case.origin(command, decision.until);
    let changes = |address| match decision.rung {
        Some(rung) => {
            let origin = origin.clone();
            vec![Change::PutRung(address, RungOverride { rung, origin })]
        }
        None => vec![Change::RemoveRung(address), Change::RemoveCeiling(address)],
    };
    let changes = decision.addresses.iter().copied().flat_map(changes).collect();
    (changes, decision.done)
}

fn set_mode(
    request: &ModeRequest,
    decision: threshold::Decision<Option<Mode>>,
    command: &Command,
    case: &Case<'_>,
) -> (Vec<Change>, Done) {
    let set = request.mode.map(|mode| ModeOverride {
        mode,
        origin: case.origin(command, decision.until),
    });
    (vec![Change::SetMode(set)], decision.done)
}

fn removed(removal: &Removal) -> Vec<Change> {
    let entries = removal.entry.into_iter().map(Change::RemoveEntry);
    let blackholes = removal.blackholes.iter().copied().map(Change::RemoveBlackhole);
    entries.chain(blackholes).collect()
}
