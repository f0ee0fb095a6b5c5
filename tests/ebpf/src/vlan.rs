//! Both ends of a link whose frames carry a VLAN tag, for a kernel that need not have VLAN interfaces.
//!
//! `push` tags what the kernel sends. `pop` takes the tag off what the kernel receives, after XDP has seen it in the
//! frame. Frames that an XDP program sends back or redirects meet neither. `tagged_only` is the proof.
#![no_std]
#![no_main]

use aya_ebpf::{
    bindings::{
        TC_ACT_OK, TC_ACT_SHOT,
        xdp_action::{XDP_DROP, XDP_PASS},
    },
    helpers::generated::{bpf_skb_vlan_pop, bpf_skb_vlan_push},
    macros::{classifier, xdp},
    programs::{TcContext, XdpContext},
};
use lab_ebpf::link::{VLAN, VLAN_ETHER_TYPE};

/// At egress.
#[classifier]
fn push(ctx: TcContext) -> i32 {
    // SAFETY: the socket buffer is this run's own, and nothing of it is used afterwards.
    let failed = unsafe { bpf_skb_vlan_push(ctx.skb.skb, VLAN_ETHER_TYPE.to_be(), VLAN) };
    if failed == 0 { TC_ACT_OK } else { TC_ACT_SHOT }
}

/// At ingress. What has no tag is not of this link.
#[classifier]
fn pop(ctx: TcContext) -> i32 {
    // SAFETY: a word of this run's own socket buffer's context.
    let tagged = unsafe { (*ctx.skb.skb).vlan_present } != 0;
    // SAFETY: the socket buffer is this run's own, and nothing of it is used afterwards.
    if tagged && unsafe { bpf_skb_vlan_pop(ctx.skb.skb) } == 0 {
        TC_ACT_OK
    } else {
        TC_ACT_SHOT
    }
}

/// Where XDP is: what shows no tag there goes no further.
#[xdp]
fn tagged_only(ctx: XdpContext) -> u32 {
    const ETHER_TYPE_AT: usize = 12;
    let at = ctx.data() + ETHER_TYPE_AT;
    if at + size_of::<u16>() > ctx.data_end() {
        return XDP_DROP;
    }
    // SAFETY: the frame is long enough, and `read_unaligned` needs no more than that.
    let ether_type = unsafe { (at as *const u16).read_unaligned() };
    if u16::from_be(ether_type) == VLAN_ETHER_TYPE {
        XDP_PASS
    } else {
        XDP_DROP
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
