//! A rate in one byte: steps of 11 % from one packet in ten minutes to a billion in a second.

/// The lowest rate above none, per second.
const LEAST: f64 = 1.0 / 600.0;
/// The natural logarithm of a step: 1e9 / LEAST in 254 steps.
const STEP: f64 = 0.106_73;

/// The code of a rate. What is no number, or not above none, is none.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to the byte's range"
)]
pub(super) fn of(rate: f64) -> u8 {
    if !rate.is_finite() || rate < LEAST / 2.0 {
        return 0;
    }
    ((rate / LEAST).ln() / STEP + 1.0).round().clamp(1.0, 255.0) as u8
}

/// The rate of a code.
pub(super) fn rate(code: u8) -> f64 {
    match code {
        0 => 0.0,
        code => LEAST * (f64::from(code - 1) * STEP).exp(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_ends_of_the_scale() {
        assert_eq!(rate(of(0.0)), 0.0);
        assert_eq!(rate(of(f64::NAN)), 0.0);
        assert_eq!(rate(of(-5.0)), 0.0);
        assert_eq!(of(LEAST), 1);
        assert_eq!(of(1e9), 255);
        assert_eq!(of(1e12), 255);
    }

    proptest! {
        #[test]
        fn a_rate_comes_back_within_six_percent(exponent in -2.0..8.9_f64) {
            let before = 10.0_f64.powf(exponent);
            let after = rate(of(before));
            prop_assert!((after / before - 1.0).abs() < 0.06, "{before} {after}");
            prop_assert_eq!(of(after), of(before), "it does not drift when it is kept again");
        }
    }
}
