//! Numbers and times of a report.

use jiff::{Timestamp, tz::TimeZone};

/// A rate or an amount in three digits and a scale.
pub(crate) fn rate(value: f64) -> String {
    match value {
        value if value >= 999_500_000.0 => format!("{:.2}G", value / 1e9),
        value if value >= 999_500.0 => format!("{:.2}M", value / 1e6),
        value if value >= 999.5 => format!("{:.1}k", value / 1e3),
        value if value >= 9.95 || value == 0.0 => format!("{value:.0}"),
        value => format!("{value:.1}"),
    }
}

/// Seconds as `1h 2m 3s`.
pub(crate) fn span(seconds: f64) -> String {
    let rounded = std::time::Duration::try_from_secs_f64(seconds.max(0.0).round()).unwrap_or_default();
    humantime::format_duration(rounded).to_string()
}

/// A time of the day with milliseconds.
pub(crate) fn clock(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%H:%M:%S%.3f").to_string()
}

/// A time of the day.
pub(crate) fn short_clock(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%H:%M:%S").to_string()
}

/// A day.
pub(crate) fn day(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%d").to_string()
}

/// Day, time and zone.
pub(crate) fn instant(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
}

/// The zone, by its name where it has one.
pub(crate) fn zone(zone: &TimeZone, at: Timestamp) -> String {
    zone.iana_name()
        .map_or_else(|| at.to_zoned(zone.clone()).strftime("%Z").to_string(), str::to_owned)
}

/// Minutes with one digit.
pub(crate) fn minutes(minutes: f64) -> String {
    format!("{minutes:.1}")
}

/// Names of vectors or rungs in a row.
pub(crate) fn list(names: impl Iterator<Item = String>) -> String {
    let all: Vec<String> = names.collect();
    if all.is_empty() {
        "none".to_owned()
    } else {
        all.join(", ")
    }
}

/// Text from elsewhere on one line, with everything in it to be seen.
pub(crate) fn plain(text: &str) -> String {
    crate::plain::visible(text)
}
