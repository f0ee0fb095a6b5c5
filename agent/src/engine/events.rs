//! What happened goes one way from here: into the ledger and the log, to everybody who follows.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::broadcast;

use super::Engine;
use crate::{
    decide::Refusal,
    detect::{Event, NumberedEvent, Severity, sentence},
    ledger::{History, JournalEntry},
};

/// Events that a slow follower may be behind; then it is told that it missed some.
pub(super) const BEHIND: usize = 1_024;

impl Engine {
    /// What happens from now on.
    #[must_use]
    pub fn events(&self) -> broadcast::Sender<Arc<NumberedEvent>> {
        self.events.clone()
    }

    /// What has happened so far.
    #[must_use]
    pub fn history(&self) -> History {
        self.ledger.history()
    }

    /// The first so many commands between two instants, oldest first.
    ///
    /// # Errors
    /// If the ledger cannot be read.
    pub fn journal(&mut self, span: (Timestamp, Timestamp), at_most: usize) -> Result<Vec<JournalEntry>, Refusal> {
        self.ledger
            .journal_between(span, at_most)
            .map_err(|error| Refusal::failed(error.to_string()))
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
        Severity::Info => tracing::info!(subject, attack, what, "{}", sentence(event)),
        Severity::Warning | Severity::Critical => tracing::warn!(subject, attack, what, "{}", sentence(event)),
    }
}
