//! What `status` says of detection.

use serde::{Deserialize, Serialize};

use crate::detect::Attack;

/// How detection stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DetectionView {
    /// It is on (`detect.enabled`).
    pub enabled: bool,
    /// Attacks that go on, the earliest first.
    pub attacks: Vec<Attack>,
    /// This host loses packets before it can judge them: ask upstream.
    pub saturated: bool,
    /// Packets per second that the interfaces lost lately.
    pub receive_drops_pps: f64,
    /// Share of its time that the busiest CPU spent in softirqs lately, 0 to 1.
    pub softirq: f64,
}
