//! How detection stands.

use crate::{control::api::DetectionView, snapshot::Detection};

/// As `status` tells it.
pub(super) fn detection(detection: &Detection) -> DetectionView {
    DetectionView {
        enabled: detection.enabled,
        attacks: detection.attacks.to_vec(),
        saturated: detection.saturated,
        receive_drops_pps: detection.load.receive_drops,
        softirq: detection.load.softirq,
    }
}
