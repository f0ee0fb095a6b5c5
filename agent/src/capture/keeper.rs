//! Writes the first sampled headers of each attack by itself: what came just before it was told, and what comes then, up to a
//! number and for a time.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    sync::{broadcast, watch},
    task::spawn_blocking,
};

use super::{
    packet::{Captured, destination},
    store::Store,
};
use crate::{
    clock::Now,
    detect::{Event, NumberedEvent, Subject, What},
    snapshot::Snapshot,
    tables::Sample,
};

/// Attacks that are sampled at a time: carpet bombing is hundreds of attacks alike.
const AT_A_TIME: usize = 64;
/// An attack is sampled for so long at most.
const LONGEST: Duration = Duration::from_secs(60);
/// Samples that came so long before an attack was told belong to it.
const BEFORE: Duration = Duration::from_secs(2);
/// New samples are written this often.
const WRITE: Duration = Duration::from_secs(1);

/// One attack that is sampled.
#[derive(Debug)]
struct Open {
    subject: Subject,
    packets: Vec<Captured>,
    /// What came before it was told; some of it is on its way, too.
    before: Vec<Sample>,
    since: Instant,
    /// Packets that were written.
    written: usize,
    ended: bool,
}

/// The task.
#[derive(Debug)]
pub struct Keeper {
    snapshots: watch::Receiver<Arc<Snapshot>>,
    events: broadcast::Receiver<Arc<NumberedEvent>>,
    samples: broadcast::Receiver<Arc<Vec<Sample>>>,
    open: BTreeMap<u64, Open>,
    /// The latest attempt to write failed: told once.
    failing: bool,
}

impl Keeper {
    /// Samples attacks from now on.
    #[must_use]
    pub const fn new(
        snapshots: watch::Receiver<Arc<Snapshot>>,
        events: broadcast::Receiver<Arc<NumberedEvent>>,
        samples: broadcast::Receiver<Arc<Vec<Sample>>>,
    ) -> Self {
        Self {
            snapshots,
            events,
            samples,
            open: BTreeMap::new(),
            failing: false,
        }
    }

    /// Works for as long as there is an engine.
    pub async fn run(mut self) {
        let mut write = tokio::time::interval(WRITE);
        write.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                event = self.events.recv() => match event {
                    Ok(event) => self.happened(&event.event),
                    // An attack that was missed has no samples; the next one has.
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => break,
                },
                samples = self.samples.recv() => match samples {
                    Ok(samples) => self.sampled(&samples),
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => break,
                },
                _ = write.tick() => self.write().await,
            }
        }
        self.write().await;
    }

    fn happened(&mut self, event: &Event) {
        let (Some(attack), Some(subject)) = (event.attack, event.subject) else {
            return;
        };
        match event.what {
            What::AttackStarted { .. } if self.open.len() < AT_A_TIME => {
                self.open.entry(attack).or_insert_with(|| Open {
                    subject,
                    packets: Vec::new(),
                    before: Vec::new(),
                    since: Instant::now(),
                    written: 0,
                    ended: false,
                });
                self.take_those_before(attack);
            }
            What::AttackEnded { .. } => {
                if let Some(open) = self.open.get_mut(&attack) {
                    open.ended = true;
                }
            }
            _ => {}
        }
    }

    /// The samples by which the attack was told have come already.
    fn take_those_before(&mut self, attack: u64) {
        let snapshot = Arc::clone(&self.snapshots.borrow());
        let earliest = Now::read()
            .mono
            .0
            .saturating_sub(u64::try_from(BEFORE.as_nanos()).unwrap_or(u64::MAX));
        let recent: Vec<Sample> = snapshot
            .samples
            .iter()
            .filter(|sample| sample.at.0 >= earliest)
            .cloned()
            .collect();
        self.take(&recent, Some(attack));
        if let Some(open) = self.open.get_mut(&attack) {
            open.before = recent;
        }
    }

    fn sampled(&mut self, samples: &[Sample]) {
        if !self.open.is_empty() {
            self.take(samples, None);
        }
    }

    fn take(&mut self, samples: &[Sample], only: Option<u64>) {
        let snapshot = Arc::clone(&self.snapshots.borrow());
        let (now, mode) = (Now::read(), snapshot.kernel.settings.mode);
        let most = snapshot.config.captures.headers as usize;
        for sample in samples {
            let Some(address) = destination(&sample.header) else {
                continue;
            };
            let is_for = |open: &Open| match open.subject {
                Subject::Address(subject) => subject == address,
                Subject::Group(prefix) => prefix.contains(&address),
            };
            for (number, open) in &mut self.open {
                let wanted = only.is_none_or(|only| only == *number) && open.packets.len() < most && is_for(open);
                if wanted && !open.before.contains(sample) {
                    open.packets.push(Captured::of_sample(sample, now, mode).headers_only());
                }
            }
        }
    }

    /// Writes what is new, and closes what is complete.
    async fn write(&mut self) {
        let config = Arc::clone(&self.snapshots.borrow().config);
        let most = config.captures.headers as usize;
        let mut jobs = Vec::new();
        for (number, open) in &mut self.open {
            if open.packets.len() > open.written {
                open.written = open.packets.len();
                jobs.push((*number, open.packets.clone()));
            }
        }
        self.open
            .retain(|_, open| !open.ended && open.packets.len() < most && open.since.elapsed() < LONGEST);
        if jobs.is_empty() {
            return;
        }
        let store = Store::new(&config.state_directory);
        let writing = spawn_blocking(move || {
            let write = |(number, packets): (u64, Vec<Captured>)| store.write(number, &packets, &config.captures);
            jobs.into_iter().try_for_each(write)
        });
        let outcome = writing.await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        match outcome {
            Ok(()) => self.failing = false,
            Err(error) if !self.failing => {
                self.failing = true;
                tracing::error!("the samples of attacks cannot be written: {error}");
            }
            Err(_) => {}
        }
    }
}
