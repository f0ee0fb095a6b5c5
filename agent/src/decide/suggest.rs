//! Thresholds that fit what is usual. Nobody takes them over but a person.

use std::collections::BTreeMap;

use serde::Serialize;
use xdp_common::Vector;

use crate::{
    config::units::{Burst, PacketRate, Rate},
    detect::{AttackVector, Subject, baseline::Baseline},
};

/// Fewer hours than this say too little: a day has a rhythm.
pub const LEAST_HOURS: u32 = 24;
/// Room above the end of what is usual.
const ROOM: f64 = 2.0;
/// Room above the busiest usual hour of a vector, whose ends are not learned.
const VECTOR_ROOM: f64 = 4.0;
/// A lower threshold than this, per second, would be met by a handful of people.
const LEAST_SYN_PPS: f64 = 500.0;
/// The same for vectors.
const LEAST_VECTOR_PPS: f64 = 1_000.0;
/// A threshold that is off by less than this share is left alone.
const CLOSE: f64 = 0.25;

/// What holds for a subject now.
#[derive(Debug, Clone, Default)]
pub struct Current {
    /// Its SYN rate; a group may have none.
    pub syn_rate: Option<Rate>,
    /// Vectors that have a limit, as bits of [`Vector::bit`].
    pub limited: u32,
}

/// What is suggested for a subject.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Suggestion {
    /// Which.
    pub subject: Subject,
    /// Hours that were learned of it.
    pub hours: u32,
    /// SYNs per second of its busiest usual hour.
    pub busiest_syn_pps: f64,
    /// The end of what is usual then.
    pub usual_to_syn_pps: f64,
    /// The threshold that holds now.
    pub syn_rate_now: Option<Rate>,
    /// The threshold that fits; `None` where the present one does.
    pub syn_rate: Option<Rate>,
    /// Packet rates of vectors without any, by the key of the configuration.
    pub vectors: BTreeMap<&'static str, PacketRate>,
}

/// What is suggested, and who is too little known for it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Suggestions {
    /// Where something should change.
    pub change: Vec<Suggestion>,
    /// Whose thresholds fit.
    pub fit: Vec<Subject>,
    /// Of whom too few hours were learned, with how many.
    pub unknown: BTreeMap<Subject, u32>,
}

/// Suggests thresholds.
#[must_use]
pub fn suggest<'a>(of: impl IntoIterator<Item = (Subject, Option<&'a Baseline>, Current)>) -> Suggestions {
    let mut suggestions = Suggestions::default();
    for (subject, baseline, current) in of {
        match baseline.filter(|baseline| baseline.hours >= LEAST_HOURS) {
            None => {
                let hours = baseline.map_or(0, |baseline| baseline.hours);
                suggestions.unknown.insert(subject, hours);
            }
            Some(baseline) => {
                let suggestion = one(subject, baseline, &current);
                if suggestion.syn_rate.is_none() && suggestion.vectors.is_empty() {
                    suggestions.fit.push(subject);
                } else {
                    suggestions.change.push(suggestion);
                }
            }
        }
    }
    suggestions
}

fn one(subject: Subject, baseline: &Baseline, current: &Current) -> Suggestion {
    let learned = || baseline.bins.iter().filter(|bin| bin.visits > 0);
    let busiest = learned().map(|bin| f64::from(bin.syn.level)).fold(0.0, f64::max);
    let usual_to = learned().map(|bin| bin.syn.high()).fold(0.0, f64::max);
    let fitting = rate(usual_to * ROOM, LEAST_SYN_PPS);
    let close = |now: Rate| {
        let (now, fitting) = (f64::from(now.per_second()), f64::from(fitting.per_second()));
        (now - fitting).abs() <= CLOSE * fitting
    };
    Suggestion {
        subject,
        hours: baseline.hours,
        busiest_syn_pps: busiest,
        usual_to_syn_pps: usual_to,
        syn_rate_now: current.syn_rate,
        syn_rate: Some(fitting).filter(|_| !current.syn_rate.is_some_and(close)),
        vectors: vectors(baseline, current),
    }
}

fn vectors(baseline: &Baseline, current: &Current) -> BTreeMap<&'static str, PacketRate> {
    let suggested = [
        (Vector::Udp, AttackVector::Udp, "udp"),
        (Vector::Icmp, AttackVector::Icmp, "icmp"),
        (Vector::Other, AttackVector::Other, "other"),
        (Vector::Fragments, AttackVector::Fragments, "fragments"),
    ];
    suggested
        .into_iter()
        .filter(|(vector, ..)| current.limited & vector.bit() == 0)
        .map(|(_, vector, key)| {
            let crest = baseline.crest(vector).unwrap_or_default();
            (
                key,
                PacketRate::clamped(Some(u64::from(
                    rate(crest * VECTOR_ROOM, LEAST_VECTOR_PPS).per_second(),
                ))),
            )
        })
        .collect()
}

/// A rate in two digits, rounded up.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to the range of rates"
)]
fn rate(per_second: f64, least: f64) -> Rate {
    let wanted = per_second.clamp(least, f64::from(Rate::MAX.per_second()));
    let digit = 10_f64.powf(wanted.log10().floor() - 1.0);
    let rounded = (wanted / digit - 1e-9).ceil() * digit;
    Rate::new(rounded.round() as u32).unwrap_or(Rate::MAX)
}

impl Suggestion {
    /// As a section of the configuration.
    #[must_use]
    pub fn section(&self) -> String {
        let now = self
            .syn_rate_now
            .map_or_else(|| "none".to_owned(), |rate| rate.to_string());
        let mut text = format!(
            "# {} hours learned; its busiest usual hour has {:.0} SYN/s, up to {:.0}; its threshold now: {now}.\n",
            self.hours, self.busiest_syn_pps, self.usual_to_syn_pps
        );
        text += &match self.subject {
            Subject::Address(address) => format!("[[address]]\naddress = \"{address}\"\n"),
            Subject::Group(prefix) => format!("[[group]]\nprefix = \"{prefix}\"\n"),
        };
        if let Some(rate) = self.syn_rate {
            text += &format!("syn_rate = \"{rate}\"\nsyn_burst = \"{}\"\n", Burst::of_a_second(rate));
        }
        for (key, packets) in &self.vectors {
            text += &format!("{key} = {{ packets = \"{packets}\" }}\n");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::baseline::{Bin, Estimate};

    fn baseline(level: f32, hours: u32) -> Baseline {
        let bin = Bin {
            visits: 1,
            syn: Estimate { level, spread: 10.0 },
            ..Bin::default()
        };
        serde_json::from_value(serde_json::json!({ "bins": [bin], "hours": hours })).expect("a baseline")
    }

    fn subject() -> Subject {
        "203.0.113.7".parse().expect("subject")
    }

    fn current(syn_rate: u32) -> Current {
        Current {
            syn_rate: Rate::new(syn_rate),
            limited: Vector::Icmp.bit(),
        }
    }

    #[test]
    fn a_threshold_has_room_above_what_is_usual() {
        let baseline = baseline(1_000.0, 100);
        let suggestions = suggest([(subject(), Some(&baseline), current(100_000))]);
        let [found] = &suggestions.change[..] else {
            panic!("{suggestions:?}")
        };
        // 1000 + 6 * (a tenth of it + its root) = 1789.7, twice that in two digits.
        assert_eq!(found.syn_rate, Rate::new(3_600));
        let keys: Vec<_> = found.vectors.keys().copied().collect();
        assert_eq!(keys, ["fragments", "other", "udp"], "what has a limit keeps it");
        let section = found.section();
        assert!(
            section.contains("syn_rate = \"3600/s\"") || section.contains("syn_rate = \"3.6k/s\""),
            "{section}"
        );
        let read: toml::Table = section.parse().expect("it is TOML");
        assert!(read.contains_key("address"));
    }

    #[test]
    fn what_fits_or_is_not_known_is_left_alone() {
        let (known, new) = (baseline(1_000.0, 100), baseline(1_000.0, 23));
        let all = Current {
            syn_rate: Rate::new(4_000),
            limited: u32::MAX,
        };
        let other: Subject = "203.0.113.8".parse().expect("subject");
        let suggestions = suggest([(subject(), Some(&known), all.clone()), (other, Some(&new), all)]);
        assert_eq!(suggestions.fit, [subject()]);
        assert_eq!(suggestions.unknown, BTreeMap::from([(other, 23)]));
        assert!(suggestions.change.is_empty());
    }

    #[test]
    fn rates_have_two_digits_and_stay_in_range() {
        for (value, rounded) in [(0.0, 500), (1_001.0, 1_100), (99_400.0, 100_000), (20_000.0, 20_000)] {
            assert_eq!(rate(value, LEAST_SYN_PPS).per_second(), rounded);
        }
        assert_eq!(rate(1e300, 1.0), Rate::MAX);
    }
}
