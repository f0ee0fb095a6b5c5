//! The packet table: what a row is, and all of them.

use xdp_common::Reason;

use crate::{decided, malformed, well_formed};

pub(crate) const V4: &str = "198.51.100.10";
pub(crate) const V6: &str = "2001:db8:1::10";
pub(crate) const CLIENT4: &str = "203.0.113.7";
pub(crate) const CLIENT6: &str = "2001:db8:2::7";
/// Blackholed, but not for what was there before; not on this host.
pub(crate) const HOLE4: &str = "198.51.100.20";
pub(crate) const HOLE6: &str = "2001:db8:1::20";
/// Blackholed for everything.
pub(crate) const HOLE_ALL4: &str = "198.51.100.21";
/// Blackholed, and of this host: its (absent) sockets are asked.
pub(crate) const HOLE_LOCAL4: &str = "198.51.100.22";
/// Blackholed once.
pub(crate) const HOLE_PAST4: &str = "198.51.100.23";

/// One row: what it shows, the frame, the address it counts for (`None`: none of ours), the reason.
pub(crate) struct Row(
    pub(crate) &'static str,
    pub(crate) Vec<u8>,
    pub(crate) Option<&'static str>,
    pub(crate) Reason,
);

/// The same row for both families.
pub(crate) fn both(what: &'static str, make: impl Fn(&str, &str) -> Vec<u8>, reason: Reason) -> [Row; 2] {
    [
        Row(what, make(CLIENT4, V4), Some(V4), reason),
        Row(what, make(CLIENT6, V6), Some(V6), reason),
    ]
}

pub(crate) fn ours(what: &'static str, frame: Vec<u8>, address: &'static str, reason: Reason) -> Row {
    Row(what, frame, Some(address), reason)
}

pub(crate) fn table() -> Vec<Row> {
    let mut rows = Vec::new();
    rows.extend(well_formed::header_stacks());
    rows.extend(well_formed::transports());
    rows.extend(malformed::ipv4());
    rows.extend(malformed::ipv6());
    rows.extend(malformed::transports());
    rows.extend(malformed::fragments());
    rows.extend(malformed::impossible());
    rows.extend(decided::lists());
    rows.extend(decided::blackholes());
    rows
}
