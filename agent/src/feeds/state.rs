//! How a list stands, for everybody who asks.

use jiff::Timestamp;

use super::parse::InvalidLine;
use crate::{decide::say, tables::ListAction};

/// One list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListState {
    /// Its name.
    pub name: String,
    /// What happens to its sources.
    pub action: ListAction,
    /// Where it is read from.
    pub from: String,
    /// IPv4 prefixes of the version that holds.
    pub v4: usize,
    /// IPv6 prefixes of it.
    pub v6: usize,
    /// Tells versions apart, on all nodes; empty without one, and until the one that the kernel holds was read again.
    pub digest: String,
    /// Lines of it that were no prefix.
    pub invalid: usize,
    /// The first of them.
    pub told: Vec<InvalidLine>,
    /// Its prefixes that an earlier list decides otherwise.
    pub conflicts: usize,
    /// When the version that holds was read; `None` without one.
    pub read: Option<Timestamp>,
    /// Why the latest reading brought no new version, if it did not.
    pub problem: Option<String>,
    /// What it blocks that this host cannot do without, a sentence each.
    pub guard: Vec<String>,
    /// When it is read next.
    pub next: Timestamp,
    /// When it ends unless it is read before.
    pub until: Option<Timestamp>,
}

impl ListState {
    /// How long ago the version that holds was read, in seconds.
    #[must_use]
    pub fn age_seconds(&self, now: Timestamp) -> Option<i64> {
        self.read.map(|read| now.duration_since(read).as_secs().max(0))
    }

    /// Whether the list has ended.
    #[must_use]
    pub fn has_ended(&self, now: Timestamp) -> bool {
        self.until.is_some_and(|until| until <= now)
    }

    /// What the operator should know of it, a sentence each.
    pub fn warnings(&self, now: Timestamp) -> impl Iterator<Item = String> + '_ {
        let guard = self
            .guard
            .iter()
            .map(|sentence| format!("list {}: {sentence}", self.name));
        self.warning(now).into_iter().chain(guard)
    }

    /// Why it is not up to date, as a sentence.
    #[must_use]
    pub fn warning(&self, now: Timestamp) -> Option<String> {
        let Self { name, from, .. } = self;
        if let (true, Some(until)) = (self.has_ended(now), self.until) {
            return Some(format!(
                "list {name} has ended at {}: it decides about nothing any more",
                say::instant(until)
            ));
        }
        let problem = self.problem.as_ref()?;
        let stays = match self.read {
            Some(read) => format!("the version of {} stays", say::instant(read)),
            None => "there is no version of it yet, so it decides about nothing".to_owned(),
        };
        Some(format!("list {name}: {from} {problem}; {stays}"))
    }
}
