//! What of etcd's content makes no sense: named for people, and bounded.

use std::fmt;

/// The longest that is said of it, characters.
const LONGEST: usize = 200;

/// Why something is ignored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Garbage(String);

impl Garbage {
    /// Whatever it says of others' content, it can be printed.
    #[must_use]
    pub fn new(why: impl AsRef<str>) -> Self {
        let printable = |char: char| if char.is_control() { '\u{fffd}' } else { char };
        Self(why.as_ref().chars().map(printable).take(LONGEST).collect())
    }
}

impl fmt::Display for Garbage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
