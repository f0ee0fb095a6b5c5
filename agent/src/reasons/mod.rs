//! What each reason (a packet's verdict, and the counter of it) means to the person who sees it grow. The one place of it:
//! `agent why`, docs/reasons.md, and whoever shows a counter read it from here. A reason without a text does not compile.

mod malformed;
mod markdown;
mod passed;
mod rates;
mod sources;
mod verify;

use serde::{Deserialize, Serialize};
use xdp_common::Reason;

pub use markdown::markdown;

/// Two names are taken for the same one mistyped from this similarity on (Jaro-Winkler, 1 is equal).
const SIMILAR: f64 = 0.8;

/// The stage that gives a reason, in the order of the packet's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The frame is read, up to its destination address.
    Parse,
    /// Allowlist and blocklist, the large lists included.
    Lists,
    /// Is the destination a protected address?
    Destination,
    /// The address's blackhole.
    Blackhole,
    /// Malformed headers, impossible flags and sources.
    Sanity,
    /// Rates of what is not a SYN, and amplifiers.
    Vectors,
    /// SYN rates: of the source, the address, the group.
    SynRates,
    /// The proof that an address in verify asks of a SYN.
    Verify,
    /// TCP other than SYNs: connections, cookies, answers to challenges.
    OtherTcp,
    /// What no rule objects to.
    End,
}

impl Stage {
    /// All stages in their order.
    pub const ALL: [Self; 10] = [
        Self::Parse,
        Self::Lists,
        Self::Destination,
        Self::Blackhole,
        Self::Sanity,
        Self::Vectors,
        Self::SynRates,
        Self::Verify,
        Self::OtherTcp,
        Self::End,
    ];

    /// Its name for people.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Parse => "reading the frame",
            Self::Lists => "lists of sources",
            Self::Destination => "ours or not",
            Self::Blackhole => "blackhole",
            Self::Sanity => "malformed or impossible",
            Self::Vectors => "rates of what is not a SYN",
            Self::SynRates => "SYN rates",
            Self::Verify => "verify",
            Self::OtherTcp => "TCP other than SYNs",
            Self::End => "no rule objects",
        }
    }
}

/// What an operator should know of a reason. Sentences in plain text; commands stand between backquotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ReasonDoc {
    /// The stage that gives it.
    pub stage: Stage,
    /// What it means, beyond [`Reason::describe`].
    pub means: &'static str,
    /// Why it may grow without an attack.
    pub benign: &'static str,
    /// Why it may grow by an attack.
    pub attack: &'static str,
    /// What to do next.
    pub next: &'static str,
    /// Keys of the configuration that decide it.
    pub settings: &'static [&'static str],
    /// Standards that it follows from.
    pub rfcs: &'static [&'static str],
}

/// The text of a reason.
#[must_use]
pub const fn of(reason: Reason) -> ReasonDoc {
    match reason {
        Reason::NotIp => passed::NOT_IP,
        Reason::Unreadable => passed::UNREADABLE,
        Reason::VlanDepth => passed::VLAN_DEPTH,
        Reason::NotOurs => passed::NOT_OURS,
        Reason::Allowed => sources::ALLOWED,
        Reason::Syn => passed::SYN,
        Reason::Tcp => passed::TCP,
        Reason::Udp => passed::UDP,
        Reason::Icmp => passed::ICMP,
        Reason::Fragment => passed::FRAGMENT,
        Reason::Other => passed::OTHER,
        Reason::BlackholeEstablished => sources::BLACKHOLE_ESTABLISHED,
        Reason::BlackholeReply => sources::BLACKHOLE_REPLY,
        Reason::BlackholeControl => sources::BLACKHOLE_CONTROL,
        Reason::Known => verify::KNOWN,
        Reason::SynKernel => verify::SYN_KERNEL,
        Reason::Blocked => sources::BLOCKED,
        Reason::Blackhole => sources::BLACKHOLE,
        Reason::Ipv4Malformed => malformed::IPV4,
        Reason::Ipv6Malformed => malformed::IPV6,
        Reason::Ipv6Chain => malformed::IPV6_CHAIN,
        Reason::FragmentMalformed => malformed::FRAGMENT,
        Reason::TcpMalformed => malformed::TCP,
        Reason::TcpFlags => malformed::TCP_FLAGS,
        Reason::UdpMalformed => malformed::UDP,
        Reason::IcmpMalformed => malformed::ICMP,
        Reason::ImpossibleSource => malformed::IMPOSSIBLE_SOURCE,
        Reason::SourceRate => rates::SOURCE,
        Reason::AddressRate => rates::ADDRESS,
        Reason::CookieAck => verify::COOKIE_ACK,
        Reason::Retransmitted => verify::RETRANSMITTED,
        Reason::Retry => verify::RETRY,
        Reason::NotKnown => verify::NOT_KNOWN,
        Reason::NoListener => verify::NO_LISTENER,
        Reason::AcceptFull => verify::ACCEPT_FULL,
        Reason::Guard => verify::GUARD,
        Reason::ChallengePassed => verify::CHALLENGE_PASSED,
        Reason::GroupVectorRate => rates::GROUP_VECTOR,
        Reason::ReplyCookie => verify::COOKIE,
        Reason::ReplyCookiePlain => verify::COOKIE_PLAIN,
        Reason::ReplyCookieData => verify::COOKIE_DATA,
        Reason::ReplyCookieMalformed => verify::COOKIE_MALFORMED,
        Reason::ReplyChallenge => verify::CHALLENGE,
        Reason::UdpRate => rates::UDP,
        Reason::IcmpRate => rates::ICMP,
        Reason::OtherRate => rates::OTHER,
        Reason::FragmentRate => rates::FRAGMENT,
        Reason::OutOfState => rates::OUT_OF_STATE,
        Reason::GroupRate => rates::GROUP,
        Reason::AmplifiedDns
        | Reason::AmplifiedNtp
        | Reason::AmplifiedSsdp
        | Reason::AmplifiedCldap
        | Reason::AmplifiedMemcached
        | Reason::AmplifiedChargen
        | Reason::AmplifiedQotd
        | Reason::AmplifiedSnmp
        | Reason::AmplifiedPortmap
        | Reason::AmplifiedNetbios
        | Reason::AmplifiedMdns
        | Reason::AmplifiedWsDiscovery
        | Reason::AmplifiedCoap => rates::AMPLIFIED,
    }
}

/// The reason of this name, however it is written: `tcp_flags`, `tcp-flags`, `TCP flags`.
///
/// # Errors
/// The names that it may have meant, the likeliest first; at most three.
pub fn find(name: &str) -> Result<Reason, Vec<&'static str>> {
    let wanted: String = name.trim().to_lowercase().replace(['-', ' ', '.'], "_");
    if let Some(reason) = Reason::ALL.iter().find(|reason| reason.name() == wanted) {
        return Ok(*reason);
    }
    let mut near: Vec<(f64, &str)> = Reason::ALL
        .iter()
        .map(|reason| (likeness(&wanted, reason.name()), reason.name()))
        .filter(|(likeness, _)| *likeness >= SIMILAR)
        .collect();
    near.sort_by(|left, right| right.0.total_cmp(&left.0));
    near.truncate(3);
    Err(near.into_iter().map(|(_, name)| name).collect())
}

/// A text in lines of at most `width` characters, broken between words.
#[must_use]
pub fn lines(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// A name that holds the other as one of its words is as good as a near one.
fn likeness(wanted: &str, name: &str) -> f64 {
    let word = name.split('_').any(|word| word == wanted);
    let whole = strsim::jaro_winkler(wanted, name);
    if word { whole.max(SIMILAR + 0.1) } else { whole }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_text_is_whole() {
        for reason in Reason::ALL {
            let doc = of(*reason);
            for text in [doc.means, doc.benign, doc.attack, doc.next] {
                assert!(text.ends_with('.'), "{}: {text}", reason.name());
                assert!(
                    !text.contains("  ") && text.chars().all(|c| !c.is_control()),
                    "{}: {text}",
                    reason.name()
                );
                assert_eq!(text.matches('`').count() % 2, 0, "{}: {text}", reason.name());
            }
            for rfc in doc.rfcs {
                assert!(rfc.starts_with("RFC "), "{}: {rfc}", reason.name());
            }
        }
    }

    #[test]
    fn the_settings_exist() {
        let example = crate::config::example::example();
        for reason in Reason::ALL {
            for key in of(*reason).settings {
                let (section, name) = key.rsplit_once('.').unwrap_or(("", key));
                let there = example.lines().any(|line| {
                    let line = line.trim_start_matches(['#', ' ']);
                    line.strip_prefix(name)
                        .is_some_and(|rest| rest.trim_start().starts_with('='))
                });
                let heading = section.is_empty()
                    || example.contains(&format!("[{section}]"))
                    || example.contains(&format!("[[{section}]]"));
                assert!(there && heading, "{}: no setting {key}", reason.name());
            }
        }
    }

    #[test]
    fn every_stage_gives_something() {
        let met: BTreeSet<Stage> = Reason::ALL.iter().map(|reason| of(*reason).stage).collect();
        assert!(met.into_iter().eq(Stage::ALL));
    }

    #[test]
    fn names_are_found_and_guessed() {
        assert_eq!(find("tcp_flags"), Ok(Reason::TcpFlags));
        assert_eq!(find(" TCP-Flags "), Ok(Reason::TcpFlags));
        assert!(find("sorce_rate").expect_err("mistyped").starts_with(&["source_rate"]));
        assert!(find("memcached").expect_err("a part").contains(&"amplified_memcached"));
        assert_eq!(find("\u{1b}[31m"), Err(Vec::new()));
    }

    #[test]
    fn lines_are_short_and_nothing_is_lost() {
        let text = of(Reason::Blocked).means;
        let lines = lines(text, 60);
        assert!(lines.iter().all(|line| line.chars().count() <= 60));
        assert!(lines.join(" ").split(' ').eq(text.split_whitespace()));
    }
}
