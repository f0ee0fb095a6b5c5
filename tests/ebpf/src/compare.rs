//! What the benchmarks compare with: the least that a filter can do, and Levee with what it avoids.
#![no_std]
#![no_main]

use aya_ebpf::{
    bindings::xdp_action::{XDP_ABORTED, XDP_DROP, XDP_PASS},
    macros::{map, xdp},
    maps::{LruHashMap, PerCpuArray, ProgramArray},
    programs::XdpContext,
};
use lab_ebpf::range::SPOOFED_V4;

const ETHERNET_LEN: usize = 14;
const V4_LEN: usize = 20;
const V6_LEN: usize = 40;
const TCP_LEN: usize = 20;
const TCP: u8 = 6;
const SYN: u8 = 0x02;
const ACK: u8 = 0x10;

/// As many sources as Levee keeps exact records of by default. Writer: `lru_then_levee`.
#[map]
static SEEN: LruHashMap<[u8; 16], u64> = LruHashMap::with_max_entries(65_536, 0);

/// State of a random number generator. Writer: `random_source`.
#[map]
static RANDOM: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

/// Slot 0: the program to measure. Writer: user space, before the measurement.
#[map]
static NEXT: ProgramArray = ProgramArray::with_max_entries(1, 0);

/// Parses Ethernet, IP without options and TCP; drops a SYN, passes all else.
#[xdp(frags)]
fn bare(ctx: XdpContext) -> u32 {
    match tcp_flags(&ctx) {
        Some(flags) if flags & (SYN | ACK) == SYN => XDP_DROP,
        _ => XDP_PASS,
    }
}

/// Drops what comes from where the flood comes from, and nothing else: the most that any defence could do.
#[xdp(frags)]
fn ceiling(ctx: XdpContext) -> u32 {
    match read::<[u8; 4]>(&ctx, ETHERNET_LEN + 12) {
        Some(source) if SPOOFED_V4.contains(u32::from_be_bytes(source)) => XDP_DROP,
        _ => XDP_PASS,
    }
}

/// One insertion into an LRU hash map for the source of each packet, as limiters of this field do; then Levee.
#[xdp(frags)]
fn lru_then_levee(ctx: XdpContext) -> u32 {
    if let Some(source) = source(&ctx) {
        // A full map evicts; there is no other failure that a benchmark could act on.
        let _inserted = SEEN.insert(source, 1u64, 0);
    }
    next(&ctx)
}

/// Writes a random IPv4 source into the packet, then the next program: a test run with a spoofed flood's sources.
#[xdp(frags)]
fn random_source(ctx: XdpContext) -> u32 {
    let from = ctx.data() + ETHERNET_LEN + 12;
    if from + 4 > ctx.data_end() {
        return XDP_ABORTED;
    }
    let Some(state) = RANDOM.get_ptr_mut(0) else {
        return XDP_ABORTED;
    };
    // SAFETY: this CPU's element, and four bytes within the packet. The step is Marsaglia's xorshift64.
    unsafe {
        let mut random = *state | 1;
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        *state = random;
        // 64.0.0.0/3, like the live flood.
        let [a, b, c, d] = (0x4000_0000 | (random as u32 >> 3)).to_be_bytes();
        (from as *mut [u8; 4]).write_unaligned([a, b, c, d]);
    }
    next(&ctx)
}

#[inline(always)]
fn next(ctx: &XdpContext) -> u32 {
    // SAFETY: the slot holds an XDP program; the call returns only if it is empty.
    unsafe { NEXT.tail_call(ctx, 0) };
    XDP_ABORTED
}

/// The flag byte of a TCP segment behind plain headers.
#[inline(always)]
fn tcp_flags(ctx: &XdpContext) -> Option<u8> {
    let (protocol, header) = match byte_pair(ctx, 12)? {
        [0x08, 0x00] => (byte_pair(ctx, ETHERNET_LEN + 8)?[1], V4_LEN),
        [0x86, 0xdd] => (byte_pair(ctx, ETHERNET_LEN + 6)?[0], V6_LEN),
        _ => return None,
    };
    if protocol != TCP {
        return None;
    }
    let at = ETHERNET_LEN + header;
    read::<[u8; TCP_LEN]>(ctx, at).map(|segment| segment[13])
}

#[inline(always)]
fn source(ctx: &XdpContext) -> Option<[u8; 16]> {
    match byte_pair(ctx, 12)? {
        [0x08, 0x00] => {
            let [a, b, c, d] = read::<[u8; 4]>(ctx, ETHERNET_LEN + 12)?;
            Some([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d])
        }
        [0x86, 0xdd] => read::<[u8; 16]>(ctx, ETHERNET_LEN + 8),
        _ => None,
    }
}

#[inline(always)]
fn byte_pair(ctx: &XdpContext, at: usize) -> Option<[u8; 2]> {
    read::<[u8; 2]>(ctx, at)
}

#[inline(always)]
fn read<T: Copy>(ctx: &XdpContext, at: usize) -> Option<T> {
    let from = ctx.data() + at;
    if from + size_of::<T>() > ctx.data_end() {
        return None;
    }
    // SAFETY: within the packet; byte arrays take any bytes at any address.
    Some(unsafe { (from as *const T).read_unaligned() })
}

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
