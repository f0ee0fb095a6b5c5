//! Answers about the large lists.

use jiff::Timestamp;

use crate::{
    clock::Now,
    control::api::LargeListView,
    decide::Refusal,
    feeds::state::ListState,
    snapshot::Snapshot,
    tables::{KernelTables, ListPackets},
};

/// Every list of the configuration, in its order.
#[must_use]
pub fn large_lists(snapshot: &Snapshot) -> Vec<LargeListView> {
    let now = snapshot.now.wall;
    let view = |state: &ListState| {
        let packets = snapshot.list_packets.iter().find(|list| list.head.name == state.name);
        LargeListView {
            name: state.name.clone(),
            action: state.action,
            from: Some(state.from.clone()),
            v4: state.v4 as u64,
            v6: state.v6 as u64,
            packets: packets.map_or(0, |list| list.packets),
            invalid: Some(state.invalid),
            invalid_lines: state.told.iter().map(ToString::to_string).collect(),
            conflicts: Some(state.conflicts),
            read: state.read,
            age_seconds: state.age_seconds(now),
            until: state.until,
            problem: state.problem.clone(),
            next: Some(state.next),
        }
    };
    snapshot.lists.iter().map(view).collect()
}

/// The lists that the kernel holds, while the daemon is dead.
///
/// # Errors
/// If the kernel refuses a read.
pub fn large_lists_of_kernel(tables: &dyn KernelTables, now: Now) -> Result<Vec<LargeListView>, Refusal> {
    let view = |ListPackets { head, packets }: ListPackets| {
        let read = i64::try_from(head.read_at)
            .ok()
            .and_then(|at| Timestamp::from_second(at).ok());
        LargeListView {
            name: head.name,
            action: head.action,
            from: None,
            v4: u64::from(head.v4),
            v6: u64::from(head.v6),
            packets,
            invalid: None,
            invalid_lines: Vec::new(),
            conflicts: None,
            read,
            age_seconds: read.map(|read| now.wall.duration_since(read).as_secs().max(0)),
            until: head.until.map(|mono| now.wall_of(mono)),
            problem: None,
            next: None,
        }
    };
    Ok(tables.lists()?.into_iter().map(view).collect())
}
