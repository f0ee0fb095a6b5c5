//! What the ladder decides is put into force here, as commands are, and recorded under its own name.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use super::Engine;
use crate::{
    clock::Now,
    decide::{
        ladder::{ACTOR, Outcome, Step, View},
        say,
    },
    detect::{Attack, Tick},
    ladder::Rung,
    ledger::JournalEntry,
    overrides::Change,
};

/// Steps that are one decision: the same rung for the same reason.
type Decisions<'a> = BTreeMap<(Option<Rung>, Arc<str>), Vec<&'a Step>>;

impl Engine {
    /// Lets the ladder look at what was observed, after detection did; true when something happened.
    pub fn climb(&mut self, tick: &Tick, attacks: &[Attack], saturated: bool) -> bool {
        if self.detached {
            return false;
        }
        let outcome = self.ladder.tick(&View {
            tick,
            attacks,
            saturated,
            protected: &self.config.protected,
            kernel: &self.kernel,
            overrides: &self.overrides,
        });
        self.ladder_problem = self.put_into_force(&outcome, tick.at).err();
        let happened = !outcome.steps.is_empty() || !outcome.events.is_empty();
        for event in outcome.events {
            self.happened(event);
        }
        let watched = self.ladder.watched();
        if *self.watched != watched {
            self.watched = Arc::new(watched);
        }
        happened
    }

    /// What fails is decided again at the next tick.
    fn put_into_force(&mut self, outcome: &Outcome, now: Now) -> Result<(), String> {
        let changes: Vec<Change> = outcome.steps.iter().map(|step| step.change.clone()).collect();
        if changes.is_empty() && outcome.renewals.is_empty() {
            return Ok(());
        }
        let all: Vec<Change> = changes.iter().chain(&outcome.renewals).cloned().collect();
        self.change(&all).map_err(|error| {
            let problem = format!("what the ladder decided is not in force: {error}");
            if self.ladder_problem.as_ref() != Some(&problem) {
                tracing::error!("{problem}");
            }
            problem
        })?;
        if let Err(error) = self.ledger.keep(&outcome.renewals) {
            tracing::error!("{error}");
        }
        let mut decisions = Decisions::new();
        for step in &outcome.steps {
            let decision = (step.rung, Arc::clone(&step.why));
            decisions.entry(decision).or_default().push(step);
        }
        for ((rung, why), steps) in &decisions {
            let changes: Vec<Change> = steps.iter().map(|step| step.change.clone()).collect();
            // Not recorded is not lost: it ends by itself, and is decided again where there is need.
            let _ = self.record(&changes, &entry(*rung, why, steps, now));
        }
        Ok(())
    }
}

fn entry(rung: Option<Rung>, why: &str, steps: &[&Step], now: Now) -> JournalEntry {
    let addresses: Vec<IpAddr> = steps.iter().map(|step| step.address).collect();
    let whose = say::some_of(&addresses);
    let result = match (rung, &steps[0].change) {
        (Some(rung), Change::PutTaken(_, taken)) => format!(
            "Put {whose} on the rung {rung} by itself, until {} at least.",
            say::instant(taken.held_until)
        ),
        _ => format!("{whose} takes no more than the kernel side's own rungs again."),
    };
    JournalEntry {
        at: now.wall,
        actor: ACTOR.to_owned(),
        command: format!("rung {whose} {}", rung.map_or("auto", Rung::name)),
        reason: Some(why.to_owned()),
        succeeded: true,
        result,
    }
}
