//! Signals of one subject: what its rates of the latest ticks come to. Exponential means whose weight depends on the length
//! of each tick, so that they say the same at ten ticks a second and at one a minute.

use super::{AttackVector, Observation, Rates};

/// Vectors other than SYNs.
pub(super) const OTHERS: [AttackVector; 7] = [
    AttackVector::Tcp,
    AttackVector::Udp,
    AttackVector::Icmp,
    AttackVector::Other,
    AttackVector::Fragments,
    AttackVector::Amplified,
    AttackVector::Malformed,
];

/// No sensor counts more; what claims to is garbage, and must not spoil what follows.
const HIGHEST_PPS: f64 = 1e12;

/// A handshake comes so long after its SYN at most, mostly, in seconds.
const LATE_SECONDS: f64 = 0.15;

/// Weights of a tick in a mean over a second, in one over five minutes, and in what follows with a handshake's delay:
/// `1 - exp(-seconds / span)`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weights {
    second: f64,
    late: f64,
    slow: f64,
}

impl Weights {
    pub(super) fn of(seconds: f64) -> Self {
        let weight = |span: f64| -(-seconds / span).exp_m1();
        Self {
            second: weight(1.0),
            late: weight(LATE_SECONDS),
            slow: weight(300.0),
        }
    }
}

/// Rates of one subject as detection uses them, in packets per second.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Parts {
    /// SYNs.
    pub syn: f64,
    /// SYNs that somebody completed: handshakes where they are counted; elsewhere what the other TCP segments make likely.
    pub answered: f64,
    /// What a blackhole dropped, beyond what customers alone would send to it.
    pub blackholed: f64,
    /// Vectors, in the order of [`OTHERS`].
    pub(super) others: [f64; OTHERS.len()],
    /// Over rates other than that of SYNs.
    pub over_vectors: f64,
    /// All packets.
    pub packets: f64,
    /// Dropped.
    pub dropped: f64,
    /// Answered by the program.
    pub replied: f64,
}

impl Parts {
    fn of(rates: &Rates, answered: f64, usually_blackholed: f64) -> Self {
        Self {
            syn: sound(rates.syn),
            answered,
            blackholed: (sound(rates.blackholed) - usually_blackholed).max(0.0),
            others: OTHERS.map(|vector| sound(vector_of(rates, vector))),
            over_vectors: sound(rates.over_vectors),
            packets: sound(rates.total()),
            dropped: sound(rates.dropped),
            replied: sound(rates.replied),
        }
    }

    /// SYNs that nobody completed, and what a blackhole keeps from being told apart.
    #[must_use]
    pub fn unproven(&self) -> f64 {
        (self.syn - self.answered).max(0.0) + self.blackholed
    }

    /// Each rate made of both.
    fn with(&self, other: &Self, made: impl Fn(f64, f64) -> f64) -> Self {
        let mut others = self.others;
        for (value, other) in others.iter_mut().zip(other.others) {
            *value = made(*value, other);
        }
        Self {
            syn: made(self.syn, other.syn),
            answered: made(self.answered, other.answered),
            blackholed: made(self.blackholed, other.blackholed),
            others,
            over_vectors: made(self.over_vectors, other.over_vectors),
            packets: made(self.packets, other.packets),
            dropped: made(self.dropped, other.dropped),
            replied: made(self.replied, other.replied),
        }
    }
}

/// What one subject's latest ticks come to.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Signals {
    /// The latest tick.
    pub now: Parts,
    /// Means over a second.
    pub mean: Parts,
    /// SYNs of both of the latest two ticks that were not completed in either: late handshakes of a sudden crowd are not
    /// missing yet.
    pub sharp: f64,
    /// Unproven SYNs in the mean of a second, without those that came too lately: what a crowd leaves open for a round trip, at
    /// all nodes at once, is not there.
    pub settled: f64,
}

impl Signals {
    /// What is left without a part of it, for a group whose members are under attacks of their own.
    pub(super) fn without(&self, part: &Self) -> Self {
        let less = |all: f64, part: f64| (all - part).max(0.0);
        Self {
            now: self.now.with(&part.now, less),
            mean: self.mean.with(&part.mean, less),
            sharp: less(self.sharp, part.sharp),
            settled: less(self.settled, part.settled),
        }
    }

    /// Adds another subject's.
    pub(super) fn add(&mut self, more: &Self) {
        let sum = |a: f64, b: f64| a + b;
        self.now = self.now.with(&more.now, sum);
        self.mean = self.mean.with(&more.mean, sum);
        self.sharp += more.sharp;
        self.settled += more.settled;
    }
}

/// What is usual for a subject now, as far as its signals need it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Expected {
    /// Other TCP segments for each SYN that is completed.
    pub(super) segments: f64,
    /// What a blackhole drops of customers alone, per second.
    pub(super) blackholed: f64,
}

/// The state from which signals are made.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Filter {
    signals: Signals,
    /// SYNs in the mean of a second, a little later.
    late_syn: f64,
    /// There was a tick before.
    begun: bool,
    /// Whether handshakes were counted then.
    counted: bool,
    /// Completed SYNs over five minutes of calm.
    usual_answered: Option<f64>,
    /// SYNs over five minutes of calm.
    usual_syn: f64,
}

impl Filter {
    /// The signals after one more tick.
    pub(super) fn next(&mut self, seen: &Observation, expected: Expected, weights: Weights) -> Signals {
        let rates = &seen.rates;
        let counted = seen.standing.counts_handshakes;
        let answered = if counted {
            sound(rates.handshakes)
        } else {
            sound(rates.tcp) / expected.segments
        };
        if counted != self.counted {
            // Another way of counting: what was before cannot be compared.
            self.counted = counted;
            self.usual_answered = None;
        }
        let now = Parts::of(rates, answered, expected.blackholed);
        let before = if self.begun { self.signals.now } else { now };
        let signals = &mut self.signals;
        if self.begun {
            signals.mean = signals
                .mean
                .with(&now, |mean, now| mean + (now - mean) * weights.second);
            self.late_syn += (signals.mean.syn - self.late_syn) * weights.late;
        } else {
            self.begun = true;
            signals.mean = now;
            self.late_syn = now.syn;
        }
        let mean = &signals.mean;
        signals.settled = (mean.syn.min(self.late_syn) - mean.answered).max(0.0) + mean.blackholed;
        signals.sharp = (now.syn.min(before.syn) - now.answered.max(before.answered)).max(0.0)
            + now.blackholed.min(before.blackholed);
        signals.now = now;
        *signals
    }

    /// Takes in what is usual, from a tick in which nothing was amiss.
    pub(super) fn remember(&mut self, weights: Weights) {
        let mean = &self.signals.mean;
        match &mut self.usual_answered {
            Some(usual) => {
                *usual += (mean.answered - *usual) * weights.slow;
                self.usual_syn += (mean.syn - self.usual_syn) * weights.slow;
            }
            None => {
                self.usual_answered = Some(mean.answered);
                self.usual_syn = mean.syn;
            }
        }
    }

    /// Forgets the ticks before: there was a gap. What is usual stays.
    pub(super) const fn interrupt(&mut self) {
        self.begun = false;
    }

    /// Completed SYNs per second before anything was amiss, where handshakes are counted, and all SYNs then.
    pub(super) fn usual(&self) -> Option<(f64, f64)> {
        let answered = self.usual_answered.filter(|_| self.counted)?;
        Some((answered, self.usual_syn))
    }

    /// The latest signals.
    pub(super) const fn signals(&self) -> &Signals {
        &self.signals
    }
}

/// A rate, or 0 for what is none.
pub(super) const fn sound(rate: f64) -> f64 {
    if rate.is_finite() {
        rate.clamp(0.0, HIGHEST_PPS)
    } else {
        0.0
    }
}

/// The rate of a vector.
pub(super) const fn vector_of(rates: &Rates, vector: AttackVector) -> f64 {
    match vector {
        AttackVector::Syn => rates.syn,
        AttackVector::Tcp => rates.tcp,
        AttackVector::Udp => rates.udp,
        AttackVector::Icmp => rates.icmp,
        AttackVector::Other => rates.other,
        AttackVector::Fragments => rates.fragments,
        AttackVector::Amplified => rates.amplified,
        AttackVector::Malformed => rates.malformed,
    }
}
