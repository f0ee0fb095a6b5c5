//! `[upstream]`: how the network above is asked to drop what goes to an address. Written here as in the file, and as the policy
//! that it comes to.

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
    path::{Path, PathBuf},
    str::FromStr,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Problem, resolve::quoted, units::BitRate};

/// Stands for a file where there is none.
const OFF: &str = "off";

/// Asks the network above to drop what goes to an address, through BIRD 2 on this host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(inline)]
pub struct UpstreamSection {
    /// The file with the routes, which this agent writes and BIRD includes: docs/upstream.md shows what
    /// belongs into BIRD's configuration. "off": nobody is asked, and the rung upstream cannot be taken.
    pub include: String,
    /// BIRD's control socket.
    pub socket: PathBuf,
    /// What is announced: "blackhole", the address as a route with `communities`, and everything that
    /// goes there is dropped above; or "flowspec", a rule that only its SYNs meet.
    pub announce: AnnounceKind,
    /// BGP communities of a blackhole route, such as "64500:666" or, large, "64500:666:1". The one that
    /// RFC 7999 names for this is 65535:666; ask your provider for theirs.
    pub communities: Vec<Community>,
    /// Next hop of an IPv4 blackhole route; BIRD's own choice when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["192.0.2.1"]))]
    pub next_hop4: Option<Ipv4Addr>,
    /// The same for IPv6.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["100::1"]))]
    pub next_hop6: Option<Ipv6Addr>,
    /// What a FlowSpec rule leaves of the SYNs to an address, in bits per second; nothing when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["10M/s"]))]
    pub flowspec_rate: Option<BitRate>,
    /// BIRD's tables: of IPv4 and IPv6 routes, and of FlowSpec rules.
    pub table4: String,
    /// See table4.
    pub table6: String,
    /// See table4.
    pub flow4_table: String,
    /// See table4.
    pub flow6_table: String,
    /// BIRD's BGP protocols that have to announce a route before it counts as announced; any one of
    /// them when left out.
    #[schemars(extend("examples" = [["provider1"]]))]
    pub sessions: Vec<String>,
    /// Routes at once, and new ones within an hour, at most: 1 to 1,000. `agent rung --force` goes
    /// past them; addresses that climb by themselves never do.
    pub at_once: u32,
    /// See at_once.
    pub per_hour: u32,
}

impl Default for UpstreamSection {
    fn default() -> Self {
        Self {
            include: OFF.to_owned(),
            socket: "/run/bird/bird.ctl".into(),
            announce: AnnounceKind::Blackhole,
            communities: vec![Community::BLACKHOLE],
            next_hop4: None,
            next_hop6: None,
            flowspec_rate: None,
            table4: "master4".to_owned(),
            table6: "master6".to_owned(),
            flow4_table: "flowtab4".to_owned(),
            flow6_table: "flowtab6".to_owned(),
            sessions: Vec::new(),
            at_once: 4,
            per_hour: 12,
        }
    }
}

/// What is announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum AnnounceKind {
    /// The address as a route that is dropped (RFC 7999).
    Blackhole,
    /// A rule for SYNs to the address (RFC 8955, RFC 8956).
    Flowspec,
}

impl AnnounceKind {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Blackhole => "blackhole",
            Self::Flowspec => "flowspec",
        }
    }
}

/// A BGP community (RFC 1997), or a large one (RFC 8092).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Community {
    /// Two numbers of 16 bits.
    Standard([u16; 2]),
    /// Three numbers of 32 bits.
    Large([u32; 3]),
}

impl Community {
    /// BLACKHOLE (RFC 7999, section 5).
    pub const BLACKHOLE: Self = Self::Standard([65_535, 666]);
}

impl fmt::Display for Community {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Standard([asn, value]) => write!(f, "{asn}:{value}"),
            Self::Large([asn, first, second]) => write!(f, "{asn}:{first}:{second}"),
        }
    }
}

impl FromStr for Community {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let unclear = || {
            format!(
                "\"{text}\" is no BGP community: write two numbers up to 65535, as in \"64500:666\", or three as in \"64500:666:1\""
            )
        };
        let parts: Vec<&str> = text.trim().split(':').collect();
        match parts[..] {
            [asn, value] => match (asn.parse(), value.parse()) {
                (Ok(asn), Ok(value)) => Ok(Self::Standard([asn, value])),
                _ => Err(unclear()),
            },
            [asn, first, second] => match (asn.parse(), first.parse(), second.parse()) {
                (Ok(asn), Ok(first), Ok(second)) => Ok(Self::Large([asn, first, second])),
                _ => Err(unclear()),
            },
            _ => Err(unclear()),
        }
    }
}

impl Serialize for Community {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Community {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Community {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Community".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "pattern": r"^\d+:\d+(:\d+)?$"})
    }
}

/// How the network above is asked; there is one only where it can be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamPolicy {
    /// The file with the routes.
    pub include: PathBuf,
    /// As it is written, but for that.
    pub section: UpstreamSection,
}

/// The policy, and everything that is wrong with the section.
pub(super) fn resolve(section: &UpstreamSection, problems: &mut Vec<Problem>) -> Option<UpstreamPolicy> {
    if section.include == OFF {
        return None;
    }
    for (key, path) in [
        ("upstream.include", Path::new(&section.include)),
        ("upstream.socket", &section.socket),
    ] {
        if !path.is_absolute() {
            let message = "is not an absolute path; begin it with /";
            problems.push(Problem::new(key, quoted(&path.to_string_lossy()), message));
        }
    }
    for (key, value) in [
        ("upstream.at_once", section.at_once),
        ("upstream.per_hour", section.per_hour),
    ] {
        if !(1..=1_000).contains(&value) {
            problems.push(Problem::new(
                key,
                value,
                "is out of range; write a number from 1 to 1000",
            ));
        }
    }
    let named = [
        ("upstream.table4", &section.table4),
        ("upstream.table6", &section.table6),
        ("upstream.flow4_table", &section.flow4_table),
        ("upstream.flow6_table", &section.flow6_table),
    ];
    let sessions = section.sessions.iter().map(|name| ("upstream.sessions", name));
    for (key, name) in named.into_iter().chain(sessions) {
        if !is_symbol(name) {
            let message = "is no name of BIRD's: letters, digits and underscores, and no digit first";
            problems.push(Problem::new(key, quoted(name), message));
        }
    }
    if section.announce == AnnounceKind::Blackhole && section.communities.is_empty() {
        let message = "is empty: without a community the route would draw traffic instead of dropping it; 65535:666 is RFC 7999's";
        problems.push(Problem::without_value("upstream.communities", message));
    }
    Some(UpstreamPolicy {
        include: section.include.clone().into(),
        section: section.clone(),
    })
}

/// What BIRD's grammar takes for a name without quotes: nothing else may get into its configuration.
fn is_symbol(name: &str) -> bool {
    let begins = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    begins && name.len() <= 64 && name.chars().all(|char| char.is_ascii_alphanumeric() || char == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn communities_read_back_and_others_are_refused() {
        for text in ["65535:666", "0:0", "64500:666:1", "4294967295:0:4294967295"] {
            assert_eq!(
                text.parse::<Community>().map(|community| community.to_string()),
                Ok(text.to_owned())
            );
        }
        for text in [
            "",
            "666",
            "65536:1",
            "1:2:3:4",
            "a:b",
            "1:-1",
            "4294967296:0:0",
            "65535:666); reject",
        ] {
            text.parse::<Community>().expect_err(text);
        }
    }

    #[test]
    fn nothing_but_a_name_gets_into_birds_configuration() {
        let mut problems = Vec::new();
        let section = UpstreamSection {
            include: "/etc/bird/levee.conf".to_owned(),
            table4: "master4; }".to_owned(),
            sessions: vec!["up\"".to_owned(), "provider1".to_owned()],
            at_once: 0,
            communities: Vec::new(),
            ..UpstreamSection::default()
        };
        resolve(&section, &mut problems);
        let keys: Vec<&str> = problems.iter().map(|problem| problem.key.as_str()).collect();
        assert_eq!(
            keys,
            [
                "upstream.at_once",
                "upstream.table4",
                "upstream.sessions",
                "upstream.communities"
            ]
        );
    }

    #[test]
    fn off_is_off() {
        let mut problems = Vec::new();
        assert_eq!(resolve(&UpstreamSection::default(), &mut problems), None);
        assert_eq!(problems.len(), 0);
    }
}
