//! Large lists: the engine puts in place what was made beside it, and knows how the lists stand.

use std::sync::Arc;

use super::Engine;
use crate::{clock::Now, command::ListUpdate, tables::ListHead};

impl Engine {
    /// The lists that the kernel holds.
    #[must_use]
    pub fn list_heads(&self) -> Vec<ListHead> {
        self.list_packets.iter().map(|list| list.head.clone()).collect()
    }

    /// Takes an update of the lists, and tells what became of it.
    pub fn update_lists(&mut self, update: ListUpdate, now: Now) {
        let outcome = match &update.image {
            _ if self.detached => Err("the program was taken off".to_owned()),
            None => Ok(()),
            Some(image) => self.tables.put_lists(image).map_err(|error| error.to_string()),
        };
        match (&update.image, &outcome) {
            (Some(image), Ok(())) => {
                let prefixes: u64 = image
                    .heads
                    .iter()
                    .map(|head| u64::from(head.v4) + u64::from(head.v6))
                    .sum();
                tracing::info!(lists = image.heads.len(), prefixes, "the lists are in force");
            }
            (Some(_), Err(error)) => tracing::error!("the lists stay as they were: {error}"),
            (None, _) => {}
        }
        self.lists = Arc::new(update.states);
        if let Ok(lists) = self.tables.lists() {
            self.list_packets = Arc::new(lists);
        }
        self.publish(now);
        // A keeper that is gone needs no answer.
        let _ = update.answer.send(outcome);
    }

    pub(super) fn list_warnings(&self, now: Now) -> impl Iterator<Item = String> + '_ {
        self.lists.iter().flat_map(move |list| list.warnings(now.wall))
    }
}
