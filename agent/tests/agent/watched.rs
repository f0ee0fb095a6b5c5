//! An engine whose counters a test moves, poll by poll.

use std::time::Duration;

use agent::{
    clock::Now,
    config::Config,
    control::view,
    detect::{Attack, NumberedEvent},
    engine::Engine,
    tables::{AddressCounts, Counts},
};
use xdp_common::Reason;

use crate::support::{Bench, address, noon};

/// The address that is flooded.
pub(crate) const VICTIM: &str = "203.0.113.7";
/// One that is not.
pub(crate) const OTHER: &str = "203.0.113.8";

/// An engine, its counters, and what it tells.
pub(crate) struct Watched {
    pub(crate) bench: Bench,
    pub(crate) engine: Engine,
    pub(crate) events: tokio::sync::broadcast::Receiver<std::sync::Arc<NumberedEvent>>,
    pub(crate) counts: [Counts; 2],
    pub(crate) handshakes: u64,
    pub(crate) now: Now,
}

impl Watched {
    pub(crate) fn with(config: Config) -> Self {
        let bench = Bench::default();
        let engine = bench.start(config, noon()).expect("starts");
        let mut watched = Self {
            events: engine.events().subscribe(),
            bench,
            engine,
            counts: [Counts::default(), Counts::default()],
            handshakes: 0,
            now: noon(),
        };
        watched.tell_kernel();
        watched
    }

    pub(crate) fn tell_kernel(&mut self) {
        let counts = |index: usize, text: &str| AddressCounts {
            address: Some(address(text)),
            counts: self.counts[index].clone(),
            handshakes: if index == 0 { self.handshakes } else { 0 },
            ..AddressCounts::default()
        };
        let rest = AddressCounts::default();
        self.bench.kernel.lock().counts = vec![rest, counts(0, VICTIM), counts(1, OTHER)];
    }

    /// Polls for so many seconds, ten times each, while the victim gets packets of a reason.
    pub(crate) fn go_on(&mut self, seconds: u32, reason: Reason, per_second: u64) {
        for _ in 0..seconds * 10 {
            self.counts[0].add(reason, per_second / 10);
            self.poll_after(Duration::from_millis(100));
        }
    }

    pub(crate) fn poll_after(&mut self, pause: Duration) {
        self.tell_kernel();
        let then = self.now.plus(pause);
        self.now = Now {
            wall: then.wall,
            mono: then.mono,
        };
        self.engine.tick(self.now);
    }

    pub(crate) fn told(&mut self) -> Vec<NumberedEvent> {
        std::iter::from_fn(|| self.events.try_recv().ok())
            .map(|event| NumberedEvent::clone(&event))
            .collect()
    }

    /// Attacks as `status` shows them.
    pub(crate) fn shown(&self) -> Vec<Attack> {
        let status = view::status(&self.engine.snapshots().borrow());
        status.detection.expect("the daemon runs").attacks
    }
}
