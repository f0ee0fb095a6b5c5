//! Rates as rows of numbers. The order is that of the file: a new one comes to the end, and none is ever taken out.

use super::RatePeaks;
use crate::detect::Rates;

/// Means of a row.
pub(super) const MEANS: usize = Rates::COUNT;
/// Means and peaks.
pub(super) const NUMBERS: usize = MEANS + 3;

/// The peaks as numbers.
pub(super) const fn of_peaks(peaks: &RatePeaks) -> [f64; 3] {
    [peaks.syn, peaks.unproven, peaks.packets]
}

/// And back.
pub(super) const fn to_peaks(numbers: &[f64; 3]) -> RatePeaks {
    let [syn, unproven, packets] = *numbers;
    RatePeaks { syn, unproven, packets }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_peak_has_its_place() {
        assert_eq!(of_peaks(&to_peaks(&[1.0, 2.0, 3.0])), [1.0, 2.0, 3.0]);
    }
}
