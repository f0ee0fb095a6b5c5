//! What a node says of itself: changes rarely, and goes with its lease.

use ipnet::IpNet;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Garbage;
use crate::tables::Mode;

/// The most that one node says of itself, bytes.
const MOST_BYTES: usize = 64 * 1024;
/// Prefixes and lists that it names, at most.
pub(super) const MOST_NAMED: usize = 256;
/// The longest word, characters.
const LONGEST: usize = 128;

/// One node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeInfo {
    /// Tells two agents of the same name apart; made once and kept in the state directory.
    pub instance: String,
    /// Where it stands, in the operator's words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub site: String,
    /// The agent's version.
    pub version: String,
    /// When the agent began.
    pub started: Timestamp,
    /// Its clock when it wrote this.
    pub clock: Timestamp,
    /// Whether verdicts are carried out.
    pub mode: Mode,
    /// How many addresses it protects.
    pub addresses: usize,
    /// These addresses, as few prefixes as hold them and nothing else; cut off after 256.
    pub protects: Vec<IpNet>,
    /// Its large lists.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lists: Vec<ListVersion>,
}

/// Which version of a large list a node has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ListVersion {
    /// Its name.
    pub name: String,
    /// Prefixes in it.
    pub prefixes: usize,
    /// The first 16 hexadecimal digits of the SHA-256 of its sorted prefixes.
    pub digest: String,
}

impl NodeInfo {
    /// Reads what etcd holds.
    ///
    /// # Errors
    /// What makes no sense of it.
    pub fn read(value: &[u8]) -> Result<Self, Garbage> {
        if value.len() > MOST_BYTES {
            return Err(Garbage::new(format!("{} bytes are too many", value.len())));
        }
        let node: Self = serde_json::from_slice(value).map_err(|error| Garbage::new(error.to_string()))?;
        let words = [&node.instance, &node.site, &node.version].into_iter();
        let words = words.chain(node.lists.iter().flat_map(|list| [&list.name, &list.digest]));
        for word in words {
            if word.chars().count() > LONGEST || word.chars().any(char::is_control) {
                return Err(Garbage::new("a word is too long or holds control characters"));
            }
        }
        if node.protects.len() > MOST_NAMED || node.lists.len() > MOST_NAMED {
            return Err(Garbage::new(format!(
                "it names more than {MOST_NAMED} prefixes or lists"
            )));
        }
        Ok(node)
    }

    /// As etcd holds it.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}
