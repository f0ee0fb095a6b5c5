//! Rungs that changed, told once they are in force, whoever changed them: the kernel side by itself, the ladder, or a person.

use std::collections::BTreeSet;

use super::{Around, Ladder, View};
use crate::{
    decide::say,
    detect::{Event, Observation, Subject, What},
    ladder::Rung,
    overrides::Origin,
    tables::Mode,
};

impl Ladder {
    /// Tells each rung that is another one than was told last; once for all addresses of a group that is attacked.
    pub(super) fn tell_standings(&mut self, view: &View<'_>, around: &Around<'_>, events: &mut Vec<Event>) {
        let mut told_now = BTreeSet::new();
        for seen in &view.tick.subjects {
            let to = seen.standing.rung;
            if to == Rung::Limit && self.told.is_empty() {
                continue;
            }
            let from = self.told.get(&seen.subject).copied().unwrap_or(Rung::Limit);
            if to == from {
                continue;
            }
            match to {
                Rung::Limit => drop(self.told.remove(&seen.subject)),
                _ => drop(self.told.insert(seen.subject, to)),
            }
            if !self.has_ticked {
                continue;
            }
            let (subject, attack) = whose(seen, view, around);
            let why = why(seen, from, to, view);
            if told_now.insert((subject, from, to)) {
                events.push(Event {
                    at: view.tick.at.wall,
                    subject: Some(subject),
                    attack,
                    what: What::RungChanged {
                        from,
                        to,
                        why,
                        dry_run: view.kernel.settings.mode == Mode::Monitor,
                    },
                });
            }
        }
        self.has_ticked = true;
        let there = |subject: &Subject| match subject {
            Subject::Address(address) => view.protected.contains_key(address),
            Subject::Group(prefix) => view.kernel.groups.contains_key(prefix),
        };
        self.told.retain(|subject, _| there(subject));
    }
}

/// The address, or its group where that is attacked and what happens is the ladder's own doing.
fn whose(seen: &Observation, view: &View<'_>, around: &Around<'_>) -> (Subject, Option<u64>) {
    let Subject::Address(address) = seen.subject else {
        let attack = around.attacks.get(&seen.subject);
        return (seen.subject, attack.map(|attack| attack.id));
    };
    let group = view.kernel.addresses.get(&address).and_then(|state| state.group);
    let attack = around.attack_on(address, group);
    let by_person = view.overrides.rungs.contains_key(&address) || view.overrides.blackholes.contains_key(&address);
    match attack {
        Some(attack) if !by_person => (attack.subject, Some(attack.id)),
        _ => (seen.subject, attack.map(|attack| attack.id)),
    }
}

fn why(seen: &Observation, from: Rung, to: Rung, view: &View<'_>) -> String {
    if let Subject::Address(address) = seen.subject {
        let overrides = view.overrides;
        if let Some(hole) = overrides.blackholes.get(&address).filter(|_| to == Rung::Blackhole) {
            return by_hand("blackholed", &hole.origin, view);
        }
        if let Some(forced) = overrides.rungs.get(&address).filter(|forced| forced.rung == to) {
            return by_hand("forced", &forced.origin, view);
        }
        if let Some(taken) = overrides.taken.get(&address).filter(|taken| taken.rung == to) {
            return taken.origin.reason.clone().unwrap_or_default();
        }
    }
    let rates = &seen.rates;
    match (to, seen.standing.syn_threshold) {
        (Rung::Verify, Some(rate)) if rates.syn >= rate => {
            format!("{:.0} SYNs/s come, and its rate is {rate:.0}/s", rates.syn)
        }
        (Rung::Verify, _) if from < to => "it is over its SYN rate".to_owned(),
        (_, _) if from == Rung::Verify => "less than half its SYN rate arrives".to_owned(),
        (_, _) => format!("nothing holds it on {from} any more"),
    }
}

fn by_hand(what: &str, origin: &Origin, view: &View<'_>) -> String {
    let until = say::until(origin.until, view.tick.at);
    let reason = origin
        .reason
        .as_ref()
        .map(|reason| format!(": {reason}"))
        .unwrap_or_default();
    format!("{what} by {} {until}{reason}", origin.actor)
}
