//! Lists of sources.

use std::fmt;

use super::{
    families::lists::{AGE, CONFLICTS, ENTRIES, HEALTHY, INVALID, LIST_PACKETS, PREFIXES},
    writer::Writer,
};
use crate::{feeds::state::ListState, snapshot::Snapshot, tables::ListAction};

pub(super) fn lists(out: &mut Writer<'_>, snapshot: &Snapshot) -> fmt::Result {
    let entries = &snapshot.kernel.entries;
    let counts = [ListAction::Allow, ListAction::Block].map(|action| {
        let count = entries.values().filter(|entry| entry.action == action).count();
        ([action.to_string()], count)
    });
    out.each(&ENTRIES, counts)?;
    let packets = snapshot.list_packets.iter().map(|list| {
        let labels = [list.head.name.clone(), list.head.action.to_string()];
        (labels, list.packets)
    });
    out.each(&LIST_PACKETS, packets)?;
    let lists = || snapshot.lists.iter();
    let prefixes = lists().flat_map(|list| {
        [("ipv4", list.v4), ("ipv6", list.v6)].map(|(family, count)| ([list.name.clone(), family.to_owned()], count))
    });
    out.each(&PREFIXES, prefixes)?;
    let label = |list: &ListState| [list.name.clone()];
    out.each(&INVALID, lists().map(|list| (label(list), list.invalid)))?;
    out.each(&CONFLICTS, lists().map(|list| (label(list), list.conflicts)))?;
    let now = snapshot.now.wall;
    out.each(
        &AGE,
        lists().filter_map(|list| Some((label(list), list.age_seconds(now)?))),
    )?;
    out.each(&HEALTHY, lists().map(|list| (label(list), list.warning(now).is_none())))
}
