//! Attacks and events.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    detect::{Attack, NumberedEvent, Severity, sentence},
    ledger::{AttackTalkers, JournalEntry},
};

/// `GET /v1/attacks?since=..&limit=..`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttacksQuery {
    /// Only those that go on, or ended later than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// The latest so many; 100 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// `GET /v1/events?..` and `GET /v1/events/follow?..`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventsQuery {
    /// With a higher number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// Not before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Of this attack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attack: Option<u64>,
    /// The first so many; 1,000 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// One event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventView {
    /// As the ledger keeps it.
    #[serde(flatten)]
    pub event: NumberedEvent,
    /// How loud it is.
    pub severity: Severity,
    /// What happened, in a sentence. (A notice has a `text` of its own.)
    pub sentence: String,
}

impl From<NumberedEvent> for EventView {
    fn from(event: NumberedEvent) -> Self {
        Self {
            severity: event.what.severity(),
            sentence: sentence(&event),
            event,
        }
    }
}

/// One line of `GET /v1/events/follow`. A line with nothing in it says that the agent is still there.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FollowLine {
    /// What happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<EventView>,
    /// So many events came before this line that cannot be told any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed: Option<u64>,
}

/// One command of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandView {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// What they asked for.
    pub command: String,
    /// Why, in their words.
    pub reason: Option<String>,
    /// Whether it was done.
    pub succeeded: bool,
    /// The sentence that they were answered.
    pub result: String,
}

impl From<JournalEntry> for CommandView {
    fn from(entry: JournalEntry) -> Self {
        let JournalEntry {
            at,
            actor,
            command,
            reason,
            succeeded,
            result,
        } = entry;
        Self {
            at,
            actor,
            command,
            reason,
            succeeded,
            result,
        }
    }
}

/// `GET /v1/attacks/N`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttackView {
    /// The attack.
    #[serde(flatten)]
    pub attack: Attack,
    /// What happened in it, oldest first.
    pub events: Vec<EventView>,
    /// Who sent most while it went on, to all protected addresses.
    pub talkers: AttackTalkers,
    /// What people and timers did from ten minutes before it until an hour after it, oldest first.
    pub commands: Vec<CommandView>,
}
