//! A rate-limited sample of dropped headers: never an event per packet. Samples come in pairs: what is dropped first when one is
//! due, so that a lone packet is seen, and another at random. Were it the first alone, floods that come in bursts (all do, behind a
//! network card) would be known by what each burst begins with.

use aya_ebpf::{
    helpers::generated::{bpf_get_prandom_u32, bpf_xdp_get_buff_len, bpf_xdp_load_bytes},
    programs::XdpContext,
};
use xdp_common::{
    CpuState,
    sample::{SAMPLE_BYTES, Sample},
};
use xdp_ebpf::{Judgement, Tables as _};

use crate::maps::{self, KernelTables};

const ETHERNET_HEADER_LEN: u32 = 14;

/// Sends the packet's headers to user space, if this CPU's turn has come.
#[inline(always)]
pub(crate) fn take(ctx: &XdpContext, tables: &KernelTables<'_>, judgement: &Judgement) {
    let interval_ns = tables.settings().sample_interval_ns;
    if interval_ns == 0 {
        return;
    }
    let now_ns = tables.now_ns();
    if tables.with_cpu(|cpu| is_due(cpu, now_ns, interval_ns)) == Some(true) && !send(ctx, judgement, now_ns) {
        tables.with_cpu(|cpu| cpu.samples_lost += 1);
    }
}

/// True for both of a pair, of which one is due in twice the interval. The second is drawn from as many drops as there were since the
/// pair before: whatever the order in which a flood sends to its targets, and however long its bursts are, each has its share.
#[inline(always)]
fn is_due(cpu: &mut CpuState, now_ns: u64, interval_ns: u64) -> bool {
    if now_ns >= cpu.next_sample_ns {
        cpu.next_sample_ns = now_ns + 2 * interval_ns;
        // SAFETY: takes no argument.
        let drawn = u64::from(unsafe { bpf_get_prandom_u32() });
        // Less than that count, so it is passed once, even by one that stands still at its end.
        cpu.second_sample_at = ((drawn * u64::from(cpu.drops_since_sample)) >> 32) as u16;
        cpu.drops_since_sample = 0;
        return true;
    }
    let is_second = cpu.drops_since_sample == cpu.second_sample_at;
    cpu.drops_since_sample = cpu.drops_since_sample.saturating_add(1);
    is_second
}

#[inline(never)]
fn send(ctx: &XdpContext, judgement: &Judgement, now_ns: u64) -> bool {
    // SAFETY: `ctx.ctx` is the context that the kernel gave this run.
    let frame_len = unsafe { bpf_xdp_get_buff_len(ctx.ctx) } as u32;
    // Never so (a dropped frame had a destination address); it tells the verifier that there is something to copy.
    if frame_len < ETHERNET_HEADER_LEN {
        return false;
    }
    let Some(mut entry) = maps::reserve_sample() else {
        return false;
    };
    let captured = if frame_len > SAMPLE_BYTES as u32 {
        SAMPLE_BYTES as u32
    } else {
        frame_len
    };
    let sample = entry.write(Sample {
        now_ns,
        frame_len,
        ifindex: ctx.ingress_ifindex() as u32,
        slot: judgement.slot(),
        captured: captured as u16,
        reason: judgement.reason as u8,
        reserved: 0,
        bytes: [0; SAMPLE_BYTES],
    });
    // SAFETY: `bytes` has room for `captured` bytes, at most SAMPLE_BYTES.
    let failed = unsafe { bpf_xdp_load_bytes(ctx.ctx, 0, sample.bytes.as_mut_ptr().cast(), captured) };
    if failed != 0 {
        entry.discard(0);
        return false;
    }
    entry.submit(0);
    true
}
