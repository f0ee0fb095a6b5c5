//! Instants and spans for a screen: the time of day, and how long ago, in as few letters as will do.

use std::time::Duration;

use jiff::{Timestamp, tz::TimeZone};

/// The time of day in this zone, with the date where it is not today.
#[must_use]
pub fn clock(at: Timestamp, now: Timestamp, zone: &TimeZone) -> String {
    let (at, now) = (at.to_zoned(zone.clone()), now.to_zoned(zone.clone()));
    let form = if at.date() == now.date() {
        "%H:%M:%S"
    } else {
        "%Y-%m-%d %H:%M"
    };
    at.strftime(form).to_string()
}

/// How long ago: the two largest units, such as `2m 32s`. What lies ahead by a clock's odds is `0s`.
#[must_use]
pub fn ago(at: Timestamp, now: Timestamp) -> String {
    span(Duration::try_from(now.duration_since(at)).unwrap_or_default())
}

/// A span: the two largest units.
#[must_use]
pub fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, minutes) => format!("{minutes}m {}s", seconds % 60),
        (0, hours, minutes) => format!("{hours}h {minutes}m"),
        (days, hours, _) => format!("{days}d {hours}h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_two_units_at_most() {
        for (seconds, text) in [
            (0, "0s"),
            (59, "59s"),
            (152, "2m 32s"),
            (3_600, "1h 0m"),
            (90_061, "1d 1h"),
        ] {
            assert_eq!(span(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn another_day_is_named() {
        let now: Timestamp = "2025-06-02T00:10:00Z".parse().expect("instant");
        let at = |text: &str| clock(text.parse().expect("instant"), now, &TimeZone::UTC);
        assert_eq!(at("2025-06-02T00:09:01Z"), "00:09:01");
        assert_eq!(at("2025-06-01T23:59:01Z"), "2025-06-01 23:59");
        assert_eq!(
            ago("2025-06-02T00:20:00Z".parse().expect("instant"), now),
            "0s",
            "the clock was set"
        );
    }
}
