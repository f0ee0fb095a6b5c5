//! The units of the configuration and of the command line: rates, bursts, lifetimes. One parser each, so that a file, a
//! flag and the control socket accept exactly the same spellings.

use std::{borrow::Cow, fmt, str::FromStr, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The highest rate: the kernel side counts whole nanoseconds between two SYNs.
const MAX_RATE_PPS: u32 = xdp_common::rate::Limit::RATE_MAX;

/// The largest burst: beyond it the bucket's tolerance no longer fits the kernel's nanosecond arithmetic.
const MAX_BURST: u32 = 100_000_000;

/// The longest lifetime that is not `never`: ten years. Anything longer is a typing mistake.
const MAX_TTL: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// What is wrong with a written unit, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is not {wanted}")]
pub struct UnitError {
    found: String,
    wanted: &'static str,
}

const WANTED_RATE: &str = "a rate: write SYNs per second between 1 and 10M, as a number with an optional k or M and an optional /s, \
     such as 20000, \"20k\" or \"1.5M/s\"";
const WANTED_RATE_ABOVE_ZERO: &str = "a rate: write SYNs per second between 1 and 10M, as a number with an optional k or M and an optional /s, \
     such as 20000, \"20k\" or \"1.5M/s\"; to let nothing new in at all, `agent block-ip` blackholes an address and blocks a source";
const WANTED_BURST: &str =
    "a burst: write a number of SYNs between 1 and 100M, with an optional k or M, such as 500, \"2k\" or \"1M\"";
const WANTED_TTL: &str = "a lifetime: write a duration from 1s to 10 years with its unit, such as 30s, 15m, 2h, 1d or 1h30m, or the word never";
const WANTED_SPAN: &str = "a duration: write it from 1s to 20 days with its unit, such as 10s, 5m or 1h";
const WANTED_INTERVAL: &str = "an interval: write a duration from 100ms to 1m with its unit, such as 500ms, 1s or 10s";

fn wrong(found: &str, wanted: &'static str) -> UnitError {
    UnitError {
        found: found.to_owned(),
        wanted,
    }
}

/// A number with an optional decimal part and an optional `k` or `M`. `None` if it is anything else, or not whole.
fn parse_scaled(text: &str) -> Option<u64> {
    parse_decimal(text, &[("k", 1_000), ("K", 1_000), ("M", 1_000_000)])
}

/// A number with an optional decimal part and an optional suffix. `None` if it is anything else, or not whole.
fn parse_decimal(text: &str, suffixes: &[(&str, u64)]) -> Option<u64> {
    let with_suffix = |(suffix, scale): &(&str, u64)| Some((text.strip_suffix(suffix)?, *scale));
    let (digits, scale) = suffixes.iter().find_map(with_suffix).unwrap_or((text, 1));
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || digits.ends_with('.') || decimals.len() > 9 || !all_digits(whole) || !all_digits(decimals) {
        return None;
    }
    let mut value = whole.parse::<u64>().ok()?.checked_mul(scale)?;
    if !decimals.is_empty() {
        let divisor = 10u64.pow(u32::try_from(decimals.len()).ok()?);
        let scaled = decimals.parse::<u64>().ok()?.checked_mul(scale)?;
        if !scaled.is_multiple_of(divisor) {
            return None;
        }
        value = value.checked_add(scaled / divisor)?;
    }
    Some(value)
}

/// Writes a count the way [`parse_scaled`] reads it, with the largest suffix that keeps it whole.
fn write_scaled(f: &mut fmt::Formatter<'_>, value: u32) -> fmt::Result {
    match value {
        0 => write!(f, "0"),
        v if v.is_multiple_of(1_000_000) => write!(f, "{}M", v / 1_000_000),
        v if v.is_multiple_of(1_000) => write!(f, "{}k", v / 1_000),
        v => write!(f, "{v}"),
    }
}

/// A rate in events per second: 1 to 10 million.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rate(u32);

impl Rate {
    /// The highest.
    pub const MAX: Self = Self(MAX_RATE_PPS);

    /// A rate, if it lies between 1 and 10 million per second.
    #[must_use]
    pub const fn new(per_second: u32) -> Option<Self> {
        if per_second >= 1 && per_second <= MAX_RATE_PPS {
            Some(Self(per_second))
        } else {
            None
        }
    }

    /// Events per second.
    #[must_use]
    pub const fn per_second(self) -> u32 {
        self.0
    }
}

impl FromStr for Rate {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let number = text.trim().strip_suffix("/s").unwrap_or(text.trim());
        let value = parse_scaled(number.trim_end());
        value
            .and_then(|value| u32::try_from(value).ok())
            .and_then(Self::new)
            .ok_or_else(|| match value {
                Some(0) => wrong(text, WANTED_RATE_ABOVE_ZERO),
                _ => wrong(text, WANTED_RATE),
            })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_scaled(f, self.0)?;
        write!(f, "/s")
    }
}

/// How many events may come at once above the rate: 1 to 100 million.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Burst(u32);

impl Burst {
    /// The largest.
    pub const MAX: Self = Self(MAX_BURST);

    /// A burst, if it lies between 1 and 100 million.
    #[must_use]
    pub const fn new(events: u32) -> Option<Self> {
        if events >= 1 && events <= MAX_BURST {
            Some(Self(events))
        } else {
            None
        }
    }

    /// As many as come in a second at a rate.
    #[must_use]
    pub const fn of_a_second(rate: Rate) -> Self {
        Self(rate.per_second())
    }

    /// Number of events.
    #[must_use]
    pub const fn events(self) -> u32 {
        self.0
    }
}

impl FromStr for Burst {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        parse_scaled(text.trim())
            .and_then(|value| u32::try_from(value).ok())
            .and_then(Self::new)
            .ok_or_else(|| wrong(text, WANTED_BURST))
    }
}

impl fmt::Display for Burst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_scaled(f, self.0)
    }
}

/// How long something lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ttl {
    /// Until somebody takes it back.
    Never,
    /// This long: 1 second to 10 years.
    For(Duration),
}

impl Ttl {
    /// The duration, or `None` for never.
    #[must_use]
    pub const fn duration(self) -> Option<Duration> {
        match self {
            Self::Never => None,
            Self::For(duration) => Some(duration),
        }
    }
}

impl FromStr for Ttl {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        if text.trim() == "never" {
            return Ok(Self::Never);
        }
        match humantime::parse_duration(text.trim()) {
            Ok(duration) if duration >= Duration::from_secs(1) && duration <= MAX_TTL => Ok(Self::For(duration)),
            _ => Err(wrong(text, WANTED_TTL)),
        }
    }
}

impl fmt::Display for Ttl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Never => write!(f, "never"),
            Self::For(duration) => write!(f, "{}", humantime::format_duration(*duration)),
        }
    }
}

/// The longest span: 20 days.
const MAX_SPAN: Duration = Duration::from_secs(20 * 24 * 3600);

/// A time that must pass: 1 second to 20 days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(Duration);

impl Span {
    /// A span of whole seconds, if it is within the bounds.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Option<Self> {
        if secs >= 1 && secs <= MAX_SPAN.as_secs() {
            Some(Self(Duration::from_secs(secs)))
        } else {
            None
        }
    }

    /// A span that stands in the code; one out of bounds does not compile where it is a constant.
    pub(super) const fn constant(secs: u64) -> Self {
        Self::from_secs(secs).expect("defaults are in range")
    }

    /// The time.
    #[must_use]
    pub const fn duration(self) -> Duration {
        self.0
    }
}

impl FromStr for Span {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        match humantime::parse_duration(text.trim()) {
            Ok(duration) if (Duration::from_secs(1)..=MAX_SPAN).contains(&duration) => Ok(Self(duration)),
            _ => Err(wrong(text, WANTED_SPAN)),
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", humantime::format_duration(self.0))
    }
}

/// How often something is done: 100 milliseconds to 1 minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval(Duration);

impl Interval {
    /// A tenth of a second.
    pub const TENTH: Self = Self(Duration::from_millis(100));
    /// One second.
    pub const SECOND: Self = Self(Duration::from_secs(1));

    /// The time between two of them.
    #[must_use]
    pub const fn duration(self) -> Duration {
        self.0
    }
}

impl FromStr for Interval {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        match humantime::parse_duration(text.trim()) {
            Ok(duration) if (Duration::from_millis(100)..=Duration::from_secs(60)).contains(&duration) => {
                Ok(Self(duration))
            }
            _ => Err(wrong(text, WANTED_INTERVAL)),
        }
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", humantime::format_duration(self.0))
    }
}

/// Accepts a string or a whole number, and hands its text to the unit's own parser.
struct UnitVisitor<T>(std::marker::PhantomData<T>, &'static str);

impl<T: FromStr<Err = UnitError>> de::Visitor<'_> for UnitVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.1)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }
}

/// Serde and schema for a unit: written as its text, read as text or (where a bare number has one meaning) a number.
macro_rules! unit_as_text {
    ($unit:ident, $wanted:expr, $types:expr) => {
        impl Serialize for $unit {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $unit {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(UnitVisitor(std::marker::PhantomData, $wanted))
            }
        }

        impl JsonSchema for $unit {
            fn schema_name() -> Cow<'static, str> {
                stringify!($unit).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": $types, "x-form": $wanted })
            }
        }
    };
}

unit_as_text!(Rate, WANTED_RATE, ["integer", "string"]);
unit_as_text!(Burst, WANTED_BURST, ["integer", "string"]);
unit_as_text!(Ttl, WANTED_TTL, ["string"]);
unit_as_text!(Interval, WANTED_INTERVAL, ["string"]);
unit_as_text!(Span, WANTED_SPAN, ["string"]);

mod vector;

pub use vector::{Amplification, BitRate, PacketRate};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn accepts_every_spelling_of_a_rate() {
        for (text, per_second) in [
            ("1", 1),
            ("20000", 20_000),
            ("20k", 20_000),
            ("20K/s", 20_000),
            ("20k/s", 20_000),
            (" 1.5M/s ", 1_500_000),
            ("0.5k", 500),
            ("10M", 10_000_000),
        ] {
            assert_eq!(text.parse::<Rate>().map(Rate::per_second), Ok(per_second), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_rate_and_names_the_accepted_units() {
        for text in [
            "",
            "0",
            "-1",
            "20kb/s",
            "20k/m",
            "k",
            "1.k",
            ".5k",
            "1.0001",
            "11M",
            "1e3",
            "20 k",
            "99999999999999999999",
        ] {
            let error = text.parse::<Rate>().expect_err(text).to_string();
            assert!(error.contains("k or M") && error.contains("/s"), "{text}: {error}");
        }
    }

    #[test]
    fn lifetimes() {
        assert_eq!("never".parse(), Ok(Ttl::Never));
        assert_eq!("1h30m".parse(), Ok(Ttl::For(Duration::from_secs(5400))));
        for text in ["0s", "30", "999y", "", "soon", "-1h", "1ms"] {
            let error = text.parse::<Ttl>().expect_err(text).to_string();
            assert!(error.contains("30s, 15m") && error.contains("never"), "{text}: {error}");
        }
    }

    #[test]
    fn intervals_are_bounded() {
        assert_eq!("1s".parse(), Ok(Interval::SECOND));
        for text in ["99ms", "61s", "1", ""] {
            text.parse::<Interval>().expect_err(text);
        }
    }

    #[test]
    fn spans_are_bounded() {
        assert_eq!("1m".parse(), Ok(Span::from_secs(60).expect("in range")));
        for text in ["0s", "999ms", "21d", "never", "10", ""] {
            let error = text.parse::<Span>().expect_err(text).to_string();
            assert!(error.contains("10s, 5m or 1h"), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn a_rate_reads_back_what_it_writes(value in 1..=MAX_RATE_PPS) {
            let rate = Rate::new(value).expect("in range");
            prop_assert_eq!(rate.to_string().parse::<Rate>(), Ok(rate));
        }

        #[test]
        fn a_burst_reads_back_what_it_writes(value in 1..=MAX_BURST) {
            let burst = Burst::new(value).expect("in range");
            prop_assert_eq!(burst.to_string().parse::<Burst>(), Ok(burst));
        }

        #[test]
        fn a_lifetime_reads_back_what_it_writes(secs in 1..=MAX_TTL.as_secs()) {
            let ttl = Ttl::For(Duration::from_secs(secs));
            prop_assert_eq!(ttl.to_string().parse::<Ttl>(), Ok(ttl));
        }

        #[test]
        fn no_text_makes_a_parser_panic(text in "\\PC{0,24}") {
            let _ = text.parse::<Rate>();
            let _ = text.parse::<Burst>();
            let _ = text.parse::<Ttl>();
            let _ = text.parse::<Interval>();
            let _ = text.parse::<Span>();
        }
    }
}
