//! Scores a proposed configuration on recorded traffic: what it would have touched, and which attacks it would have caught.
//! Pure: what was recorded goes in, a score comes out.
//!
//! What is recorded of a minute are its means and its highest second. So it is certain that a threshold would have been
//! exceeded, but not for how many seconds of that minute: the times below are the most that it can have been.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::{Attack, Baselines, DetectPolicy, Detector, HostObservation, Observation, Rates, Standing, Subject, Tick};
use crate::{clock::Now, ladder::Rung, tables::MonotonicNs};

/// Times between two pieces that are shorter than this are no gap.
const SLACK: SignedDuration = SignedDuration::from_secs(5);
/// Gaps that are named one by one.
const NAMED_GAPS: usize = 100;
/// An attack that was recorded and one that is found are the same if they are no further apart.
const NEAR: SignedDuration = SignedDuration::from_secs(120);

/// What is proposed.
#[derive(Debug, Clone, Default)]
pub struct Proposal {
    /// The SYN threshold of each subject; `None` for a group without one.
    pub thresholds: BTreeMap<Subject, Option<f64>>,
    /// What is an attack.
    pub policy: DetectPolicy,
}

/// What was recorded of one subject in a piece of time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RecordedRow {
    /// Which.
    pub subject: Subject,
    /// Means.
    pub rates: Rates,
    /// SYNs per second of its highest second.
    pub peak_syn: f64,
    /// Handshakes were counted.
    pub counts_handshakes: bool,
}

/// What was recorded of a piece of time.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// When it began.
    pub from: Timestamp,
    /// Its length in seconds.
    pub seconds: f64,
    /// Who had traffic. Who is missing had none.
    pub rows: Vec<RecordedRow>,
}

/// A time of which nothing was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// Its beginning.
    pub from: Timestamp,
    /// Its end.
    pub until: Timestamp,
}

/// What becomes of one subject.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct SubjectScore {
    /// The proposed threshold in SYNs per second.
    pub threshold: Option<f64>,
    /// The highest second outside of attacks, in SYNs.
    pub highest_calm_syn: f64,
    /// Seconds outside of attacks in which SYNs would have had to prove themselves, at most.
    pub touched_seconds: f64,
    /// Completed handshakes in these: customers, who would have had to prove themselves.
    pub touched_handshakes: f64,
}

/// What becomes of an attack that was recorded.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AttackScore {
    /// Its number.
    pub id: u64,
    /// What was attacked.
    pub subject: Subject,
    /// When it began.
    pub started: Timestamp,
    /// How long after that it would have been found, in seconds; `None` if not at all.
    pub found_after_seconds: Option<f64>,
    /// What is recorded of it is no finer than this, in seconds.
    pub resolution_seconds: f64,
}

/// An attack that would have been found where none was recorded.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Found {
    /// What.
    pub subject: Subject,
    /// When it began.
    pub started: Timestamp,
    /// Its latest excess.
    pub until: Timestamp,
    /// What it is made of.
    pub vectors: Vec<&'static str>,
    /// SYNs per second at its peak, as far as means tell.
    pub peak_syn: f64,
}

/// The whole score.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Score {
    /// The first recorded instant; `None` when there is nothing at all.
    pub from: Option<Timestamp>,
    /// The last one.
    pub until: Option<Timestamp>,
    /// Seconds that were recorded.
    pub recorded_seconds: f64,
    /// Seconds of which nothing was.
    pub missing_seconds: f64,
    /// The first of these.
    pub gaps: Vec<Gap>,
    /// By subject; those that would not be touched too.
    pub subjects: BTreeMap<Subject, SubjectScore>,
    /// Attacks that were recorded.
    pub attacks: Vec<AttackScore>,
    /// Attacks that were not.
    pub more: Vec<Found>,
}

/// A replay that goes on.
#[derive(Debug)]
pub struct Replay {
    proposal: Proposal,
    detector: Detector,
    baselines: Baselines,
    recorded: Vec<Attack>,
    found: Vec<Attack>,
    score: Score,
    longest: f64,
}

impl Replay {
    /// A replay of what is proposed from an instant on. `baselines` are what was usual; the replay learns on. `attacks` are
    /// those that were recorded in that time.
    #[must_use]
    pub fn new(proposal: Proposal, baselines: Baselines, attacks: Vec<Attack>, since: Timestamp) -> Self {
        let subjects = proposal.thresholds.iter().map(|(subject, threshold)| {
            let score = SubjectScore {
                threshold: *threshold,
                ..SubjectScore::default()
            };
            (*subject, score)
        });
        Self {
            score: Score {
                from: None,
                until: Some(since),
                recorded_seconds: 0.0,
                missing_seconds: 0.0,
                gaps: Vec::new(),
                subjects: subjects.collect(),
                attacks: Vec::new(),
                more: Vec::new(),
            },
            proposal,
            detector: Detector::new(1, []),
            baselines,
            recorded: attacks,
            found: Vec::new(),
            longest: 0.0,
        }
    }

    /// Takes in a piece. Pieces come in the order of time; what overlaps an earlier one is left out.
    pub fn take(&mut self, piece: &Recorded) {
        let sound = piece.seconds.is_finite() && piece.seconds > 0.0;
        let until = after(piece.from, piece.seconds);
        if !sound || self.score.until.is_some_and(|before| until <= before) {
            return;
        }
        self.note_gap(piece.from);
        self.score.from.get_or_insert(piece.from);
        self.score.until = Some(until);
        self.score.recorded_seconds += piece.seconds;
        self.longest = self.longest.max(piece.seconds);
        let rows: BTreeMap<Subject, &RecordedRow> = piece.rows.iter().map(|row| (row.subject, row)).collect();
        let tick = self.tick(piece, until, &rows);
        self.detector.tick(&tick, &self.proposal.policy, &self.baselines);
        self.baselines.learn(self.detector.take_lessons());
        let ended = self.detector.attacks().iter().filter(|attack| attack.ended.is_some());
        self.found.extend(ended.cloned());
        self.touch(piece, until, &rows);
    }

    fn note_gap(&mut self, from: Timestamp) {
        let Some(before) = self.score.until else { return };
        let missing = from.duration_since(before);
        if missing > SLACK {
            self.score.missing_seconds += missing.as_secs_f64();
            if self.score.gaps.len() < NAMED_GAPS {
                self.score.gaps.push(Gap {
                    from: before,
                    until: from,
                });
            }
        }
    }

    fn tick(&self, piece: &Recorded, until: Timestamp, rows: &BTreeMap<Subject, &RecordedRow>) -> Tick {
        let observation = |(subject, threshold): (&Subject, &Option<f64>)| {
            let row = rows.get(subject);
            Observation {
                subject: *subject,
                rates: row.map_or_else(Rates::default, |row| row.rates),
                standing: Standing {
                    syn_threshold: *threshold,
                    excess: over(row.copied(), *threshold),
                    rung: Rung::Limit,
                    counts_handshakes: row.is_none_or(|row| row.counts_handshakes),
                },
            }
        };
        Tick {
            elsewhere: BTreeMap::new(),
            at: Now {
                wall: until,
                mono: MonotonicNs(0),
            },
            seconds: piece.seconds,
            subjects: self.proposal.thresholds.iter().map(observation).collect(),
            host: HostObservation::default(),
        }
    }

    /// Notes who would have had to prove himself, outside of attacks.
    fn touch(&mut self, piece: &Recorded, until: Timestamp, rows: &BTreeMap<Subject, &RecordedRow>) {
        for (subject, score) in &mut self.score.subjects {
            let Some(row) = rows.get(subject) else { continue };
            let recorded = self.recorded.iter().any(|attack| {
                let over = attack.ended.unwrap_or(Timestamp::MAX);
                attack.subject == *subject && attack.started < until && over > piece.from
            });
            let open = self.detector.attacks().iter().any(|attack| attack.subject == *subject);
            if recorded || open {
                continue;
            }
            score.highest_calm_syn = score.highest_calm_syn.max(row.peak_syn);
            if over(Some(*row), score.threshold) {
                score.touched_seconds += piece.seconds;
                score.touched_handshakes += row.rates.handshakes * piece.seconds;
            }
        }
    }

    /// Looks at an attack by the second, where that was recorded: when would it have been found? `seconds` are rows of its
    /// subject with their beginnings, from before it began.
    pub fn look_closely(&mut self, attack: &Attack, seconds: &[(Timestamp, RecordedRow)]) {
        let known = self.proposal.thresholds.contains_key(&attack.subject);
        if !known || seconds.is_empty() {
            return;
        }
        let mut alone = Detector::new(1, []);
        let mut found = None;
        for (from, row) in seconds {
            let until = after(*from, 1.0);
            let piece = Recorded {
                from: *from,
                seconds: 1.0,
                rows: Vec::new(),
            };
            let mut tick = self.tick(&piece, until, &BTreeMap::from([(attack.subject, row)]));
            tick.subjects.retain(|seen| seen.subject == attack.subject);
            alone.tick(&tick, &self.proposal.policy, &self.baselines);
            if found.is_none() && !alone.attacks().is_empty() && after(until, 1.0) >= attack.started {
                found = Some(until.duration_since(attack.started).as_secs_f64().max(0.0));
            }
        }
        self.score.attacks.push(AttackScore {
            id: attack.id,
            subject: attack.subject,
            started: attack.started,
            found_after_seconds: found,
            resolution_seconds: 1.0,
        });
    }

    /// The score.
    #[must_use]
    pub fn finish(mut self, now: Timestamp) -> Score {
        let open = self.detector.attacks().iter().filter(|attack| attack.ended.is_none());
        self.found.extend(open.cloned());
        if self.score.from.is_none() {
            let since = self.score.until.take();
            self.score.missing_seconds = since.map_or(0.0, |since| now.duration_since(since).as_secs_f64().max(0.0));
        }
        for attack in &self.recorded {
            if self.score.attacks.iter().all(|score| score.id != attack.id) {
                let found = self.found.iter().find(|found| is_same(found, attack));
                self.score.attacks.push(AttackScore {
                    id: attack.id,
                    subject: attack.subject,
                    started: attack.started,
                    found_after_seconds: found
                        .map(|found| found.detected.duration_since(attack.started).as_secs_f64().max(0.0)),
                    resolution_seconds: self.longest,
                });
            }
        }
        self.score.attacks.sort_by_key(|attack| attack.id);
        let more = self
            .found
            .iter()
            .filter(|found| !self.recorded.iter().any(|attack| is_same(found, attack)));
        self.score.more = more.map(told).collect();
        self.score
    }
}

fn told(attack: &Attack) -> Found {
    Found {
        subject: attack.subject,
        started: attack.started,
        until: attack.last_excess,
        vectors: attack.vectors.iter().map(|vector| vector.name()).collect(),
        peak_syn: attack.peaks.syn,
    }
}

fn is_same(found: &Attack, recorded: &Attack) -> bool {
    let over = recorded.ended.unwrap_or(Timestamp::MAX);
    found.subject == recorded.subject
        && found.started.duration_since(over) < NEAR
        && recorded.started.duration_since(found.last_excess) < NEAR
}

/// Some second was over a threshold.
fn over(row: Option<&RecordedRow>, threshold: Option<f64>) -> bool {
    match (row, threshold) {
        (Some(row), Some(threshold)) => row.peak_syn.max(row.rates.syn) > threshold,
        (None, _) | (_, None) => false,
    }
}

fn after(at: Timestamp, seconds: f64) -> Timestamp {
    let later = SignedDuration::try_from_secs_f64(seconds).unwrap_or(SignedDuration::ZERO);
    at.checked_add(later).unwrap_or(Timestamp::MAX)
}
