//! The Internet of the lab: XDP programs on the interfaces of the namespace `wire`.
//!
//! `from_attacker` moves frames straight to the load balancer's interface, at a cost the flood can afford. `from_balancer`
//! drops the answers to flood sources, and by being there makes the interface receive by NAPI, which XDP_TX and redirects
//! from the other end need. `pass` does nothing but that.
#![no_std]
#![no_main]

use aya_ebpf::{
    bindings::xdp_action::{XDP_ABORTED, XDP_DROP, XDP_PASS},
    macros::{map, xdp},
    maps::{Array, DevMap, PerCpuArray},
    programs::XdpContext,
};
use lab_ebpf::{
    link::VLAN_ETHER_TYPE,
    range::{BOTNET_V4, BOTNET_V6, DOCUMENTATION_V6, SPOOFED_V4, SPOOFED_V6},
    seen::{DIED, MOVED, SLOTS, SYN_ACKS},
};

/// The interface that leads to the load balancer. Writer: user space, before the flood.
#[map]
static BALANCER: DevMap = DevMap::with_max_entries(1, 0);

/// The first 12 bytes of every frame to the load balancer: its hardware address and the wire's. Writer: user space.
#[map]
static ADDRESSES: Array<[u16; 6]> = Array::with_max_entries(1, 0);

/// What was seen, by the slots of `lab_ebpf::seen`. Writer: these programs.
#[map]
static FRAMES: PerCpuArray<u64> = PerCpuArray::with_max_entries(SLOTS, 0);

const ARP: u16 = 0x0806;
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const ICMPV6: u8 = 58;
const TCP: u8 = 6;
const SYN_ACK: u8 = 0x12;

/// Where the IP header names its protocol and where TCP has its flags, in a frame without VLAN tag and IP options.
const V4_AT: (usize, usize) = (23, 47);
const V6_AT: (usize, usize) = (20, 67);

/// On the attacker's side: everything but neighbour discovery goes to the load balancer.
#[xdp]
fn from_attacker(ctx: XdpContext) -> u32 {
    let Some(kind) = read::<u16>(&ctx, 12).map(u16::from_be) else {
        return XDP_PASS;
    };
    let group = read::<u8>(&ctx, 0).unwrap_or(1) & 1;
    if group == 1 || kind == ARP || (kind == IPV6 && read::<u8>(&ctx, 20) == Some(ICMPV6)) {
        return XDP_PASS;
    }
    let Some(addresses) = ADDRESSES.get(0) else {
        return XDP_ABORTED;
    };
    let mut at = 0;
    while at < 6 {
        write_u16(&ctx, 2 * at, addresses[at]);
        at += 1;
    }
    count(MOVED);
    BALANCER.redirect(0, 0).unwrap_or(XDP_ABORTED)
}

/// On the load balancer's side: answers to flood sources die.
#[xdp]
fn from_balancer(ctx: XdpContext) -> u32 {
    // Bytes of the link's VLAN tag, where it has one.
    let tag = if read(&ctx, 12) == Some(VLAN_ETHER_TYPE.to_be()) {
        4
    } else {
        0
    };
    let (dies, (protocol, flags)) = match read::<u16>(&ctx, tag + 12).map(u16::from_be) {
        Some(IPV4) => {
            let dies = read::<u32>(&ctx, tag + 30).is_some_and(|destination| {
                let destination = u32::from_be(destination);
                SPOOFED_V4.contains(destination) || BOTNET_V4.contains(destination)
            });
            (dies, V4_AT)
        }
        Some(IPV6) => {
            let dies = read::<[u32; 2]>(&ctx, tag + 38).is_some_and(|destination| {
                let network = u32::from_be(destination[1]);
                u32::from_be(destination[0]) == DOCUMENTATION_V6
                    && (SPOOFED_V6.contains(network) || BOTNET_V6.contains(network))
            });
            (dies, V6_AT)
        }
        _ => return XDP_PASS,
    };
    if !dies {
        return XDP_PASS;
    }
    count(DIED);
    if read::<u8>(&ctx, tag + protocol) == Some(TCP)
        && read::<u8>(&ctx, tag + flags).is_some_and(|flags| flags & SYN_ACK == SYN_ACK)
    {
        count(SYN_ACKS);
    }
    XDP_DROP
}

/// Receives by NAPI and changes nothing.
#[xdp]
fn pass(_ctx: XdpContext) -> u32 {
    XDP_PASS
}

#[inline(always)]
fn count(slot: u32) {
    if let Some(counter) = FRAMES.get_ptr_mut(slot) {
        // SAFETY: the slot belongs to this CPU, and XDP programs of one CPU do not interrupt each other.
        unsafe { *counter += 1 };
    }
}

#[inline(always)]
fn read<T: Copy>(ctx: &XdpContext, at: usize) -> Option<T> {
    if ctx.data() + at + size_of::<T>() > ctx.data_end() {
        return None;
    }
    // SAFETY: the frame is long enough, and `read_unaligned` needs no more than that.
    Some(unsafe { ((ctx.data() + at) as *const T).read_unaligned() })
}

#[inline(always)]
fn write_u16(ctx: &XdpContext, at: usize, value: u16) {
    if ctx.data() + at + size_of::<u16>() <= ctx.data_end() {
        // SAFETY: the frame is long enough, and `at` is even.
        unsafe { *((ctx.data() + at) as *mut u16) = value };
    }
}

#[cfg(not(test))]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
