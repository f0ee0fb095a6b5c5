//! `[detect]`: what is an attack. Written here as in the file, and as the policy that it comes to.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Problem,
    resolve::quoted,
    units::{Rate, Span},
};
use crate::detect::DetectPolicy;

/// What is an attack. Detection only tells: what is dropped is decided by thresholds, verify and lists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(inline)]
pub struct DetectSection {
    /// false: nothing is detected, told or learned. What the kernel side does by itself goes on.
    pub enabled: bool,
    /// An attack is over once nothing was over half of its bar for so long: 3s to 1h. Waves that
    /// are closer together are one attack.
    pub hold: Span,
    /// SYNs that no completed handshake answers for are an attack above this share of the address's
    /// SYN threshold: 1 to 100 percent.
    #[schemars(range(min = 1, max = 100))]
    pub threshold_percent: u32,
    /// Once it is known what is usual for an address: above this share of the threshold and above
    /// all that is usual at this time of day: 1 to 100 percent.
    #[schemars(range(min = 1, max = 100))]
    pub usual_percent: u32,
    /// Fewer such SYNs per second are never an attack.
    pub least_syn_rate: Rate,
    /// Fewer packets per second of UDP, ICMP, other protocols or fragments are never an attack where
    /// no limit of theirs is exceeded.
    pub least_vector_rate: Rate,
    /// The same while it is not yet known what is usual.
    pub unknown_vector_rate: Rate,
    /// UDP, ICMP, other protocols or fragments are an attack above so many times the busiest usual
    /// hour: 2 to 100.
    #[schemars(range(min = 2, max = 100))]
    pub vector_factor: u32,
    /// Fewer packets per second over a limit of UDP, ICMP, other protocols, fragments or TCP,
    /// reflected, or malformed are never an attack.
    pub least_refused_rate: Rate,
    /// This host is saturated when its interfaces lose more packets per second than this ..
    pub receive_drop_rate: Rate,
    /// .. or when its busiest CPU spends more than this share of its time in softirqs, where packets
    /// are received: 1 to 100 percent. It can protect nobody then: ask upstream.
    #[schemars(range(min = 1, max = 100))]
    pub softirq_percent: u32,
}

const fn rate(per_second: u32) -> Rate {
    Rate::new(per_second).expect("defaults are in range")
}

impl Default for DetectSection {
    fn default() -> Self {
        Self {
            enabled: true,
            hold: Span::from_secs(30).expect("defaults are in range"),
            threshold_percent: 50,
            usual_percent: 10,
            least_syn_rate: rate(100),
            least_vector_rate: rate(20_000),
            unknown_vector_rate: rate(200_000),
            vector_factor: 4,
            least_refused_rate: rate(1_000),
            receive_drop_rate: rate(1_000),
            softirq_percent: 95,
        }
    }
}

impl DetectSection {
    /// As detection takes it.
    #[must_use]
    pub fn policy(&self) -> DetectPolicy {
        let pps = |rate: Rate| f64::from(rate.per_second());
        let share = |percent: u32| f64::from(percent) / 100.0;
        DetectPolicy {
            hold: self.hold.duration(),
            threshold_share: share(self.threshold_percent),
            usual_share: share(self.usual_percent),
            least_syn_pps: pps(self.least_syn_rate),
            least_vector_pps: pps(self.least_vector_rate),
            unknown_vector_pps: pps(self.unknown_vector_rate),
            vector_factor: f64::from(self.vector_factor),
            least_refused_pps: pps(self.least_refused_rate),
            receive_drops_pps: pps(self.receive_drop_rate),
            softirq_share: share(self.softirq_percent),
        }
    }

    /// What of it is out of range.
    pub(super) fn check(&self, problems: &mut Vec<Problem>) {
        let numbers = [
            ("detect.threshold_percent", self.threshold_percent, 1, 100),
            ("detect.usual_percent", self.usual_percent, 1, 100),
            ("detect.vector_factor", self.vector_factor, 2, 100),
            ("detect.softirq_percent", self.softirq_percent, 1, 100),
        ];
        for (key, value, least, most) in numbers {
            if !(least..=most).contains(&value) {
                let message = format!("is out of range; write a number from {least} to {most}");
                problems.push(Problem::new(key, value, message));
            }
        }
        // Detection looks back over a second and more: what ends sooner would begin again by its own echo.
        if !(3..=3_600).contains(&self.hold.duration().as_secs()) {
            let message = "is out of range; write a duration from 3s to 1h";
            problems.push(Problem::new("detect.hold", quoted(&self.hold.to_string()), message));
        }
    }

    /// Each setting with its value, for people.
    #[must_use]
    pub fn named(&self) -> [(&'static str, String); 11] {
        [
            ("detect.enabled", self.enabled.to_string()),
            ("detect.hold", self.hold.to_string()),
            ("detect.threshold_percent", self.threshold_percent.to_string()),
            ("detect.usual_percent", self.usual_percent.to_string()),
            ("detect.least_syn_rate", self.least_syn_rate.to_string()),
            ("detect.least_vector_rate", self.least_vector_rate.to_string()),
            ("detect.unknown_vector_rate", self.unknown_vector_rate.to_string()),
            ("detect.vector_factor", self.vector_factor.to_string()),
            ("detect.least_refused_rate", self.least_refused_rate.to_string()),
            ("detect.receive_drop_rate", self.receive_drop_rate.to_string()),
            ("detect.softirq_percent", self.softirq_percent.to_string()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_file_leaves_out_is_what_detection_does_by_itself() {
        assert_eq!(DetectSection::default().policy(), DetectPolicy::default());
    }

    #[test]
    fn what_is_out_of_range_is_told_with_its_key() {
        let mut problems = Vec::new();
        DetectSection::default().check(&mut problems);
        assert!(problems.is_empty(), "{problems:?}");
        let section = DetectSection {
            threshold_percent: 0,
            vector_factor: 1,
            hold: Span::from_secs(7_200).expect("span"),
            ..DetectSection::default()
        };
        section.check(&mut problems);
        let keys: Vec<_> = problems.iter().map(|problem| problem.key.as_str()).collect();
        assert_eq!(
            keys,
            ["detect.threshold_percent", "detect.vector_factor", "detect.hold"]
        );
    }
}
