//! What people, and machines in their name, decide for all nodes: one target, what holds for it, and who, when, why, until.

use std::{fmt, net::IpAddr, str::FromStr};

use ipnet::IpNet;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Garbage;
use crate::{
    clock::Now,
    config::{
        prefix,
        units::{Burst, Rate},
    },
    ladder::Rung,
    overrides::{
        BlackholeOverride, Change, ListOverride, ModeOverride, Origin, RungOverride, ThresholdOverride, ThresholdTarget,
    },
    tables::{ListAction, Mode},
    vectors::VectorsOverride,
};

/// The longest actor, name of a node and reason that are taken in, characters.
const LONGEST: usize = 200;

/// Who decides. A human's decision holds against a machine's, whichever is newer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// A script, a hook, another program.
    Machine,
    /// A person.
    Human,
}

impl By {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Machine, Self::Human];

    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Machine => "machine",
            Self::Human => "human",
        }
    }
}

/// What is decided about: of each there is one decision by humans and one by machines at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// An entry of the source list.
    Entry(IpNet),
    /// A blackhole of a protected address.
    Blackhole(IpAddr),
    /// The rung of a protected address.
    Rung(IpAddr),
    /// The highest rung that the ladder may take for it.
    Ceiling(IpAddr),
    /// A threshold.
    Threshold(ThresholdTarget),
    /// The mode.
    Mode,
}

/// As it stands in a key: a word, and what it is about.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entry(prefix) => write!(f, "entry/{prefix}"),
            Self::Blackhole(address) => write!(f, "blackhole/{address}"),
            Self::Rung(address) => write!(f, "rung/{address}"),
            Self::Ceiling(address) => write!(f, "ceiling/{address}"),
            Self::Threshold(target) => write!(f, "threshold/{target}"),
            Self::Mode => f.write_str("mode"),
        }
    }
}

impl FromStr for Target {
    type Err = Garbage;

    fn from_str(text: &str) -> Result<Self, Garbage> {
        let unclear = || Garbage::new(format!("\"{text}\" is nothing that can be decided about"));
        if text == "mode" {
            return Ok(Self::Mode);
        }
        let (word, what) = text.split_once('/').ok_or_else(unclear)?;
        let target = match word {
            "entry" => Self::Entry(what.parse().map_err(|_| unclear())?),
            "blackhole" => Self::Blackhole(what.parse().map_err(|_| unclear())?),
            "rung" => Self::Rung(what.parse().map_err(|_| unclear())?),
            "ceiling" => Self::Ceiling(what.parse().map_err(|_| unclear())?),
            "threshold" => Self::Threshold(what.parse().map_err(|_| unclear())?),
            _ => return Err(unclear()),
        };
        // One target has one key: host bits, upper case or zeros in front would make two.
        if target.to_string() == text && target.is_canonical() {
            Ok(target)
        } else {
            Err(unclear())
        }
    }
}

impl Target {
    fn is_canonical(&self) -> bool {
        match self {
            // As on this node: neither everything, nor IPv4 in its mapped form.
            Self::Entry(prefix) => prefix::parse(&prefix.to_string()) == Ok(*prefix),
            Self::Blackhole(address) | Self::Rung(address) | Self::Ceiling(address) => {
                address.to_canonical() == *address
            }
            Self::Threshold(_) | Self::Mode => true,
        }
    }
}

/// What holds for a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Content {
    /// Of [`Target::Entry`].
    Entry(ListAction),
    /// Of [`Target::Blackhole`]: established connections and replies too?
    Blackhole {
        /// They are.
        all: bool,
    },
    /// Of [`Target::Rung`] and [`Target::Ceiling`].
    Rung(Rung),
    /// Of [`Target::Threshold`].
    Threshold {
        /// SYNs per second.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        syn_rate: Option<Rate>,
        /// SYNs at once above that.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        syn_burst: Option<Burst>,
        /// Rates of what is not a SYN.
        #[serde(default, skip_serializing_if = "VectorsOverride::is_empty")]
        vectors: VectorsOverride,
    },
    /// Of [`Target::Mode`].
    Mode(Mode),
}

/// One decision, as it stands in etcd.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// What holds; nothing where something was taken back.
    pub content: Option<Content>,
    /// Who asked, such as `uid=0 (root) pid=4711`.
    pub actor: String,
    /// At which node.
    pub node: String,
    /// Why, in their words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When: by the clock of that node, and later than every decision of the same target that it knew.
    pub at: Timestamp,
    /// When it ends by itself; `None` is never. What was taken back by a human stays so against machines until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Past the guard rails of each node.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub force: bool,
}

impl Decision {
    /// True while it holds.
    #[must_use]
    pub fn holds(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| until > now)
    }

    /// Reads what etcd holds for a target.
    ///
    /// # Errors
    /// What makes no sense of it, bounded and printable.
    pub fn read(target: &Target, value: &[u8]) -> Result<Self, Garbage> {
        let decision: Self = serde_json::from_slice(value).map_err(|error| Garbage::new(error.to_string()))?;
        let texts = [Some(&decision.actor), Some(&decision.node), decision.reason.as_ref()];
        for text in texts.into_iter().flatten() {
            if text.chars().count() > LONGEST || text.chars().any(char::is_control) {
                return Err(Garbage::new("a text is too long or holds control characters"));
            }
        }
        match decision.content {
            Some(content) if !content.fits(target) => Err(Garbage::new("what is decided does not fit its key")),
            _ => Ok(decision),
        }
    }

    /// As etcd holds it.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        // Of plain texts and numbers: nothing of it can fail.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The change that brings it about on this node; `None` for what has ended.
    #[must_use]
    pub fn change(&self, target: &Target, actor: String, now: Now) -> Option<Change> {
        let Some(content) = &self.content else {
            return Some(target.removal());
        };
        let until = match self.until {
            Some(until) => Some(now.until_wall(until)?),
            None => None,
        };
        let origin = Origin {
            actor,
            reason: self.reason.clone(),
            since: self.at,
            until,
        };
        content.change(target, origin)
    }
}

impl Content {
    fn fits(&self, target: &Target) -> bool {
        let origin = Origin {
            actor: String::new(),
            reason: None,
            since: Timestamp::UNIX_EPOCH,
            until: None,
        };
        self.change(target, origin).is_some()
    }

    fn change(&self, target: &Target, origin: Origin) -> Option<Change> {
        Some(match (*target, *self) {
            (Target::Entry(prefix), Self::Entry(action)) => Change::PutEntry(prefix, ListOverride { action, origin }),
            (Target::Blackhole(address), Self::Blackhole { all }) => {
                Change::PutBlackhole(address, BlackholeOverride { all, origin })
            }
            (Target::Rung(address), Self::Rung(rung)) => Change::PutRung(address, RungOverride { rung, origin }),
            (Target::Ceiling(address), Self::Rung(rung)) => Change::PutCeiling(address, RungOverride { rung, origin }),
            (
                Target::Threshold(target),
                Self::Threshold {
                    syn_rate,
                    syn_burst,
                    vectors,
                },
            ) => Change::PutThreshold(
                target,
                ThresholdOverride {
                    syn_rate,
                    syn_burst,
                    vectors,
                    origin,
                },
            ),
            (Target::Mode, Self::Mode(mode)) => Change::SetMode(Some(ModeOverride { mode, origin })),
            _ => return None,
        })
    }
}

impl Target {
    /// The change that takes it back on this node.
    #[must_use]
    pub const fn removal(&self) -> Change {
        match *self {
            Self::Entry(prefix) => Change::RemoveEntry(prefix),
            Self::Blackhole(address) => Change::RemoveBlackhole(address),
            Self::Rung(address) => Change::RemoveRung(address),
            Self::Ceiling(address) => Change::RemoveCeiling(address),
            Self::Threshold(target) => Change::RemoveThreshold(target),
            Self::Mode => Change::SetMode(None),
        }
    }

    /// What a change is about, and what holds afterwards, by whom and until when; `None` for what the ladder did, which each
    /// node decides for itself.
    #[must_use]
    pub fn of(change: &Change) -> Option<(Self, Option<(Content, &Origin)>)> {
        Some(match change {
            Change::PutEntry(prefix, put) => (Self::Entry(*prefix), Some((Content::Entry(put.action), &put.origin))),
            Change::RemoveEntry(prefix) => (Self::Entry(*prefix), None),
            Change::PutBlackhole(address, put) => (
                Self::Blackhole(*address),
                Some((Content::Blackhole { all: put.all }, &put.origin)),
            ),
            Change::RemoveBlackhole(address) => (Self::Blackhole(*address), None),
            Change::PutRung(address, put) => (Self::Rung(*address), Some((Content::Rung(put.rung), &put.origin))),
            Change::RemoveRung(address) => (Self::Rung(*address), None),
            Change::PutCeiling(address, put) => (Self::Ceiling(*address), Some((Content::Rung(put.rung), &put.origin))),
            Change::RemoveCeiling(address) => (Self::Ceiling(*address), None),
            Change::PutThreshold(target, put) => {
                let content = Content::Threshold {
                    syn_rate: put.syn_rate,
                    syn_burst: put.syn_burst,
                    vectors: put.vectors,
                };
                (Self::Threshold(*target), Some((content, &put.origin)))
            }
            Change::RemoveThreshold(target) => (Self::Threshold(*target), None),
            Change::SetMode(put) => {
                let content = put.as_ref().map(|put| (Content::Mode(put.mode), &put.origin));
                (Self::Mode, content)
            }
            Change::PutTaken(..) | Change::RemoveTaken(_) => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_has_one_name() {
        for text in [
            "entry/192.0.2.0/24",
            "entry/2001:db8::/48",
            "blackhole/203.0.113.7",
            "rung/2001:db8::7",
            "ceiling/203.0.113.7",
            "threshold/source",
            "threshold/203.0.113.0/24",
            "mode",
        ] {
            assert_eq!(
                text.parse::<Target>().map(|target| target.to_string()),
                Ok(text.to_owned())
            );
        }
        for text in [
            "",
            "mode/",
            "entry/192.0.2.1/24",
            "entry/192.0.2.0",
            "entry/0.0.0.0/0",
            "entry/::/0",
            "entry/::/64",
            "entry/::ffff:192.0.2.0/120",
            "blackhole/203.0.113.007",
            "blackhole/2001:DB8::7",
            "blackhole/::ffff:203.0.113.7",
            "rung/",
            "threshold/x",
            "taken/203.0.113.7",
        ] {
            text.parse::<Target>().expect_err(text);
        }
    }

    #[test]
    fn what_does_not_fit_its_key_is_garbage() {
        let read = |target: &str, value: &str| Decision::read(&target.parse().expect("target"), value.as_bytes());
        let block = r#"{"content":{"entry":"block"},"actor":"a","node":"lb1","at":"2026-01-01T00:00:00Z"}"#;
        let decision = read("entry/192.0.2.0/24", block).expect("sound");
        assert_eq!(
            Decision::read(
                &Target::Entry("192.0.2.0/24".parse().expect("prefix")),
                &decision.write()
            ),
            Ok(decision)
        );
        for (target, value) in [
            ("blackhole/203.0.113.7", block.to_owned()),
            ("entry/192.0.2.0/24", String::new()),
            ("entry/192.0.2.0/24", block.replace("block", "destroy")),
            ("entry/192.0.2.0/24", block.replace("\"a\"", "\"\\u001b[2J\"")),
            (
                "entry/192.0.2.0/24",
                block.replace("\"a\"", &format!("\"{}\"", "x".repeat(300))),
            ),
            ("entry/192.0.2.0/24", block.replace("\"at\"", "\"more\":1,\"at\"")),
        ] {
            read(target, &value).expect_err(&value);
        }
    }
}
