//! The rates of the file, how an address over its rate is verified, and what differs for single addresses.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    ladder::LadderOverride,
    units::{Amplification, Burst, Rate, Span},
};
use crate::{
    ladder::{HighestRung, MethodChoice},
    vectors::{VectorOverride, VectorRates, Vectors, VectorsOverride},
};

/// Rates.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(inline)]
pub struct Thresholds {
    /// What one protected address takes from all sources together before it makes them prove
    /// themselves. Below it nothing changes for anyone. Set it to what the host behind it can
    /// answer.
    pub address: AddressThreshold,
    /// What one source may send to all protected addresses together. A source is one IPv4 address
    /// or one IPv6 /64: keep room for offices and mobile networks, thousands of people who share
    /// one address.
    pub source: SourceThreshold,
    /// UDP to one protected address. Above it the excess is dropped, but for answers that this host
    /// asked for from the ports that `amplification` names. Here and below, a quarter of a second's
    /// worth may come at once.
    pub udp: VectorRates,
    /// ICMP and ICMPv6 to one protected address; neighbour discovery is never limited.
    pub icmp: VectorRates,
    /// Protocols other than TCP, UDP and ICMP to one protected address (GRE, ESP, ..).
    pub other: VectorRates,
    /// Fragments to one protected address. First fragments count in their transport, too.
    pub fragments: VectorRates,
    /// TCP other than SYNs to one protected address. Above it nothing that belongs to a connection is
    /// dropped: each segment of the excess is held against this host's connections, and what belongs
    /// to none ends here. Where this host forwards, what comes from a source that completed no
    /// handshake lately ends here.
    pub tcp: VectorRates,
}

/// The threshold of one protected address.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(inline)]
pub struct AddressThreshold {
    /// SYNs per second: a number, or a text such as "100k/s".
    pub syn_rate: Rate,
    /// SYNs at once above that rate.
    pub syn_burst: Burst,
}

/// A rate that is a constant of this file.
const fn rate(per_second: u32) -> Rate {
    Rate::new(per_second).expect("defaults are in range")
}

/// A burst that is a constant of this file.
const fn burst(events: u32) -> Burst {
    Burst::new(events).expect("defaults are in range")
}

impl Default for AddressThreshold {
    fn default() -> Self {
        Self {
            syn_rate: rate(100_000),
            syn_burst: burst(100_000),
        }
    }
}

/// The threshold of one source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(inline)]
pub struct SourceThreshold {
    /// SYNs per second: a number, or a text such as "1k/s".
    pub syn_rate: Rate,
    /// SYNs at once above that rate.
    pub syn_burst: Burst,
}

impl Default for SourceThreshold {
    fn default() -> Self {
        Self {
            syn_rate: rate(1_000),
            syn_burst: burst(2_000),
        }
    }
}

/// How an address over its rate makes SYNs prove their sources.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(inline)]
pub struct Verify {
    /// "cookie" answers with a SYN cookie of this host's kernel: for addresses of this host.
    /// "challenge" answers so that only a real client sends a reset, and admits it when it comes
    /// again: for addresses that this host forwards for, or where the kernel makes no cookies.
    /// "auto" is cookie where that works and challenge where not. "drop" drops every SYN of an
    /// unknown source.
    pub method: MethodChoice,
    /// An address goes back once its SYN rate was below half its threshold for so long: 1s to 1h.
    pub hold: Span,
    /// SYNs that each CPU answers per second. Beyond it a SYN of an unknown source is answered only
    /// when it comes again, which a client does after a second, and a forged source never.
    pub answers_per_second: Rate,
    /// A source that completed a handshake is known for so long, and need not prove itself again:
    /// 1m to 20d.
    pub known_for: Span,
    /// true: when all is calm the agent sets net.ipv4.tcp_timestamps=2 and
    /// net.ipv4.tcp_syncookies=2 on this host, and `agent detach` puts them back as they were. The
    /// first lets connections made by cookie keep window scaling, SACK and timestamps (without it
    /// they have none), for plain timestamps instead of disguised ones. The second makes the kernel
    /// answer each SYN by cookie in calm too: clients that send no timestamps, such as Windows,
    /// then have no window scaling. With tcp_syncookies=1, the kernel's default, cookies begin when
    /// a listener's queue is full, which is early enough.
    pub set_sysctls: bool,
}

impl Default for Verify {
    fn default() -> Self {
        Self {
            method: MethodChoice::Auto,
            hold: Span::constant(10),
            answers_per_second: rate(1_000_000),
            known_for: Span::constant(3_600),
            set_sysctls: false,
        }
    }
}

/// What differs for one address.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct AddressOverride {
    /// One of the protected addresses.
    #[schemars(extend("examples" = ["203.0.113.7"]))]
    pub address: String,
    /// SYNs per second; thresholds.address.syn_rate when left out.
    #[schemars(extend("examples" = ["20k/s"]))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub syn_rate: Option<Rate>,
    /// SYNs at once above that rate; thresholds.address.syn_burst when left out.
    #[schemars(extend("examples" = ["20k"]))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub syn_burst: Option<Burst>,
    /// How its sources prove themselves; verify.method when left out.
    #[schemars(extend("examples" = ["challenge"]))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<MethodChoice>,
    /// The highest rung that it takes by itself; ladder.highest when left out. "limit" drops what
    /// exceeds its rate, customers with the flood.
    #[schemars(extend("examples" = ["limit"]))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rung: Option<HighestRung>,
    /// How it goes up and down the ladder; what is left out is as in the section ladder.
    #[schemars(extend("examples" = [{"calm": "1m", "known": {"after": "5s"}}]))]
    #[serde(default, skip_serializing_if = "LadderOverride::is_empty")]
    pub ladder: LadderOverride,
    /// Amplifiers that it takes nothing from unasked; amplification when left out.
    #[schemars(extend("examples" = [["ntp", "memcached"]]))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amplification: Option<Amplification>,
    /// Rates of UDP; what is left out is that of thresholds.udp.
    #[schemars(extend("examples" = [{"packets": "20k/s", "bits": "200M/s"}]))]
    #[serde(default, skip_serializing_if = "VectorOverride::is_empty")]
    pub udp: VectorOverride,
    /// Rates of ICMP; what is left out is that of thresholds.icmp.
    #[schemars(extend("examples" = [{"packets": "100/s"}]))]
    #[serde(default, skip_serializing_if = "VectorOverride::is_empty")]
    pub icmp: VectorOverride,
    /// Rates of other protocols; what is left out is that of thresholds.other.
    #[schemars(extend("examples" = [{"packets": "1k/s"}]))]
    #[serde(default, skip_serializing_if = "VectorOverride::is_empty")]
    pub other: VectorOverride,
    /// Rates of fragments; what is left out is that of thresholds.fragments.
    #[schemars(extend("examples" = [{"packets": "1k/s"}]))]
    #[serde(default, skip_serializing_if = "VectorOverride::is_empty")]
    pub fragments: VectorOverride,
    /// Rates of TCP other than SYNs; what is left out is that of thresholds.tcp.
    #[schemars(extend("examples" = [{"packets": "unlimited"}]))]
    #[serde(default, skip_serializing_if = "VectorOverride::is_empty")]
    pub tcp: VectorOverride,
}

impl AddressOverride {
    /// What differs of the rates of vectors.
    #[must_use]
    pub const fn vectors(&self) -> VectorsOverride {
        VectorsOverride {
            udp: self.udp,
            icmp: self.icmp,
            other: self.other,
            fragments: self.fragments,
            tcp: self.tcp,
        }
    }
}

impl Thresholds {
    /// The rates of vectors.
    #[must_use]
    pub const fn vectors(&self) -> Vectors {
        Vectors {
            udp: self.udp,
            icmp: self.icmp,
            other: self.other,
            fragments: self.fragments,
            tcp: self.tcp,
        }
    }
}
