//! The flood generator: an XDP program run by `BPF_PROG_TEST_RUN` with live frames.
//!
//! Each run writes one whole frame (pages are recycled and keep whatever the receiver left in them) and redirects it to the
//! plan's interface. User space decides how many runs there are, and when.
#![no_std]
#![no_main]

use aya_ebpf::{
    bindings::xdp_action::XDP_ABORTED,
    helpers::{bpf_get_prandom_u32, bpf_ktime_get_ns, bpf_redirect, bpf_xdp_adjust_tail},
    macros::{map, xdp},
    maps::{Array, PerCpuArray},
    programs::XdpContext,
};
use lab_ebpf::plan::{
    LONG_SEGMENT, MAX_TARGETS, MIDDLE_SEGMENT, PLAN_V4, PLAN_V6, PROTOCOL_TCP, Plan, Progress, SHORT_SEGMENT,
    SPARE_LEN, SYN_TIMESTAMP_AT, TIMESTAMP_AT,
};

/// One plan per address family. Writer: user space, before the flood.
#[map]
static PLANS: Array<Plan> = Array::with_max_entries(2, 0);

/// One report per CPU. Writer: this program.
#[map]
static PROGRESS: PerCpuArray<Progress> = PerCpuArray::with_max_entries(1, 0);

const ETHERNET_LEN: usize = 14;
const TAG_LEN: usize = 4;
const V4_LEN: usize = 20;
const V6_LEN: usize = 40;

/// Entry point for IPv4 frames.
#[xdp]
fn flood_v4(ctx: XdpContext) -> u32 {
    run::<PLAN_V4, V4_LEN>(&ctx)
}

/// Entry point for IPv6 frames.
#[xdp]
fn flood_v6(ctx: XdpContext) -> u32 {
    run::<PLAN_V6, V6_LEN>(&ctx)
}

#[inline(always)]
fn run<const PLAN: u32, const IP_LEN: usize>(ctx: &XdpContext) -> u32 {
    let (Some(progress), Some(plan)) = (PROGRESS.get_ptr_mut(0), PLANS.get(PLAN)) else {
        return XDP_ABORTED;
    };
    // SAFETY: the slot belongs to this CPU, and a test run is neither preempted by another nor nested in one.
    let progress = unsafe { &mut *progress };
    if progress.random == 0 {
        // SAFETY: the helpers take no pointers.
        let (now, seed) = unsafe { (bpf_ktime_get_ns(), bpf_get_prandom_u32()) };
        progress.first_ns = now;
        progress.random = (u64::from(seed) << 32) | (now & 0xffff_ffff) | 1;
    }
    // SAFETY: the context is the one that the kernel passed; pointers into the packet are made after this.
    let cut = unsafe { bpf_xdp_adjust_tail(ctx.ctx, -(SPARE_LEN as i32)) } == 0;
    let written = match plan.vlan_tags {
        _ if !cut => false,
        0 => write::<ETHERNET_LEN, IP_LEN>(ctx, plan, progress),
        1 => write::<{ ETHERNET_LEN + TAG_LEN }, IP_LEN>(ctx, plan, progress),
        _ => write::<{ ETHERNET_LEN + 2 * TAG_LEN }, IP_LEN>(ctx, plan, progress),
    };
    if !written {
        progress.refused += 1;
        return XDP_ABORTED;
    }
    progress.frames[PLAN as usize] += 1;
    // SAFETY: the helper takes no pointers.
    unsafe { bpf_redirect(plan.interface, 0) as u32 }
}

#[inline(always)]
fn write<const LINK_LEN: usize, const IP_LEN: usize>(ctx: &XdpContext, plan: &Plan, progress: &mut Progress) -> bool {
    if plan.segment_len == LONG_SEGMENT as u32 {
        write_frame::<LINK_LEN, IP_LEN, LONG_SEGMENT>(ctx, plan, progress)
    } else if plan.segment_len == MIDDLE_SEGMENT as u32 {
        write_frame::<LINK_LEN, IP_LEN, MIDDLE_SEGMENT>(ctx, plan, progress)
    } else {
        write_frame::<LINK_LEN, IP_LEN, SHORT_SEGMENT>(ctx, plan, progress)
    }
}

/// Writes the frame; false if the test run's buffer is too short for it.
#[inline(always)]
fn write_frame<const LINK_LEN: usize, const IP_LEN: usize, const SEGMENT_LEN: usize>(
    ctx: &XdpContext,
    plan: &Plan,
    progress: &mut Progress,
) -> bool {
    let start = ctx.data();
    if start + LINK_LEN + IP_LEN + SEGMENT_LEN > ctx.data_end() {
        return false;
    }
    let frame = Frame { start };
    frame.copy(plan, LINK_LEN + IP_LEN + SEGMENT_LEN);
    let addresses = if IP_LEN == V4_LEN {
        write_v4(&frame, LINK_LEN, plan, progress)
    } else {
        write_v6(&frame, LINK_LEN, plan, progress)
    };
    write_segment::<SEGMENT_LEN>(&frame, LINK_LEN + IP_LEN, plan, progress, addresses);
    true
}

/// Writes the IPv4 header's changing fields and returns the sum of both addresses.
#[inline(always)]
fn write_v4(frame: &Frame, at: usize, plan: &Plan, progress: &mut Progress) -> u32 {
    let random = next_random(progress);
    let source = u32::from_be(plan.source[0])
        .wrapping_add(scale(random as u32, plan.source_span))
        .to_be();
    let target = pick_target(plan, random)[0];
    let identification = (random >> 16) as u16;
    let addresses = halves(source) + halves(target);
    frame.put_u16(at + 4, identification);
    frame.put_u16(at + 10, !fold(plan.header_sum + u32::from(identification) + addresses));
    frame.put_u32(at + 12, source);
    frame.put_u32(at + 16, target);
    addresses
}

/// Writes the IPv6 header's changing fields and returns the sum of both addresses.
#[inline(always)]
fn write_v6(frame: &Frame, at: usize, plan: &Plan, progress: &mut Progress) -> u32 {
    let random = next_random(progress);
    let network = u32::from_be(plan.source[1])
        .wrapping_add(scale(random as u32, plan.source_span))
        .to_be();
    let host = if plan.random_host == 0 {
        [plan.source[2], plan.source[3]]
    } else {
        split(next_random(progress))
    };
    let source = [plan.source[0], network, host[0], host[1]];
    let target = pick_target(plan, random);
    let mut addresses = 0;
    let mut word = 0;
    while word < 4 {
        frame.put_u32(at + 8 + 4 * word, source[word]);
        frame.put_u32(at + 24 + 4 * word, target[word]);
        addresses += halves(source[word]) + halves(target[word]);
        word += 1;
    }
    // The flow label, 20 bits; no checksum covers it.
    frame.put_u16(at + 2, (random >> 24) as u16);
    addresses
}

/// Writes the changing fields of the TCP or UDP part, and its checksum.
#[inline(always)]
fn write_segment<const SEGMENT_LEN: usize>(
    frame: &Frame,
    at: usize,
    plan: &Plan,
    progress: &mut Progress,
    addresses: u32,
) {
    let random = next_random(progress);
    let [sequence, timestamp] = split(random);
    let port = random_port(random >> 13);
    let mut sum = plan.segment_sum + addresses + u32::from(port);
    frame.put_u16(at, port);
    if plan.random_port != 0 {
        let port = random_port(random >> 32);
        frame.put_u16(at + 2, port);
        sum += u32::from(port);
    }
    if plan.timestamp_at == SYN_TIMESTAMP_AT && SEGMENT_LEN >= LONG_SEGMENT {
        // A SYN's timestamp, or four bytes of UDP payload.
        frame.put_u32(at + SYN_TIMESTAMP_AT as usize, timestamp);
        sum += halves(timestamp);
    } else if plan.timestamp_at == TIMESTAMP_AT && SEGMENT_LEN >= MIDDLE_SEGMENT {
        frame.put_u32(at + TIMESTAMP_AT as usize, timestamp);
        sum += halves(timestamp);
    }
    if plan.protocol == PROTOCOL_TCP {
        frame.put_u32(at + 4, sequence);
        sum += halves(sequence);
        if plan.random_acknowledgement != 0 {
            let acknowledgement = split(next_random(progress))[0];
            frame.put_u32(at + 8, acknowledgement);
            sum += halves(acknowledgement);
        }
        frame.put_u16(at + 16, !fold(sum));
    } else {
        // RFC 768: a checksum that comes out as zero is sent as all ones, because zero means "none".
        let checksum = !fold(sum);
        frame.put_u16(at + 6, if checksum == 0 { 0xffff } else { checksum });
    }
}

/// A port that no privileged service has, in wire byte order.
#[inline(always)]
fn random_port(random: u64) -> u16 {
    (1024 + scale(random as u32, 64_512) as u16).to_be()
}

/// A frame of which `write_frame` has checked that it is long enough for every offset used here.
struct Frame {
    start: usize,
}

impl Frame {
    /// Copies the template's first `len` bytes, an even number: by words, and what is left by half words.
    #[inline(always)]
    fn copy(&self, plan: &Plan, len: usize) {
        let template = plan.template.as_ptr() as usize;
        let mut at = 0;
        while at + 8 <= len {
            // SAFETY: `write_frame` has compared the frame's end with `len`, which is at most the template's length. The
            // plan is aligned to 8, and so is a test run's frame: the kernel puts it at the start of a page plus headroom.
            unsafe { *((self.start + at) as *mut u64) = *((template + at) as *const u64) };
            at += 8;
        }
        while at < len {
            self.put_u16(at, u16::from_ne_bytes([plan.template[at], plan.template[at + 1]]));
            at += 2;
        }
    }

    #[inline(always)]
    fn put_u16(&self, at: usize, value: u16) {
        // SAFETY: `write_frame` has compared the frame's end with the largest offset, and Ethernet's 14 bytes keep headers
        // even.
        unsafe { *((self.start + at) as *mut u16) = value };
    }

    #[inline(always)]
    fn put_u32(&self, at: usize, value: u32) {
        self.put_u16(at, value as u16);
        self.put_u16(at + 2, (value >> 16) as u16);
    }
}

#[inline(always)]
fn pick_target(plan: &Plan, random: u64) -> [u32; 4] {
    let index = scale((random >> 32) as u32, plan.target_count) as usize & (MAX_TARGETS - 1);
    plan.targets[index]
}

/// xorshift64: a few cycles, where the kernel's helper costs 18 ns.
#[inline(always)]
fn next_random(progress: &mut Progress) -> u64 {
    let mut state = progress.random;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    progress.random = state;
    state
}

/// Maps a random word evenly to 0 .. `span`, without a division.
#[inline(always)]
fn scale(random: u32, span: u32) -> u32 {
    ((u64::from(random) * u64::from(span)) >> 32) as u32
}

#[inline(always)]
fn split(random: u64) -> [u32; 2] {
    [random as u32, (random >> 32) as u32]
}

/// The two 16-bit words of a 32-bit one, added: the Internet checksum does not care about their order.
#[inline(always)]
fn halves(word: u32) -> u32 {
    (word & 0xffff) + (word >> 16)
}

/// A sum of 16-bit words with its carries added back.
#[inline(always)]
fn fold(sum: u32) -> u16 {
    let once = halves(sum);
    halves(once) as u16
}

#[cfg(not(test))]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
