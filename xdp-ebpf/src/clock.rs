//! CLOCK_MONOTONIC at the price of a jiffy counter: read once a jiffy on each CPU, and remembered.

use aya_ebpf::helpers::generated::{bpf_jiffies64, bpf_ktime_get_ns};
use xdp_common::{
    CpuState, Settings, counter::EXHAUSTED, known, listener::LOOKUPS_PER_TICK, retry::WINDOW_NS,
    source::PROMOTIONS_PER_TICK,
};

const MILLISECOND_NS: u64 = 1_000_000;

/// CLOCK_MONOTONIC in ns, at most a jiffy old (1 to 10 ms, by the kernel's `CONFIG_HZ`).
#[inline(always)]
pub(crate) fn now_ns(cpu: &mut CpuState, settings: &Settings) -> u64 {
    // SAFETY: takes no argument; the verifier replaces the call by a load.
    let jiffy = unsafe { bpf_jiffies64() };
    if cpu.jiffy != jiffy {
        cpu.jiffy = jiffy;
        tick(cpu, settings);
    }
    cpu.now_ns
}

/// What begins anew with each jiffy.
#[inline(never)]
fn tick(cpu: &mut CpuState, settings: &Settings) {
    // SAFETY: takes no argument.
    let now_ns = unsafe { bpf_ktime_get_ns() };
    cpu.budget.refill(now_ns - cpu.now_ns, settings.answers_per_s);
    cpu.now_ns = now_ns;
    cpu.now_ms = now_ns / MILLISECOND_NS;
    cpu.window = now_ns / WINDOW_NS;
    cpu.known_epoch = known::epoch(now_ns, settings.known_ticks);
    cpu.promotions_left = u64::from(PROMOTIONS_PER_TICK);
    cpu.lookups_left = u64::from(LOOKUPS_PER_TICK);
    cpu.exhausted = [0; EXHAUSTED];
}
