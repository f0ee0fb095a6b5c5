//! Rates of vectors: packets per second and bits per second, or no limit; and the presets of amplifiers.

use std::{borrow::Cow, fmt, num::NonZeroU64, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use xdp_common::{Preset, cost::CostLimit};

use super::{UnitError, UnitVisitor, parse_decimal, wrong};

/// The word for no limit.
const UNLIMITED: &str = "unlimited";
/// What `parse_decimal` may find behind a number.
const SUFFIXES: &[(&str, u64)] = &[
    ("k", 1_000),
    ("K", 1_000),
    ("M", 1_000_000),
    ("G", 1_000_000_000),
    ("T", 1_000_000_000_000),
];

const WANTED_PACKETS: &str = "a rate of packets: write packets per second between 1 and 1G, as a number with an optional k, M or G and \
     an optional /s, such as 20000, \"20k\" or \"1.5M/s\", or \"unlimited\"; none at all is a blackhole: `agent block-ip` \
     with the address";
const WANTED_BITS: &str = "a rate of bits: write bits per second between 1k and 1T, as a number with an optional k, M, G or T and an \
     optional /s, such as \"500M\" or \"1.5G/s\", or \"unlimited\"; none at all is a blackhole: `agent block-ip` with the address";

/// Reads a number, or the word for no limit, within bounds.
fn parse_rate(text: &str, least: u64, most: u64) -> Option<Option<NonZeroU64>> {
    let text = text.trim();
    if text == UNLIMITED {
        return Some(None);
    }
    let number = text.strip_suffix("/s").unwrap_or(text);
    parse_decimal(number.trim_end(), SUFFIXES)
        .filter(|value| (least..=most).contains(value))
        .and_then(NonZeroU64::new)
        .map(Some)
}

/// Writes it the way [`parse_rate`] reads it, with the largest suffix that keeps it whole.
fn write_rate(f: &mut fmt::Formatter<'_>, rate: Option<NonZeroU64>) -> fmt::Result {
    let Some(rate) = rate.map(NonZeroU64::get) else {
        return f.write_str(UNLIMITED);
    };
    let suffix = SUFFIXES
        .iter()
        .rev()
        .find(|(_, scale)| rate.is_multiple_of(*scale) && rate > 0);
    match suffix {
        Some(("K", _)) => write!(f, "{}k/s", rate / 1_000),
        Some((suffix, scale)) => write!(f, "{}{suffix}/s", rate / scale),
        None => write!(f, "{rate}/s"),
    }
}

macro_rules! vector_rate {
    ($unit:ident, $doc:literal, $least:expr, $most:expr, $wanted:expr) => {
        #[doc = $doc]
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $unit(Option<NonZeroU64>);

        impl $unit {
            /// No limit.
            pub const UNLIMITED: Self = Self(None);

            /// A rate, brought within its bounds; `None` for no limit.
            #[must_use]
            pub fn clamped(per_second: Option<u64>) -> Self {
                Self(per_second.and_then(|rate| NonZeroU64::new(rate.clamp($least, $most))))
            }

            /// Per second; `None` for no limit.
            #[must_use]
            pub fn per_second(self) -> Option<u64> {
                self.0.map(NonZeroU64::get)
            }
        }

        impl FromStr for $unit {
            type Err = UnitError;

            fn from_str(text: &str) -> Result<Self, UnitError> {
                parse_rate(text, $least, $most)
                    .map(Self)
                    .ok_or_else(|| wrong(text, $wanted))
            }
        }

        impl fmt::Display for $unit {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_rate(f, self.0)
            }
        }

        unit_as_text!($unit, $wanted, ["integer", "string"]);
    };
}

vector_rate!(
    PacketRate,
    "Packets per second: 1 to 1,000 million, or no limit.",
    1,
    CostLimit::PACKETS_MOST,
    WANTED_PACKETS
);
vector_rate!(
    BitRate,
    "Bits per second, of whole frames: 1,000 to 1 million million, or no limit.",
    CostLimit::BITS_LEAST,
    CostLimit::BITS_MOST,
    WANTED_BITS
);

/// Presets of amplifiers: UDP services whose replies nobody asked for are dropped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amplification(u32);

impl Amplification {
    /// From bits of [`Preset::bit`].
    #[must_use]
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits & Preset::EVERY)
    }

    /// As bits of [`Preset::bit`].
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// The presets.
    pub fn presets(self) -> impl Iterator<Item = Preset> {
        Preset::ALL
            .iter()
            .copied()
            .filter(move |preset| self.0 & preset.bit() != 0)
    }

    fn names() -> String {
        let names: Vec<&str> = Preset::ALL.iter().map(|preset| preset.name()).collect();
        names.join(", ")
    }

    fn preset(text: &str) -> Result<Preset, String> {
        let known = Preset::ALL.iter().copied().find(|preset| preset.name() == text);
        known.ok_or_else(|| {
            let quic = match text {
                "quic" | "443" => " (QUIC is left alone: most of what comes from its port is wanted)",
                _ => "",
            };
            format!(
                "{text:?} is no preset{quic}: write a list of {}; or \"all\"",
                Self::names()
            )
        })
    }
}

impl fmt::Display for Amplification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("none"),
            Preset::EVERY => f.write_str("all"),
            _ => {
                let names: Vec<&str> = self.presets().map(Preset::name).collect();
                f.write_str(&names.join(","))
            }
        }
    }
}

impl Serialize for Amplification {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 == Preset::EVERY {
            return serializer.serialize_str("all");
        }
        serializer.collect_seq(self.presets().map(Preset::name))
    }
}

struct AmplificationVisitor;

impl<'de> de::Visitor<'de> for AmplificationVisitor {
    type Value = Amplification;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"all\", or a list of {}", Amplification::names())
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Amplification, E> {
        match text {
            "all" => Ok(Amplification(Preset::EVERY)),
            other => Err(E::invalid_value(de::Unexpected::Str(other), &self)),
        }
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut names: A) -> Result<Amplification, A::Error> {
        let mut bits = 0;
        while let Some(name) = names.next_element::<String>()? {
            bits |= Amplification::preset(&name).map_err(de::Error::custom)?.bit();
        }
        Ok(Amplification(bits))
    }
}

impl<'de> Deserialize<'de> for Amplification {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AmplificationVisitor)
    }
}

impl JsonSchema for Amplification {
    fn schema_name() -> Cow<'static, str> {
        "Amplification".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["array", "string"] })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn accepts_every_spelling() {
        for (text, bits) in [
            ("1k", 1_000),
            ("1000", 1_000),
            ("500M", 500_000_000),
            ("1.5G/s", 1_500_000_000),
            (" 1T/s ", 1_000_000_000_000),
        ] {
            assert_eq!(
                text.parse::<BitRate>().map(BitRate::per_second),
                Ok(Some(bits)),
                "{text}"
            );
        }
        assert_eq!("unlimited".parse(), Ok(PacketRate::UNLIMITED));
    }

    #[test]
    fn zero_is_refused_with_the_way_out() {
        for text in ["0", "0/s", "0k"] {
            let packets = text.parse::<PacketRate>().expect_err(text).to_string();
            let bits = text.parse::<BitRate>().expect_err(text).to_string();
            assert!(
                packets.contains("agent block-ip") && bits.contains("agent block-ip"),
                "{packets} {bits}"
            );
        }
    }

    #[test]
    fn refuses_what_is_no_rate() {
        for text in [
            "",
            "-1",
            "1g",
            "2G",
            "1.0000000001G",
            "99999999999999999999",
            "none",
            "1GB/s",
        ] {
            text.parse::<PacketRate>().expect_err(text);
        }
        for text in ["999", "1.1T", "1Gbit", "1G/m"] {
            text.parse::<BitRate>().expect_err(text);
        }
    }

    #[test]
    fn presets_read_back_and_strangers_are_named() {
        let all: Amplification = serde_json::from_str("\"all\"").expect("all");
        assert_eq!(all.presets().count(), Preset::ALL.len());
        let two: Amplification = serde_json::from_str("[\"ntp\", \"dns\"]").expect("two");
        assert_eq!(
            (two.to_string(), serde_json::to_string(&two).expect("json")),
            ("dns,ntp".to_owned(), "[\"dns\",\"ntp\"]".to_owned())
        );
        for (text, part) in [
            ("[\"quic\"]", "left alone"),
            ("[\"dn\"]", "memcached"),
            ("\"some\"", "\"all\""),
        ] {
            let error = serde_json::from_str::<Amplification>(text).expect_err(text).to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    proptest! {
        #[test]
        fn a_rate_reads_back_what_it_writes(packets in 1..=CostLimit::PACKETS_MOST, bits in CostLimit::BITS_LEAST..=CostLimit::BITS_MOST) {
            let (packets, bits) = (PacketRate::clamped(Some(packets)), BitRate::clamped(Some(bits)));
            prop_assert_eq!(packets.to_string().parse::<PacketRate>(), Ok(packets));
            prop_assert_eq!(bits.to_string().parse::<BitRate>(), Ok(bits));
        }

        #[test]
        fn no_text_makes_a_parser_panic(text in "\\PC{0,24}") {
            let _ = text.parse::<PacketRate>();
            let _ = text.parse::<BitRate>();
        }
    }
}
