//! What happened, on its way into the history. Nothing here waits for a disk, except questions.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{AttackTalkers, History, Interval, Ledger, LedgerError, Wanted, history::Job, rates::Recorded};
use crate::detect::{Attack, Event, NumberedEvent, Subject, Tick};

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

    /// True for an attack that an earlier agent began.
    #[must_use]
    pub const fn is_earlier(&self, attack: u64) -> bool {
        attack <= self.earlier
    }

    /// Writes an attack as it is now, within a second; to be told whenever it changes.
    pub fn put_attack(&mut self, attack: &Attack) {
        self.numbers.attack = self.numbers.attack.max(attack.id);
        self.recorder.attack(attack);
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

    /// Records the rates of a tick: to be told of each.
    pub fn record_rates(&mut self, tick: &Tick) {
        for recorded in self.recorder.take(tick) {
            self.history.put(recorded.into());
        }
    }

    /// The rates recorded between two instants, interval by interval, oldest first; of some subjects or of all. Waits for the disk.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn rates(
        &self,
        span: (Timestamp, Timestamp),
        only: Option<BTreeSet<Subject>>,
    ) -> Result<Vec<Interval>, LedgerError> {
        self.history.ask_now(move |reader| {
            let mut all = Vec::new();
            reader.each_interval(span, only.as_ref(), &mut |interval| all.push(interval))?;
            Ok(all)
        })
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

impl From<Recorded> for Job {
    fn from(recorded: Recorded) -> Self {
        match recorded {
            Recorded::Interval(interval) => Self::Interval(Box::new(interval)),
            Recorded::Seconds(seconds) => Self::Seconds(Box::new(seconds)),
        }
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        for recorded in self.recorder.end() {
            self.history.put(recorded.into());
        }
        self.history.end();
    }
}
