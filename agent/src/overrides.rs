//! What people asked for at run time, over what the configuration file says: blocks, allows, blackholes, thresholds, the
//! mode; each with who, when, why and until when. Pure data; the ledger keeps it, `decide/` turns it into kernel state.

use std::{collections::BTreeMap, fmt, net::IpAddr, str::FromStr};

use ipnet::IpNet;
use jiff::Timestamp;

use crate::{
    clock::{Expiry, Now},
    config::{
        prefix,
        units::{Burst, Rate},
    },
    tables::{Limit, ListAction, Mode, Rung},
    vectors::VectorsOverride,
};

/// Actor of what the daemon found in the kernel without having put it there.
pub const ADOPTED: &str = "adopted";

/// Who, when, why, until.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Who asked, such as `uid=0 (root) pid=4711`.
    pub actor: String,
    /// Why, in their words.
    pub reason: Option<String>,
    /// When they asked.
    pub since: Timestamp,
    /// When it ends by itself; `None` is never.
    pub until: Option<Expiry>,
}

/// One run-time entry of the source list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListOverride {
    /// What happens to the sources.
    pub action: ListAction,
    /// Who, when, why, until.
    pub origin: Origin,
}

/// One blackholed address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlackholeOverride {
    /// Established connections and replies too.
    pub all: bool,
    /// Who, when, why, until.
    pub origin: Origin,
}

/// Whose threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ThresholdTarget {
    /// Every source.
    Source,
    /// Every protected address without one of its own.
    EveryAddress,
    /// One protected address.
    Address(IpAddr),
    /// One group of them.
    Group(IpNet),
}

impl fmt::Display for ThresholdTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source => f.write_str("source"),
            Self::EveryAddress => f.write_str("address"),
            Self::Address(address) => write!(f, "{address}"),
            Self::Group(prefix) => write!(f, "{prefix}"),
        }
    }
}

/// A text that names no threshold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} has no threshold: write \"source\" for every source, \"address\" for every protected address, one address such as 203.0.113.7, or a group such as 203.0.113.0/24"
)]
pub struct NoSuchTarget(String);

impl FromStr for ThresholdTarget {
    type Err = NoSuchTarget;

    fn from_str(text: &str) -> Result<Self, NoSuchTarget> {
        match text {
            "source" => Ok(Self::Source),
            "address" => Ok(Self::EveryAddress),
            group if group.contains('/') => prefix::parse(group)
                .map(Self::Group)
                .map_err(|_| NoSuchTarget(group.to_owned())),
            other => prefix::parse_address(other)
                .map(Self::Address)
                .map_err(|_| NoSuchTarget(other.to_owned())),
        }
    }
}

/// A threshold that differs from the configuration; what is `None` stays as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThresholdOverride {
    /// SYNs per second.
    pub syn_rate: Option<Rate>,
    /// SYNs at once above that.
    pub syn_burst: Option<Burst>,
    /// Rates of what is not a SYN.
    pub vectors: VectorsOverride,
    /// Who, when, why, until.
    pub origin: Origin,
}

impl ThresholdOverride {
    /// A limit with this override applied.
    #[must_use]
    pub fn over(&self, limit: Limit) -> Limit {
        Limit {
            syn_rate: self.syn_rate.unwrap_or(limit.syn_rate),
            syn_burst: self.syn_burst.unwrap_or(limit.syn_burst),
        }
    }
}

/// A mode that differs from the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModeOverride {
    /// The mode.
    pub mode: Mode,
    /// Who, when, why, until.
    pub origin: Origin,
}

/// The rung that an address was put on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RungOverride {
    /// The rung.
    pub rung: Rung,
    /// Who, when, why, until.
    pub origin: Origin,
}

/// The rung that the ladder put an address on by itself: nobody asked for it, and what anybody asks for wins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The rung: `verify` at least.
    pub rung: Rung,
    /// It stays there until then at least.
    pub held_until: Timestamp,
    /// The ladder, when, why, and when it ends unless it is renewed.
    pub origin: Origin,
}

/// Everything asked for at run time, and the rungs that the ladder took.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Source list.
    pub list: BTreeMap<IpNet, ListOverride>,
    /// Blackholed addresses.
    pub blackholes: BTreeMap<IpAddr, BlackholeOverride>,
    /// Thresholds.
    pub thresholds: BTreeMap<ThresholdTarget, ThresholdOverride>,
    /// Rungs.
    pub rungs: BTreeMap<IpAddr, RungOverride>,
    /// The highest rung that the ladder may take, where somebody took a higher one back.
    pub ceilings: BTreeMap<IpAddr, RungOverride>,
    /// Rungs that the ladder took by itself.
    pub taken: BTreeMap<IpAddr, Taken>,
    /// Mode.
    pub mode: Option<ModeOverride>,
}

/// One change of [`Overrides`]. The ledger records changes, not states, and a group of them is one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Adds or replaces a source list entry.
    PutEntry(IpNet, ListOverride),
    /// Removes one.
    RemoveEntry(IpNet),
    /// Blackholes an address, or changes how.
    PutBlackhole(IpAddr, BlackholeOverride),
    /// Ends a blackhole.
    RemoveBlackhole(IpAddr),
    /// Sets a threshold.
    PutThreshold(ThresholdTarget, ThresholdOverride),
    /// Goes back to the configured one.
    RemoveThreshold(ThresholdTarget),
    /// Puts an address on a rung.
    PutRung(IpAddr, RungOverride),
    /// Lets it take its rung by itself again.
    RemoveRung(IpAddr),
    /// Says how high the ladder may put an address.
    PutCeiling(IpAddr, RungOverride),
    /// Lets the ladder put it as high as the configuration says.
    RemoveCeiling(IpAddr),
    /// The ladder puts an address on a rung, or renews that.
    PutTaken(IpAddr, Taken),
    /// The ladder lets go of it.
    RemoveTaken(IpAddr),
    /// Sets the mode; `None` goes back to the configured one.
    SetMode(Option<ModeOverride>),
}

impl Overrides {
    /// Makes one change.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::PutEntry(prefix, entry) => drop(self.list.insert(*prefix, entry.clone())),
            Change::RemoveEntry(prefix) => drop(self.list.remove(prefix)),
            Change::PutBlackhole(address, blackhole) => drop(self.blackholes.insert(*address, blackhole.clone())),
            Change::RemoveBlackhole(address) => drop(self.blackholes.remove(address)),
            Change::PutThreshold(target, threshold) => drop(self.thresholds.insert(*target, threshold.clone())),
            Change::RemoveThreshold(target) => drop(self.thresholds.remove(target)),
            Change::PutRung(address, forced) => drop(self.rungs.insert(*address, forced.clone())),
            Change::RemoveRung(address) => drop(self.rungs.remove(address)),
            Change::PutCeiling(address, ceiling) => drop(self.ceilings.insert(*address, ceiling.clone())),
            Change::RemoveCeiling(address) => drop(self.ceilings.remove(address)),
            Change::PutTaken(address, taken) => drop(self.taken.insert(*address, taken.clone())),
            Change::RemoveTaken(address) => drop(self.taken.remove(address)),
            Change::SetMode(mode) => self.mode.clone_from(mode),
        }
    }

    /// The same with changes made.
    #[must_use]
    pub fn with(&self, changes: &[Change]) -> Self {
        let mut changed = self.clone();
        for change in changes {
            changed.apply(change);
        }
        changed
    }

    /// The changes that take out what has ended.
    #[must_use]
    pub fn expired(&self, now: Now) -> Vec<Change> {
        let over = |origin: &Origin| origin.until.is_some_and(|until| until.mono <= now.mono);
        let entries = self
            .list
            .iter()
            .filter(|(_, entry)| over(&entry.origin))
            .map(|(p, _)| Change::RemoveEntry(*p));
        let blackholes = self
            .blackholes
            .iter()
            .filter(|(_, hole)| over(&hole.origin))
            .map(|(a, _)| Change::RemoveBlackhole(*a));
        let thresholds = self
            .thresholds
            .iter()
            .filter(|(_, set)| over(&set.origin))
            .map(|(t, _)| Change::RemoveThreshold(*t));
        let rungs = self
            .rungs
            .iter()
            .filter(|(_, forced)| over(&forced.origin))
            .map(|(a, _)| Change::RemoveRung(*a));
        let ceilings = self
            .ceilings
            .iter()
            .filter(|(_, ceiling)| over(&ceiling.origin))
            .map(|(a, _)| Change::RemoveCeiling(*a));
        let taken = self
            .taken
            .iter()
            .filter(|(_, taken)| over(&taken.origin))
            .map(|(a, _)| Change::RemoveTaken(*a));
        let mode = self
            .mode
            .iter()
            .filter(|mode| over(&mode.origin))
            .map(|_| Change::SetMode(None));
        entries
            .chain(blackholes)
            .chain(thresholds)
            .chain(rungs)
            .chain(ceilings)
            .chain(taken)
            .chain(mode)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::tables::MonotonicNs;

    fn origin(until: Option<Expiry>) -> Origin {
        Origin {
            actor: "test".to_owned(),
            reason: None,
            since: Timestamp::UNIX_EPOCH,
            until,
        }
    }

    #[test]
    fn only_what_has_ended_is_taken_out() {
        let now = Now {
            wall: Timestamp::UNIX_EPOCH,
            mono: MonotonicNs(1),
        };
        let later = Now {
            mono: MonotonicNs(1_000_000_001),
            ..now
        };
        let net: IpNet = "192.0.2.0/24".parse().expect("prefix");
        let mut overrides = Overrides::default();
        let until = Some(now.plus(Duration::from_secs(1)));
        overrides.apply(&Change::PutEntry(
            net,
            ListOverride {
                action: ListAction::Block,
                origin: origin(until),
            },
        ));
        overrides.apply(&Change::SetMode(Some(ModeOverride {
            mode: Mode::Enforce,
            origin: origin(None),
        })));
        assert_eq!(overrides.expired(now), []);
        assert_eq!(overrides.expired(later), [Change::RemoveEntry(net)]);
        assert!(overrides.with(&overrides.expired(later)).list.is_empty());
    }

    #[test]
    fn targets_read_back() {
        for text in [
            "source",
            "address",
            "203.0.113.7",
            "2001:db8::1",
            "203.0.113.0/24",
            "2001:db8::/64",
        ] {
            assert_eq!(
                text.parse::<ThresholdTarget>()
                    .map(|target| target.to_string())
                    .as_deref(),
                Ok(text)
            );
        }
        assert!("sources".parse::<ThresholdTarget>().is_err());
    }
}
