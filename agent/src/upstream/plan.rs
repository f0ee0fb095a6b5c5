//! Which of the addresses that are to be dropped above are asked for: pure. What is announced already stays without a new look at the
//! budget; what a person asked for has passed the guard rails (`decide/guard.rs`); what climbed by itself never goes past one.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use ipnet::IpNet;
use jiff::Timestamp;

use super::{Books, Wanted};
use crate::config::Config;

/// What is to be announced, and what is not in spite of being wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// The addresses in the file.
    pub announce: BTreeSet<IpAddr>,
    /// Of those, new ones.
    pub new: BTreeSet<IpAddr>,
    /// Why others are not.
    pub refused: BTreeMap<IpAddr, Refused>,
}

/// Why an address is not asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// It is not one of ours.
    NotOurs,
    /// So many are announced.
    AtOnce(u32),
    /// So many were announced within the hour.
    PerHour(u32),
    /// Nothing of this group would be reachable.
    WholeGroup(IpNet),
    /// Nothing of ours would be reachable.
    All,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotOurs => write!(f, "it is not a protected address"),
            Self::AtOnce(most) => write!(f, "{most} are announced already (upstream.at_once)"),
            Self::PerHour(most) => write!(f, "{most} were announced within an hour (upstream.per_hour)"),
            Self::WholeGroup(prefix) => write!(f, "it is the last address of the group {prefix} that is not announced"),
            Self::All => write!(f, "it is the last protected address that is not announced"),
        }
    }
}

/// Decides, given what the file holds.
#[must_use]
pub fn plan(
    wanted: &BTreeMap<IpAddr, Wanted>,
    announced: &BTreeSet<IpAddr>,
    books: &Books,
    config: &Config,
    now: Timestamp,
) -> Plan {
    let mut plan = Plan::default();
    let (kept, new): (Vec<_>, Vec<_>) = wanted.iter().partition(|(address, _)| announced.contains(address));
    for (address, _) in kept {
        if config.protected.contains_key(address) {
            plan.announce.insert(*address);
        } else {
            plan.refused.insert(*address, Refused::NotOurs);
        }
    }
    let mut new: Vec<(&IpAddr, &Wanted)> = new;
    // People first, then who waits longest.
    new.sort_by_key(|(address, wanted)| (!wanted.by_hand, wanted.since, **address));
    for (address, wanted) in new {
        let started = books.of_last_hour(now) + plan.new.len();
        match rail(*address, &plan.announce, started, config) {
            Some(rail) if rail == Refused::NotOurs || !wanted.by_hand => drop(plan.refused.insert(*address, rail)),
            _ => {
                plan.announce.insert(*address);
                plan.new.insert(*address);
            }
        }
    }
    plan
}

/// The guard rail that one more address hits, if there is one.
#[must_use]
pub fn rail(address: IpAddr, announced: &BTreeSet<IpAddr>, started: usize, config: &Config) -> Option<Refused> {
    let Some(policy) = config
        .upstream
        .as_ref()
        .filter(|_| config.protected.contains_key(&address))
    else {
        return Some(Refused::NotOurs);
    };
    let (at_once, per_hour) = (policy.section.at_once, policy.section.per_hour);
    if announced.len() >= at_once as usize {
        return Some(Refused::AtOnce(at_once));
    }
    if started >= per_hour as usize {
        return Some(Refused::PerHour(per_hour));
    }
    let is_gone = |other: &IpAddr| *other == address || announced.contains(other);
    let group = config.groups.keys().find(|prefix| prefix.contains(&address)).copied();
    let whole = |prefix: &IpNet| {
        let members = config.protected.range(prefix.network()..=prefix.broadcast());
        members.map(|(address, _)| address).all(is_gone)
    };
    if config.protected.keys().all(is_gone) {
        return Some(Refused::All);
    }
    group.filter(whole).map(Refused::WholeGroup)
}
