//! What happened, on its way into the history. Nothing here waits for a disk, except questions.

use jiff::Timestamp;

use super::{AttackTalkers, History, Ledger, LedgerError, Wanted, history::Job};
use crate::detect::{Attack, Event, NumberedEvent, Subject};

impl Ledger {
    /// The way to the history for others.
    #[must_use]
    pub fn history(&self) -> History {
        self.history.clone()
    }

    /// The number that the next attack gets: higher than any that was ever given.
    #[must_use]
    pub const fn next_attack_id(&self) -> u64 {
        self.numbers.attack + 1
    }

    /// Writes an attack as it is now, within a second; to be told whenever it changes.
    pub fn put_attack(&mut self, attack: &Attack) {
        self.numbers.attack = self.numbers.attack.max(attack.id);
        self.history.put(Job::Attack(Box::new(attack.clone())));
    }

    /// Writes who sent most in an attack so far.
    pub fn put_talkers(&mut self, attack: u64, talkers: &AttackTalkers) {
        self.history.put(Job::Talkers(attack, Box::new(talkers.clone())));
    }

    /// Writes an event and gives it its number.
    pub fn record_event(&mut self, event: Event) -> NumberedEvent {
        self.numbers.event += 1;
        let event = NumberedEvent {
            id: self.numbers.event,
            event,
        };
        self.history.put(Job::Event(Box::new(event.clone())));
        event
    }

    /// Writes what detection learned of some subjects, in its own form.
    pub fn put_baselines(&mut self, at: Timestamp, learned: Vec<(Subject, Vec<u8>)>) {
        self.history.put(Job::Baselines(at, learned));
    }

    /// What detection learned: of whom, when it was written, what. Waits for the disk: for the start.
    ///
    /// # Errors
    /// If the file cannot be read.
    #[expect(
        clippy::redundant_closure_for_method_calls,
        reason = "the method is of one lifetime, the closure of any"
    )]
    pub fn baselines(&self) -> Result<Vec<(Subject, Timestamp, Vec<u8>)>, LedgerError> {
        self.history.ask_now(|reader| reader.baselines())
    }

    /// The latest attacks, newest first. Waits for the disk.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn attacks(&self, at_most: usize) -> Result<Vec<Attack>, LedgerError> {
        self.history.ask_now(move |reader| reader.attacks(at_most))
    }

    /// One attack. Waits for the disk.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn attack(&self, id: u64) -> Result<Option<Attack>, LedgerError> {
        self.history.ask_now(move |reader| reader.attack(id))
    }

    /// Attacks that were going on when the agent stopped. Waits for the disk: for the start.
    ///
    /// # Errors
    /// If the file cannot be read.
    #[expect(
        clippy::redundant_closure_for_method_calls,
        reason = "the method is of one lifetime, the closure of any"
    )]
    pub fn open_attacks(&self) -> Result<Vec<Attack>, LedgerError> {
        self.history.ask_now(|reader| reader.open_attacks())
    }

    /// The first events after a number, oldest first. Waits for the disk.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn events(&self, after: u64, at_most: usize) -> Result<Vec<NumberedEvent>, LedgerError> {
        let wanted = Wanted {
            after,
            ..Wanted::default()
        };
        self.history.ask_now(move |reader| reader.events(wanted, at_most))
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.history.end();
    }
}
