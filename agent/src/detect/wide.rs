//! An attack that is thin on every node: what arrives here for an address, together with what arrives at the other nodes. The sum is
//! held against this node's own bar for the address: its threshold says what the address stands, wherever its packets come in.

use super::{Standing, bars::Bars, signal::Signals};
use crate::fleet::Elsewhere;

/// A node with less than this share of what one node has on average has no attack of its own ..
const LEAST_SHARE: f64 = 0.01;
/// .. nor one with fewer SYNs per second than this.
const LEAST_PPS: f64 = 1.0;

/// What all nodes together see of an address.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wide {
    /// Unproven SYNs per second.
    sum: f64,
    /// Enough of them arrive here.
    has_share: bool,
}

impl Wide {
    /// `None` where nothing arrives elsewhere.
    pub(super) fn of(signals: &Signals, standing: &Standing, bars: &Bars, elsewhere: Elsewhere) -> Option<Self> {
        let (level, high) = bars.usual;
        let above = |usual: f64| (signals.settled - usual).max(0.0);
        // What is only estimated is off by more than what is usual of it.
        let (own, unusual) = if standing.counts_handshakes {
            (signals.settled, above(level))
        } else {
            (above(high), above(high))
        };
        (elsewhere.unproven > 0.0).then(|| {
            let sum = own + elsewhere.unproven;
            let average = sum / (f64::from(elsewhere.nodes) + 1.0);
            Self {
                sum,
                has_share: unusual >= LEAST_PPS.max(LEAST_SHARE * average),
            }
        })
    }

    /// It is an attack.
    pub(super) fn is_over(&self, bars: &Bars) -> bool {
        self.has_share && self.sum > bars.hard
    }

    /// One that began by it goes on.
    pub(super) fn goes_on(&self, bars: &Bars) -> bool {
        self.has_share && self.sum > bars.hard / 2.0
    }
}
