//! The lists, what is made by hand beside them, and what each source meets.

use agent::tables::ListAction;
use xdp_common::Reason;

pub(crate) const V4: &str = "198.51.100.10";
pub(crate) const V6: &str = "2001:db8:1::10";
/// Takes ten SYNs, then one a second; the excess is dropped.
pub(crate) const SMALL: &str = "198.51.100.11";
/// Makes SYNs prove their sources by a challenge, at its rate or not.
pub(crate) const VERIFIED: &str = "198.51.100.12";

/// A list: name, action, whether it has ended, prefixes. In the order of the configuration.
pub(crate) const LISTS: [(&str, ListAction, bool, &[&str]); 3] = [
    (
        "first",
        ListAction::Block,
        false,
        &[
            "10.0.0.0/8",
            "172.16.0.0/12",
            "192.0.2.0/24",
            "203.0.113.66/32",
            "2001:db8:bad::/48",
            "2001:db8:bad:5:1::/80",
            "fd12::/32",
        ],
    ),
    (
        "second",
        ListAction::Allow,
        false,
        &[
            "10.1.0.0/16",
            "192.0.2.0/24",
            "2001:db8:bad:1::/64",
            "2001:db8:bad:2::9/128",
            "fd12:0:1::/48",
        ],
    ),
    (
        "third",
        ListAction::Block,
        true,
        &["198.18.0.0/15", "10.1.5.0/24", "fd12:0:1:2::/64"],
    ),
];

/// Made by hand: prefix, action, whether it has ended.
pub(crate) const BY_HAND: [(&str, ListAction, bool); 5] = [
    ("10.1.2.0/24", ListAction::Block, false),
    ("10.2.0.0/16", ListAction::Allow, false),
    ("10.4.0.0/16", ListAction::Allow, true),
    ("172.16.0.0/12", ListAction::Allow, false),
    ("2001:db8:bad:1:8::/80", ListAction::Block, false),
];

/// One row: what it shows, the source, the reason that its SYN meets, the list that counts it.
pub(crate) struct Row(
    pub(crate) &'static str,
    pub(crate) &'static str,
    pub(crate) Reason,
    pub(crate) Option<&'static str>,
);

pub(crate) const ROWS: [Row; 21] = [
    Row("in a list that blocks", "10.0.0.1", Reason::Blocked, Some("first")),
    Row("one address", "203.0.113.66", Reason::Blocked, Some("first")),
    Row("beside it", "203.0.113.67", Reason::Syn, None),
    Row(
        "a longer prefix of another list",
        "10.1.0.1",
        Reason::Allowed,
        Some("second"),
    ),
    Row("a longer one made by hand, in both", "10.1.2.1", Reason::Blocked, None),
    Row(
        "allowed by hand in a list that blocks",
        "10.2.3.4",
        Reason::Allowed,
        None,
    ),
    Row(
        "its end reached, the list around it",
        "10.4.3.4",
        Reason::Blocked,
        Some("first"),
    ),
    Row(
        "the same prefix by hand and in a list",
        "172.17.0.1",
        Reason::Allowed,
        None,
    ),
    Row(
        "the same prefix in two lists",
        "192.0.2.9",
        Reason::Blocked,
        Some("first"),
    ),
    Row("a list that has ended", "198.18.0.1", Reason::Syn, None),
    Row(
        "an ended list's prefix hides the shorter one",
        "10.1.5.1",
        Reason::Syn,
        None,
    ),
    Row("in no list", "8.8.8.8", Reason::Syn, None),
    Row(
        "IPv6, in a list that blocks",
        "2001:db8:bad:ffff::1",
        Reason::Blocked,
        Some("first"),
    ),
    Row(
        "IPv6, a longer prefix of another list",
        "2001:db8:bad:1::1",
        Reason::Allowed,
        Some("second"),
    ),
    Row(
        "IPv6, longer than /64 by hand",
        "2001:db8:bad:1:8::1",
        Reason::Blocked,
        None,
    ),
    Row(
        "IPv6, longer than /64 in a list",
        "2001:db8:bad:2::9",
        Reason::Allowed,
        Some("second"),
    ),
    Row("beside it", "2001:db8:bad:2::8", Reason::Blocked, Some("first")),
    Row(
        "IPv6, longer than /64, the same list",
        "2001:db8:bad:5:1::7",
        Reason::Blocked,
        Some("first"),
    ),
    Row(
        "IPv6 outside of 2000::/3",
        "fd12:0:ffff::1",
        Reason::Blocked,
        Some("first"),
    ),
    Row(
        "there, a longer prefix of another list",
        "fd12:0:1::1",
        Reason::Allowed,
        Some("second"),
    ),
    Row(
        "there, an ended list's prefix gives way",
        "fd12:0:1:2::1",
        Reason::Allowed,
        Some("second"),
    ),
];
