//! The kernel side: maps, programs, interfaces.

use std::{fmt, time::Duration};

use super::{
    families::kernel::{
        ATTACHED, MAP_CAPACITY, MAP_ENTRIES, MAP_MEMORY, RUN_TIME, RUNS, UNPROTECTED, UNPROTECTED_SECONDS,
    },
    writer::Writer,
};
use crate::snapshot::Snapshot;

pub(super) fn kernel(out: &mut Writer<'_>, snapshot: &Snapshot) -> fmt::Result {
    let links = snapshot.links.iter();
    out.each(
        &ATTACHED,
        links.map(|link| ([link.interface.clone(), link.mode.to_string()], true)),
    )?;
    let is_off = |name: &String| snapshot.unprotected.iter().any(|off| off.interface == *name);
    let without = || snapshot.without.iter();
    out.each(&UNPROTECTED, without().map(|(name, _)| ([name.clone()], is_off(name))))?;
    out.each(
        &UNPROTECTED_SECONDS,
        without().map(|(name, without)| ([name.clone()], without.as_secs_f64())),
    )?;
    let fills = || snapshot.fills.iter().map(|fill| ([fill.name.clone()], fill));
    out.each(
        &MAP_ENTRIES,
        fills().filter_map(|(label, fill)| Some((label, fill.used?))),
    )?;
    out.each(&MAP_CAPACITY, fills().map(|(label, fill)| (label, fill.capacity)))?;
    out.each(&MAP_MEMORY, fills().map(|(label, fill)| (label, fill.memory_bytes)))?;
    let programs = || snapshot.programs.iter().map(|stats| ([stats.name.clone()], stats));
    out.each(&RUNS, programs().map(|(label, stats)| (label, stats.run_count)))?;
    let seconds = |nanoseconds| Duration::from_nanos(nanoseconds).as_secs_f64();
    out.each(
        &RUN_TIME,
        programs().map(|(label, stats)| (label, seconds(stats.run_time_ns))),
    )
}
