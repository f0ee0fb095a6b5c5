//! What the agent keeps of its rights once it protects: the section `[privileges]`.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Problem, resolve::quoted};

/// What the agent keeps of its rights once it protects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(inline)]
pub struct Privileges {
    /// Give up, once everything is attached, all capabilities that the agent does not need any more,
    /// system calls that it never makes, and writing outside of its own directories. Commands of
    /// [[notify]] inherit that, and have no capabilities. Turn it off only to find out whether it is in
    /// the way. Changes need a restart.
    pub drop: bool,
    /// Files and directories, besides the agent's own, that commands of [[notify]] may write to.
    /// Changes need a restart.
    #[schemars(extend("examples" = [["/var/spool/levee-hooks"]]))]
    pub writable: Vec<PathBuf>,
}

impl Default for Privileges {
    fn default() -> Self {
        Self {
            drop: true,
            writable: Vec::new(),
        }
    }
}

impl Privileges {
    pub(super) fn check(&self, problems: &mut Vec<Problem>, warnings: &mut Vec<Problem>) {
        for (index, path) in self.writable.iter().enumerate() {
            let key = format!("privileges.writable[{index}]");
            let shown = quoted(&path.display().to_string());
            if !path.is_absolute() {
                problems.push(Problem::new(key, shown, "is not absolute; write the whole path"));
            } else if path.parent().is_none() {
                problems.push(Problem::new(
                    key,
                    shown,
                    "is everything; name the directories that hooks write to",
                ));
            } else if !path.exists() {
                let message = "is not there: nothing can be written to it before it is made and the agent restarted";
                warnings.push(Problem::new(key, shown, message));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_whole_paths_and_not_everything() {
        let section = Privileges {
            writable: ["spool", "/", "/nowhere/at/all", "/tmp"].map(PathBuf::from).to_vec(),
            ..Privileges::default()
        };
        let (mut problems, mut warnings) = (Vec::new(), Vec::new());
        section.check(&mut problems, &mut warnings);
        let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert!(
            texts.len() == 2 && texts[0].contains("whole path") && texts[1].contains("everything"),
            "{texts:?}"
        );
        assert!(
            warnings.len() == 1 && warnings[0].to_string().contains("writable[2]"),
            "{warnings:?}"
        );
    }
}
