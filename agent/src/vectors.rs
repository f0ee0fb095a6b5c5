//! Rates of vectors (what floods are made of besides SYNs) in plain types: what holds, and what somebody wants otherwise.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use xdp_common::Vector;

use crate::config::units::{BitRate, PacketRate};

/// The rates of one vector. Of each, a quarter of a second's worth may come at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(inline)]
pub struct VectorRates {
    /// Packets per second, such as "100k/s", or "unlimited".
    pub packets: PacketRate,
    /// Bits per second, of whole frames, such as "1G/s", or "unlimited".
    pub bits: BitRate,
}

impl VectorRates {
    /// True when neither is limited.
    #[must_use]
    pub fn is_unlimited(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for VectorRates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.packets.per_second(), self.bits.per_second()) {
            (None, None) => write!(f, "unlimited"),
            (Some(_), None) => write!(f, "{} packets", self.packets),
            (None, Some(_)) => write!(f, "{} bits", self.bits),
            (Some(_), Some(_)) => write!(f, "{} packets, {} bits", self.packets, self.bits),
        }
    }
}

/// The rates of every vector.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vectors {
    /// UDP.
    pub udp: VectorRates,
    /// ICMP and ICMPv6, but for neighbour discovery.
    pub icmp: VectorRates,
    /// Protocols other than TCP, UDP and ICMP.
    pub other: VectorRates,
    /// Fragments, first and later ones.
    pub fragments: VectorRates,
    /// TCP other than SYNs.
    pub tcp: VectorRates,
}

impl Vectors {
    /// The rates of one.
    #[must_use]
    pub const fn of(&self, vector: Vector) -> VectorRates {
        match vector {
            Vector::Udp => self.udp,
            Vector::Icmp => self.icmp,
            Vector::Other => self.other,
            Vector::Fragments => self.fragments,
            Vector::Tcp => self.tcp,
        }
    }

    /// From the rates of each.
    #[must_use]
    pub fn from_each(of: impl Fn(Vector) -> VectorRates) -> Self {
        Self {
            udp: of(Vector::Udp),
            icmp: of(Vector::Icmp),
            other: of(Vector::Other),
            fragments: of(Vector::Fragments),
            tcp: of(Vector::Tcp),
        }
    }

    /// Vectors with a limit, as bits of [`Vector::bit`].
    #[must_use]
    pub fn limited(&self) -> u32 {
        let limited = Vector::ALL
            .into_iter()
            .filter(|vector| !self.of(*vector).is_unlimited());
        limited.fold(0, |bits, vector| bits | vector.bit())
    }
}

impl fmt::Display for Vectors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limited = Vector::ALL
            .into_iter()
            .filter(|vector| !self.of(*vector).is_unlimited());
        let words: Vec<String> = limited
            .map(|vector| format!("{} {}", vector.name(), self.of(vector)))
            .collect();
        if words.is_empty() {
            return f.write_str("-");
        }
        f.write_str(&words.join("; "))
    }
}

/// What is to be otherwise of one vector's rates; what is `None` stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct VectorOverride {
    /// Packets per second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packets: Option<PacketRate>,
    /// Bits per second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bits: Option<BitRate>,
}

impl VectorOverride {
    /// True when all stays.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn over(self, rates: VectorRates) -> VectorRates {
        VectorRates {
            packets: self.packets.unwrap_or(rates.packets),
            bits: self.bits.unwrap_or(rates.bits),
        }
    }

    fn or(self, earlier: Self) -> Self {
        Self {
            packets: self.packets.or(earlier.packets),
            bits: self.bits.or(earlier.bits),
        }
    }
}

/// What is to be otherwise of every vector's rates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VectorsOverride {
    /// UDP.
    #[serde(default, skip_serializing_if = "VectorOverride::is_empty")]
    pub udp: VectorOverride,
    /// ICMP.
    #[serde(default, skip_serializing_if = "VectorOverride::is_empty")]
    pub icmp: VectorOverride,
    /// Other protocols.
    #[serde(default, skip_serializing_if = "VectorOverride::is_empty")]
    pub other: VectorOverride,
    /// Fragments.
    #[serde(default, skip_serializing_if = "VectorOverride::is_empty")]
    pub fragments: VectorOverride,
    /// TCP other than SYNs.
    #[serde(default, skip_serializing_if = "VectorOverride::is_empty")]
    pub tcp: VectorOverride,
}

impl VectorsOverride {
    /// What is to be otherwise of one.
    #[must_use]
    pub const fn of(&self, vector: Vector) -> VectorOverride {
        match vector {
            Vector::Udp => self.udp,
            Vector::Icmp => self.icmp,
            Vector::Other => self.other,
            Vector::Fragments => self.fragments,
            Vector::Tcp => self.tcp,
        }
    }

    fn from_each(of: impl Fn(Vector) -> VectorOverride) -> Self {
        Self {
            udp: of(Vector::Udp),
            icmp: of(Vector::Icmp),
            other: of(Vector::Other),
            fragments: of(Vector::Fragments),
            tcp: of(Vector::Tcp),
        }
    }

    /// True when all stays.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The rates with this applied.
    #[must_use]
    pub fn over(&self, vectors: Vectors) -> Vectors {
        Vectors::from_each(|vector| self.of(vector).over(vectors.of(vector)))
    }

    /// This, and what an earlier one says besides.
    #[must_use]
    pub fn or(&self, earlier: &Self) -> Self {
        Self::from_each(|vector| self.of(vector).or(earlier.of(vector)))
    }
}

impl fmt::Display for VectorsOverride {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = Vector::ALL.into_iter().flat_map(|vector| {
            let of = self.of(vector);
            let packets = of.packets.map(|rate| format!("{} packets {rate}", vector.name()));
            let bits = of.bits.map(|rate| format!("{} bits {rate}", vector.name()));
            packets.into_iter().chain(bits)
        });
        f.write_str(&words.collect::<Vec<_>>().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_named_stays() {
        let rate = |text: &str| text.parse::<PacketRate>().ok();
        let mut vectors = Vectors::default();
        vectors.udp.bits = "1G".parse().expect("rate");
        let set = VectorsOverride {
            udp: VectorOverride {
                packets: rate("20k"),
                bits: None,
            },
            ..VectorsOverride::default()
        };
        let both = set.over(vectors);
        assert_eq!(both.udp.to_string(), "20k/s packets, 1G/s bits");
        assert_eq!(both.limited(), Vector::Udp.bit());
        let later = VectorsOverride {
            icmp: VectorOverride {
                packets: rate("100"),
                bits: None,
            },
            ..VectorsOverride::default()
        };
        assert_eq!(later.or(&set).to_string(), "udp packets 20k/s, icmp packets 100/s");
    }
}
