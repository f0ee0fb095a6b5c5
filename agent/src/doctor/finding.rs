//! What a check can say: which checks there are is data, of which `docs/doctor.md` is made; what one of them found here is a
//! [`Finding`].

use std::fmt;

use serde::{Deserialize, Serialize};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// As it should be.
    Ok,
    /// Worth knowing; nothing has to be done.
    Note,
    /// It works, but worse than it could, or not when it matters most.
    Warning,
    /// It keeps the agent from starting or from protecting.
    Problem,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Problem => "problem",
        })
    }
}

/// One thing that is looked at. Its texts are what the documentation says of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Check {
    /// Stable name, `section.what`: scripts and silences refer to it.
    pub id: &'static str,
    /// How bad it is when it is found.
    pub severity: Severity,
    /// What is found.
    pub about: &'static str,
    /// Why it matters.
    pub why: &'static str,
    /// The way out, as a command with `IF` for the interface, or in words.
    pub fix: &'static str,
}

impl Check {
    /// It is as it should be.
    pub(super) fn ok(&'static self, seen: impl Into<String>) -> Finding {
        Finding::new(self, Severity::Ok, seen.into())
    }

    /// It is not.
    pub(super) fn found(&'static self, seen: impl Into<String>) -> Finding {
        Finding::new(self, self.severity, seen.into())
    }

    /// It could not be looked at.
    pub(super) fn unseen(&'static self, why: impl fmt::Display) -> Finding {
        Finding {
            unseen: true,
            ..Finding::new(self, Severity::Note, format!("not looked at: {why}"))
        }
    }

    /// The section that it belongs to.
    #[must_use]
    pub fn section(&self) -> &'static str {
        self.id.split_once('.').map_or(self.id, |(section, _)| section)
    }
}

/// What one check found on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The check.
    pub check: &'static Check,
    /// How bad it is here.
    pub severity: Severity,
    /// The interface that it is about, if it is about one.
    pub interface: Option<String>,
    /// What was seen.
    pub seen: String,
    /// Commands that put it right, to be copied as they are.
    pub commands: Vec<String>,
    /// What to do where no command does, or before one.
    pub advice: Option<String>,
    /// It could not be looked at; `seen` says why.
    pub unseen: bool,
}

impl Finding {
    fn new(check: &'static Check, severity: Severity, seen: String) -> Self {
        Self {
            check,
            severity,
            interface: None,
            seen,
            commands: Vec::new(),
            advice: None,
            unseen: false,
        }
    }

    /// About this interface.
    pub(super) fn on(mut self, interface: &str) -> Self {
        self.interface = Some(interface.to_owned());
        self
    }

    /// Put right by this command.
    pub(super) fn run(mut self, command: impl Into<String>) -> Self {
        self.commands.push(command.into());
        self
    }

    /// Put right by this, in words.
    pub(super) fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }
}
