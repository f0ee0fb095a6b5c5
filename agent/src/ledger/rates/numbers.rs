//! Rates as rows of numbers. The order is that of the file: a new one comes to the end, and none is ever taken out.

use super::RatePeaks;
use crate::detect::Rates;

/// Means of a row.
pub(super) const MEANS: usize = 16;
/// Means and peaks.
pub(super) const NUMBERS: usize = MEANS + 3;

/// The means as numbers.
pub(super) const fn of_rates(rates: &Rates) -> [f64; MEANS] {
    // Without `..`: whoever adds a rate meets this.
    let Rates {
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
    } = *rates;
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
pub(super) const fn to_rates(numbers: &[f64; MEANS]) -> Rates {
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
    Rates {
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
    fn every_rate_has_its_place() {
        let mut numbers = [0.0; MEANS];
        for (value, number) in (1..).zip(&mut numbers) {
            *number = f64::from(value);
        }
        assert_eq!(of_rates(&to_rates(&numbers)), numbers);
        assert_eq!(of_peaks(&to_peaks(&[1.0, 2.0, 3.0])), [1.0, 2.0, 3.0]);
    }
}
