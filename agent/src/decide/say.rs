//! Sentences for people: what was done and until when. The same words from the daemon and from the command line.

use std::net::IpAddr;

use jiff::{Timestamp, tz::TimeZone};

use crate::{
    clock::{Expiry, Now},
    tables::Mode,
};

/// An instant in the host's own time zone, which is the one of the clock on the wall.
#[must_use]
pub fn instant(at: Timestamp) -> String {
    at.to_zoned(TimeZone::system())
        .strftime("%Y-%m-%d %H:%M:%S %Z")
        .to_string()
}

/// `until 2025-06-01 14:30:00 CEST (30m)`, or `until it is taken back`.
#[must_use]
pub fn until(expiry: Option<Expiry>, now: Now) -> String {
    match expiry {
        None => "until it is taken back".to_owned(),
        Some(expiry) => format!("until {} ({})", instant(expiry.wall), left(expiry, now)),
    }
}

/// The time that is left, in whole seconds.
fn left(expiry: Expiry, now: Now) -> String {
    let nanos = expiry.mono.0.saturating_sub(now.mono.0);
    // Half a second up: a lifetime of 30 minutes that began a moment ago reads "30m".
    let left = std::time::Duration::from_secs((nanos + 500_000_000) / 1_000_000_000);
    humantime::format_duration(left).to_string()
}

/// One, two or many addresses: `203.0.113.7`, `203.0.113.7 and 203.0.113.8`, `203.0.113.7 and 5 more`.
#[must_use]
pub fn some_of(addresses: &[IpAddr]) -> String {
    match addresses {
        [] => "nothing".to_owned(),
        [one] => one.to_string(),
        [one, two] => format!("{one} and {two}"),
        [one, rest @ ..] => format!("{one} and {} more", rest.len()),
    }
}

/// What somebody must know who has just asked for drops while nothing is dropped.
#[must_use]
pub fn mode_warning(mode: Mode) -> Option<String> {
    match mode {
        Mode::Enforce => None,
        Mode::Monitor => Some(
            "the mode is monitor: this is counted and nothing is dropped; `agent mode set enforce` turns drops on"
                .to_owned(),
        ),
    }
}
