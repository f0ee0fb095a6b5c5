//! What is usual for each subject, learned from calm, kept by the ledger.
//!
//! **Method.** The detector gives a lesson for every five minutes of the wall clock: means of the ticks in which nothing was
//! amiss (no attack, nothing over a bar, no gap). An hour of lessons is one *visit* to the bin of that hour of the day; there
//! are 24 bins for Monday to Friday and 24 for weekends, in UTC. A visit brings median and median absolute deviation of
//! SYNs, unproven SYNs and completed ones; how these become estimates is told at [`Estimate`]. Other vectors have one
//! [`Crest`] each: their busiest usual hour.
//!
//! **Bounds.** A subject takes under 2 KiB whatever it meets. What an attack sends is not learned once it is detected; what
//! creeps in below every bar raises an estimate by a quarter in a visit at most (and a crest in an hour), and never above the
//! share of the threshold over which unproven SYNs are an attack anyway. How much was held back, and how many minutes were
//! left out, is kept and shown.

mod estimate;
mod store;

use jiff::{Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};

pub use estimate::{Crest, Estimate};
pub use store::Baselines;

use super::{AttackVector, lesson::Lesson, signal::OTHERS};
use estimate::median_and_deviation;

/// Hours of a working day, then those of a weekend.
pub const BINS: usize = 48;
const HOURS: usize = 24;
/// Lessons in an hour.
const LESSONS: usize = 12;
/// An hour with fewer lessons is no visit.
const LEAST_LESSONS: usize = 4;
const SECONDS_PER_HOUR: i64 = 3_600;

/// What is usual in one hour of the day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    /// Hours that were taken in.
    pub visits: u16,
    /// SYNs per second.
    pub syn: Estimate,
    /// SYNs per second that nobody completed.
    pub unproven: Estimate,
    /// SYNs per second that somebody completed.
    pub answered: Estimate,
}

/// What is usual for one subject.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Baseline {
    /// By hour, see [`BINS`]; empty before the first visit.
    pub bins: Vec<Bin>,
    /// Busiest usual hours of the other vectors, in the order of [`super::AttackVector::ALL`] without SYNs.
    pub crests: [Crest; OTHERS.len()],
    /// Other TCP segments for each SYN.
    pub segments: Option<f32>,
    /// Hours that were learned.
    pub hours: u32,
    /// Minutes that were left out because something was amiss.
    pub left_out_minutes: f64,
    /// Visits that would have raised an estimate further than is allowed.
    pub held_back: u32,
    /// The latest hour that was learned.
    pub learned: Option<Timestamp>,
    /// The hour that goes on.
    #[serde(skip)]
    hour: Hour,
}

/// Lessons of the hour that goes on.
#[derive(Debug, Clone, Default, PartialEq)]
struct Hour {
    /// Hours since 1970.
    number: i64,
    lessons: Vec<[f32; SIGNALS]>,
    most: f64,
}

/// SYNs, unproven, completed, and the other vectors.
const SIGNALS: usize = 3 + OTHERS.len();

/// What is usual for one subject at an instant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Usual {
    /// SYNs per second.
    pub syn: Band,
    /// SYNs per second that nobody completed.
    pub unproven: Band,
    /// SYNs per second that somebody completed.
    pub answered: Band,
    /// Busiest usual hours of the other vectors.
    pub(super) crests: [f64; OTHERS.len()],
    /// Other TCP segments for each SYN.
    pub segments: Option<f64>,
}

/// What is usual, and the end of it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Band {
    /// In the middle.
    pub level: f64,
    /// Above this it is unusual.
    pub high: f64,
}

impl Baseline {
    /// Takes in a lesson. True if that ended an hour, and what is usual changed.
    pub(super) fn learn(&mut self, lesson: &Lesson) -> bool {
        self.left_out_minutes += lesson.amiss_seconds / 60.0;
        let number = lesson.at.as_second().div_euclid(SECONDS_PER_HOUR);
        let changed = number != self.hour.number && self.end_hour();
        if number != self.hour.number {
            self.hour.number = number;
        }
        if lesson.counts() && self.hour.lessons.len() < LESSONS {
            self.hour.lessons.push(signals_of(lesson));
            self.hour.most = lesson.most;
        }
        changed
    }

    /// Makes a visit of the lessons of an hour.
    fn end_hour(&mut self) -> bool {
        let lessons = std::mem::take(&mut self.hour.lessons);
        let at = Timestamp::from_second(self.hour.number * SECONDS_PER_HOUR).ok();
        let (Some(at), true) = (at, lessons.len() >= LEAST_LESSONS) else {
            return false;
        };
        let column = |index: usize| {
            let mut values: Vec<f64> = lessons.iter().map(|lesson| f64::from(lesson[index])).collect();
            median_and_deviation(&mut values)
        };
        let first = self.bins.is_empty();
        self.bins.resize(BINS, Bin::default());
        let bin = &mut self.bins[bin_of(at)];
        let mut held = false;
        let estimates = [&mut bin.syn, &mut bin.unproven, &mut bin.answered];
        // Only what is not completed raises a bar; the others may be as large as they are.
        let mosts = [f64::MAX, self.hour.most, f64::MAX];
        for (index, (estimate, most)) in estimates.into_iter().zip(mosts).enumerate() {
            let (middle, deviation) = column(index);
            held |= estimate.visit(middle, deviation, bin.visits, most);
        }
        bin.visits = bin.visits.saturating_add(1);
        for (index, crest) in self.crests.iter_mut().enumerate() {
            held |= crest.visit(column(3 + index).0, first);
        }
        self.learn_segments(column(3).0, column(0).0);
        self.held_back += u32::from(held);
        self.hours = self.hours.saturating_add(1);
        self.learned = Some(at);
        true
    }

    /// Other TCP segments for each SYN of calm hours: a slow mean that changes by a tenth in an hour at most.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "seven digits are plenty for what is usual"
    )]
    fn learn_segments(&mut self, tcp: f64, syn: f64) {
        if syn < 1.0 {
            return;
        }
        let now = tcp / syn;
        let next = match self.segments.map(f64::from) {
            None => now,
            Some(before) => now.clamp(before * 0.9, before * 1.1),
        };
        self.segments = Some(next as f32);
    }

    /// The busiest usual hour of a vector other than SYNs, in packets per second; `None` before an hour was learned.
    #[must_use]
    pub fn crest(&self, vector: AttackVector) -> Option<f64> {
        let place = OTHERS.iter().position(|other| *other == vector)?;
        (self.hours > 0).then(|| f64::from(self.crests[place].0))
    }

    /// What is usual at an instant; `None` before an hour was learned.
    ///
    /// Levels go smoothly from hour to hour; the end of what is usual is that of the hour or of the nearer neighbour,
    /// whichever is higher. An hour that was never learned borrows from the same hour of the other kind of day, and without
    /// that from the highest hour that was.
    #[must_use]
    pub fn usual(&self, at: Timestamp) -> Option<Usual> {
        if self.hours == 0 {
            return None;
        }
        let into = at.as_second().rem_euclid(SECONDS_PER_HOUR);
        let forward = into * 2 >= SECONDS_PER_HOUR;
        let step = if forward { SECONDS_PER_HOUR } else { -SECONDS_PER_HOUR };
        let neighbour = Timestamp::from_second(at.as_second().saturating_add(step)).unwrap_or(at);
        let (here, there) = (self.bin(bin_of(at)), self.bin(bin_of(neighbour)));
        #[expect(clippy::cast_precision_loss, reason = "seconds of an hour")]
        let share = ((into * 2 - SECONDS_PER_HOUR).abs() as f64) / (2 * SECONDS_PER_HOUR) as f64;
        let band = |of: fn(&Bin) -> Estimate| {
            let (here, there) = (of(&here), of(&there));
            let (level, other) = (f64::from(here.level), f64::from(there.level));
            Band {
                level: level + (other - level) * share,
                high: here.high().max(there.high()),
            }
        };
        Some(Usual {
            syn: band(|bin| bin.syn),
            unproven: band(|bin| bin.unproven),
            answered: band(|bin| bin.answered),
            crests: self.crests.map(|crest| f64::from(crest.0)),
            segments: self.segments.map(f64::from),
        })
    }

    fn bin(&self, index: usize) -> Bin {
        let learned = |index: usize| self.bins.get(index).copied().filter(|bin| bin.visits > 0);
        learned(index)
            .or_else(|| learned((index + HOURS) % BINS))
            .unwrap_or_else(|| self.highest())
    }

    /// The highest of all hours.
    fn highest(&self) -> Bin {
        let highest = |of: fn(&Bin) -> Estimate| {
            let estimates = self.bins.iter().filter(|bin| bin.visits > 0).map(of);
            estimates
                .max_by(|a, b| a.high().total_cmp(&b.high()))
                .unwrap_or_default()
        };
        Bin {
            visits: 0,
            syn: highest(|bin| bin.syn),
            unproven: highest(|bin| bin.unproven),
            answered: highest(|bin| bin.answered),
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "seven digits are plenty for what is usual"
)]
fn signals_of(lesson: &Lesson) -> [f32; SIGNALS] {
    let mut signals = [
        lesson.syn as f32,
        lesson.unproven as f32,
        lesson.answered as f32,
        0.0,
        0.0,
        0.0,
        0.0,
        0.0,
        0.0,
        0.0,
    ];
    for (signal, other) in signals[3..].iter_mut().zip(lesson.others) {
        *signal = other as f32;
    }
    signals
}

/// The bin of an instant.
fn bin_of(at: Timestamp) -> usize {
    let civil = at.to_zoned(TimeZone::UTC);
    let weekend = civil.weekday().to_monday_zero_offset() >= 5;
    usize::from(civil.hour().unsigned_abs()) + if weekend { HOURS } else { 0 }
}
