//! What nodes count together.

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use hdrhistogram::Histogram;

use super::Known;

/// Nothing takes longer to be known.
const LONGEST_MICROS: u64 = 600_000_000;

/// Counters of all nodes.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Changes of keys that nodes were told.
    pub(super) events: Count,
    /// Leases kept alive.
    pub(super) keep_alives: Count,
    /// Sessions that broke.
    pub(super) broken: Count,
    /// Sessions that follow etcd now.
    pub(super) following: Count,
    /// Nodes that do not run any more.
    pub(super) gone: Count,
    awaited: Mutex<HashMap<String, Awaited>>,
    last_trouble: Mutex<String>,
}

/// A counter.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(super) fn subtract(&self, less: u64) {
        self.0.fetch_sub(less, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Something that nodes are to know.
#[derive(Debug)]
struct Awaited {
    since: Instant,
    /// By node: when it knew, microseconds after `since`.
    known: HashMap<u32, u64>,
}

impl Tally {
    /// From now on it is looked when nodes know of this.
    pub(super) fn await_of(&self, what: &str) {
        let awaited = Awaited {
            since: Instant::now(),
            known: HashMap::new(),
        };
        self.awaited().insert(what.to_owned(), awaited);
    }

    /// A node knows of it; only its first time counts.
    pub(super) fn knows(&self, what: &str, node: u32) {
        if let Some(awaited) = self.awaited().get_mut(what) {
            let micros = awaited.since.elapsed().as_micros() as u64;
            awaited.known.entry(node).or_insert(micros);
        }
    }

    /// How often nodes knew of anything.
    pub(super) fn times(&self) -> u64 {
        self.awaited().values().map(|awaited| awaited.known.len() as u64).sum()
    }

    /// How long it took them, and forgets it. `since` moves what happened before to that moment.
    pub(super) fn take(&self, wanted: u64, since: Option<Instant>) -> Known {
        let mut micros =
            Histogram::<u64>::new_with_max(LONGEST_MICROS, 3).unwrap_or_else(|_| unreachable!("both are in range"));
        for (_, awaited) in self.awaited().drain() {
            let before = since.map_or(0, |since| {
                since.saturating_duration_since(awaited.since).as_micros() as u64
            });
            for known in awaited.known.into_values().filter(|known| *known >= before) {
                micros.saturating_record((known - before).max(1));
            }
        }
        let ms = |micros: u64| micros as f64 / 1e3;
        Known {
            times: micros.len(),
            wanted,
            p50_ms: ms(micros.value_at_quantile(0.5)),
            p99_ms: ms(micros.value_at_quantile(0.99)),
            worst_ms: ms(micros.max()),
        }
    }

    /// Remembers why a session broke, for the error if nodes do not come up.
    pub(super) fn trouble(&self, why: String) {
        *self.last_trouble.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }

    pub(super) fn last_trouble(&self) -> String {
        self.last_trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn awaited(&self) -> MutexGuard<'_, HashMap<String, Awaited>> {
        self.awaited.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
