//! What the running program costs, as the kernel accounts it (`kernel.bpf_stats_enabled`).

use aya::programs::{
    links::{FdLink, PinnedLink},
    loaded_programs,
};

use super::{attach::PROGRAM, handshakes, load::with_causes, pins::Pins};
use crate::tables::{ProgramStats, Result, TableError};

/// Ids of the programs behind the links. All interfaces share one program, except in mid-takeover.
pub(super) fn linked(pins: &Pins) -> Result<Vec<u32>> {
    let mut ids = Vec::new();
    for link in pins.links()? {
        let Some((_, path)) = pins.existing_link(&link.interface) else {
            continue;
        };
        let id = PinnedLink::from_pin(&path)
            .and_then(|pinned| FdLink::from(pinned).info())
            .map(|info| info.program_id())
            .map_err(|error| {
                TableError::Kernel(format!("cannot inspect {}: {}", path.display(), with_causes(&error)))
            })?;
        ids.push(id);
    }
    Ok(ids)
}

/// Run count and time of the programs behind the links. What a program goes on to counts as its own.
pub(super) fn stats(pins: &Pins) -> Result<Vec<ProgramStats>> {
    let mut ids: Vec<(u32, &str)> = linked(pins)?.into_iter().map(|id| (id, PROGRAM)).collect();
    ids.extend(handshakes::linked_program(pins).map(|id| (id, handshakes::PROGRAM)));
    ids.sort_unstable();
    ids.dedup();
    let named = loaded_programs()
        .filter_map(std::result::Result::ok)
        .filter_map(|info| {
            let (_, name) = ids.iter().find(|(id, _)| *id == info.id())?;
            Some((*name, info))
        });
    Ok(named
        .map(|(name, info)| ProgramStats {
            name: name.to_owned(),
            run_count: info.run_count(),
            run_time_ns: u64::try_from(info.run_time().as_nanos()).unwrap_or(u64::MAX),
        })
        .collect())
}
