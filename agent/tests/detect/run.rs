//! Runs a trace through the detector, as the engine does.

use std::{collections::BTreeSet, sync::OnceLock};

use agent::detect::{AttackVector, Baselines, DetectPolicy, Detector, Event, Subject, Tick, What};

use crate::{
    scenarios::{ONSET, Scenario, all},
    world::{Load, World, rhythm},
};

/// A tick, in seconds.
pub(crate) const TICK: f64 = 0.1;

/// The detector with what it learned.
pub(crate) struct Watch {
    pub(crate) detector: Detector,
    pub(crate) baselines: Baselines,
    pub(crate) policy: DetectPolicy,
}

impl Watch {
    pub(crate) fn new() -> Self {
        Self {
            detector: Detector::new(1, []),
            baselines: Baselines::default(),
            policy: DetectPolicy::default(),
        }
    }

    /// Takes in a tick, and learns.
    pub(crate) fn feed(&mut self, tick: &Tick) -> Vec<Event> {
        let events = self.detector.tick(tick, &self.policy, &self.baselines);
        self.baselines.learn(self.detector.take_lessons());
        events
    }

    /// A week of everyday life at a tick a minute.
    pub(crate) fn learn_a_week(&mut self, world: &mut World, usual: impl Fn(usize) -> Load) {
        for _ in 0..7 * 24 * 60 {
            let part = rhythm(world.hour());
            let tick = world.tick(60.0, |index| usual(index).scaled(part));
            let events = self.feed(&tick);
            assert!(events.is_empty(), "while learning: {events:?}");
        }
    }
}

/// What became of a trace. Times are seconds from the onset.
pub(crate) struct Run {
    pub(crate) events: Vec<(f64, Event)>,
    pub(crate) found: Vec<Found>,
    pub(crate) impact_seconds: f64,
}

/// An attack that was found.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Found {
    pub(crate) subject: Subject,
    pub(crate) after: f64,
    pub(crate) vectors: BTreeSet<AttackVector>,
    /// When the last excess was, if it was told.
    pub(crate) over_after: Option<f64>,
}

/// All traces with what became of them; they run once.
pub(crate) fn runs() -> &'static [(Scenario, Run)] {
    static RUNS: OnceLock<Vec<(Scenario, Run)>> = OnceLock::new();
    RUNS.get_or_init(|| {
        let with_run = |scenario| {
            let run = run(&scenario);
            (scenario, run)
        };
        all().into_iter().map(with_run).collect()
    })
}

/// Runs a trace: a week to learn from if it wants one, then itself.
fn run(scenario: &Scenario) -> Run {
    let (mut world, mut watch) = ((scenario.world)(), Watch::new());
    if scenario.learned {
        watch.learn_a_week(&mut world, |index| (scenario.load)(0.0, index));
    }
    let mut run = Run {
        events: Vec::new(),
        found: Vec::new(),
        impact_seconds: 0.0,
    };
    let onset = world.now.wall.as_millisecond() as f64 / 1e3 + ONSET;
    let ticks = (scenario.seconds / TICK).round() as u32;
    for number in 0..ticks {
        let at = f64::from(number) * TICK;
        let tick = world.tick(TICK, |index| (scenario.load)(at, index));
        for event in watch.feed(&tick) {
            run.events.push((at + TICK - ONSET, event));
        }
        for attack in watch.detector.attacks().iter().filter(|attack| attack.ended.is_some()) {
            run.impact_seconds += attack.impact_seconds;
        }
    }
    run.find(onset);
    run
}

impl Run {
    /// Makes attacks of the events.
    fn find(&mut self, onset: f64) {
        let mut ids = Vec::new();
        for (after, event) in &self.events {
            let place = ids.iter().position(|id| Some(*id) == event.attack);
            match (&event.what, place) {
                (What::AttackStarted { vectors, .. }, _) => {
                    ids.push(event.attack.expect("an attack has an id"));
                    self.found.push(Found {
                        subject: event.subject.expect("an attack has a subject"),
                        after: *after,
                        vectors: vectors.clone(),
                        over_after: None,
                    });
                }
                (What::VectorAdded { vector }, Some(place)) => drop(self.found[place].vectors.insert(*vector)),
                (What::AttackEnded { .. }, Some(place)) => {
                    // Told once it was calm for the hold.
                    let told = event.at.as_millisecond() as f64 / 1e3 - onset;
                    let hold = DetectPolicy::default().hold.as_secs_f64();
                    self.found[place].over_after = Some(told - hold);
                }
                _ => {}
            }
        }
    }

    /// When handshakes were first told to fall.
    pub(crate) fn warned_after(&self) -> Option<f64> {
        self.first(|what| matches!(what, What::HandshakesFalling { .. }))
    }

    /// When it was first told that there is much to do.
    pub(crate) fn busy_after(&self) -> Option<f64> {
        self.first(|what| matches!(what, What::Busy { .. }))
    }

    fn first(&self, is: fn(&What) -> bool) -> Option<f64> {
        self.events
            .iter()
            .find(|(_, event)| is(&event.what))
            .map(|(after, _)| *after)
    }
}
