//! What happened goes one way from here: into the ledger and the log, to everybody who follows.

use std::sync::Arc;

use tokio::sync::broadcast;

use super::Engine;
use crate::detect::{Event, NumberedEvent, Severity};

/// Events that a slow follower may be behind; then it is told that it missed some.
pub(super) const BEHIND: usize = 1_024;

impl Engine {
    /// What happens from now on.
    #[must_use]
    pub fn events(&self) -> broadcast::Sender<Arc<NumberedEvent>> {
        self.events.clone()
    }

    /// Tells what happened.
    pub(super) fn happened(&mut self, event: Event) {
        log(&event);
        self.detecting.count(&event);
        let event = self.ledger.record_event(event);
        // Nobody follows: nothing is lost, the ledger has it.
        let _ = self.events.send(Arc::new(event));
    }
}

fn log(event: &Event) {
    let (subject, attack) = (event.subject.map(|subject| subject.to_string()), event.attack);
    let what = event.what.name();
    match event.what.severity() {
        Severity::Info => tracing::info!(subject, attack, what, "{:?}", event.what),
        Severity::Warning | Severity::Critical => tracing::warn!(subject, attack, what, "{:?}", event.what),
    }
}
