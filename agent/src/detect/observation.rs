//! What detection sees: one [`Tick`] ten times a second, in plain numbers. A tick holds all that a decision may depend on, so
//! that recorded ticks replay to the same detections. No clocks, no I/O.

use std::{collections::BTreeMap, net::IpAddr};

use serde::{Deserialize, Serialize};

use super::Subject;
use crate::{clock::Now, fleet::Elsewhere, ladder::Rung};

/// Everything that was observed between two readings of the counters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tick {
    /// When the later reading was made.
    pub at: Now,
    /// Seconds since the reading before; more than zero.
    pub seconds: f64,
    /// Every protected address and every group, in the order of [`Subject`].
    pub subjects: Vec<Observation>,
    /// The host.
    pub host: HostObservation,
    /// What arrives at the other nodes of the fleet, of the addresses of which something does.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub elsewhere: BTreeMap<IpAddr, Elsewhere>,
}

/// One address or group. A group's rates are the sums of its addresses'.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// Which.
    pub subject: Subject,
    /// Packets per second.
    pub rates: Rates,
    /// What holds for it.
    pub standing: Standing,
}

/// Packets per second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rates {
    /// SYNs, whatever became of them.
    pub syn: f64,
    /// Handshakes that this host completed: by the tracepoint where it terminates connections; where it forwards, by proofs
    /// that were given and SYNs of known sources. Not a part of `syn`. Says something only where
    /// [`Standing::counts_handshakes`].
    pub handshakes: f64,
    /// TCP other than SYNs.
    pub tcp: f64,
    /// UDP that is not from an amplifier's port, or was asked for.
    pub udp: f64,
    /// ICMP and ICMPv6.
    pub icmp: f64,
    /// Other protocols.
    pub other: f64,
    /// Later fragments, and all that was dropped over the rate of fragments.
    pub fragments: f64,
    /// UDP from amplifiers that was not asked for.
    pub amplified: f64,
    /// Malformed, impossible flags, impossible sources.
    pub malformed: f64,
    /// From blocked sources.
    pub blocked: f64,
    /// Whatever was new to a blackholed address, and was dropped for it: SYNs too, which are not told apart there.
    pub blackholed: f64,
    /// Of all these, packets whose verdict was to pass.
    pub passed: f64,
    /// Of all these, packets whose verdict was to drop.
    pub dropped: f64,
    /// Of all these, packets that were answered.
    pub replied: f64,
    /// Of the dropped, SYNs of unknown sources beyond what this host can answer: they must come again (`retry`).
    pub unanswered: f64,
    /// Of the dropped, what was over a rate other than that of SYNs (a vector's, of the address or of its group).
    pub over_vectors: f64,
}

/// What holds for a subject at the end of a tick.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// Its SYN rate threshold per second; `None` for a group without one.
    pub syn_threshold: Option<f64>,
    /// A SYN was over a rate during the tick (the kernel side says so by itself).
    pub excess: bool,
    /// The rung where it stands now.
    pub rung: Rung,
    /// Who completes a handshake is counted: always where this host terminates connections; where it forwards, only while
    /// SYNs must prove themselves.
    pub counts_handshakes: bool,
}

/// The host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostObservation {
    /// Packets per second that the interfaces lost before the program saw them (missed, no buffer).
    pub receive_drops: f64,
    /// Share of its time that the busiest CPU spent in softirqs, 0 to 1.
    pub softirq: f64,
    /// Different sources of all traffic to protected addresses within a second; `None` before it was counted.
    pub distinct_sources: Option<f64>,
    /// Share of that traffic that the ten heaviest sources have together, 0 to 1.
    pub concentration: f64,
}

impl Rates {
    /// How many there are.
    pub const COUNT: usize = 16;

    /// Each as a number, always in the same order: files have them so. A new one comes to the end.
    #[must_use]
    pub const fn numbers(&self) -> [f64; Self::COUNT] {
        // Without `..`: whoever adds a rate meets this.
        let Self {
            syn,
            handshakes,
            tcp,
            udp,
            icmp,
            other,
            fragments,
            amplified,
            malformed,
            blocked,
            blackholed,
            passed,
            dropped,
            replied,
            unanswered,
            over_vectors,
        } = *self;
        [
            syn,
            handshakes,
            tcp,
            udp,
            icmp,
            other,
            fragments,
            amplified,
            malformed,
            blocked,
            blackholed,
            passed,
            dropped,
            replied,
            unanswered,
            over_vectors,
        ]
    }

    /// And back.
    #[must_use]
    pub const fn of_numbers(numbers: &[f64; Self::COUNT]) -> Self {
        let [
            syn,
            handshakes,
            tcp,
            udp,
            icmp,
            other,
            fragments,
            amplified,
            malformed,
            blocked,
            blackholed,
            passed,
            dropped,
            replied,
            unanswered,
            over_vectors,
        ] = *numbers;
        Self {
            syn,
            handshakes,
            tcp,
            udp,
            icmp,
            other,
            fragments,
            amplified,
            malformed,
            blocked,
            blackholed,
            passed,
            dropped,
            replied,
            unanswered,
            over_vectors,
        }
    }

    /// Adds another subject's.
    pub fn add(&mut self, other: &Self) {
        let mut sums = self.numbers();
        for (sum, more) in sums.iter_mut().zip(other.numbers()) {
            *sum += more;
        }
        *self = Self::of_numbers(&sums);
    }

    /// All packets.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.passed + self.dropped + self.replied
    }

    /// SYNs that no completed handshake answers for.
    #[must_use]
    pub fn unproven(&self) -> f64 {
        (self.syn - self.handshakes).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Rates;

    #[test]
    fn every_rate_has_its_place() {
        let mut numbers = [0.0; Rates::COUNT];
        for (value, number) in (1..).zip(&mut numbers) {
            *number = f64::from(value);
        }
        let mut rates = Rates::of_numbers(&numbers);
        assert_eq!(rates.numbers(), numbers);
        rates.add(&Rates::of_numbers(&numbers));
        assert_eq!(rates.numbers(), numbers.map(|number| 2.0 * number));
    }
}
