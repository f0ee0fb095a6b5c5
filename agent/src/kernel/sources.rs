//! Reads the records of heavy sources.

use std::collections::HashMap;

use xdp_common::{Address, SourceLocal, map_name};

use super::{convert, maps::Maps};
use crate::tables::{MonotonicNs, Result, SourceUsage};

/// Every record, with what CPUs hold of it and have not settled yet.
pub(super) fn read(maps: &Maps) -> Result<Vec<SourceUsage>> {
    let pending = pending(maps)?;
    let mut usages = Vec::new();
    for item in maps.sources.iter() {
        let (source, record) = item.map_err(|error| convert::failed("read", map_name::SOURCES, &error))?;
        let (admitted, dropped) = pending.get(&source).copied().unwrap_or_default();
        usages.push(SourceUsage {
            source: convert::source_prefix(source),
            syns_within: record.admitted.wrapping_add(admitted),
            syns_over: record.dropped.wrapping_add(dropped),
            since: MonotonicNs(record.since_ns),
            last: MonotonicNs(record.last_ns),
        });
    }
    Ok(usages)
}

/// How many records there are.
pub(super) fn len(maps: &Maps) -> Result<u64> {
    let keys = maps.sources.keys().collect::<std::result::Result<Vec<_>, _>>();
    keys.map(|keys| keys.len() as u64)
        .map_err(|error| convert::failed("read", map_name::SOURCES, &error))
}

/// Admitted and dropped SYNs of each source that the CPUs still hold.
fn pending(maps: &Maps) -> Result<HashMap<Address, (u64, u64)>> {
    let mut pending: HashMap<Address, (u64, u64)> = HashMap::new();
    for slot in maps.source_local.iter() {
        let cpus = slot.map_err(|error| convert::failed("read", map_name::SOURCE_LOCAL, &error))?;
        for local in cpus
            .iter()
            .filter(|local: &&SourceLocal| (local.admitted | local.dropped) != 0)
        {
            let sum = pending.entry(local.source).or_default();
            sum.0 += local.admitted;
            sum.1 += local.dropped;
        }
    }
    Ok(pending)
}
