//! What detection calls an attack. Every number has a default that holds without a configuration.

use std::time::Duration;

/// By how much and how long something must be over before it is an attack, and when that is over.
///
/// "Unproven" are SYNs that no completed handshake answers for.
#[derive(Debug, Clone, PartialEq)]
pub struct DetectPolicy {
    /// An attack is over once nothing was over half of its bar for so long. Pulses that are closer together are one attack.
    pub hold: Duration,
    /// Unproven SYNs over this share of an address's threshold are an attack, 0 to 1.
    pub threshold_share: f64,
    /// Once it is known what is usual: unproven SYNs over this share of the threshold *and* over all that is usual at this
    /// time of day are an attack, 0 to 1. Without a threshold, [`DetectPolicy::least_syn_pps`] stands for the share.
    pub usual_share: f64,
    /// Fewer unproven SYNs per second are never an attack.
    pub least_syn_pps: f64,
    /// Fewer packets per second of UDP, ICMP, other protocols or fragments are never an attack where no limit of theirs is
    /// exceeded.
    pub least_vector_pps: f64,
    /// The same while it is not yet known what is usual.
    pub unknown_vector_pps: f64,
    /// A vector is over once it has so many times the packets of its busiest usual hour.
    pub vector_factor: f64,
    /// Fewer packets per second over a limit of a vector, reflected, or malformed are never an attack.
    pub least_refused_pps: f64,
    /// The host is saturated when its interfaces lose more packets per second than this ..
    pub receive_drops_pps: f64,
    /// .. or when its busiest CPU spends more than this share of its time in softirqs, 0 to 1.
    pub softirq_share: f64,
}

impl Default for DetectPolicy {
    fn default() -> Self {
        Self {
            hold: Duration::from_secs(30),
            threshold_share: 0.5,
            usual_share: 0.1,
            least_syn_pps: 100.0,
            least_vector_pps: 20_000.0,
            unknown_vector_pps: 200_000.0,
            vector_factor: 4.0,
            least_refused_pps: 1_000.0,
            receive_drops_pps: 1_000.0,
            softirq_share: 0.95,
        }
    }
}
