//! What is wrong with a configuration file: all of it at once, each with its key, its value and the way out.

use std::{fmt, path::PathBuf};

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Path of the key, such as `thresholds.source.syn_rate` or `protect[1]`; empty for the file as a whole.
    pub key: String,
    /// The value as it is written, if there is one to show.
    pub value: Option<String>,
    /// What is wrong with it, and what to write instead.
    pub message: String,
    /// It may be right a moment later, without anybody's doing: an interface that is not there yet.
    pub may_pass: bool,
}

impl Problem {
    /// A problem with the value of a key.
    pub fn new(key: impl Into<String>, value: impl fmt::Display, message: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            value: Some(value.to_string()),
            message: message.into(),
            may_pass: false,
        }
    }

    /// A problem with a key itself, or with something that is missing.
    pub fn without_value(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            value: None,
            message: message.into(),
            may_pass: false,
        }
    }

    /// The same, as one that may pass.
    #[must_use]
    pub fn passing(self) -> Self {
        Self { may_pass: true, ..self }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&*self.key, &self.value) {
            ("", _) => write!(f, "{}", self.message),
            (key, None) => write!(f, "{key}: {}", self.message),
            (key, Some(value)) => write!(f, "{key} = {value}: {}", self.message),
        }
    }
}

/// A configuration file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The file.
    pub file: PathBuf,
    /// Everything that is wrong with it; never empty.
    pub problems: Vec<Problem>,
}

impl ConfigError {
    /// Nothing is wrong with it but what may pass by itself.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        self.problems.iter().all(|problem| problem.may_pass)
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.problems.len();
        write!(
            f,
            "{}: {count} {}",
            self.file.display(),
            if count == 1 { "problem" } else { "problems" }
        )?;
        for problem in &self.problems {
            // A message of several lines (a syntax error with its excerpt) stays under its bullet.
            write!(f, "\n  {}", problem.to_string().trim_end().replace('\n', "\n  "))?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}
