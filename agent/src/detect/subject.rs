//! What signals and attacks are told of: a protected address, or a group of them.

use std::{fmt, net::IpAddr, str::FromStr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// One address or one group. As text: `203.0.113.7`, or `group 203.0.113.0/24`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Subject {
    /// A protected address.
    Address(IpAddr),
    /// A group, by its prefix.
    Group(IpNet),
}

/// What stands before a group's prefix in text.
const GROUP: &str = "group ";

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "{address}"),
            Self::Group(prefix) => write!(f, "{GROUP}{prefix}"),
        }
    }
}

impl From<Subject> for String {
    fn from(subject: Subject) -> Self {
        subject.to_string()
    }
}

impl FromStr for Subject {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let unclear = || format!("\"{text}\" is neither an address nor \"group PREFIX\"");
        match text.strip_prefix(GROUP) {
            Some(prefix) => prefix.parse().map(Self::Group).map_err(|_| unclear()),
            None => text.parse().map(Self::Address).map_err(|_| unclear()),
        }
    }
}

impl TryFrom<String> for Subject {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        for text in [
            "203.0.113.7",
            "2001:db8::7",
            "group 203.0.113.0/24",
            "group 2001:db8::/64",
        ] {
            assert_eq!(
                text.parse::<Subject>().map(|subject| subject.to_string()),
                Ok(text.to_owned())
            );
        }
        assert!("203.0.113.0/24".parse::<Subject>().is_err());
    }
}
