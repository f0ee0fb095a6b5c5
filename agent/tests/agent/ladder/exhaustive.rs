//! The ladder in every state that a few events can bring it to: all sequences of them, each followed tick by tick. Never up
//! without a cause that lasted, never down before the hold is over, never above what is allowed, never against a person; and
//! from wherever it came to, calm brings it back to the bottom.

use std::collections::{BTreeMap, BTreeSet};

use agent::{
    config::Config,
    overrides::{Change, RungOverride},
    tables::{Mode, Rung},
};

use crate::support::{address, config};

use super::world::{ADDRESS, CALM, FLOOD, OVERLOAD, SATURATION, THRESHOLD, TICK, Traffic, World};

/// Ticks of an event: five seconds.
const TICKS: usize = 10;
/// All holds, the end of the attack, and all that is remembered.
const LONGEST_SECONDS: u64 = 240;

/// What happens for some seconds.
#[derive(Debug, Clone, Copy)]
enum Event {
    Comes(Traffic),
    /// A person puts it on a rung, under a flood.
    Forced(Rung),
    /// Whatever people said holds no longer, and it is calm.
    Freed,
    /// A person takes it back and says how high it may go, while the worst goes on.
    Ceiling(Rung),
}

const BUSY: Traffic = Traffic {
    syn: THRESHOLD * 0.7,
    ..CALM
};

const EVENTS: [Event; 8] = [
    Event::Comes(CALM),
    Event::Comes(BUSY),
    Event::Comes(FLOOD),
    Event::Comes(OVERLOAD),
    Event::Comes(SATURATION),
    Event::Forced(Rung::Known),
    Event::Ceiling(Rung::Known),
    Event::Freed,
];

/// Short times, so that a few events go through all of them.
fn short(highest: &str, dry_run: &str) -> Config {
    config(&format!(
        "[verify]\nhold = \"5s\"\n[ladder]\nhighest = \"{highest}\"\ndry_run = [{dry_run}]\ncalm = \"5s\"\nhold_max = \"40s\"\nttl = \"20s\"\n\
         [ladder.known]\nafter = \"2s\"\nhold = \"5s\"\n[ladder.blackhole]\nafter = \"3s\"\nhold = \"10s\"\n[ladder.upstream]\nhold = \"20s\"\n"
    ))
}

/// A world with what is needed to say whether a move was right.
#[derive(Clone)]
struct Watched {
    world: World,
    /// Ticks since the last move and without a break in which customers were hurt or the host saturated; and in which it was
    /// saturated.
    pressed: (usize, usize),
    forced: Option<Rung>,
    ceiling: Option<Rung>,
    /// A person has just spoken: what goes down then needs no hold.
    excused: bool,
}

impl Watched {
    fn new(config: Config) -> Self {
        Self {
            world: World::new(config),
            pressed: (0, 0),
            forced: None,
            ceiling: None,
            excused: false,
        }
    }

    fn meet(&mut self, event: Event, path: &[Event]) {
        let traffic = match event {
            Event::Comes(traffic) => traffic,
            Event::Forced(rung) => {
                self.world.force(rung);
                self.forced = Some(rung);
                FLOOD
            }
            Event::Ceiling(rung) => {
                let origin = self.world.origin();
                let ceiling = RungOverride { rung, origin };
                self.world
                    .overrides
                    .apply(&Change::PutCeiling(address(ADDRESS), ceiling));
                self.ceiling = Some(rung);
                SATURATION
            }
            Event::Freed => {
                self.world.overrides.apply(&Change::RemoveRung(address(ADDRESS)));
                self.world.overrides.apply(&Change::RemoveCeiling(address(ADDRESS)));
                (self.forced, self.ceiling) = (None, None);
                CALM
            }
        };
        self.excused = !matches!(event, Event::Comes(..));
        for _ in 0..TICKS {
            self.tick(traffic, path);
            self.excused = false;
        }
    }

    fn tick(&mut self, traffic: Traffic, path: &[Event]) {
        let before = self.world.taken;
        let now = (
            usize::from(traffic.beyond_answers || traffic.saturated),
            usize::from(traffic.saturated),
        );
        // An event is longer than any `after`: what pressed before one that does not is forgotten.
        self.pressed = ((self.pressed.0 + now.0) * now.0, (self.pressed.1 + now.1) * now.1);
        let moves = self.world.steps.len();
        self.world.meet(traffic);
        assert!(self.world.steps.len() <= moves + 1, "two moves in a tick: {path:?}");
        if self.world.steps.len() > moves {
            self.moved(before, path);
            // To hold the kernel side's own verify is no move of the address: what presses meanwhile counts towards the next.
            let is_only_held = before.is_none() && self.world.rung() == Rung::Verify;
            self.pressed = if is_only_held { now } else { (0, 0) };
        }
        self.stands(path);
    }

    fn moved(&self, before: Option<(Rung, agent::clock::Now)>, path: &[Event]) {
        let to = self.world.taken.map(|(rung, _)| rung);
        let policy = self.world.config.protected[&address(ADDRESS)].ladder;
        if to > before.map(|(rung, _)| rung) {
            let Some(to) = to else { return };
            let ticks = (policy.after(to).as_millis() / TICK.as_millis()) as usize;
            let cause = match to {
                Rung::Blackhole => self.pressed.1 >= ticks,
                Rung::Known => self.pressed.0 >= ticks,
                _ => self.world.attack.is_some(),
            };
            assert!(
                cause,
                "up to {to} without a cause that lasted {ticks} ticks ({:?}): {path:?}",
                self.pressed
            );
            assert_eq!(self.forced, None, "up against a person: {path:?}");
        } else if let Some((was, since)) = before
            && !self.excused
        {
            let held = self.world.now.mono.0 - since.mono.0;
            let hold = policy.hold(was).as_nanos();
            assert!(u128::from(held) >= hold, "{was} was held for {held} ns: {path:?}");
        }
    }

    fn stands(&self, path: &[Event]) {
        let policy = self.world.config.protected[&address(ADDRESS)].ladder;
        let taken = self.world.overrides.taken.values().next();
        if let Some(rung) = self.forced {
            assert_eq!(self.world.rung(), rung, "a person wins: {path:?}");
            assert_eq!(taken, None, "and nothing is taken beside: {path:?}");
        }
        let Some(taken) = taken else { return };
        assert!(
            taken.rung <= policy.highest,
            "{} is above what is configured: {path:?}",
            taken.rung
        );
        assert!(
            self.ceiling.is_none_or(|most| taken.rung <= most),
            "above the ceiling: {path:?}"
        );
        assert!(
            !policy.is_only_said(taken.rung),
            "{} is only to be said: {path:?}",
            taken.rung
        );
        assert_ne!(
            self.world.config.mode,
            Mode::Monitor,
            "nothing is done in mode monitor: {path:?}"
        );
        let until = taken.origin.until.expect("what the ladder takes has an end").mono;
        assert!(until > self.world.now.mono, "it is renewed in time: {path:?}");
    }

    /// What of its state could matter to what comes next, roughly.
    fn sort(&self) -> String {
        let ago = |now: agent::clock::Now| (self.world.now.mono.0 - now.mono.0) / 5_000_000_000;
        let taken = self.world.taken.map(|(rung, since)| (rung, ago(since)));
        let attack = self.world.attack.as_ref().map(|(_, last)| ago(*last));
        format!(
            "{taken:?} {attack:?} {:?} {:?} {}",
            self.forced,
            self.ceiling,
            self.world.steps.len()
        )
    }
}

/// What was followed.
#[derive(Default)]
struct Followed {
    sequences: usize,
    /// One state of each sort, and how it came to be.
    states: BTreeMap<String, (Watched, Vec<Event>)>,
}

/// Every sequence of so many events from there on.
fn explore(from: &Watched, depth: usize, path: &mut Vec<Event>, followed: &mut Followed) {
    let state = || (from.clone(), path.clone());
    followed.states.entry(from.sort()).or_insert_with(state);
    if depth == 0 {
        followed.sequences += 1;
        return;
    }
    for event in EVENTS {
        path.push(event);
        let mut next = from.clone();
        next.meet(event, path);
        explore(&next, depth - 1, path, followed);
        path.pop();
    }
}

/// From there, calm brings it back to the bottom, and nothing is remembered for ever.
fn comes_down(end: &Watched, path: &[Event]) {
    let mut watched = end.clone();
    watched.meet(Event::Freed, path);
    for _ in 0..LONGEST_SECONDS * 2 {
        watched.tick(CALM, path);
    }
    let world = &watched.world;
    assert_eq!(world.rung(), Rung::Limit, "stuck after {path:?}");
    assert!(
        world.overrides.taken.is_empty(),
        "something is taken for ever: {path:?}"
    );
    assert!(
        world.ladder.watched().is_empty(),
        "something is remembered for ever: {path:?}"
    );
}

/// Follows all of them; the rungs that were taken must be these, or nothing was tried.
fn follow(config: Config, depth: usize, taken: &[Rung]) {
    let mut followed = Followed::default();
    explore(&Watched::new(config), depth, &mut Vec::new(), &mut followed);
    for (state, path) in followed.states.values() {
        comes_down(state, path);
    }
    let steps = followed.states.values().flat_map(|(state, _)| &state.world.steps);
    let reached: BTreeSet<Rung> = steps.filter_map(|(_, rung)| *rung).collect();
    println!("{} sequences, {} states", followed.sequences, followed.states.len());
    assert_eq!(reached, BTreeSet::from_iter(taken.iter().copied()));
}

#[test]
fn every_sequence_where_it_may_take_a_blackhole() {
    follow(short("blackhole", ""), 5, &[Rung::Verify, Rung::Known, Rung::Blackhole]);
}

#[test]
fn every_sequence_where_known_is_the_highest() {
    follow(short("known", ""), 3, &[Rung::Verify, Rung::Known]);
}

#[test]
fn every_sequence_where_verify_is_the_highest() {
    follow(short("verify", ""), 3, &[Rung::Verify]);
}

#[test]
fn every_sequence_where_known_is_only_said() {
    follow(short("blackhole", "\"known\""), 3, &[Rung::Verify]);
}

#[test]
fn every_sequence_where_upstream_is_only_said() {
    follow(
        short("upstream", "\"upstream\""),
        3,
        &[Rung::Verify, Rung::Known, Rung::Blackhole],
    );
}

#[test]
fn every_sequence_in_mode_monitor() {
    let mut config = short("blackhole", "");
    config.mode = Mode::Monitor;
    follow(config, 3, &[]);
}

/// The long form: `cargo test -p agent --test agent -- --ignored every_long_sequence --nocapture`.
#[test]
#[ignore = "takes minutes in a debug build; five events are tried always"]
fn every_long_sequence() {
    follow(short("blackhole", ""), 6, &[Rung::Verify, Rung::Known, Rung::Blackhole]);
}
