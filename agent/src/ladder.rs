//! The mitigation ladder in plain types: its rungs, how an address in verify makes sources prove themselves, and what a
//! person forced.

use std::{fmt, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use xdp_common::known;

use crate::tables::MonotonicNs;

/// Rung of the mitigation ladder. Later rungs contain the earlier ones.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Rung {
    /// Count only: no rate holds for the address.
    Observe,
    /// Drop what exceeds the SYN rates.
    Limit,
    /// SYNs must prove their sources.
    Verify,
    /// Admit only sources that completed a handshake lately.
    Known,
    /// Drop whatever is new; established connections and replies to our own live on.
    Blackhole,
    /// The network above is asked to drop.
    Upstream,
}

impl Rung {
    /// All of them, the lowest first.
    pub const ALL: [Self; 6] = [
        Self::Observe,
        Self::Limit,
        Self::Verify,
        Self::Known,
        Self::Blackhole,
        Self::Upstream,
    ];

    /// The word for it, in tables, JSON and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Limit => "limit",
            Self::Verify => "verify",
            Self::Known => "known",
            Self::Blackhole => "blackhole",
            Self::Upstream => "upstream",
        }
    }
}

impl fmt::Display for Rung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The rung that an address was put on, `known` at most: a blackhole has an end of its own, see [`crate::tables::Blackhole`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ForcedRung {
    /// The rung.
    pub rung: Rung,
    /// When it ends by itself; `None` is never.
    pub until: Option<MonotonicNs>,
}

impl ForcedRung {
    /// The rung at an instant; `None` once it has ended.
    #[must_use]
    pub fn at(self, now: MonotonicNs) -> Option<Rung> {
        self.until.is_none_or(|until| until > now).then_some(self.rung)
    }
}

/// How an address in verify makes a source prove itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// Not at all: SYNs of unknown sources are dropped.
    Drop,
    /// By a SYN cookie of this host's kernel.
    Cookie,
    /// By a reset.
    Challenge,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Drop => "drop",
            Self::Cookie => "cookie",
            Self::Challenge => "challenge",
        })
    }
}

/// How an address in verify makes a source prove itself, as the configuration says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum MethodChoice {
    /// By cookie where this host has the address and its kernel makes cookies, by challenge otherwise.
    Auto,
    /// By a SYN cookie of this host's kernel, where that can be.
    Cookie,
    /// By a reset.
    Challenge,
    /// Not at all: SYNs of unknown sources are dropped.
    Drop,
}

impl MethodChoice {
    /// What it comes to. Without a listener's kernel there are no cookies, whoever asks for them.
    #[must_use]
    pub const fn resolve(self, local: bool, syncookies: Syncookies) -> Method {
        match self {
            Self::Drop => Method::Drop,
            Self::Challenge => Method::Challenge,
            Self::Auto | Self::Cookie => match (local, syncookies) {
                (true, Syncookies::WhenFull | Syncookies::Always) => Method::Cookie,
                (false, _) | (true, Syncookies::Never) => Method::Challenge,
            },
        }
    }
}

impl fmt::Display for MethodChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Cookie => "cookie",
            Self::Challenge => "challenge",
            Self::Drop => "drop",
        })
    }
}

/// A rung that an address may take by itself, as the configuration says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum HighestRung {
    /// What exceeds the rate is dropped.
    Limit,
    /// Over its rate, the address makes SYNs prove their sources.
    Verify,
    /// Only sources that completed a handshake lately get in.
    Known,
    /// Nothing new gets in.
    Blackhole,
    /// The network above is asked to drop.
    Upstream,
}

impl HighestRung {
    /// The rung itself.
    #[must_use]
    pub const fn rung(self) -> Rung {
        match self {
            Self::Limit => Rung::Limit,
            Self::Verify => Rung::Verify,
            Self::Known => Rung::Known,
            Self::Blackhole => Rung::Blackhole,
            Self::Upstream => Rung::Upstream,
        }
    }
}

/// `net.ipv4.tcp_syncookies`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Syncookies {
    /// 0: the kernel neither makes nor takes cookies.
    #[default]
    Never,
    /// 1: once the queue of a listener is full.
    WhenFull,
    /// 2: for each SYN.
    Always,
}

impl Syncookies {
    /// As the sysctl is written; what is above 2 is as good as 1 to the kernel.
    #[must_use]
    pub const fn from_sysctl(value: u32) -> Self {
        match value {
            0 => Self::Never,
            2 => Self::Always,
            _ => Self::WhenFull,
        }
    }

    /// The sysctl's value.
    #[must_use]
    pub const fn sysctl(self) -> u32 {
        match self {
            Self::Never => 0,
            Self::WhenFull => 1,
            Self::Always => 2,
        }
    }
}

/// How long a source that completed a handshake is known, in ticks of the kernel side's clock for it (69 s).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownFor(u32);

impl KnownFor {
    /// The nearest that is not longer, but one tick at least.
    #[must_use]
    pub fn new(duration: Duration) -> Self {
        Self(known::ticks(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// As the kernel side keeps it.
    #[must_use]
    pub const fn from_ticks(ticks: u32) -> Self {
        Self(ticks)
    }

    /// As the kernel side keeps it.
    #[must_use]
    pub const fn ticks(self) -> u32 {
        self.0
    }
}

/// How an address enters and leaves verify by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ladder {
    /// The highest rung that the kernel side takes by itself: limit or verify.
    pub most: Rung,
    /// How sources prove themselves in verify.
    pub method: Method,
    /// An address in verify stays there until it was calm for so long.
    pub hold: Duration,
}

impl Default for Ladder {
    /// What exceeds the rate is dropped, as if there were no verify.
    fn default() -> Self {
        Self {
            most: Rung::Limit,
            method: Method::Drop,
            hold: Duration::from_secs(10),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forced_rung_ends() {
        let forced = ForcedRung {
            rung: Rung::Known,
            until: Some(MonotonicNs(100)),
        };
        assert_eq!(forced.at(MonotonicNs(99)), Some(Rung::Known));
        assert_eq!(forced.at(MonotonicNs(100)), None);
        let endless = ForcedRung { until: None, ..forced };
        assert_eq!(endless.at(MonotonicNs(u64::MAX)), Some(Rung::Known));
    }

    #[test]
    fn cookies_need_a_listener_and_a_kernel_that_makes_them() {
        use Syncookies::{Always, Never, WhenFull};
        for (choice, local, syncookies, method) in [
            (MethodChoice::Auto, true, Always, Method::Cookie),
            (MethodChoice::Auto, true, WhenFull, Method::Cookie),
            (MethodChoice::Auto, true, Never, Method::Challenge),
            (MethodChoice::Auto, false, Always, Method::Challenge),
            (MethodChoice::Cookie, true, Never, Method::Challenge),
            (MethodChoice::Challenge, true, Always, Method::Challenge),
            (MethodChoice::Drop, true, Always, Method::Drop),
        ] {
            assert_eq!(
                choice.resolve(local, syncookies),
                method,
                "{choice} {local} {syncookies:?}"
            );
        }
    }

    #[test]
    fn the_sysctl_reads_back() {
        for value in 0..=2 {
            assert_eq!(Syncookies::from_sysctl(value).sysctl(), value);
        }
    }
}
