//! All that detection remembers of one subject, and what one more tick of it says.

use jiff::Timestamp;

use super::{
    DetectPolicy, Observation, Subject,
    bars::Bars,
    baseline::Usual,
    evidence::{Causes, Evidence},
    lesson::Sums,
    pressing::{LEAST_PPS, Pressing},
    signal::{Filter, Signals, Weights, sound},
    wide::Wide,
};
use crate::fleet::Elsewhere;

/// Completed handshakes below this share of what was before are few.
const FEW: f64 = 0.5;
/// SYNs over so many times what was before are many.
const MANY: f64 = 1.5;
/// A count is lower than expected only if so many deviations of mere chance are missing.
const SURE: f64 = 3.0;
/// Events that a mean over one second averages, in seconds.
const MEAN_SPAN: f64 = 2.0;
/// Handshakes fall for so long before it is told.
const FALL_SECONDS: f64 = 1.0;
/// Handshakes that fell are told again only after so long without.
const FALL_AGAIN_SECONDS: f64 = 60.0;
/// Busy is told after so long ..
const BUSY_SECONDS: f64 = 5.0;
/// .. and again only after so long without.
const BUSY_AGAIN_SECONDS: f64 = 600.0;
/// Of many SYNs, this share is completed where the subject is merely busy.
const BUSY_SHARE: f64 = 0.75;
/// An onset is forgotten after so long without anything over.
const ONSET_SECONDS: f64 = 1.0;
/// Bars are made again after so long: what is usual changes with the time of day.
const BARS_SECONDS: f64 = 60.0;

/// The time of a tick, on the detector's own clock of seconds since it began, and on the wall's.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) begin: f64,
    pub(super) end: f64,
    pub(super) wall: Timestamp,
    pub(super) weights: Weights,
}

impl Span {
    pub(super) const fn seconds(&self) -> f64 {
        self.end - self.begin
    }
}

/// What one more tick says of a subject without an attack.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Finding {
    /// Handshakes fall while SYNs rise.
    Falling { now: f64, before: f64 },
    /// Many SYNs, and they are completed.
    Busy { handshakes: f64 },
}

/// A condition that is told once it held for a while, and again only after a longer while without.
#[derive(Debug, Clone, Copy, Default)]
struct Lasting {
    held: f64,
    told_at: Option<f64>,
}

impl Lasting {
    /// True when it is to be told.
    fn next(&mut self, holds: bool, span: &Span, needed: f64, again: f64) -> bool {
        if !holds {
            self.held = (self.held - span.seconds()).max(0.0);
            if self.told_at.is_some_and(|at| span.end - at > again) {
                self.told_at = None;
            }
            return false;
        }
        self.held = (self.held + span.seconds()).min(needed);
        let news = self.held >= needed - 1e-9 && self.told_at.is_none();
        if self.told_at.is_some() || news {
            self.told_at = Some(span.end);
        }
        news
    }
}

/// An attack that is open.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Open {
    pub(super) id: u64,
    pub(super) onset: f64,
    pub(super) last_excess: f64,
    /// It was told by what arrives here at some time.
    pub(super) is_here: bool,
    /// It was told by what arrives at all nodes at some time.
    pub(super) is_wide: bool,
}

/// What a tick came to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outcome {
    /// Causes that count.
    pub(super) causes: Causes,
    /// Over half of a bar: an open attack goes on.
    pub(super) goes_on: bool,
    /// Customers do not get in.
    pub(super) hurt: bool,
    pub(super) finding: Option<Finding>,
}

/// All that is remembered of one subject.
#[derive(Debug, Clone)]
pub(super) struct Watched {
    pub(super) subject: Subject,
    /// Where the group of an address is among all subjects.
    pub(super) group: Option<usize>,
    pub(super) open: Option<Open>,
    pub(super) bars: Bars,
    pub(super) sums: Sums,
    pub(super) onset: Option<f64>,
    /// Signals of members under attacks of their own, in this tick: they do not speak for the group.
    pub(super) explained: Option<Signals>,
    filter: Filter,
    evidence: Evidence,
    last_over: f64,
    falling: Lasting,
    busy: Lasting,
    threshold: Option<f64>,
    bars_at: f64,
}

impl Watched {
    pub(super) fn new(subject: Subject, policy: &DetectPolicy) -> Self {
        Self {
            subject,
            group: None,
            open: None,
            bars: Bars::of(None, policy, None),
            sums: Sums::default(),
            onset: None,
            explained: None,
            filter: Filter::default(),
            evidence: Evidence::default(),
            last_over: 0.0,
            falling: Lasting::default(),
            busy: Lasting::default(),
            threshold: None,
            bars_at: f64::NEG_INFINITY,
        }
    }

    /// True if the bars have to be made again.
    pub(super) fn needs_bars(&self, seen: &Observation, span: &Span) -> bool {
        self.threshold != seen.standing.syn_threshold || span.end - self.bars_at >= BARS_SECONDS
    }

    /// Makes the bars again.
    pub(super) fn set_bars(&mut self, seen: &Observation, span: &Span, policy: &DetectPolicy, usual: Option<&Usual>) {
        self.threshold = seen.standing.syn_threshold;
        self.bars_at = span.end;
        self.bars = Bars::of(self.threshold, policy, usual);
    }

    /// Has them made again with the next tick.
    pub(super) const fn forget_bars(&mut self) {
        self.bars_at = f64::NEG_INFINITY;
    }

    /// The latest signals.
    pub(super) const fn signals(&self) -> &Signals {
        self.filter.signals()
    }

    /// What presses on it, if it is an address and enough does.
    pub(super) fn pressing(&self, seen: &Observation) -> Option<Pressing> {
        let signals = self.filter.signals();
        let (Subject::Address(address), Some(threshold)) = (self.subject, seen.standing.syn_threshold) else {
            return None;
        };
        let (level, high) = self.bars.usual;
        let is_counted = seen.standing.counts_handshakes;
        (signals.settled >= LEAST_PPS).then(|| Pressing {
            address,
            unproven: signals.settled,
            // An estimate is off by more than what is usual of it.
            usual: if is_counted { level } else { high },
            is_counted,
            syn: signals.mean.syn,
            threshold,
            rung: seen.standing.rung,
            attacked: self.open.is_some_and(|open| open.is_here),
        })
    }

    /// Forgets the ticks before: there was a gap.
    pub(super) fn interrupt(&mut self) {
        self.filter.interrupt();
        self.evidence = Evidence::default();
        self.onset = None;
    }

    /// Takes in a tick, and what arrives at the other nodes.
    pub(super) fn next(&mut self, seen: &Observation, elsewhere: Elsewhere, span: &Span) -> Outcome {
        let whole = self.filter.next(seen, self.bars.expected, span.weights);
        let explained = self.explained.take();
        let alone = explained.is_none();
        let signals = match explained {
            Some(explained) => whole.without(&explained),
            None => whole,
        };
        let standing = &seen.standing;
        // Where handshakes are not counted, the kernel must say that a rate is exceeded.
        let excess_needed = !standing.counts_handshakes && !standing.excess;
        let wide = Wide::of(&signals, standing, &self.bars, elsewhere);
        let is_wide = wide.is_some_and(|wide| wide.is_over(&self.bars));
        let holding = Causes::of(&signals, &self.bars, excess_needed).with_wide(is_wide);
        let haste = self.bars.haste(&signals.mean);
        let causes = self.evidence.weigh(holding, span.seconds(), haste);
        self.note_onset(&signals, is_wide, span);
        let (fell, hurt) = self.falls(&signals);
        let excess = standing.excess && alone;
        let may_go_on = causes.is_wide() || self.open.is_some_and(|open| open.is_wide);
        // What a blackhole keeps out completes nothing: that is no news.
        let news = fell && sound(seen.rates.blackholed) <= 0.0;
        let finding = self.finding(seen, &signals, news, excess, span);
        if self.open.is_some() || !holding.is_empty() || fell || self.onset.is_some() {
            self.sums.amiss(span.seconds());
        } else {
            self.filter.remember(span.weights);
            self.sums.calm(seen, signals.now.answered, span.seconds());
        }
        Outcome {
            causes,
            goes_on: Causes::go_on(&signals, &self.bars)
                || (may_go_on && wide.is_some_and(|wide| wide.goes_on(&self.bars))),
            hurt,
            finding,
        }
    }

    fn note_onset(&mut self, signals: &Signals, is_wide: bool, span: &Span) {
        if is_wide || !Causes::steady(&signals.now, &self.bars).is_empty() {
            self.onset.get_or_insert(span.begin);
            self.last_over = span.end;
        } else if span.end - self.last_over > ONSET_SECONDS {
            self.onset = None;
        }
    }

    /// Whether completed handshakes fall while SYNs rise, and whether customers are hurt: the same, or that many SYNs stay
    /// unproven beside few handshakes.
    fn falls(&self, signals: &Signals) -> (bool, bool) {
        let Some((answered, syn)) = self.filter.usual() else {
            return (false, false);
        };
        let few = signals.mean.answered < FEW * answered;
        let chance = (answered / MEAN_SPAN).sqrt();
        let sure = answered - signals.mean.answered > SURE * chance;
        let many = signals.mean.syn > MANY * syn;
        (
            few && sure && many,
            few && sure && (many || signals.mean.unproven() > self.bars.end),
        )
    }

    fn finding(
        &mut self,
        seen: &Observation,
        signals: &Signals,
        fell: bool,
        excess: bool,
        span: &Span,
    ) -> Option<Finding> {
        let (now, before) = (signals.mean.answered, self.filter.usual().map_or(0.0, |usual| usual.0));
        // A group's fall is that of its addresses.
        let fell = fell && matches!(self.subject, Subject::Address(_));
        if self.falling.next(fell, span, FALL_SECONDS, FALL_AGAIN_SECONDS) {
            return Some(Finding::Falling { now, before });
        }
        let mean = &signals.mean;
        let many = mean.syn > self.bars.busy || (excess && mean.syn > self.bars.end);
        let real = seen.standing.counts_handshakes && mean.answered > BUSY_SHARE * mean.syn;
        let busy = many && real && self.open.is_none();
        self.busy
            .next(busy, span, BUSY_SECONDS, BUSY_AGAIN_SECONDS)
            .then_some(Finding::Busy { handshakes: now })
    }
}
