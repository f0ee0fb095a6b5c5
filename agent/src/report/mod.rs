//! The post-mortem of an attack: all that the ledger knows of it, gathered into one structure (which is the JSON form), and written
//! for people as Markdown or HTML, or as an archive for the provider's ticket.

pub mod bundle;
mod csv;
pub(crate) mod html;
mod markdown;
mod plot;
mod points;
pub(crate) mod words;

use std::path::{Path, PathBuf};

use jiff::{Timestamp, ToSpan as _, tz::TimeZone};
use serde::{Deserialize, Serialize};

use crate::{
    capture,
    detect::{Attack, Severity, Subject, sentence},
    ledger::{AttackTalkers, JournalEntry, LedgerError, Reader, Wanted},
};
pub use points::RatePoint;

/// Version of the JSON form: it grows when a field changes its meaning or goes.
const VERSION: u32 = 1;
/// Events of an attack that are told.
pub const MOST_EVENTS: usize = 2_000;
/// Commands that are told.
pub const MOST_COMMANDS: usize = 500;
/// What is shown before the attack and after it, in minutes.
const AROUND_MINUTES: i64 = 10;

/// A post-mortem.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Version of this form.
    pub version: u32,
    /// When it was made.
    pub made: Timestamp,
    /// On which host.
    pub host: String,
    /// By which version of the agent.
    pub agent: String,
    /// The attack.
    pub attack: Attack,
    /// From the first excess to the last, in seconds; so far, if it goes on.
    pub seconds: f64,
    /// From the first excess to the detection, in milliseconds.
    pub detection_ms: i64,
    /// Minutes in which customers were hurt.
    pub impact_minutes: f64,
    /// What happened and what was done, oldest first.
    pub timeline: Vec<Moment>,
    /// Who sent most while it went on, to all protected addresses.
    pub talkers: AttackTalkers,
    /// Files with packets of it, in the state directory.
    pub captures: Vec<Capture>,
    /// What one must know to read this rightly.
    pub notes: Vec<String>,
    /// Rates of its subject, from before it until after it, oldest first.
    pub rates: Vec<RatePoint>,
}

/// One line of the timeline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Moment {
    /// When.
    pub at: Timestamp,
    /// Who did it; absent for what the agent saw.
    pub actor: Option<String>,
    /// How loud it is; absent for what somebody did.
    pub severity: Option<Severity>,
    /// What.
    pub text: String,
    /// Why, in the words of who did it.
    pub reason: Option<String>,
}

/// A file with packets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capture {
    /// Where.
    pub path: PathBuf,
    /// How long, in bytes.
    pub bytes: u64,
}

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Markdown: for a ticket or a wiki.
    Md,
    /// One HTML file with plots.
    Html,
    /// Everything, for programs.
    Json,
}

impl Report {
    /// The report as text; times are in this zone.
    ///
    /// # Errors
    /// If it cannot be written as JSON.
    pub fn write(&self, format: Format, zone: &TimeZone) -> Result<String, serde_json::Error> {
        match format {
            Format::Md => Ok(markdown::write(self, zone)),
            Format::Html => Ok(html::write(self, zone)),
            Format::Json => serde_json::to_string_pretty(self),
        }
    }

    /// When the attack ended, or when it was last seen.
    fn end(&self) -> Timestamp {
        self.attack.ended.unwrap_or(self.attack.last_excess)
    }
}

/// Between which instants commands belong to an attack.
#[must_use]
pub fn commands_of(attack: &Attack) -> (Timestamp, Timestamp) {
    let end = attack.ended.unwrap_or(Timestamp::MAX);
    (minus(attack.started, 10), plus(end, 60))
}

/// Between which instants its rates are shown.
fn shown(attack: &Attack) -> (Timestamp, Timestamp) {
    let end = attack.ended.unwrap_or(attack.last_excess);
    (minus(attack.started, AROUND_MINUTES), plus(end, AROUND_MINUTES))
}

fn minus(at: Timestamp, minutes: i64) -> Timestamp {
    at.checked_sub(minutes.minutes()).unwrap_or(Timestamp::MIN)
}

fn plus(at: Timestamp, minutes: i64) -> Timestamp {
    at.checked_add(minutes.minutes()).unwrap_or(Timestamp::MAX)
}

/// Gathers all that is known of an attack.
///
/// # Errors
/// If the history cannot be read.
pub fn gather(
    reader: &Reader<'_>,
    attack: Attack,
    commands: Vec<JournalEntry>,
    captures: Vec<Capture>,
) -> Result<Report, LedgerError> {
    let span = shown(&attack);
    let rates = points::read(reader, attack.subject, span)?;
    let timeline = timeline(reader, &attack, commands)?;
    let end = attack.ended.unwrap_or(attack.last_excess);
    let seconds = end.duration_since(attack.started).as_secs_f64().max(0.0);
    let notes = notes(&attack, seconds, &rates, !captures.is_empty());
    Ok(Report {
        version: VERSION,
        made: Timestamp::now(),
        host: host_name(),
        agent: env!("CARGO_PKG_VERSION").to_owned(),
        seconds,
        detection_ms: i64::try_from(attack.detected.duration_since(attack.started).as_millis()).unwrap_or(i64::MAX),
        impact_minutes: attack.impact_seconds / 60.0,
        timeline,
        talkers: reader.talkers(attack.id)?,
        captures,
        notes,
        rates,
        attack,
    })
}

fn timeline(reader: &Reader<'_>, attack: &Attack, commands: Vec<JournalEntry>) -> Result<Vec<Moment>, LedgerError> {
    let of_attack = Wanted {
        attack: Some(attack.id),
        ..Wanted::default()
    };
    let (since, until) = shown(attack);
    let around = Wanted {
        since: Some(since),
        until: Some(until),
        ..Wanted::default()
    };
    let mut events = reader.events(of_attack, MOST_EVENTS)?;
    // What befell the host then belongs to it too.
    let host = reader.events(around, MOST_EVENTS)?;
    events.extend(
        host.into_iter()
            .filter(|event| event.attack.is_none() && event.subject.is_none()),
    );
    let told = events.into_iter().map(|event| Moment {
        at: event.at,
        actor: None,
        severity: Some(event.what.severity()),
        text: sentence(&event),
        reason: None,
    });
    let done = commands.into_iter().map(|command| Moment {
        at: command.at,
        actor: Some(command.actor),
        severity: None,
        text: if command.succeeded {
            format!("{}: {}", command.command, command.result)
        } else {
            format!("{}: refused: {}", command.command, command.result)
        },
        reason: command.reason,
    });
    let mut timeline: Vec<Moment> = told.chain(done).collect();
    timeline.sort_by_key(|moment| moment.at);
    Ok(timeline)
}

/// What one must know to read the report rightly.
fn notes(attack: &Attack, seconds: f64, rates: &[RatePoint], captured: bool) -> Vec<String> {
    let mut notes = Vec::new();
    if attack.ended.is_none() {
        notes.push("The attack goes on, or the agent has stopped since: this is what is known until now.".to_owned());
    }
    notes.push(
        "Top sources and prefixes are of all traffic to protected addresses while the attack went on: the tally does not tell to \
         which address a packet goes. Source addresses of a flood may be forged."
            .to_owned(),
    );
    if matches!(attack.subject, Subject::Group(_)) {
        notes.push("Rates of a group are the sums of its addresses.".to_owned());
    }
    let end = attack.ended.unwrap_or(attack.last_excess);
    let observed: f64 = rates
        .iter()
        .filter(|point| point.from >= attack.started && point.from <= end)
        .map(|point| point.seconds)
        .sum();
    if rates.is_empty() {
        notes.push("No rates are recorded for this time.".to_owned());
    } else if seconds > 10.0 && observed < seconds * 0.9 {
        notes.push(format!(
            "Rates are recorded for {} of {}: what is missing was not observed, or is not kept any more.",
            words::span(observed),
            words::span(seconds)
        ));
    }
    if rates.iter().any(|point| point.seconds > 5.0) {
        notes.push("Rates over a minute or more are kept in steps, and off by 6 % at most.".to_owned());
    }
    if !captured {
        notes.push("No packets of this attack were captured.".to_owned());
    }
    notes
}

/// The files with packets of an attack, in the state directory.
#[must_use]
pub fn captures(state_directory: &Path, attack: &Attack) -> Vec<Capture> {
    let found = capture::of_attack(state_directory, attack.id).into_iter();
    found
        .filter_map(|path| {
            let bytes = path.metadata().ok()?.len();
            Some(Capture { path, bytes })
        })
        .collect()
}

fn host_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map_or_else(|_| "unknown".to_owned(), |name| name.trim().to_owned())
}
