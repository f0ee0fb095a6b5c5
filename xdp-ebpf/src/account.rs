//! The one place that writes counters.

use xdp_common::reason::REASON_SLOTS;
use xdp_ebpf::Judgement;

use crate::{maps, verifier::below};

/// Counts the verdict for the packet's address.
#[inline(always)]
pub(crate) fn count(judgement: &Judgement) {
    if let Some(cpu) = maps::address_cpu(judgement.slot) {
        let index = below::<REASON_SLOTS>(judgement.reason.index());
        // SAFETY: below the length of the array; checking again would bring in the code that panics.
        unsafe { *cpu.packets.get_unchecked_mut(index) += 1 };
    }
}

/// Counts what a drop verdict came to.
#[inline(always)]
pub(crate) fn count_drop(enforce: bool) {
    if let Some(cpu) = maps::cpu_state() {
        if enforce {
            cpu.dropped += 1;
        } else {
            cpu.would_drop += 1;
        }
    }
}
