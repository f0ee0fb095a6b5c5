//! Who is notified, as JSON.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{config::notify::Kind, detect::Severity};

/// One endpoint: `GET /v1/notify`. Nothing in it is a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointView {
    /// Its name.
    pub name: String,
    /// What it speaks.
    pub kind: Kind,
    /// Where it is: scheme, host and port, or a program, or where the secret is that says so.
    pub to: String,
    /// Told of what is at least so loud.
    pub severity: Severity,
    /// Told of these events only; of all if empty.
    pub events: Vec<String>,
    /// Messages that wait or are on their way.
    pub queued: usize,
    /// Messages that it took.
    pub sent: u64,
    /// Messages that were given up after all attempts.
    pub failed: u64,
    /// Attempts that failed.
    pub failed_attempts: u64,
    /// Messages that were dropped because newer ones needed the room.
    pub dropped: u64,
    /// Messages that were not sent because they said what was said last.
    pub repeated: u64,
    /// When it took something last.
    pub last_success: Option<Timestamp>,
    /// When an attempt failed last.
    pub last_failure: Option<Timestamp>,
    /// Why the latest attempt failed, if it did.
    pub problem: Option<String>,
}

/// `POST /v1/notify/test`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestRequest {
    /// The endpoint; all when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// What came of a test of one endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestView {
    /// Its name.
    pub name: String,
    /// What it speaks.
    pub kind: Kind,
    /// Where it is.
    pub to: String,
    /// It took the test.
    pub succeeded: bool,
    /// What it said, or what went wrong.
    pub answer: String,
    /// How long that took.
    pub milliseconds: u64,
}
