//! The detector in the engine: each tick goes through it, what it finds happens, and what it learns is kept.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;

use super::Engine;
use crate::{
    clock::Now,
    detect::{Attack, Baselines, Detector, Event, HostObservation, Pressing, Subject, Tick, baseline::Baseline},
    ledger::Ledger,
    snapshot::Detection,
};

/// Baselines that are written at once: thousands change in the same moment, and polls must not wait for them.
const KEEP_AT_ONCE: usize = 64;

/// The detector and what it works with.
#[derive(Debug)]
pub(super) struct Detecting {
    detector: Detector,
    baselines: Baselines,
    /// What was learned and is not in the ledger yet.
    unkept: Vec<(Subject, Baseline)>,
    /// How often each kind of event happened since the start.
    happened: BTreeMap<&'static str, u64>,
}

impl Detecting {
    /// Goes on where the ledger says that an earlier agent stopped. The sentences tell what of it cannot be had.
    pub(super) fn begin(ledger: &Ledger) -> (Self, Vec<String>) {
        let mut forgotten = Vec::new();
        let open = ledger.open_attacks().unwrap_or_else(|error| {
            forgotten.push(format!(
                "attacks that went on when the agent stopped are not gone on with: {error}"
            ));
            Vec::new()
        });
        let kept = ledger.baselines().unwrap_or_else(|error| {
            forgotten.push(format!("what is usual must be learned anew: {error}"));
            Vec::new()
        });
        let baseline = |(subject, _, learned): (Subject, Timestamp, Vec<u8>)| match serde_json::from_slice(&learned) {
            Ok(baseline) => Some((subject, baseline)),
            Err(error) => {
                forgotten.push(format!("what is usual for {subject} must be learned anew: {error}"));
                None
            }
        };
        let baselines = Baselines::kept(kept.into_iter().filter_map(baseline).collect::<Vec<_>>());
        let detecting = Self {
            detector: Detector::new(ledger.next_attack_id(), open),
            baselines,
            unkept: Vec::new(),
            happened: BTreeMap::new(),
        };
        (detecting, forgotten)
    }

    /// Attacks that go on, and those that ended in the latest tick.
    pub(super) fn attacks(&self) -> &[Attack] {
        self.detector.attacks()
    }

    /// What presses on addresses.
    pub(super) fn pressing(&self) -> &[Pressing] {
        self.detector.pressing()
    }

    pub(super) fn count(&mut self, event: &Event) {
        *self.happened.entry(event.what.name()).or_default() += 1;
    }
}

impl Engine {
    /// Has the detector look at a tick, and then the ladder; true when something happened.
    pub(super) fn detect(&mut self, tick: &Tick) -> bool {
        let section = &self.config.detect;
        // Where nothing is to be watched, attacks that were open end.
        let nothing = (!section.enabled).then(|| Tick {
            subjects: Vec::new(),
            host: HostObservation::default(),
            elsewhere: BTreeMap::new(),
            ..*tick
        });
        let detecting = &mut self.detecting;
        let detector = &mut detecting.detector;
        let events = detector.tick(
            nothing.as_ref().unwrap_or(tick),
            &section.policy(),
            &detecting.baselines,
        );
        let (attacks, saturated) = (detector.attacks().to_vec(), detector.is_host_saturated());
        let happened = !events.is_empty();
        if happened {
            // First the attacks, which the events name.
            self.keep_attacks();
        }
        for event in events {
            self.happened(event);
        }
        let has_news = self.tell_fleet(tick.at);
        self.climb(tick, &attacks, saturated) || happened || has_news
    }

    /// Has the ledger keep attacks as they are now, and what was learned of what is usual.
    pub(super) fn keep_detected(&mut self, now: Now) {
        self.keep_attacks();
        let detecting = &mut self.detecting;
        let lessons = detecting.detector.take_lessons();
        if !lessons.is_empty() {
            detecting.baselines.learn(lessons);
            let kernel = &self.kernel;
            detecting.baselines.retain(|subject| match subject {
                Subject::Address(address) => kernel.addresses.contains_key(address),
                Subject::Group(prefix) => kernel.groups.contains_key(prefix),
            });
            detecting.unkept.extend(detecting.baselines.take_changed());
        }
        let left = detecting.unkept.len().saturating_sub(KEEP_AT_ONCE);
        let learned: Vec<(Subject, Vec<u8>)> = detecting
            .unkept
            .drain(left..)
            .filter_map(|(subject, baseline)| match serde_json::to_vec(&baseline) {
                Ok(text) => Some((subject, text)),
                Err(error) => {
                    tracing::error!("cannot keep what is usual for {subject}: {error}");
                    None
                }
            })
            .collect();
        if !learned.is_empty() {
            self.ledger.put_baselines(now.wall, learned);
        }
    }

    /// Attacks that go on, and those that ended in the latest tick.
    fn keep_attacks(&mut self) {
        for attack in self.detecting.detector.attacks() {
            self.ledger.put_attack(attack);
        }
    }

    /// How detection stands, for everybody who asks.
    pub(super) fn detection(&self) -> Detection {
        let open = self.detecting.detector.attacks().iter();
        let attacks: Vec<Attack> = open.filter(|attack| attack.ended.is_none()).cloned().collect();
        Detection {
            enabled: self.config.detect.enabled,
            attacks: Arc::new(attacks),
            saturated: self.detecting.detector.is_host_saturated(),
            load: self.polls.load,
            happened: self.detecting.happened.clone(),
        }
    }
}
