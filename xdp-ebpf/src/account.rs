//! The one place that writes counters.

use xdp_common::reason::REASON_SLOTS;
use xdp_ebpf::{Judgement, Tables as _};

use crate::{maps::KernelTables, verifier::below};

/// Counts the verdict for the packet's address.
#[inline(always)]
pub(crate) fn count(tables: &KernelTables<'_>, judgement: &Judgement) {
    tables.with_address_cpu(judgement.slot(), |cpu| {
        let index = below::<REASON_SLOTS>(judgement.reason.index());
        // SAFETY: below the length of the array; checking again would bring in the code that panics.
        unsafe { *cpu.packets.get_unchecked_mut(index) += 1 };
    });
}

/// Counts what a drop verdict came to.
#[inline(always)]
pub(crate) fn count_drop(tables: &KernelTables<'_>, enforce: bool) {
    tables.with_cpu(|cpu| {
        cpu.dropped += u64::from(enforce);
        cpu.would_drop += u64::from(!enforce);
    });
}
