//! The detector: ticks in, events out, and the attacks that are open. It has no clock and does no I/O: recorded ticks replay
//! to the same detections.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{
    Attack, Baselines, DetectPolicy, Event, Observation, Peaks, Subject, Tick, What,
    host::HostWatch,
    lesson::{LESSON_SECONDS, Lesson},
    pressing::Pressing,
    signal::{Signals, Weights, sound},
    watched::{Finding, Open, Outcome, Span, Watched},
};
use crate::fleet::Elsewhere;

/// A tick that took longer says nothing of its parts: it counts as a gap.
const LONGEST_SECONDS: f64 = 300.0;

/// Watches all subjects.
#[derive(Debug)]
pub struct Detector {
    watched: Vec<Watched>,
    /// By id; those that ended in the latest tick are still there.
    attacks: Vec<Attack>,
    /// Attacks of an earlier run that no tick has met yet.
    earlier: BTreeMap<Subject, Attack>,
    next_id: u64,
    host: HostWatch,
    policy: DetectPolicy,
    /// Seconds that all ticks took together: a clock that nobody sets.
    elapsed: f64,
    /// The five minutes of the wall clock that go on.
    lesson: i64,
    lessons: Vec<Lesson>,
    /// Of the latest tick.
    pressing: Vec<Pressing>,
}

impl Detector {
    /// A detector whose first attack gets this id, and that goes on with attacks that were open when it was last run.
    #[must_use]
    pub fn new(next_id: u64, open: impl IntoIterator<Item = Attack>) -> Self {
        let earlier: BTreeMap<Subject, Attack> = open.into_iter().map(|attack| (attack.subject, attack)).collect();
        let above = earlier.values().map(|attack| attack.id + 1).max().unwrap_or(1);
        Self {
            watched: Vec::new(),
            attacks: Vec::new(),
            earlier,
            next_id: next_id.max(above),
            host: HostWatch::default(),
            policy: DetectPolicy::default(),
            elapsed: 0.0,
            lesson: 0,
            lessons: Vec::new(),
            pressing: Vec::new(),
        }
    }

    /// Attacks that are open, by id, and those that ended in the latest tick: these have an end.
    #[must_use]
    pub fn attacks(&self) -> &[Attack] {
        &self.attacks
    }

    /// The bars of a subject in the latest tick.
    #[must_use]
    pub fn bars(&self, subject: &Subject) -> Option<&super::Bars> {
        self.find(subject).map(|watched| &watched.bars)
    }

    /// True while the host loses packets before it can judge them.
    #[must_use]
    pub const fn is_host_saturated(&self) -> bool {
        self.host.is_saturated()
    }

    /// Addresses on which something presses in the latest tick, for the other nodes to know.
    #[must_use]
    pub fn pressing(&self) -> &[Pressing] {
        &self.pressing
    }

    /// Takes out what can be learned since it was last asked, for [`Baselines::learn`].
    pub fn take_lessons(&mut self) -> Vec<Lesson> {
        std::mem::take(&mut self.lessons)
    }

    /// Takes in a tick; gives what happened, in order.
    pub fn tick(&mut self, tick: &Tick, policy: &DetectPolicy, baselines: &Baselines) -> Vec<Event> {
        let mut events = Vec::new();
        self.attacks.retain(|attack| attack.ended.is_none());
        self.pressing.clear();
        let seconds = sound(tick.seconds);
        if seconds <= 0.0 {
            return events;
        }
        let begin = self.elapsed;
        self.elapsed += seconds;
        let span = Span {
            begin,
            end: self.elapsed,
            wall: tick.at.wall,
            weights: Weights::of(seconds),
        };
        self.take_policy(policy);
        self.end_lessons(&span);
        self.align(tick, &span, &mut events);
        if seconds > LONGEST_SECONDS {
            self.watched.iter_mut().for_each(Watched::interrupt);
            return events;
        }
        if let Some(what) = self.host.next(&tick.host, seconds, policy) {
            events.push(event(&span, None, None, what));
        }
        for (index, seen) in tick.subjects.iter().enumerate() {
            self.watch(index, seen, tick, &span, baselines, &mut events);
        }
        events
    }

    fn take_policy(&mut self, policy: &DetectPolicy) {
        if self.policy != *policy {
            self.policy = policy.clone();
            self.watched.iter_mut().for_each(Watched::forget_bars);
        }
    }

    /// Ends the lessons of the five minutes before, when the wall clock has left them, in either direction.
    fn end_lessons(&mut self, span: &Span) {
        let lesson = span.wall.as_second().div_euclid(LESSON_SECONDS);
        if lesson == self.lesson {
            return;
        }
        let at = Timestamp::from_second(self.lesson.saturating_mul(LESSON_SECONDS)).unwrap_or(span.wall);
        self.lesson = lesson;
        let ended = self.watched.iter_mut().map(|watched| {
            let most = watched.bars.most;
            watched.sums.take(watched.subject, at, most)
        });
        self.lessons.extend(ended);
    }

    /// Brings what is watched in line with the subjects of a tick: nearly always it is.
    fn align(&mut self, tick: &Tick, span: &Span, events: &mut Vec<Event>) {
        let same = self.watched.len() == tick.subjects.len()
            && self
                .watched
                .iter()
                .zip(&tick.subjects)
                .all(|(watched, seen)| watched.subject == seen.subject);
        if !same {
            let mut before: BTreeMap<Subject, Watched> = self
                .watched
                .drain(..)
                .map(|watched| (watched.subject, watched))
                .collect();
            for seen in &tick.subjects {
                let kept = before.remove(&seen.subject);
                let watched = kept.unwrap_or_else(|| Watched::new(seen.subject, &self.policy));
                self.watched.push(watched);
            }
            self.find_groups();
            for open in before.values().filter_map(|gone| gone.open) {
                self.end(open, span, events);
            }
        }
        if !self.earlier.is_empty() {
            self.take_earlier(span, events);
        }
    }

    fn find_groups(&mut self) {
        let groups: BTreeMap<_, _> = self
            .watched
            .iter()
            .enumerate()
            .filter_map(|(index, watched)| match watched.subject {
                Subject::Group(prefix) => Some((prefix.network(), (prefix, index))),
                Subject::Address(_) => None,
            })
            .collect();
        for watched in &mut self.watched {
            // Groups do not overlap: the last one that begins at or before an address is the only one that can hold it.
            watched.group = match watched.subject {
                Subject::Address(address) => {
                    let nearest = groups.range(..=address).next_back();
                    nearest.and_then(|(_, (prefix, index))| prefix.contains(&address).then_some(*index))
                }
                Subject::Group(_) => None,
            };
        }
    }

    /// Goes on with attacks of an earlier run; those whose subject is protected no more end.
    fn take_earlier(&mut self, span: &Span, events: &mut Vec<Event>) {
        for (subject, attack) in std::mem::take(&mut self.earlier) {
            let lasted = attack.last_excess.duration_since(attack.started).as_secs_f64().max(0.0);
            let open = Open {
                id: attack.id,
                onset: span.begin - lasted,
                last_excess: span.begin,
                is_here: attack.fleet.is_none(),
                is_wide: attack.fleet.is_some(),
            };
            let place = self.attacks.partition_point(|other| other.id < attack.id);
            self.attacks.insert(place, Attack { ended: None, ..attack });
            match self.watched.iter_mut().find(|watched| watched.subject == subject) {
                Some(watched) => watched.open = Some(open),
                None => self.end(open, span, events),
            }
        }
    }

    fn watch(
        &mut self,
        index: usize,
        seen: &Observation,
        tick: &Tick,
        span: &Span,
        baselines: &Baselines,
        events: &mut Vec<Event>,
    ) {
        let watched = &mut self.watched[index];
        if watched.needs_bars(seen, span) {
            let usual = baselines.usual(&watched.subject, span.wall);
            watched.set_bars(seen, span, &self.policy, usual.as_ref());
        }
        let elsewhere = match seen.subject {
            Subject::Address(address) => tick.elsewhere.get(&address).copied(),
            Subject::Group(_) => None,
        };
        let elsewhere = elsewhere
            .filter(|elsewhere| elsewhere.unproven.is_finite())
            .unwrap_or_default();
        let outcome = watched.next(seen, elsewhere, span);
        if let Some(finding) = outcome.finding {
            let attack = watched.open.map(|open| open.id);
            events.push(event(span, Some(seen.subject), attack, told(finding)));
        }
        match watched.open {
            None if outcome.causes.is_empty() => {}
            None => self.begin(index, (outcome, elsewhere), span, events),
            Some(open) => self.go_on(index, open, outcome, span, events),
        }
        self.note(index, seen, tick, (outcome, elsewhere), span);
        self.pressing.extend(self.watched[index].pressing(seen));
    }

    fn begin(
        &mut self,
        index: usize,
        (outcome, elsewhere): (Outcome, Elsewhere),
        span: &Span,
        events: &mut Vec<Event>,
    ) {
        let watched = &mut self.watched[index];
        let onset = watched.onset.unwrap_or(span.begin);
        let id = self.next_id;
        self.next_id += 1;
        let is_here = outcome.causes.is_here();
        watched.open = Some(Open {
            id,
            onset,
            last_excess: span.end,
            is_here,
            is_wide: outcome.causes.is_wide(),
        });
        let fleet = (!is_here).then_some(elsewhere);
        let delay = span.end - onset;
        let vectors = outcome.causes.vectors();
        let now = watched.signals().now;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "milliseconds since an onset"
        )]
        let what = What::AttackStarted {
            vectors: vectors.clone(),
            syn: now.syn,
            packets: now.packets,
            delay_ms: (delay * 1e3).round() as u64,
            elsewhere: fleet,
        };
        self.attacks.push(Attack {
            id,
            subject: watched.subject,
            started: before(span.wall, delay),
            detected: span.wall,
            last_excess: span.wall,
            ended: None,
            vectors,
            rungs: std::collections::BTreeSet::new(),
            peaks: Peaks::default(),
            impact_seconds: 0.0,
            fleet,
        });
        events.push(event(span, Some(watched.subject), Some(id), what));
    }

    fn go_on(&mut self, index: usize, mut open: Open, outcome: Outcome, span: &Span, events: &mut Vec<Event>) {
        let subject = self.watched[index].subject;
        open.is_here |= outcome.causes.is_here();
        open.is_wide |= outcome.causes.is_wide();
        if outcome.goes_on {
            open.last_excess = span.end;
        }
        self.watched[index].open = Some(open);
        if let Some(attack) = self.attack_mut(open.id) {
            if outcome.goes_on {
                attack.last_excess = span.wall.max(attack.started);
            }
            for vector in outcome.causes.vectors() {
                if attack.vectors.insert(vector) {
                    events.push(event(span, Some(subject), Some(open.id), What::VectorAdded { vector }));
                }
            }
        }
        if span.end - open.last_excess >= self.policy.hold.as_secs_f64() {
            self.watched[index].open = None;
            self.end(open, span, events);
        }
    }

    /// Ends an attack at its last excess.
    fn end(&mut self, open: Open, span: &Span, events: &mut Vec<Event>) {
        let Some(attack) = self.attack_mut(open.id) else {
            return;
        };
        // The wall clock may have been set back since: an end is never before its beginning.
        attack.ended = Some(attack.last_excess.max(attack.started));
        let subject = attack.subject;
        let seconds = open.last_excess - open.onset;
        events.push(event(span, Some(subject), Some(open.id), What::AttackEnded { seconds }));
    }

    /// Writes down what a tick adds to an attack, and takes it out of what speaks for the group.
    fn note(
        &mut self,
        index: usize,
        seen: &Observation,
        tick: &Tick,
        (outcome, elsewhere): (Outcome, Elsewhere),
        span: &Span,
    ) {
        let watched = &self.watched[index];
        let (signals, group) = (*watched.signals(), watched.group);
        let Some(open) = watched.open else {
            return;
        };
        if let Some(attack) = self.attack_mut(open.id) {
            attack.rungs.insert(seen.standing.rung);
            raise(&mut attack.peaks, &signals, tick);
            if open.is_wide && attack.fleet.is_none_or(|most| elsewhere.unproven > most.unproven) {
                attack.fleet = Some(elsewhere);
            }
            if outcome.hurt {
                attack.impact_seconds += span.seconds();
            }
        }
        if let Some(group) = group {
            self.watched[group].explained.get_or_insert_default().add(&signals);
        }
    }

    fn attack_mut(&mut self, id: u64) -> Option<&mut Attack> {
        let found = self.attacks.binary_search_by_key(&id, |attack| attack.id).ok()?;
        Some(&mut self.attacks[found])
    }

    fn find(&self, subject: &Subject) -> Option<&Watched> {
        self.watched.iter().find(|watched| watched.subject == *subject)
    }
}

fn raise(peaks: &mut Peaks, signals: &Signals, tick: &Tick) {
    let mean = &signals.mean;
    let raise = |peak: &mut f64, now: f64| *peak = peak.max(now);
    raise(&mut peaks.syn, mean.syn);
    raise(&mut peaks.unproven, mean.unproven());
    raise(&mut peaks.packets, mean.packets);
    raise(&mut peaks.dropped, mean.dropped);
    raise(&mut peaks.replied, mean.replied);
    raise(
        &mut peaks.distinct_sources,
        sound(tick.host.distinct_sources.unwrap_or(0.0)),
    );
}

const fn told(finding: Finding) -> What {
    match finding {
        Finding::Falling { now, before } => What::HandshakesFalling { now, before },
        Finding::Busy { handshakes } => What::Busy { handshakes },
    }
}

const fn event(span: &Span, subject: Option<Subject>, attack: Option<u64>, what: What) -> Event {
    Event {
        at: span.wall,
        subject,
        attack,
        what,
    }
}

/// So many seconds before an instant.
fn before(wall: Timestamp, seconds: f64) -> Timestamp {
    let ago = SignedDuration::try_from_secs_f64(seconds).unwrap_or(SignedDuration::ZERO);
    wall.checked_sub(ago).unwrap_or(Timestamp::MIN)
}
