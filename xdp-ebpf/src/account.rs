//! The one place that writes counters.

use xdp_ebpf::Judgement;

use crate::maps;

/// Counts the verdict for the packet's address.
#[inline(always)]
pub(crate) fn count(judgement: &Judgement) {
    if let Some(cpu) = maps::address_cpu(judgement.slot) {
        cpu.packets[judgement.reason.index()] += 1;
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
