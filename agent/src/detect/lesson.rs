//! What can be learned from ticks: means over five minutes in which nothing was amiss.

use jiff::Timestamp;

use super::{
    Observation, Subject,
    signal::{OTHERS, sound, vector_of},
};

/// The length of a lesson in seconds.
pub(super) const LESSON_SECONDS: i64 = 300;
/// A lesson of fewer seconds of calm teaches nothing.
const LEAST_SECONDS: f64 = 200.0;

/// Means of one subject over five minutes of the wall clock, in events per second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lesson {
    /// Which.
    pub subject: Subject,
    /// The beginning of the five minutes.
    pub at: Timestamp,
    /// Seconds of calm in it; the means are over these.
    pub calm_seconds: f64,
    /// Seconds in which something was amiss.
    pub amiss_seconds: f64,
    /// SYNs.
    pub syn: f64,
    /// SYNs that were not completed.
    pub unproven: f64,
    /// SYNs that were.
    pub answered: f64,
    /// Vectors, in the order of `OTHERS`.
    pub(super) others: [f64; OTHERS.len()],
    /// Nothing above this is learned, of SYNs that were not completed.
    pub(super) most: f64,
}

impl Lesson {
    /// Long enough to teach something.
    #[must_use]
    pub fn counts(&self) -> bool {
        self.calm_seconds >= LEAST_SECONDS
    }
}

/// The five minutes that go on, for one subject.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sums {
    calm_seconds: f64,
    amiss_seconds: f64,
    syn: f64,
    answered: f64,
    others: [f64; OTHERS.len()],
}

impl Sums {
    /// A tick in which nothing was amiss. `answered` as in the signals.
    pub(super) fn calm(&mut self, seen: &Observation, answered: f64, seconds: f64) {
        self.calm_seconds += seconds;
        self.syn += sound(seen.rates.syn) * seconds;
        self.answered += answered * seconds;
        for (vector, sum) in OTHERS.iter().zip(&mut self.others) {
            *sum += sound(vector_of(&seen.rates, *vector)) * seconds;
        }
    }

    /// A tick that must not be learned from.
    pub(super) const fn amiss(&mut self, seconds: f64) {
        self.amiss_seconds += seconds;
    }

    /// Ends the five minutes that began at an instant.
    pub(super) fn take(&mut self, subject: Subject, at: Timestamp, most: f64) -> Lesson {
        let Self {
            calm_seconds,
            amiss_seconds,
            syn,
            answered,
            others,
        } = std::mem::take(self);
        let mean = |sum: f64| if calm_seconds > 0.0 { sum / calm_seconds } else { 0.0 };
        Lesson {
            subject,
            at,
            calm_seconds,
            amiss_seconds,
            syn: mean(syn),
            unproven: mean((syn - answered).max(0.0)),
            answered: mean(answered),
            others: others.map(mean),
            most,
        }
    }
}
