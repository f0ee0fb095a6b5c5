//! The one place that writes counters.

use xdp_common::reason::REASON_SLOTS;
use xdp_ebpf::{Judgement, Tables as _};

use crate::{
    maps::{self, KernelTables},
    verifier::below,
};

/// Counts the verdict for the packet's address.
#[inline(always)]
pub(crate) fn count(tables: &KernelTables<'_>, judgement: &Judgement) {
    let index = below::<REASON_SLOTS>(judgement.reason.index());
    // SAFETY: below the length of the array.
    let round = tables.with_address_cpu(judgement.slot(), |cpu| unsafe { cpu.count(index) });
    if round == Some(true) {
        maps::carry(judgement.slot(), index as u32);
    }
}

/// Counts what a drop verdict came to.
#[inline(always)]
pub(crate) fn count_drop(tables: &KernelTables<'_>, enforce: bool) {
    tables.with_cpu(|cpu| {
        cpu.dropped += u64::from(enforce);
        cpu.would_drop += u64::from(!enforce);
    });
}
