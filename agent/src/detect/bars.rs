//! Bars: the rates over which a subject's signals are unusual enough to be an attack.

use super::{
    AttackVector, DetectPolicy,
    baseline::Usual,
    signal::{Expected, OTHERS, Parts},
};

/// Segments that a connection brings besides its SYN, at least: an acknowledgement, a request, a goodbye.
const LEAST_SEGMENTS: f64 = 3.0;
/// A client that meets a blackhole sends its SYN again so many times within the first seconds.
const RETRANSMISSIONS: f64 = 4.0;
/// Deviations of mere chance between SYNs and handshakes that are usual.
const CHANCE: f64 = 6.0;
/// Unproven SYNs over the lower bar must be this share of all SYNs: failures grow with a crowd, too.
const SOFT_SHARE: f64 = 0.25;
/// Twice as soon at most: the handshakes of a sudden crowd come within a second.
const MOST_HASTE: f64 = 2.0;
/// TCP may rise by so many times more than other vectors: an upload is no attack.
const TCP_FACTOR: f64 = 2.0;

/// The bars of one subject, in packets per second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bars {
    /// Unproven SYNs: an attack at once.
    pub hard: f64,
    /// Unproven SYNs: an attack when it goes on. Infinite before it is known what is usual.
    pub soft: f64,
    /// Below this an attack by SYNs pauses.
    pub end: f64,
    /// Unproven SYNs that are usual: their level, and the end of it.
    pub(super) usual: (f64, f64),
    /// More SYNs than this are many.
    pub busy: f64,
    /// Vectors, in the order of [`OTHERS`].
    pub(super) others: [f64; OTHERS.len()],
    /// Of a vector, over its limits or refused.
    pub(super) refused: f64,
    /// Nothing above this is learned of unproven SYNs.
    pub(super) most: f64,
    pub(super) expected: Expected,
}

impl Bars {
    /// Bars for a threshold of SYNs per second, given what is usual.
    pub(super) fn of(threshold: Option<f64>, policy: &DetectPolicy, usual: Option<&Usual>) -> Self {
        let threshold = threshold.filter(|rate| rate.is_finite() && *rate > 0.0);
        // Handshakes and their SYNs are counted in different ticks: their difference has the chance of both.
        let high = usual.map_or(0.0, |usual| usual.unproven.high + CHANCE * usual.syn.level.sqrt());
        let most = threshold.map_or(f64::INFINITY, |rate| rate * policy.threshold_share);
        // However much was learned: more unproven SYNs than the whole threshold are no everyday life.
        let hard = threshold.map_or(f64::INFINITY, |rate| most.max(high.min(rate)));
        let share = threshold.map_or(0.0, |rate| rate * policy.usual_share);
        let soft = match usual {
            Some(_) => share.max(policy.least_syn_pps).max(high).min(hard),
            None => f64::INFINITY,
        };
        let bar = hard.min(soft);
        let busy = match usual {
            Some(usual) => usual.syn.high.max(2.0 * usual.syn.level).max(policy.least_syn_pps),
            None => threshold.unwrap_or(f64::INFINITY),
        };
        Self {
            hard,
            soft,
            end: (bar / 2.0).max(high).min(bar),
            usual: (usual.map_or(0.0, |usual| usual.unproven.level), high),
            busy,
            others: std::array::from_fn(|index| other_bar(index, policy, usual)),
            refused: policy.least_refused_pps,
            most,
            expected: Expected {
                segments: usual
                    .and_then(|usual| usual.segments)
                    .map_or(LEAST_SEGMENTS, |segments| segments.max(LEAST_SEGMENTS)),
                blackholed: usual.map_or(0.0, |usual| RETRANSMISSIONS * usual.syn.level),
            },
        }
    }

    /// Unproven SYNs over the lower bar, and no mere share of a crowd.
    pub(super) fn is_soft(&self, parts: &Parts) -> bool {
        let unproven = parts.unproven();
        unproven > self.soft && unproven > SOFT_SHARE * parts.syn
    }

    /// By how much more than time evidence for the lower bar counts: what is far above it is told sooner.
    pub(super) fn haste(&self, parts: &Parts) -> f64 {
        if self.soft.is_finite() {
            (parts.unproven() / self.soft).clamp(1.0, MOST_HASTE)
        } else {
            1.0
        }
    }

    /// The vector (an index of [`OTHERS`]) that what is over a limit most likely belongs to: the kernel counts them
    /// together. `None` if no limit is exceeded by much.
    pub(super) fn refused(&self, parts: &Parts) -> Option<usize> {
        if parts.over_vectors <= self.refused {
            return None;
        }
        let limited = |index: &usize| !matches!(OTHERS[*index], AttackVector::Amplified | AttackVector::Malformed);
        (0..OTHERS.len())
            .filter(limited)
            .max_by(|a, b| parts.others[*a].total_cmp(&parts.others[*b]))
    }
}

fn other_bar(index: usize, policy: &DetectPolicy, usual: Option<&Usual>) -> f64 {
    let vector = OTHERS[index];
    let refused = matches!(vector, AttackVector::Amplified | AttackVector::Malformed);
    let Some(usual) = usual else {
        return match vector {
            AttackVector::Amplified | AttackVector::Malformed => policy.least_refused_pps,
            // Connections of customers: without knowing what is usual, any rate may be.
            AttackVector::Tcp => f64::INFINITY,
            _ => policy.unknown_vector_pps,
        };
    };
    let least = if refused {
        policy.least_refused_pps
    } else {
        policy.least_vector_pps
    };
    let factor = match vector {
        AttackVector::Tcp => TCP_FACTOR * policy.vector_factor,
        _ => policy.vector_factor,
    };
    least.max(factor * usual.crests[index])
}
