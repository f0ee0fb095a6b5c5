//! Why something that was asked for is not done, and the way out.

/// What sort of refusal; decides the HTTP status and the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The request makes no sense as it is.
    Invalid,
    /// It makes sense, and a guard rail or the present state forbids it.
    Conflict,
    /// Who asks may not.
    Forbidden,
    /// What it is about is not there.
    NotFound,
    /// It should have worked.
    Failed,
}

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error}{}", hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default())]
pub struct Refusal {
    /// What sort.
    pub kind: Kind,
    /// What is wrong.
    pub error: String,
    /// The way out.
    pub hint: Option<String>,
}

impl Refusal {
    /// The request makes no sense as it is.
    pub fn invalid(error: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            kind: Kind::Invalid,
            error: error.into(),
            hint: Some(hint.into()),
        }
    }

    /// A guard rail or the present state forbids it.
    pub fn conflict(error: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            kind: Kind::Conflict,
            error: error.into(),
            hint: Some(hint.into()),
        }
    }

    /// Who asks may not; the hint says who may.
    pub fn forbidden(error: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            kind: Kind::Forbidden,
            error: error.into(),
            hint: Some(hint.into()),
        }
    }

    /// What it is about is not there.
    pub fn not_found(error: impl Into<String>, hint: Option<String>) -> Self {
        Self {
            kind: Kind::NotFound,
            error: error.into(),
            hint,
        }
    }

    /// It should have worked.
    pub fn failed(error: impl Into<String>) -> Self {
        Self {
            kind: Kind::Failed,
            error: error.into(),
            hint: None,
        }
    }
}

impl From<crate::tables::TableError> for Refusal {
    fn from(error: crate::tables::TableError) -> Self {
        Self::failed(error.to_string())
    }
}

impl From<crate::config::prefix::PrefixError> for Refusal {
    fn from(error: crate::config::prefix::PrefixError) -> Self {
        Self {
            kind: Kind::Invalid,
            error: error.to_string(),
            hint: None,
        }
    }
}
