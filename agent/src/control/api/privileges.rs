//! What the agent gave up of its own rights.

use serde::{Deserialize, Serialize};

/// What the running agent may still do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrivilegesView {
    /// Every thread gave up what it does not need; false too where `privileges.drop` is.
    pub dropped: bool,
    /// Capabilities that it kept.
    pub capabilities: Vec<String>,
    /// Its system calls are filtered.
    pub seccomp: bool,
    /// It can write only to its own directories (Landlock).
    pub landlock: bool,
}

impl PrivilegesView {
    /// Nothing is left that could have been given up.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.dropped && self.seccomp && self.landlock
    }

    /// In a sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        if !self.dropped {
            return "all that it was started with are kept".to_owned();
        }
        let kept = match self.capabilities.as_slice() {
            [] => "no capabilities".to_owned(),
            some => some.join(", "),
        };
        let calls = if self.seccomp { "filtered" } else { "not filtered" };
        let files = if self.landlock {
            "to its own directories only"
        } else {
            "as its user"
        };
        format!("{kept}; system calls are {calls}; it writes {files}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_is_kept() {
        assert!(PrivilegesView::default().sentence().contains("kept"));
        let view = PrivilegesView {
            dropped: true,
            capabilities: vec!["CAP_BPF".to_owned()],
            seccomp: true,
            landlock: false,
        };
        assert_eq!(
            view.sentence(),
            "CAP_BPF; system calls are filtered; it writes as its user"
        );
        assert!(!view.is_whole());
    }
}
