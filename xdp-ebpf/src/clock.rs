//! CLOCK_MONOTONIC at the price of a jiffy counter: read once a jiffy on each CPU, and remembered.

use aya_ebpf::helpers::generated::{bpf_jiffies64, bpf_ktime_get_ns};
use xdp_common::{CpuState, source::PROMOTIONS_PER_TICK};

/// CLOCK_MONOTONIC in ns, at most a jiffy old (1 to 10 ms, by the kernel's `CONFIG_HZ`).
#[inline(always)]
pub(crate) fn now_ns(cpu: &mut CpuState) -> u64 {
    // SAFETY: takes no argument; the verifier replaces the call by a load.
    let jiffy = unsafe { bpf_jiffies64() };
    if cpu.jiffy != jiffy {
        cpu.jiffy = jiffy;
        // SAFETY: takes no argument.
        cpu.now_ns = unsafe { bpf_ktime_get_ns() };
        cpu.promotions_left = u64::from(PROMOTIONS_PER_TICK);
    }
    cpu.now_ns
}
