//! Numbers, times and texts from elsewhere, as the page shows them.

use jiff::{Timestamp, tz::TimeZone};
use maud::{Markup, html};

pub(super) use crate::report::words::{list, minutes, rate, span};
use crate::{control::api::OriginView, plain::visible};

/// A share (0 to 1).
pub(super) fn share(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// A share as whole percent, of which there may be very many.
pub(super) fn percent(share: f64) -> String {
    match share * 100.0 {
        percent if percent >= 99_950.0 => format!("{} %", rate(percent)),
        percent if percent > 0.0 && percent < 0.95 => format!("{percent:.1} %"),
        percent => format!("{percent:.0} %"),
    }
}

/// A number with its thousands apart.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bits per second.
pub(super) fn bits(per_second: f64) -> String {
    format!("{}bit/s", rate(per_second))
}

/// Text that somebody else wrote: nothing in it is hidden, and its direction is its own.
pub(super) fn foreign(text: &str) -> Markup {
    html! { bdi { (visible(text)) } }
}

/// Day and time in the host's own zone.
pub(super) fn instant(at: Timestamp) -> Markup {
    at_as(at, "%Y-%m-%d %H:%M:%S")
}

/// The time of today.
pub(super) fn clock(at: Timestamp) -> Markup {
    at_as(at, "%H:%M:%S")
}

fn at_as(at: Timestamp, form: &str) -> Markup {
    let zoned = at.to_zoned(TimeZone::system());
    html! { time datetime=(format!("{at:.0}")) { (zoned.strftime(form)) } }
}

/// The zone of all times.
pub(super) fn zone(at: Timestamp) -> String {
    crate::report::words::zone(&TimeZone::system(), at)
}

/// How long ago, in whole minutes once it is minutes.
pub(super) fn ago(at: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(at).as_secs().max(0);
    let rounded = match seconds {
        0..120 => seconds,
        120..86_400 => seconds / 60 * 60,
        _ => seconds / 3600 * 3600,
    };
    span(rounded as f64)
}

/// Who, when, why and until when, in a sentence.
pub(super) fn origin(origin: &OriginView) -> Markup {
    html! {
        "by " (foreign(&origin.actor))
        @if let Some(since) = origin.since { ", since " (instant(since)) }
        @match origin.until {
            Some(until) => { ", until " (instant(until)) }
            None => { ", until it is taken back" }
        }
        @if let Some(reason) = &origin.reason { ": “" (foreign(reason)) "”" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (4_096, "4,096"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(count(number), text);
        }
        for (value, text) in [
            (0.0, "0 %"),
            (0.004, "0.4 %"),
            (0.5, "50 %"),
            (3.12, "312 %"),
            (2_000.0, "200.0k %"),
        ] {
            assert_eq!(percent(value), text);
        }
    }

    #[test]
    fn time_is_rounded_where_it_is_long() {
        let then: Timestamp = "2025-06-01T12:00:00Z".parse().expect("timestamp");
        let after = |seconds| then + jiff::SignedDuration::from_secs(seconds);
        for (seconds, text) in [
            (-5, "0s"),
            (59, "59s"),
            (61, "1m 1s"),
            (200, "3m"),
            (3_725, "1h 2m"),
            (90_000, "1day 1h"),
        ] {
            assert_eq!(ago(then, after(seconds)), text);
        }
    }
}
