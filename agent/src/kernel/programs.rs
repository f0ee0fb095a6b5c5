//! What the running program costs, as the kernel accounts it (`kernel.bpf_stats_enabled`).

use aya::{
    Ebpf,
    programs::{ProgramInfo, loaded_programs},
};

use super::{form::Form, handshakes, pins::Pins};
use crate::tables::{ProgramStats, Result};

/// Ids of the programs behind the links. All interfaces share one program, except in mid-takeover.
pub(super) fn linked(pins: &Pins) -> Result<Vec<u32>> {
    let mut ids = Vec::new();
    for link in pins.all_links()? {
        let leads = link.leads()?;
        if leads.to.is_some() {
            ids.push(leads.program);
        }
    }
    Ok(ids)
}

/// Run count and time of the programs behind the links, whatever their form, by the name of the usual one. What a program goes on
/// to counts as its own.
///
/// Those that this process loaded it may ask itself; the others take CAP_SYS_ADMIN, and are left out without it.
pub(super) fn stats(pins: &Pins, loaded: Option<&Ebpf>) -> Result<Vec<ProgramStats>> {
    let mut ids: Vec<(u32, &str)> = linked(pins)?.into_iter().map(|id| (id, Form::Whole.entry())).collect();
    ids.extend(handshakes::linked_program(pins).map(|id| (id, handshakes::PROGRAM)));
    ids.sort_unstable();
    ids.dedup();
    let of_ours = loaded.into_iter().flat_map(Ebpf::programs);
    let own: Vec<ProgramInfo> = of_ours
        .filter_map(|(_, program)| program.info().ok())
        .filter(|info| ids.iter().any(|(id, _)| *id == info.id()))
        .collect();
    let is_own = |id: u32| own.iter().any(|info| info.id() == id);
    let all_known = ids.iter().all(|(id, _)| is_own(*id));
    let others = (!all_known).then(loaded_programs).into_iter().flatten();
    let others: Vec<ProgramInfo> = others
        .filter_map(std::result::Result::ok)
        .filter(|info| !is_own(info.id()))
        .collect();
    let named = own.into_iter().chain(others).filter_map(|info| {
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
