//! Which of this host's sockets a packet belongs to. Costs a look-up in the kernel's socket tables: under a blackhole only.

use aya_ebpf::{
    bindings::{
        bpf_sock_tuple, bpf_sock_tuple__bindgen_ty_1__bindgen_ty_1 as TupleV4,
        bpf_sock_tuple__bindgen_ty_1__bindgen_ty_2 as TupleV6,
    },
    helpers::generated::{bpf_sk_lookup_udp, bpf_sk_release, bpf_skc_lookup_tcp},
    programs::XdpContext,
};
use xdp_common::Settings;
use xdp_ebpf::{OwnSocket, Packet, Transport};

/// The network namespace of the interface.
const CURRENT_NETNS: u64 = -1i64 as u64;
/// Bytes that the helpers read of each family's tuple.
const TUPLE_V4: u32 = size_of::<TupleV4>() as u32;
const TUPLE_V6: u32 = size_of::<TupleV6>() as u32;
/// Socket states (the kernel's include/net/tcp_states.h); UDP borrows the first.
const TCP_ESTABLISHED: u32 = 1;
const TCP_LISTEN: u32 = 10;

#[inline(always)]
pub(crate) fn own_socket(ctx: &XdpContext, settings: &Settings, packet: &Packet) -> OwnSocket {
    let is_tcp = match packet.transport {
        Transport::Tcp => true,
        Transport::Udp => false,
        Transport::Icmp | Transport::LaterFragment | Transport::Other => return OwnSocket::None,
    };
    let sport = u16::from_ne_bytes(packet.source_port);
    let dport = u16::from_ne_bytes(packet.destination_port);
    if packet.destination.is_v4() {
        let saddr = u32::from_ne_bytes(packet.source.v4_bytes());
        let daddr = u32::from_ne_bytes(packet.destination.v4_bytes());
        let tuple = TupleV4 {
            saddr,
            daddr,
            sport,
            dport,
        };
        look_up::<TUPLE_V4, _>(ctx, settings, &tuple, is_tcp)
    } else {
        let tuple = TupleV6 {
            saddr: words(packet.source),
            daddr: words(packet.destination),
            sport,
            dport,
        };
        look_up::<TUPLE_V6, _>(ctx, settings, &tuple, is_tcp)
    }
}

/// A function of its own for each family: the verifier wants to see the length as a constant.
#[inline(never)]
fn look_up<const LEN: u32, T>(ctx: &XdpContext, settings: &Settings, tuple: &T, is_tcp: bool) -> OwnSocket {
    let tuple: *mut bpf_sock_tuple = core::ptr::from_ref(tuple).cast_mut().cast();
    if is_tcp {
        tcp::<LEN>(ctx, tuple)
    } else {
        udp::<LEN>(ctx, settings, tuple)
    }
}

#[inline(always)]
fn tcp<const LEN: u32>(ctx: &XdpContext, tuple: *mut bpf_sock_tuple) -> OwnSocket {
    // SAFETY: the tuple is initialised for `LEN` bytes, and only read; the socket is released below on the only path.
    let socket = unsafe { bpf_skc_lookup_tcp(ctx.ctx.cast(), tuple, LEN, CURRENT_NETNS, 0) };
    if socket.is_null() {
        return OwnSocket::None;
    }
    // SAFETY: not null, and ours until released.
    let state = unsafe { (*socket).state };
    // SAFETY: acquired above, released once.
    unsafe { bpf_sk_release(socket.cast()) };
    if state == TCP_LISTEN {
        OwnSocket::None
    } else {
        OwnSocket::Connection
    }
}

#[inline(always)]
fn udp<const LEN: u32>(ctx: &XdpContext, settings: &Settings, tuple: *mut bpf_sock_tuple) -> OwnSocket {
    // SAFETY: as for TCP.
    let socket = unsafe { bpf_sk_lookup_udp(ctx.ctx.cast(), tuple, LEN, CURRENT_NETNS, 0) };
    if socket.is_null() {
        return OwnSocket::None;
    }
    // SAFETY: not null, and ours until released.
    let (state, port) = unsafe { ((*socket).state, (*socket).src_port) };
    // SAFETY: acquired above, released once.
    unsafe { bpf_sk_release(socket.cast()) };
    let ephemeral = port >= u32::from(settings.ephemeral_low) && port <= u32::from(settings.ephemeral_high);
    if state == TCP_ESTABLISHED || ephemeral {
        OwnSocket::UdpClient
    } else {
        OwnSocket::None
    }
}

/// Four words, as the IPv6 tuple has them.
#[inline(always)]
fn words(address: xdp_common::Address) -> [u32; 4] {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = address.to_bytes();
    [
        u32::from_ne_bytes([a, b, c, d]),
        u32::from_ne_bytes([e, f, g, h]),
        u32::from_ne_bytes([i, j, k, l]),
        u32::from_ne_bytes([m, n, o, p]),
    ]
}
