//! Robust estimates of what is usual, from one value a visit, in a few bytes.

use serde::{Deserialize, Serialize};

/// A visit's weight never falls below this: what is usual may change, in some weeks.
const LEAST_WEIGHT: f64 = 0.2;
/// A value further away than so many spreads pulls no more than one that far away (Huber's bound).
const BOUND: f64 = 3.0;
/// The spread counts as this share of the level at least, or quiet hours would never learn from others.
const LEAST_SPREAD: f64 = 0.1;
/// A level rises by at most this share of itself in one visit ..
pub(super) const MOST_GROWTH: f64 = 0.25;
/// .. and by so many events per second, so that it can leave zero.
pub(super) const GROWTH_PPS: f64 = 5.0;
/// What is usual ends so many spreads above the level.
const BAND: f64 = 6.0;

/// Level and spread of one signal in one hour of the day, in events per second.
///
/// A visit brings the median and the scaled median absolute deviation of that hour; both are robust to half of the hour.
/// Across visits, level and spread are recursive means of bounded influence, after S. Gelper, R. Fried and C. Croux,
/// "Robust forecasting with exponential and Holt-Winters smoothing", Journal of Forecasting 29 (2010): each value is drawn
/// to within three spreads of what was expected before it counts (P. J. Huber, "Robust estimation of a location
/// parameter", 1964). Over that, a level never rises by more than a quarter in one visit: see
/// [`super::Baseline::held_back`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// What is usual.
    pub level: f32,
    /// How far it usually is from that.
    pub spread: f32,
}

impl Estimate {
    /// Takes in a visit, after so many before it. True if it was held back.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "seven digits are plenty for what is usual"
    )]
    pub(super) fn visit(&mut self, value: f64, deviation: f64, visits: u16, most: f64) -> bool {
        if visits == 0 {
            self.level = value.min(most) as f32;
            self.spread = deviation.min(most) as f32;
            return value > most;
        }
        let weight = (1.0 / (f64::from(visits) + 1.0)).max(LEAST_WEIGHT);
        let (level, spread) = (f64::from(self.level), f64::from(self.spread));
        let bound = BOUND * spread.max(LEAST_SPREAD * level).max(1.0);
        let wanted = level + weight * (value - level).clamp(-bound, bound);
        let allowed = (level * (1.0 + MOST_GROWTH) + GROWTH_PPS).min(most);
        self.level = wanted.min(allowed) as f32;
        let away = deviation.hypot(value - level).min(bound);
        let square = (1.0 - weight) * spread.powi(2) + weight * away.powi(2);
        self.spread = square.sqrt().min(most) as f32;
        wanted > allowed || value - level > bound
    }

    /// The end of what is usual for a mean over a second: six spreads above the level, and six of the deviations that mere
    /// chance gives to a count.
    #[must_use]
    pub fn high(&self) -> f64 {
        let level = f64::from(self.level);
        let spread = f64::from(self.spread).max(LEAST_SPREAD * level);
        level + BAND * (spread + level.max(1.0).sqrt())
    }
}

/// The busiest usual hour of one signal, in events per second: for signals whose time of day does not matter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Crest(pub f32);

/// What a crest loses towards a quieter hour: half of the way in ten days.
const CREST_DECAY: f64 = 0.002_884;
/// What a crest may gain in one hour besides a quarter of itself.
const CREST_GROWTH_PPS: f64 = 100.0;

impl Crest {
    /// Takes in an hour's median. True if it was held back.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "seven digits are plenty for what is usual"
    )]
    pub(super) fn visit(&mut self, value: f64, first: bool) -> bool {
        let crest = f64::from(self.0);
        if first {
            self.0 = value as f32;
            return false;
        }
        let allowed = crest * (1.0 + MOST_GROWTH) + CREST_GROWTH_PPS;
        let wanted = if value > crest {
            value
        } else {
            crest + (value - crest) * CREST_DECAY
        };
        self.0 = wanted.min(allowed) as f32;
        wanted > allowed
    }
}

/// Median and scaled median absolute deviation of some values, which are sorted for it; zeros for none.
pub(super) fn median_and_deviation(values: &mut [f64]) -> (f64, f64) {
    /// The deviation of a normal distribution for its median absolute deviation.
    const SCALE: f64 = 1.4826;
    let middle = median(values);
    for value in values.iter_mut() {
        *value = (*value - middle).abs();
    }
    (middle, SCALE * median(values))
}

fn median(values: &mut [f64]) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    values.sort_unstable_by(f64::total_cmp);
    let half = values.len() / 2;
    if values.len().is_multiple_of(2) {
        f64::midpoint(values[half - 1], values[half])
    } else {
        values[half]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_ignore_what_is_far_away() {
        let mut values = [10.0, 12.0, 11.0, 1e9, 9.0];
        let (middle, deviation) = median_and_deviation(&mut values);
        assert!((middle - 11.0).abs() < 1e-9 && (deviation - 1.4826).abs() < 1e-9);
        assert_eq!(median_and_deviation(&mut []), (0.0, 0.0));
    }

    #[test]
    fn one_wild_visit_moves_little_and_many_move_it() {
        let mut estimate = Estimate::default();
        for visits in 0..10 {
            estimate.visit(100.0, 5.0, visits, 1e6);
        }
        assert!(estimate.visit(50_000.0, 5.0, 10, 1e6), "it says that it was held back");
        assert!(estimate.level < 110.0, "{estimate:?}");
        for visits in 11..60 {
            estimate.visit(400.0, 5.0, visits, 1e6);
        }
        assert!((350.0..=400.0).contains(&estimate.level), "{estimate:?}");
    }

    #[test]
    fn growth_in_one_visit_is_bounded() {
        let mut estimate = Estimate::default();
        estimate.visit(1_000.0, 900.0, 0, 1e9);
        let mut before = estimate.level;
        for visits in 1..50 {
            estimate.visit(1e8, 1e8, visits, 1e9);
            assert!(estimate.level <= before * 1.25 + 5.1, "{before} {estimate:?}");
            before = estimate.level;
        }
        estimate.visit(1e8, 1e8, 51, 5_000.0);
        assert!(
            estimate.level <= 5_000.0 && estimate.spread <= 5_000.0,
            "nor above the most: {estimate:?}"
        );
    }

    #[test]
    fn a_crest_rises_in_hours_and_falls_in_days() {
        let mut crest = Crest::default();
        crest.visit(1_000.0, true);
        assert!(crest.visit(100_000.0, false), "held back");
        assert!(crest.0 <= 1_350.0);
        for _ in 0..240 {
            crest.visit(0.0, false);
        }
        assert!((600.0..=720.0).contains(&crest.0), "half in ten days: {crest:?}");
    }
}
