//! One address on its way up and down: what it holds, for how long, and how often it came back.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{
    Automatic, Watched,
    seen::Seen,
    visits::{Visits, since},
};
use crate::{
    clock::Now,
    ladder::{Method, Rung},
    overrides::Taken,
    tables::MonotonicNs,
};

/// No single reading, however late it comes, makes an address climb: it counts for this part of the time at most.
const READINGS: u32 = 3;
/// Seconds over which the residual rate is smoothed.
const SMOOTH_SECONDS: f64 = 1.0;

/// A rung that is held.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) rung: Rung,
    pub(super) since: Now,
    /// Until then at least.
    pub(super) until: Now,
    pub(super) why: Arc<str>,
    dry_run: bool,
}

impl Held {
    pub(super) const fn until_wall(&self) -> Timestamp {
        self.until.wall
    }
}

/// What presses towards the next rung.
#[derive(Debug, Clone, Copy)]
struct Pressed {
    rung: Rung,
    total: Duration,
    last: MonotonicNs,
}

/// A move that is only said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Moved {
    pub(super) from: Rung,
    pub(super) to: Rung,
    pub(super) why: Arc<str>,
}

/// One address.
#[derive(Debug, Clone)]
pub(super) struct Climb {
    held: Option<Held>,
    /// While what is held is only said: what is in force beneath it.
    beneath: Option<Held>,
    visits: Visits,
    pressed: Option<Pressed>,
    calm_since: Option<MonotonicNs>,
    /// It stood in verify, or higher, at the tick before.
    was_high: bool,
    /// The kernel side has brought it back to verify, and it was not held there since.
    came_back: bool,
    /// Seconds of the attack in which customers were hurt, by its id: growing means that they are.
    impact: Option<(u64, f64)>,
    residual_pps: f64,
    last_excess: Option<MonotonicNs>,
    since: MonotonicNs,
    attack: Option<u64>,
    /// Why nothing is held any more.
    why_not: Arc<str>,
    at_rest: bool,
}

fn at(now: Now, after: Duration) -> Now {
    let then = now.plus(after);
    Now {
        wall: then.wall,
        mono: then.mono,
    }
}

impl Climb {
    pub(super) fn new(now: Now) -> Self {
        Self {
            held: None,
            beneath: None,
            visits: Visits::default(),
            pressed: None,
            calm_since: None,
            was_high: false,
            came_back: false,
            impact: None,
            residual_pps: 0.0,
            last_excess: None,
            since: now.mono,
            attack: None,
            why_not: "it was calm".into(),
            at_rest: false,
        }
    }

    /// Goes on with what an earlier agent took.
    pub(super) fn restored(taken: &Taken, now: Now) -> Self {
        let until = now.until_wall(taken.held_until);
        let held = Held {
            rung: taken.rung,
            since: Now {
                wall: taken.origin.since,
                mono: now.mono,
            },
            until: until.map_or(now, |until| Now {
                wall: until.wall,
                mono: until.mono,
            }),
            why: taken
                .origin
                .reason
                .as_deref()
                .unwrap_or("taken by an earlier agent")
                .into(),
            dry_run: false,
        };
        Self {
            held: Some(held),
            was_high: true,
            ..Self::new(now)
        }
    }

    /// What is to be in force.
    pub(super) fn wanted(&self) -> Option<&Held> {
        self.held
            .as_ref()
            .filter(|held| !held.dry_run)
            .or(self.beneath.as_ref())
    }

    /// Why nothing is.
    pub(super) fn why_not(&self) -> Arc<str> {
        Arc::clone(&self.why_not)
    }

    pub(super) fn watched(&self) -> Watched {
        Watched {
            automatic: self.held.as_ref().map(|held| Automatic {
                rung: held.rung,
                dry_run: held.dry_run,
                since: held.since.wall,
                held_until: held.until,
                why: Arc::clone(&held.why),
            }),
            residual_pps: self.residual_pps,
            last_excess: self.last_excess,
            since: self.since,
            attack: self.attack,
        }
    }

    /// Nothing is left to be remembered.
    pub(super) fn is_over(&self, now: Now) -> bool {
        self.at_rest && self.held.is_none() && !self.visits.remember(now)
    }

    /// Takes in a tick; tells a move that is only said.
    pub(super) fn next(&mut self, seen: &Seen<'_>) -> Option<Moved> {
        let hurt = self.measure(seen);
        let from = self.stands(seen);
        self.follow_kernel(seen);
        if seen.bounds.forced {
            self.let_go(seen, "a person has put it on a rung".into());
            return None;
        }
        if let Some(moved) = self.follow_policy(seen, from) {
            return Some(moved);
        }
        self.rise(seen, from, hurt).or_else(|| self.sink(seen, from))
    }

    /// Takes in the rates; tells whether customers are hurt.
    fn measure(&mut self, seen: &Seen<'_>) -> bool {
        let weight = (seen.seconds / SMOOTH_SECONDS).clamp(0.0, 1.0);
        self.residual_pps += (seen.arriving_pps() - self.residual_pps) * weight;
        let busy = seen.is_busy();
        if busy {
            self.last_excess = Some(seen.now.mono);
            self.calm_since = None;
        } else {
            self.calm_since.get_or_insert(seen.now.mono);
        }
        self.attack = seen.attack.map(|attack| attack.id);
        self.at_rest = !busy && seen.attack.is_none() && seen.own.standing.rung == Rung::Limit;
        let impact = seen.attack.map(|attack| (attack.id, attack.impact_seconds));
        let hurt = match (self.impact, impact) {
            (Some((before, was)), Some((id, is))) => before == id && is > was,
            _ => false,
        };
        self.impact = impact;
        hurt
    }

    /// Where it stands: what it holds, even if that is only said, or what the kernel side took.
    fn stands(&self, seen: &Seen<'_>) -> Rung {
        // Over its group's rate an address proves as over its own.
        let by_itself = seen.own.standing.rung.max(seen.cause.standing.rung).min(Rung::Verify);
        self.held.as_ref().map_or(by_itself, |held| held.rung.max(by_itself))
    }

    /// The kernel side goes to verify and back by itself. An address that comes back there during an attack is held.
    fn follow_kernel(&mut self, seen: &Seen<'_>) {
        let is_high = seen.own.standing.rung >= Rung::Verify && !seen.bounds.forced;
        if is_high && !self.was_high && self.held.is_none() {
            self.came_back = self.visits.come(Rung::Verify, seen);
        } else if !is_high && self.was_high {
            self.visits.leave(Rung::Verify, seen);
        }
        self.was_high = is_high;
        let may =
            seen.policy.kernel_most() == Rung::Verify && seen.most() >= Rung::Verify && seen.proves != Method::Drop;
        let on_verify = seen.own.standing.rung == Rung::Verify && self.held.is_none();
        if self.came_back && may && on_verify && is_high && seen.attack.is_some() && !seen.monitor {
            let hold = self.visits.hold(Rung::Verify, seen);
            self.take(
                Rung::Verify,
                hold,
                "it came back to verify again and again".into(),
                seen,
            );
        }
    }

    /// What the configuration, the mode or a person does not allow any more.
    fn follow_policy(&mut self, seen: &Seen<'_>, from: Rung) -> Option<Moved> {
        let most = seen.most();
        let held = self.held.as_mut()?;
        if held.rung > most {
            let why: Arc<str> = match seen.bounds.ceiling {
                Some((_, origin)) => format!("{} took it back", origin.actor).into(),
                None => format!("the configuration allows {most} at most").into(),
            };
            let was_dry = held.dry_run;
            self.go_down(seen, why);
            return self.said(from, was_dry);
        }
        let dry_run = seen.is_only_said(held.rung);
        if dry_run && !held.dry_run {
            self.why_not = "it is only said now, and not done".into();
        }
        held.dry_run = dry_run;
        self.beneath
            .take_if(|beneath| seen.is_only_said(beneath.rung) || !dry_run);
        None
    }

    fn rise(&mut self, seen: &Seen<'_>, from: Rung, hurt: bool) -> Option<Moved> {
        let next = seen.above(from)?;
        let why = seen.needs(next, hurt)?;
        let after = seen.policy.after(next);
        let this = Duration::try_from_secs_f64(seen.seconds.max(0.0)).unwrap_or_default();
        let this = this.min(after / READINGS);
        let before = self
            .pressed
            .filter(|pressed| pressed.rung == next && since(pressed.last, seen.now) <= after);
        let total = before.map_or(Duration::ZERO, |pressed| pressed.total) + this;
        self.pressed = Some(Pressed {
            rung: next,
            total,
            last: seen.now.mono,
        });
        if total < after {
            return None;
        }
        self.visits.come(next, seen);
        let hold = self.visits.hold(next, seen);
        self.take(next, hold, why, seen);
        self.said(from, self.is_dry())
    }

    fn sink(&mut self, seen: &Seen<'_>, from: Rung) -> Option<Moved> {
        let held = self.held.as_ref()?;
        if seen.now.mono < held.until.mono {
            return None;
        }
        let was_dry = held.dry_run;
        if held.rung == Rung::Upstream {
            // What the network above drops is not seen here: only a look tells whether it is over.
            self.visits.leave_above(Rung::Blackhole, Rung::Upstream, seen);
            let hold = seen.policy.hold(Rung::Blackhole);
            self.take(Rung::Blackhole, hold, "to see what still arrives".into(), seen);
            self.calm_since = None;
            return self.said(from, was_dry);
        }
        let calm = self
            .calm_since
            .is_some_and(|calm| since(calm, seen.now) >= seen.policy.calm);
        if !calm {
            return None;
        }
        let calm = humantime::format_duration(seen.policy.calm);
        self.go_down(seen, format!("less than half its SYN rate arrived for {calm}").into());
        self.said(from, was_dry)
    }

    /// Down to verify, which is enough for all that is not an overload; from there to what the kernel side does by itself.
    fn go_down(&mut self, seen: &Seen<'_>, why: Arc<str>) {
        let Some(held) = &self.held else { return };
        let rung = held.rung;
        let proves = seen.proves != Method::Drop && seen.most() >= Rung::Verify;
        if rung > Rung::Verify && proves {
            self.visits.leave_above(Rung::Verify, rung, seen);
            let hold = seen.policy.hold(Rung::Verify);
            self.take(Rung::Verify, hold, why, seen);
        } else {
            self.let_go(seen, why);
        }
    }

    fn let_go(&mut self, seen: &Seen<'_>, why: Arc<str>) {
        if let Some(held) = &self.held {
            self.visits.leave_above(Rung::Limit, held.rung, seen);
            self.why_not = why;
        }
        (self.held, self.beneath) = (None, None);
        self.pressed = None;
        self.came_back = false;
    }

    fn take(&mut self, rung: Rung, hold: Duration, why: Arc<str>, seen: &Seen<'_>) {
        let dry_run = seen.is_only_said(rung);
        if dry_run {
            self.why_not = Arc::clone(&why);
            let in_force = self.held.take_if(|held| !held.dry_run);
            self.beneath = self.beneath.take().or(in_force);
        } else {
            self.beneath = None;
        }
        self.held = Some(Held {
            rung,
            since: seen.now,
            until: at(seen.now, hold),
            why,
            dry_run,
        });
        self.pressed = None;
        self.came_back = false;
    }

    fn is_dry(&self) -> bool {
        self.held.as_ref().is_some_and(|held| held.dry_run)
    }

    /// What is really done is told when it is in force.
    fn said(&self, from: Rung, dry_run: bool) -> Option<Moved> {
        let to = self.held.as_ref().map_or(Rung::Limit, |held| held.rung);
        let why = self.held.as_ref().map_or(&self.why_not, |held| &held.why);
        (dry_run && from != to).then(|| Moved {
            from,
            to,
            why: Arc::clone(why),
        })
    }
}
