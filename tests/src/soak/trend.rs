//! Whether something grew: a straight line through its values, minute by minute, by least squares, and how sure its slope is.
//!
//! The standard error of a slope is that of ordinary least squares (for instance Draper and Smith, Applied Regression Analysis,
//! chapter 1). Twice that is about a 95 % interval.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{Kind, Sample, WARM_UP};

/// What grows by less than this share of its mean in an hour is called flat even if it is sure that it grows.
const NEGLIGIBLE: f64 = 0.01;
/// The same for what is counted one by one: a thread that serves two questions at a time comes once, and stays for a while.
const NEGLIGIBLE_COUNT: f64 = 1.0;

/// How something went over the minutes that count.
#[derive(Clone, Debug, Serialize)]
pub struct Trend {
    /// What.
    pub what: String,
    /// In which unit.
    pub unit: &'static str,
    /// Minutes that count.
    pub minutes: usize,
    /// Mean of the first third of them.
    pub first: f64,
    /// Mean of the last third of them.
    pub last: f64,
    /// Growth per hour.
    pub per_hour: f64,
    /// Twice the standard error of that.
    pub noise_per_hour: f64,
    /// Whether that is no growth: within the noise, or less than a hundredth of the mean, or one more of what is counted.
    pub is_flat: bool,
}

/// Of everything that is looked at.
pub(super) fn of(samples: &[Sample], minutes: u32) -> Vec<Trend> {
    let after = (WARM_UP.as_secs_f64()).min(f64::from(minutes) * 60.0 / 4.0);
    let counted: Vec<&Sample> = samples.iter().filter(|sample| sample.seconds > after).collect();
    let of_kind = |what: &str, unit, kind: Option<Kind>, value: &dyn Fn(&Sample) -> f64| {
        let points: Vec<(f64, f64)> = counted
            .iter()
            .filter(|sample| kind.is_none_or(|kind| kind == sample.kind))
            .map(|sample| (sample.seconds / 3_600.0, value(sample)))
            .collect();
        trend(what.to_owned(), unit, &points)
    };
    let calm = Some(Kind::Calm);
    let mut trends = vec![
        of_kind("what it has allocated", "MiB", calm, &|sample| sample.heap_mib),
        of_kind("the agent's own memory", "MiB", calm, &|sample| sample.anonymous_mib),
        of_kind("its resident memory", "MiB", calm, &|sample| sample.resident_mib),
        of_kind("file descriptors", "", calm, &|sample| sample.descriptors as f64),
        of_kind("threads", "", calm, &|sample| sample.threads as f64),
        of_kind("memory of the maps", "MiB", calm, &|sample| sample.maps_mib),
        of_kind("`agent status`", "ms", None, &|sample| sample.status_ms),
        of_kind("connect in calm, median", "ms", calm, &|sample| sample.connect_p50_ms),
        of_kind("connect in a flood of SYNs, median", "ms", Some(Kind::Syn), &|sample| {
            sample.connect_p50_ms
        }),
        of_kind("connect in a flood of UDP, median", "ms", Some(Kind::Udp), &|sample| {
            sample.connect_p50_ms
        }),
        of_kind("customers not served", "%", None, &|sample| {
            100.0 * (1.0 - sample.served_ratio)
        }),
    ];
    let maps: BTreeSet<&String> = counted.iter().flat_map(|sample| sample.fill.keys()).collect();
    trends.extend(maps.into_iter().map(|map| {
        of_kind(&format!("entries of {map}"), "", calm, &|sample| {
            sample.fill.get(map).copied().unwrap_or_default() as f64
        })
    }));
    trends
}

/// Of points in hours.
fn trend(what: String, unit: &'static str, points: &[(f64, f64)]) -> Trend {
    let mean = |values: &[(f64, f64)]| values.iter().map(|point| point.1).sum::<f64>() / values.len().max(1) as f64;
    let third = points.len().div_ceil(3);
    let (per_hour, noise_per_hour) = slope(points);
    let (first, last) = (mean(&points[..third]), mean(&points[points.len() - third..]));
    let is_within_noise = per_hour <= noise_per_hour.max(NEGLIGIBLE * mean(points));
    Trend {
        what,
        unit,
        minutes: points.len(),
        first,
        last,
        per_hour,
        noise_per_hour,
        is_flat: is_within_noise || unit.is_empty() && last - first <= NEGLIGIBLE_COUNT,
    }
}

/// The slope, and twice its standard error: endless for fewer than three points.
fn slope(points: &[(f64, f64)]) -> (f64, f64) {
    let count = points.len() as f64;
    if points.len() < 3 {
        return (0.0, f64::INFINITY);
    }
    let (x, y) = points
        .iter()
        .fold((0.0, 0.0), |sum, point| (sum.0 + point.0, sum.1 + point.1));
    let (x, y) = (x / count, y / count);
    let spread: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    let slope = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum::<f64>() / spread;
    let off: f64 = points
        .iter()
        .map(|point| (point.1 - y - slope * (point.0 - x)).powi(2))
        .sum();
    (slope, 2.0 * (off / (count - 2.0) / spread).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An hour, minute by minute, with noise of at most `noise` that does not go anywhere.
    fn hour(growth: f64, noise: f64) -> Vec<(f64, f64)> {
        (0..60)
            .map(|minute| {
                let hours = f64::from(minute) / 60.0;
                let jitter = f64::from(minute * 37 % 11) / 5.0 - 1.0;
                (hours, 50.0 + growth * hours + noise * jitter)
            })
            .collect()
    }

    fn is_flat(growth: f64, noise: f64) -> bool {
        trend("memory".to_owned(), "MiB", &hour(growth, noise)).is_flat
    }

    #[test]
    fn a_leak_is_seen_through_noise() {
        assert!(!is_flat(5.0, 2.0), "a tenth in an hour");
        assert!(!is_flat(0.6, 0.0), "little, but sure");
    }

    #[test]
    fn one_thread_more_is_no_leak_and_two_are() {
        let step = |to: f64| (0..60).map(move |minute| (f64::from(minute) / 60.0, if minute < 30 { 6.0 } else { to }));
        let is_flat = |to, unit| trend("threads".to_owned(), unit, &step(to).collect::<Vec<_>>()).is_flat;
        assert!(is_flat(7.0, ""));
        assert!(!is_flat(8.0, ""));
        assert!(!is_flat(7.0, "MiB"));
    }

    #[test]
    fn noise_is_no_leak() {
        assert!(is_flat(0.0, 5.0));
        assert!(is_flat(0.3, 0.0), "less than a hundredth");
        assert!(is_flat(-20.0, 0.1), "what shrinks does not leak");
    }

    #[test]
    fn a_slope_is_that_of_the_line() {
        let (slope, noise) = slope(&hour(3.0, 0.0));
        assert!((slope - 3.0).abs() < 1e-9 && noise < 1e-6, "{slope}, {noise}");
    }

    #[test]
    fn two_points_say_nothing() {
        assert_eq!(slope(&[(0.0, 1.0), (1.0, 9.0)]), (0.0, f64::INFINITY));
        let nothing = trend(String::new(), "", &[]);
        assert!(nothing.is_flat && nothing.minutes == 0);
    }
}
