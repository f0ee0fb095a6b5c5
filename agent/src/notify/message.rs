//! What is handed over: one message for each event, the same for everybody, with its alerts for who wants alerts.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::alert::Alert;
use crate::detect::{Event, Severity, Subject, What, sentence};

/// Version of the message's form: it grows when a field changes its meaning or goes.
const VERSION: u32 = 1;

/// What the JSON webhook is posted and a hook reads; documented in `docs/notify.md`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Version of this form.
    pub version: u32,
    /// Its own, random; the same in each attempt, so that a receiver can tell an attempt from another message.
    pub id: String,
    /// What happened, in a word.
    pub event: String,
    /// How loud it is.
    pub severity: Severity,
    /// When it happened.
    pub at: Timestamp,
    /// This host's name.
    pub host: String,
    /// The address or group that it is about; absent for the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Subject>,
    /// Number of the attack that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attack: Option<u64>,
    /// What happened, in a sentence.
    pub text: String,
    /// What belongs to the event, by its name.
    pub details: Map<String, Value>,
    /// A test, made by hand: nothing has happened.
    pub test: bool,
}

impl Message {
    /// Of an event on this host.
    #[must_use]
    pub fn of(event: &Event, host: &str) -> Self {
        let mut details = match serde_json::to_value(&event.what) {
            Ok(Value::Object(details)) => details,
            // Every variant is a struct with a tag.
            Ok(_) | Err(_) => Map::new(),
        };
        details.remove("event");
        Self {
            version: VERSION,
            id: id(),
            event: event.what.name().to_owned(),
            severity: event.what.severity(),
            at: event.at,
            host: host.to_owned(),
            subject: event.subject,
            attack: event.attack,
            text: sentence(event),
            details,
            test: false,
        }
    }

    /// A test, made by hand.
    #[must_use]
    pub fn test(at: Timestamp, host: &str) -> Self {
        let text = format!("This is a test of Levee's notifications from {host}: nothing has happened.");
        let event = Event {
            at,
            subject: None,
            attack: None,
            what: What::Notice { text },
        };
        Self {
            test: true,
            ..Self::of(&event, host)
        }
    }
}

/// 64 random bits in hexadecimal.
fn id() -> String {
    // Without random numbers there is still an identifier, only no good one.
    let random = getrandom::u64().unwrap_or_default();
    format!("{random:016x}")
}

/// A message on its way to one endpoint.
#[derive(Debug, Clone)]
pub struct Parcel {
    /// The message.
    pub message: Arc<Message>,
    /// What it means in alerts; empty for who wants none.
    pub alerts: Vec<Alert>,
    /// Says only again what lasts: if it is lost, the next one does as well.
    pub is_reminder: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `docs/notify.md` shows is what is sent.
    #[test]
    fn the_documented_message_is_the_real_one() {
        let page = include_str!("../../../docs/notify.md");
        let (_, rest) = page.split_once("```json\n").expect("the page has an example");
        let (example, _) = rest.split_once("```").expect("the example ends");
        let example: Value = serde_json::from_str(example).expect("the example is JSON");
        let event = Event {
            at: "2026-03-14T11:08:02.25Z".parse().expect("a time"),
            subject: Some("203.0.113.7".parse().expect("a subject")),
            attack: Some(12),
            what: What::AttackStarted {
                vectors: [crate::detect::AttackVector::Syn].into(),
                syn: 412_000.0,
                packets: 431_500.0,
                delay_ms: 240,
                elsewhere: None,
            },
        };
        let message = Message {
            id: "5e0c3ad1f0a94b27".to_owned(),
            ..Message::of(&event, "lb1")
        };
        assert_eq!(serde_json::to_value(&message).expect("JSON"), example);
        assert_eq!(serde_json::from_value::<Message>(example).expect("reads back"), message);
    }

    #[test]
    fn every_message_has_its_own_identifier() {
        let now = Timestamp::now();
        let (one, two) = (Message::test(now, "lb1"), Message::test(now, "lb1"));
        assert_ne!(one.id, two.id);
        assert!(one.test && one.text.contains("lb1"));
    }
}
