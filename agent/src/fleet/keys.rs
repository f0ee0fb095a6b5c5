//! The names of what a fleet keeps in etcd, all of them under one prefix.
//!
//! ```text
//! PREFIXformat                      what this is, so that nobody else's keys are touched
//! PREFIXdecisions/human/TARGET      what holds for all nodes; see `decision`
//! PREFIXdecisions/machine/TARGET
//! PREFIXnodes/NODE                  who is there, with a lease
//! PREFIXreports/NODE                what it sees, with the same lease
//! PREFIXleader                      the node that adds the reports up, with its lease
//! PREFIXsums                        what they come to
//! ```

use super::{By, Garbage, Target};

/// The longest name of a node, characters.
const LONGEST_NODE: usize = 64;

/// Whether a text can name a node: letters, digits, `.`, `-`, `_`.
#[must_use]
pub fn is_node(name: &str) -> bool {
    let sound = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    !name.is_empty() && name.len() <= LONGEST_NODE && name.bytes().all(sound)
}

/// What a key names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// What this is.
    Format,
    /// A decision.
    Decision(By, Target),
    /// A node.
    Node(String),
    /// What a node sees.
    Report(String),
    /// The node that adds up.
    Leader,
    /// What the reports come to.
    Sums,
}

/// The names under one prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    prefix: String,
}

impl Keys {
    /// Under this prefix, which ends with `/`.
    #[must_use]
    pub fn under(prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into() }
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> &str {
        &self.prefix
    }

    /// All decisions.
    #[must_use]
    pub fn decisions(&self) -> String {
        format!("{}decisions/", self.prefix)
    }

    /// All nodes.
    #[must_use]
    pub fn nodes(&self) -> String {
        format!("{}nodes/", self.prefix)
    }

    /// All reports.
    #[must_use]
    pub fn reports(&self) -> String {
        format!("{}reports/", self.prefix)
    }

    /// The name of something.
    #[must_use]
    pub fn name(&self, key: &Key) -> String {
        let prefix = &self.prefix;
        match key {
            Key::Format => format!("{prefix}format"),
            Key::Decision(by, target) => format!("{}{}/{target}", self.decisions(), by.name()),
            Key::Node(node) => format!("{}{node}", self.nodes()),
            Key::Report(node) => format!("{}{node}", self.reports()),
            Key::Leader => format!("{prefix}leader"),
            Key::Sums => format!("{prefix}sums"),
        }
    }

    /// What a name means.
    ///
    /// # Errors
    /// If it is none of ours.
    pub fn read(&self, name: &[u8]) -> Result<Key, Garbage> {
        let unclear = || Garbage::new("this key is none of a fleet's");
        let name = std::str::from_utf8(name).map_err(|_| unclear())?;
        let rest = name.strip_prefix(&self.prefix).ok_or_else(unclear)?;
        let node = |name: &str| is_node(name).then(|| name.to_owned()).ok_or_else(unclear);
        match rest.split_once('/') {
            None if rest == "format" => Ok(Key::Format),
            None if rest == "leader" => Ok(Key::Leader),
            None if rest == "sums" => Ok(Key::Sums),
            Some(("nodes", name)) => Ok(Key::Node(node(name)?)),
            Some(("reports", name)) => Ok(Key::Report(node(name)?)),
            Some(("decisions", rest)) => {
                let (by, target) = rest.split_once('/').ok_or_else(unclear)?;
                let by = By::ALL
                    .into_iter()
                    .find(|known| known.name() == by)
                    .ok_or_else(unclear)?;
                Ok(Key::Decision(by, target.parse()?))
            }
            _ => Err(unclear()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_read_back_and_others_are_garbage() {
        let keys = Keys::under("/levee/");
        let target: Target = "entry/192.0.2.0/24".parse().expect("target");
        for key in [
            Key::Format,
            Key::Decision(By::Human, target),
            Key::Decision(By::Machine, Target::Mode),
            Key::Node("lb-1.example".to_owned()),
            Key::Report("lb1".to_owned()),
            Key::Leader,
            Key::Sums,
        ] {
            assert_eq!(keys.read(keys.name(&key).as_bytes()), Ok(key));
        }
        for name in [
            &b"/levee/"[..],
            b"/other/format",
            b"/levee/formats",
            b"/levee/nodes/",
            b"/levee/nodes/a/b",
            b"/levee/nodes/\x1b[2J",
            b"/levee/decisions/human",
            b"/levee/decisions/dog/mode",
            b"\xff",
        ] {
            keys.read(name).expect_err("garbage");
        }
    }
}
