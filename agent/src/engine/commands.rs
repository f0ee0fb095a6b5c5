//! From a command to changes: the decision is made in `decide/`, and here it is put into force.

use super::Engine;
use crate::{
    clock::{Expiry, Now},
    command::{Command, Order},
    control::api::{Done, ModeRequest, ThresholdRequest},
    decide::{
        Refusal,
        block::{self, Decision, Effect},
        rung, safe, say, threshold,
        unblock::{self, Removal},
    },
    ladder::Rung,
    overrides::{BlackholeOverride, Change, ListOverride, ModeOverride, Origin, RungOverride, ThresholdOverride},
    sysctls,
};

/// What a command comes to: changes that are in force by now, to be recorded, and the answer.
pub(super) type Outcome = Result<(Vec<Change>, Done), Refusal>;

/// Who asked, why and when.
struct Asked<'a> {
    actor: &'a str,
    reason: Option<&'a str>,
    now: Now,
}

impl Asked<'_> {
    fn origin(&self, until: Option<Expiry>) -> Origin {
        Origin {
            actor: self.actor.to_owned(),
            reason: self.reason.map(str::to_owned),
            since: self.now.wall,
            until,
        }
    }
}

impl Engine {
    pub(super) fn dispatch(&mut self, order: &mut Order, now: Now) -> Outcome {
        if self.detached {
            return Err(Refusal::failed(
                "the program was taken off and this agent is stopping; `agent run` puts it back",
            ));
        }
        let Order {
            command, actor, host, ..
        } = order;
        let world = self.world(host, now);
        let asked = |reason| Asked { actor, reason, now };
        match command {
            Command::Block(request) => {
                let decision = block::block(request, &world)?;
                self.put(decision, &asked(request.reason.as_deref()))
            }
            Command::Allow(request) => {
                let decision = block::allow(request, &world)?;
                self.put(decision, &asked(request.reason.as_deref()))
            }
            Command::Unblock(request) => {
                let removal = unblock::unblock(request, &world)?;
                self.unblock(removal, &asked(None))
            }
            Command::Unallow(request) => {
                let removal = unblock::unallow(request, &world)?;
                self.commit(removed(&removal), removal.done)
            }
            Command::SetThreshold(request) => {
                let decision = threshold::set(request, &world)?;
                self.set_threshold(request, decision, &asked(request.reason.as_deref()))
            }
            Command::UnsetThreshold(query) => {
                let (target, done) = threshold::unset(&query.target, &self.overrides)?;
                self.commit(vec![Change::RemoveThreshold(target)], done)
            }
            Command::SetRung(request) => {
                let decision = rung::force(request, &world)?;
                self.set_rung(decision, &asked(request.reason.as_deref()))
            }
            Command::SetMode(request) => {
                let decision = threshold::mode(request, self.config.mode, &world)?;
                self.set_mode(request, decision, &asked(request.reason.as_deref()))
            }
            Command::Reload(config) => {
                let config = std::mem::replace(config, Box::new((*self.config).clone()));
                self.reload(*config)
            }
            Command::Detach => self.detach(),
        }
    }

    fn commit(&mut self, changes: Vec<Change>, done: Done) -> Outcome {
        self.change(&changes)?;
        Ok((changes, done))
    }

    fn put(&mut self, decision: Decision, asked: &Asked<'_>) -> Outcome {
        let origin = asked.origin(decision.until);
        let changes = match decision.effect {
            Effect::Entry { prefix, action } => vec![Change::PutEntry(prefix, ListOverride { action, origin })],
            Effect::Blackhole { addresses, all } => addresses
                .into_iter()
                .map(|address| {
                    Change::PutBlackhole(
                        address,
                        BlackholeOverride {
                            all,
                            origin: origin.clone(),
                        },
                    )
                })
                .collect(),
        };
        self.commit(changes, decision.done)
    }

    /// What the ladder blackholed or would blackhole, it leaves alone for `block_ttl`: who takes a blackhole back has decided.
    fn unblock(&mut self, mut removal: Removal, asked: &Asked<'_>) -> Outcome {
        let now = asked.now;
        let until = self.config.block_ttl.duration().map(|ttl| now.plus(ttl));
        let mut more = Vec::new();
        for &address in &removal.blackholes {
            let policy = self.config.protected.get(&address).map(|protected| protected.ladder);
            let policy = policy.unwrap_or_default();
            more.push(Change::RemoveTaken(address));
            if policy.highest >= Rung::Blackhole && !policy.is_only_said(Rung::Blackhole) {
                let (rung, origin) = (Rung::Known, asked.origin(until));
                more.push(Change::PutCeiling(address, RungOverride { rung, origin }));
                removal.done.warnings.push(format!(
                    "the ladder will not blackhole {address} {}; `agent rung {address} auto` lets it",
                    say::until(until, now)
                ));
            }
        }
        self.warn_of_danger(&mut removal, now);
        let mut changes = removed(&removal);
        changes.extend(more);
        self.commit(changes, removal.done)
    }

    /// Whoever takes an address out of a blackhole while it is still flooded is told so.
    fn warn_of_danger(&self, removal: &mut Removal, now: Now) {
        for &address in &removal.blackholes {
            let policy = self.config.protected.get(&address).map(|protected| protected.ladder);
            let answer = safe::judge(&safe::Case {
                now,
                address,
                rung: Rung::Blackhole,
                watched: self.watched.get(&address),
                cooldown: policy.unwrap_or_default().calm,
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
        &mut self,
        request: &ThresholdRequest,
        decision: threshold::Decision<crate::overrides::ThresholdTarget>,
        asked: &Asked<'_>,
    ) -> Outcome {
        // What is not named stays as it was set before.
        let before = self.overrides.thresholds.get(&decision.what);
        let set = ThresholdOverride {
            syn_rate: request.syn_rate.or_else(|| before.and_then(|before| before.syn_rate)),
            syn_burst: request.syn_burst.or_else(|| before.and_then(|before| before.syn_burst)),
            vectors: before.map_or(request.vectors, |before| request.vectors.or(&before.vectors)),
            origin: asked.origin(decision.until),
        };
        self.commit(vec![Change::PutThreshold(decision.what, set)], decision.done)
    }

    fn set_rung(&mut self, decision: rung::Decision, asked: &Asked<'_>) -> Outcome {
        let origin = asked.origin(decision.until);
        let changes = |address| match decision.rung {
            Some(rung) => vec![Change::PutRung(
                address,
                RungOverride {
                    rung,
                    origin: origin.clone(),
                },
            )],
            None => vec![Change::RemoveRung(address), Change::RemoveCeiling(address)],
        };
        let changes = decision.addresses.iter().copied().flat_map(changes).collect();
        self.commit(changes, decision.done)
    }

    fn set_mode(
        &mut self,
        request: &ModeRequest,
        decision: threshold::Decision<Option<crate::tables::Mode>>,
        asked: &Asked<'_>,
    ) -> Outcome {
        let set = request.mode.map(|mode| ModeOverride {
            mode,
            origin: asked.origin(decision.until),
        });
        self.commit(vec![Change::SetMode(set)], decision.done)
    }

    fn detach(&mut self) -> Outcome {
        let interfaces: Vec<String> = self.links.iter().map(|link| link.interface.clone()).collect();
        self.tables.detach_all()?;
        self.detached = true;
        let mut done = detached(&interfaces);
        let put_back = sysctls::put_back(&mut self.ledger, &*self.host, &self.tcp.sysctls);
        done.changes.extend(put_back.changes);
        done.warnings.extend(put_back.warnings);
        Ok((Vec::new(), done))
    }
}

fn removed(removal: &Removal) -> Vec<Change> {
    let entries = removal.entry.into_iter().map(Change::RemoveEntry);
    let blackholes = removal.blackholes.iter().copied().map(Change::RemoveBlackhole);
    entries.chain(blackholes).collect()
}

/// The answer to `detach`.
#[must_use]
pub fn detached(interfaces: &[String]) -> Done {
    let from = if interfaces.is_empty() {
        "no interface had it".to_owned()
    } else {
        interfaces.join(", ")
    };
    Done {
        message: format!(
            "Took the program off ({from}) and removed every pin: nothing is protected until `agent run`."
        ),
        warnings: vec![
            "blocks, allows and thresholds stay in the ledger and are put back by the next `agent run`".to_owned(),
        ],
        ..Done::default()
    }
}
