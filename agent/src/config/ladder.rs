//! `[ladder]`: how far addresses climb the ladder by themselves, and how they come down; for all of them, and what differs for
//! one. Written here as in the file, and as the policy that it comes to.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Problem,
    units::{Interval, Span},
};
use crate::ladder::{HighestRung, Rung};

/// How addresses go up and down the ladder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(inline)]
pub struct LadderSection {
    /// The highest rung that addresses take by themselves: "limit", "verify", "known", "blackhole" or
    /// "upstream". An address climbs one rung at a time, and only when the one below is not enough.
    /// "known" keeps new customers out and "blackhole" all new connections: both are a loss that you
    /// choose for the sake of those who are in, or of other addresses. "upstream" needs [upstream], or
    /// is only said (see dry_run).
    pub highest: HighestRung,
    /// Rungs that are only said: an event tells when one would have been taken and why, and the address
    /// stays where it is. What stands above such a rung is only said, too. In mode "monitor" all are.
    #[schemars(extend("examples" = [["known", "blackhole"]]))]
    pub dry_run: Vec<HighestRung>,
    /// An address goes down once less than half its SYN rate arrived for so long: 1s to 1h.
    pub calm: Span,
    /// An address that comes back to a rung stays there twice as long as the time before, at most so
    /// long: so a flood that comes in waves does not send it up and down. After so long away from a
    /// rung all begins anew. 1s to 1d.
    pub hold_max: Span,
    /// What the agent has put into force ends after so long unless it is renewed, which the agent does
    /// while there is need: so that nothing stays when the agent dies. 10s to 1d.
    pub ttl: Span,
    /// To "known": SYNs prove themselves, and it is not enough, because more of them come than this
    /// host can answer and fewer customers get in, or because this host is saturated.
    pub known: KnownStep,
    /// To "blackhole": this host is saturated although only known sources get in.
    pub blackhole: BlackholeStep,
    /// To "upstream": this host is saturated although nothing new gets in.
    pub upstream: UpstreamStep,
}

/// The three steps differ in their defaults only, and the example shows each with its own.
macro_rules! step {
    ($name:ident, $what:literal, $after:literal, $hold:literal) => {
        #[doc = $what]
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(default)]
        #[schemars(inline)]
        pub struct $name {
            /// Taken once that was so for so long, with pauses no longer than that: 1s to 1h.
            pub after: Span,
            /// An address stays there for so long at least: 1s to 1d.
            pub hold: Span,
        }

        impl Default for $name {
            fn default() -> Self {
                Self {
                    after: Span::constant($after),
                    hold: Span::constant($hold),
                }
            }
        }

        impl $name {
            const fn policy(&self) -> StepPolicy {
                StepPolicy {
                    after: self.after.duration(),
                    hold: self.hold.duration(),
                }
            }
        }
    };
}

step!(KnownStep, "The step to `known`.", 10, 60);
step!(BlackholeStep, "The step to `blackhole`.", 30, 300);
step!(UpstreamStep, "The step to `upstream`.", 60, 900);

impl Default for LadderSection {
    fn default() -> Self {
        Self {
            highest: HighestRung::Verify,
            dry_run: Vec::new(),
            calm: Span::constant(30),
            hold_max: Span::constant(1_800),
            ttl: Span::constant(300),
            known: KnownStep::default(),
            blackhole: BlackholeStep::default(),
            upstream: UpstreamStep::default(),
        }
    }
}

/// What of that differs for one address.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(inline)]
pub struct LadderOverride {
    /// See `ladder.dry_run`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<Vec<HighestRung>>,
    /// See `ladder.calm`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calm: Option<Span>,
    /// See `ladder.hold_max`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold_max: Option<Span>,
    /// See `ladder.ttl`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Span>,
    /// See `ladder.known`.
    #[serde(skip_serializing_if = "StepOverride::is_empty")]
    pub known: StepOverride,
    /// See `ladder.blackhole`.
    #[serde(skip_serializing_if = "StepOverride::is_empty")]
    pub blackhole: StepOverride,
    /// See `ladder.upstream`.
    #[serde(skip_serializing_if = "StepOverride::is_empty")]
    pub upstream: StepOverride,
}

/// What of a step differs for one address.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(inline)]
pub struct StepOverride {
    /// Taken after so long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Span>,
    /// Held for so long at least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<Span>,
}

impl StepOverride {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn over(self, step: StepPolicy) -> StepPolicy {
        StepPolicy {
            after: self.after.map_or(step.after, Span::duration),
            hold: self.hold.map_or(step.hold, Span::duration),
        }
    }
}

impl LadderOverride {
    /// True when all stays.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// How one address goes up and down the ladder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LadderPolicy {
    /// The highest rung that it takes by itself, or says: `limit` at least.
    pub highest: Rung,
    /// From this rung on it only says so.
    pub dry_from: Option<Rung>,
    /// It goes down after so long a calm.
    pub calm: Duration,
    /// It stays on a rung for so long at most before it looks whether it can go down.
    pub hold_max: Duration,
    /// What was put into force ends after so long unless it is renewed.
    pub ttl: Duration,
    /// How long `verify` is held: the kernel side's own hold.
    pub verify_hold: Duration,
    /// To `known`.
    pub known: StepPolicy,
    /// To `blackhole`.
    pub blackhole: StepPolicy,
    /// To `upstream`.
    pub upstream: StepPolicy,
}

/// When a rung is taken, and how long it is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepPolicy {
    /// Taken after so long.
    pub after: Duration,
    /// Held for so long at least.
    pub hold: Duration,
}

impl Default for LadderPolicy {
    fn default() -> Self {
        Self::of(
            &LadderSection::default(),
            super::thresholds::Verify::default().hold.duration(),
        )
    }
}

impl LadderPolicy {
    /// The policy of all addresses.
    pub(super) fn of(section: &LadderSection, verify_hold: Duration) -> Self {
        Self {
            highest: section.highest.rung(),
            dry_from: lowest(&section.dry_run),
            calm: section.calm.duration(),
            hold_max: section.hold_max.duration(),
            ttl: section.ttl.duration(),
            verify_hold,
            known: section.known.policy(),
            blackhole: section.blackhole.policy(),
            upstream: section.upstream.policy(),
        }
    }

    /// The policy of an address that differs.
    pub(super) fn with(self, highest: Option<HighestRung>, differs: &LadderOverride) -> Self {
        let span = |own: Option<Span>, common| own.map_or(common, Span::duration);
        Self {
            highest: highest.map_or(self.highest, HighestRung::rung),
            dry_from: differs
                .dry_run
                .as_ref()
                .map_or(self.dry_from, |dry_run| lowest(dry_run)),
            calm: span(differs.calm, self.calm),
            hold_max: span(differs.hold_max, self.hold_max),
            ttl: span(differs.ttl, self.ttl),
            verify_hold: self.verify_hold,
            known: differs.known.over(self.known),
            blackhole: differs.blackhole.over(self.blackhole),
            upstream: differs.upstream.over(self.upstream),
        }
    }

    /// The highest rung that the kernel side takes by itself: `limit` or `verify`.
    #[must_use]
    pub fn kernel_most(&self) -> Rung {
        if self.highest >= Rung::Verify && !self.is_only_said(Rung::Verify) {
            Rung::Verify
        } else {
            Rung::Limit
        }
    }

    /// Whether a rung is said and not taken.
    #[must_use]
    pub fn is_only_said(&self, rung: Rung) -> bool {
        self.dry_from.is_some_and(|from| rung >= from)
    }

    /// How long a rung is held when it is taken for the first time.
    #[must_use]
    pub fn hold(&self, rung: Rung) -> Duration {
        match rung {
            Rung::Observe | Rung::Limit => Duration::ZERO,
            Rung::Verify => self.verify_hold,
            Rung::Known => self.known.hold,
            Rung::Blackhole => self.blackhole.hold,
            Rung::Upstream => self.upstream.hold,
        }
    }

    /// After how long a rung is taken.
    #[must_use]
    pub fn after(&self, rung: Rung) -> Duration {
        match rung {
            Rung::Observe | Rung::Limit | Rung::Verify => Duration::ZERO,
            Rung::Known => self.known.after,
            Rung::Blackhole => self.blackhole.after,
            Rung::Upstream => self.upstream.after,
        }
    }

    /// What is wrong with it, told under the key of its section; `has_upstream` if there is somebody above to be asked.
    pub(super) fn check(&self, key: &str, poll: Interval, has_upstream: bool, problems: &mut Vec<Problem>) {
        let (second, hour, day) = (
            Duration::from_secs(1),
            Duration::from_secs(3_600),
            Duration::from_secs(86_400),
        );
        let ranges = [
            ("calm", self.calm, second, hour, "1s to 1h"),
            ("hold_max", self.hold_max, second, day, "1s to 1d"),
            ("ttl", self.ttl, Duration::from_secs(10), day, "10s to 1d"),
            ("known.after", self.known.after, second, hour, "1s to 1h"),
            ("known.hold", self.known.hold, second, day, "1s to 1d"),
            ("blackhole.after", self.blackhole.after, second, hour, "1s to 1h"),
            ("blackhole.hold", self.blackhole.hold, second, day, "1s to 1d"),
            ("upstream.after", self.upstream.after, second, hour, "1s to 1h"),
            ("upstream.hold", self.upstream.hold, second, day, "1s to 1d"),
        ];
        let mut wrong = |name: &str, value: Duration, message: String| {
            let value = format!("\"{}\"", humantime::format_duration(value));
            problems.push(Problem::new(format!("{key}.{name}"), value, message));
        };
        for (name, value, least, most, range) in ranges {
            if !(least..=most).contains(&value) {
                wrong(name, value, format!("is out of range; write a duration from {range}"));
            } else if name.ends_with(".hold") && value > self.hold_max {
                wrong(
                    name,
                    value,
                    "is longer than hold_max: shorten it, or raise hold_max".to_owned(),
                );
            }
        }
        // Renewed when half of it is over, and one reading may fail.
        if self.ttl < 4 * poll.duration() {
            wrong(
                "ttl",
                self.ttl,
                format!("is shorter than four times poll.interval ({poll}): it would end before it is renewed"),
            );
        }
        self.check_rungs(key, has_upstream, problems);
    }

    fn check_rungs(&self, key: &str, has_upstream: bool, problems: &mut Vec<Problem>) {
        let at = format!("{key}.dry_run");
        if let Some(from) = self.dry_from {
            if from == Rung::Limit {
                let message = "is the rung where every address stands: mode = \"monitor\" drops nothing and says what it would do";
                problems.push(Problem::new(at.clone(), "\"limit\"", message));
            } else if from > self.highest {
                let message = format!(
                    "is above the highest rung ({}), so that nothing is said: raise that, which takes no rung that is only said",
                    self.highest
                );
                problems.push(Problem::new(at.clone(), format!("\"{from}\""), message));
            }
        }
        if self.highest == Rung::Upstream && !has_upstream && !self.is_only_said(Rung::Upstream) {
            let message = format!(
                "lacks \"upstream\", the highest rung, and there is nobody above to be asked: set up [upstream] (docs/upstream.md), add it to \
                 {at}, or make \"blackhole\" the highest"
            );
            problems.push(Problem::without_value(at, message));
        }
    }
}

/// Rungs above one that is only said are only said, too.
fn lowest(dry_run: &[HighestRung]) -> Option<Rung> {
    dry_run.iter().map(|rung| rung.rung()).min()
}
