//! A rate-limited sample of dropped headers: never an event per packet.

use aya_ebpf::{
    helpers::generated::{bpf_xdp_get_buff_len, bpf_xdp_load_bytes},
    programs::XdpContext,
};
use xdp_common::sample::{SAMPLE_BYTES, Sample};
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
    let turn = tables.with_cpu(|cpu| {
        let turn = now_ns >= cpu.next_sample_ns;
        if turn {
            cpu.next_sample_ns = now_ns + interval_ns;
        }
        turn
    });
    if turn == Some(true) && !send(ctx, judgement, now_ns) {
        tables.with_cpu(|cpu| cpu.samples_lost += 1);
    }
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
