//! Everything that reaches the engine, and which part of it answers.

use super::Engine;
use crate::{clock::Now, command::Message};

impl Engine {
    /// Does what a message asks for. A caller that is gone does not need the answer; what was done is in the ledger.
    pub fn answer(&mut self, message: Message, now: Now) {
        match message {
            Message::Order(mut order) => {
                self.note_host(order.host.clone());
                let answer = self.carry_out(&mut order, now);
                let _ = order.answer.send(answer);
            }
            Message::Decide(decide) => {
                self.note_host(decide.host.clone());
                let outcome = self.decide(&decide, now);
                let _ = decide.answer.send(outcome);
            }
            Message::Host(looked) => self.look(looked, now),
            Message::Surroundings(host) => self.note_host(*host),
            Message::Interfaces => self.look_at_interfaces(now),
            Message::NotReloaded => self.not_reloaded(now),
            Message::Connected(peers) => self.keep_known(&peers, now),
            Message::Upstream(state) => self.take_upstream(*state, now),
            Message::Fleet(state, done) => {
                self.take_fleet(*state, now);
                let _ = done.map(|done| done.send(()));
            }
            Message::NotDone(entry) => drop(self.record(&[], &entry)),
            Message::Lists(update) => self.update_lists(update, now),
            Message::Sources(answer) => drop(answer.send(self.sources())),
            Message::Journal { span, at_most, answer } => drop(answer.send(self.journal(span, at_most))),
        }
    }
}
