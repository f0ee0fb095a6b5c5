//! The captures that are made by themselves: the section `[captures]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Problem;

/// The first dropped headers of each attack, as pcapng.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(inline)]
pub struct Captures {
    /// Headers of each attack at most; 0 for none. They come from `samples`.
    #[schemars(range(min = 0, max = 5_000))]
    pub headers: u32,
    /// Files at most, one for each attack, below captures/ in state.directory. The oldest go first.
    #[schemars(range(min = 1, max = 100_000))]
    pub files: u32,
    /// MiB of all of them at most.
    #[schemars(range(min = 1, max = 100_000))]
    pub mebibytes: u32,
}

impl Default for Captures {
    fn default() -> Self {
        Self {
            headers: 200,
            files: 500,
            mebibytes: 64,
        }
    }
}

impl Captures {
    /// Bytes of all files at most.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        (self.mebibytes as u64) << 20
    }

    pub(super) fn check(&self, problems: &mut Vec<Problem>) {
        let sizes = [
            ("captures.headers", self.headers, 0, 5_000),
            ("captures.files", self.files, 1, 100_000),
            ("captures.mebibytes", self.mebibytes, 1, 100_000),
        ];
        for (key, value, least, most) in sizes {
            if !(least..=most).contains(&value) {
                let message = format!("is out of range; write a number from {least} to {most}");
                problems.push(Problem::new(key, value, message));
            }
        }
    }
}
