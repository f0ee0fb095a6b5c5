//! The ladder above what the kernel side does by itself: which address goes up or down, when and why. Pure: what is seen and
//! an instant go in, what is to be changed and told comes out. The kernel side goes from `limit` to `verify` and back within
//! a packet; here is decided when proofs are not enough, and that an address which comes back again and again stays longer.
//!
//! What is wanted of an address is compared with what is in force at each tick, so a change that failed is tried again. What
//! a person forced always wins: the address is left alone as long as that lasts.

mod climb;
mod seen;
mod tell;
mod visits;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use ipnet::IpNet;
use jiff::Timestamp;

use crate::{
    clock::Now,
    config::resolve::ProtectedAddress,
    detect::{Attack, Event, Observation, Subject, Tick, What},
    ladder::Rung,
    overrides::{Change, Origin, Overrides, Taken},
    tables::{Mode, MonotonicNs},
};

use super::KernelState;
use climb::{Climb, Moved};
use seen::{Bounds, Seen};

/// Who takes rungs that nobody asked for by hand.
pub const ACTOR: &str = "ladder";

/// What the ladder looks at.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// What was observed last.
    pub tick: &'a Tick,
    /// Attacks; those that have an end are over.
    pub attacks: &'a [Attack],
    /// This host loses packets before it can judge them.
    pub saturated: bool,
    /// Protected addresses with their policies.
    pub protected: &'a BTreeMap<IpAddr, ProtectedAddress>,
    /// What the kernel's tables hold.
    pub kernel: &'a KernelState,
    /// What people forced, and what the ladder took.
    pub overrides: &'a Overrides,
}

/// What is to be done and told.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outcome {
    /// Changes to put into force and to record.
    pub steps: Vec<Step>,
    /// Leases that go on: no news.
    pub renewals: Vec<Change>,
    /// What happened.
    pub events: Vec<Event>,
}

/// One address that goes to another rung.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Which.
    pub address: IpAddr,
    /// The rung; `None` for the kernel side's own.
    pub rung: Option<Rung>,
    /// Why, in a sentence.
    pub why: Arc<str>,
    /// The change.
    pub change: Change,
}

/// The rung that an address took by itself, or would have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Automatic {
    /// The rung.
    pub rung: Rung,
    /// It is only said.
    pub dry_run: bool,
    /// Since when.
    pub since: Timestamp,
    /// Held until then at least.
    pub held_until: Now,
    /// Why, in a sentence.
    pub why: Arc<str>,
}

/// What the ladder knows of an address that it watches, because something is or was going on there.
#[derive(Debug, Clone, PartialEq)]
pub struct Watched {
    /// What it took.
    pub automatic: Option<Automatic>,
    /// What arrives that may be an attack, in packets per second over about a second.
    pub residual_pps: f64,
    /// Half its SYN rate or more arrived: the last time.
    pub last_excess: Option<MonotonicNs>,
    /// It is watched since then.
    pub since: MonotonicNs,
    /// The attack that goes on, on it or on its group.
    pub attack: Option<u64>,
}

/// Every address that is not at rest.
#[derive(Debug, Clone, Default)]
pub struct Ladder {
    climbs: BTreeMap<IpAddr, Climb>,
    /// Rungs above or below `limit` that were told.
    told: BTreeMap<Subject, Rung>,
    /// The first tick tells nothing: what is found there was told by whoever put it there.
    has_ticked: bool,
}

impl Ladder {
    /// A ladder that goes on with what an earlier one took.
    #[must_use]
    pub fn new(overrides: &Overrides, now: Now) -> Self {
        let climbs = overrides.taken.iter();
        Self {
            climbs: climbs
                .map(|(address, taken)| (*address, Climb::restored(taken, now)))
                .collect(),
            ..Self::default()
        }
    }

    /// What is known of the addresses that are watched.
    #[must_use]
    pub fn watched(&self) -> BTreeMap<IpAddr, Watched> {
        self.climbs
            .iter()
            .map(|(address, climb)| (*address, climb.watched()))
            .collect()
    }

    /// Takes in a tick.
    pub fn tick(&mut self, view: &View<'_>) -> Outcome {
        let mut outcome = Outcome::default();
        let around = Around::of(view);
        self.tell_standings(view, &around, &mut outcome.events);
        let mut said = BTreeSet::new();
        for own in &view.tick.subjects {
            let Subject::Address(address) = own.subject else {
                continue;
            };
            if self.is_at_rest(address, own, &around) {
                continue;
            }
            if let Some(seen) = around.seen(address, own, view) {
                self.move_one(&seen, &mut said, &mut outcome.events);
            }
        }
        let now = view.tick.at;
        self.climbs
            .retain(|address, climb| view.protected.contains_key(address) && !climb.is_over(now));
        self.reconcile(view, &mut outcome);
        outcome
    }

    /// Most addresses, most of the time: nothing is looked up for them.
    fn is_at_rest(&self, address: IpAddr, own: &Observation, around: &Around<'_>) -> bool {
        own.standing.rung == Rung::Limit
            && !own.standing.excess
            && !around.is_attacked(address, own)
            && !self.climbs.contains_key(&address)
    }

    /// One address; what is only said is told here, once for all addresses of a group.
    fn move_one(&mut self, seen: &Seen<'_>, said: &mut BTreeSet<(u64, Rung, Rung)>, events: &mut Vec<Event>) {
        let climb = self.climbs.entry(seen.address).or_insert_with(|| Climb::new(seen.now));
        let Some(Moved { from, to, why }) = climb.next(seen) else {
            return;
        };
        let subject = match seen.attack {
            Some(attack) if matches!(attack.subject, Subject::Group(_)) => {
                if !said.insert((attack.id, from, to)) {
                    return;
                }
                attack.subject
            }
            _ => Subject::Address(seen.address),
        };
        events.push(Event {
            at: seen.now.wall,
            subject: Some(subject),
            attack: seen.attack.map(|attack| attack.id),
            what: What::RungChanged {
                from,
                to,
                why: why.to_string(),
                dry_run: true,
            },
        });
    }

    /// What is wanted against what is in force.
    fn reconcile(&self, view: &View<'_>, outcome: &mut Outcome) {
        let now = view.tick.at;
        for (&address, climb) in &self.climbs {
            let Some(protected) = view.protected.get(&address) else {
                continue;
            };
            let ttl = protected.ladder.ttl;
            let in_force = view.overrides.taken.get(&address);
            match (climb.wanted(), in_force) {
                (Some(held), Some(taken)) if taken.rung == held.rung => {
                    let left = taken
                        .origin
                        .until
                        .map_or(0, |until| until.mono.0.saturating_sub(now.mono.0));
                    if u128::from(left) * 2 < ttl.as_nanos() {
                        let mut renewed = taken.clone();
                        renewed.origin.until = Some(now.plus(ttl));
                        outcome.renewals.push(Change::PutTaken(address, renewed));
                    }
                }
                (Some(held), _) => {
                    let taken = Taken {
                        rung: held.rung,
                        held_until: held.until_wall(),
                        origin: Origin {
                            actor: ACTOR.to_owned(),
                            reason: Some(held.why.to_string()),
                            since: held.since.wall,
                            until: Some(now.plus(ttl)),
                        },
                    };
                    outcome.steps.push(Step {
                        address,
                        rung: Some(held.rung),
                        why: Arc::clone(&held.why),
                        change: Change::PutTaken(address, taken),
                    });
                }
                (None, Some(_)) => outcome.steps.push(release(address, climb.why_not())),
                (None, None) => {}
            }
        }
        for address in view.overrides.taken.keys() {
            if !self.climbs.contains_key(address) {
                outcome
                    .steps
                    .push(release(*address, "it is not protected any more".into()));
            }
        }
    }
}

fn release(address: IpAddr, why: Arc<str>) -> Step {
    Step {
        address,
        rung: None,
        why,
        change: Change::RemoveTaken(address),
    }
}

/// What is the same for all addresses at a tick.
struct Around<'a> {
    attacks: BTreeMap<Subject, &'a Attack>,
    attacked_groups: Vec<IpNet>,
    groups: BTreeMap<IpNet, &'a Observation>,
    /// Packets per second to all protected addresses.
    total_pps: f64,
}

impl<'a> Around<'a> {
    fn of(view: &View<'a>) -> Self {
        let open = view.attacks.iter().filter(|attack| attack.ended.is_none());
        let attacks: BTreeMap<Subject, &Attack> = open.map(|attack| (attack.subject, attack)).collect();
        let attacked_groups = attacks.keys().filter_map(|subject| match subject {
            Subject::Group(prefix) => Some(*prefix),
            Subject::Address(_) => None,
        });
        let attacked_groups = attacked_groups.collect();
        let mut groups = BTreeMap::new();
        let mut total_pps = 0.0;
        for observation in &view.tick.subjects {
            match observation.subject {
                Subject::Group(prefix) => drop(groups.insert(prefix, observation)),
                // Only an attack asks for shares.
                Subject::Address(_) if !attacks.is_empty() => total_pps += observation.rates.total(),
                Subject::Address(_) => {}
            }
        }
        Self {
            attacks,
            attacked_groups,
            groups,
            total_pps,
        }
    }

    /// What is known of one address; `None` if it is not protected any more.
    fn seen(&self, address: IpAddr, own: &'a Observation, view: &View<'a>) -> Option<Seen<'a>> {
        let policy = view.protected.get(&address)?.ladder;
        let state = view.kernel.addresses.get(&address)?;
        let group = state.group.and_then(|prefix| self.groups.get(&prefix).copied());
        let attack = self.attack_on(address, state.group);
        let cause = match attack.map(|attack| attack.subject) {
            Some(Subject::Group(_)) => group.unwrap_or(own),
            _ => own,
        };
        let overrides = view.overrides;
        let ceiling = overrides.ceilings.get(&address);
        Some(Seen {
            now: view.tick.at,
            seconds: view.tick.seconds,
            address,
            own,
            cause,
            elsewhere: view.tick.elsewhere.get(&address).copied().unwrap_or_default(),
            attack,
            saturated: view.saturated.then_some(&view.tick.host),
            total_pps: self.total_pps,
            policy,
            monitor: view.kernel.settings.mode == Mode::Monitor,
            proves: state.ladder.method,
            bounds: Bounds {
                forced: overrides.rungs.contains_key(&address) || overrides.blackholes.contains_key(&address),
                ceiling: ceiling.map(|ceiling| (ceiling.rung, &ceiling.origin)),
            },
        })
    }

    /// Whether an attack is on an address or on a group that holds it.
    fn is_attacked(&self, address: IpAddr, own: &Observation) -> bool {
        !self.attacks.is_empty()
            && (self.attacks.contains_key(&own.subject)
                || self.attacked_groups.iter().any(|group| group.contains(&address)))
    }

    fn attack_on(&self, address: IpAddr, group: Option<IpNet>) -> Option<&'a Attack> {
        if self.attacks.is_empty() {
            return None;
        }
        let on_group = || group.and_then(|prefix| self.attacks.get(&Subject::Group(prefix)));
        self.attacks.get(&Subject::Address(address)).or_else(on_group).copied()
    }
}
