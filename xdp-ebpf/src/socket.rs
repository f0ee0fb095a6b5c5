//! What this host's own TCP and UDP know of a packet: sockets, listeners, SYN cookies. Each look costs a helper call or
//! two: under a blackhole and in verify only.

use aya_ebpf::{
    EbpfContext as _,
    bindings::{bpf_sock, bpf_sock_tuple, iphdr, ipv6hdr, tcphdr},
    helpers::generated::{
        bpf_sk_lookup_udp, bpf_sk_release, bpf_skc_lookup_tcp, bpf_tcp_check_syncookie, bpf_tcp_gen_syncookie,
        bpf_tcp_raw_gen_syncookie_ipv4, bpf_tcp_raw_gen_syncookie_ipv6,
    },
    programs::XdpContext,
};
use xdp_common::{Address, Settings, listener::state};
use xdp_ebpf::{Connection, OwnSocket, Packet, Transport};

/// The network namespace of the interface.
const CURRENT_NETNS: u64 = -1i64 as u64;
/// Socket states (the kernel's include/net/tcp_states.h); UDP borrows the first.
const TCP_ESTABLISHED: u32 = 1;
const TCP_LISTEN: u32 = 10;
/// What the cookie helpers answer when the kernel has no cookie to give (include/uapi/asm-generic/errno-base.h).
const ENOENT: i64 = 2;
/// Words of an IP header, and of a TCP header with an MSS option.
const V4: usize = 5;
const V6: usize = 10;
const TCP: usize = 6;
const TCP_LEN: u32 = 4 * TCP as u32;

/// The headers of a packet as the helpers read them: addresses and ports, sequence numbers, flags, an MSS. The two
/// addresses at the end of the IP header and the ports that follow are what the socket helpers call a tuple.
#[repr(C)]
struct Headers<const IP: usize> {
    ip: [u32; IP],
    tcp: [u32; TCP],
}

impl Headers<V4> {
    #[inline(always)]
    fn v4(packet: &Packet, tcp: [u32; TCP]) -> Self {
        Self {
            ip: [
                u32::from_ne_bytes([0x45, 0, 0, 0]),
                0,
                0,
                u32::from_ne_bytes(packet.source.v4_bytes()),
                u32::from_ne_bytes(packet.destination.v4_bytes()),
            ],
            tcp,
        }
    }
}

impl Headers<V6> {
    #[inline(always)]
    fn v6(packet: &Packet, tcp: [u32; TCP]) -> Self {
        let ([a, b, c, d], [e, f, g, h]) = (words(packet.source), words(packet.destination));
        Self {
            ip: [u32::from_ne_bytes([0x60, 0, 0, 0]), 0, a, b, c, d, e, f, g, h],
            tcp,
        }
    }
}

impl<const IP: usize> Headers<IP> {
    /// Bytes of the tuple of this family.
    const TUPLE_LEN: u32 = if IP == V4 { 12 } else { 36 };

    #[inline(always)]
    fn tuple(&self) -> *mut bpf_sock_tuple {
        let address_words = if IP == V4 { 2 } else { 8 };
        let words: *const u32 = core::ptr::from_ref(self).cast();
        words.wrapping_add(IP - address_words).cast_mut().cast()
    }

    #[inline(always)]
    fn ip(&self) -> *mut core::ffi::c_void {
        self.ip.as_ptr().cast_mut().cast()
    }

    #[inline(always)]
    fn tcp(&self) -> *mut tcphdr {
        self.tcp.as_ptr().cast_mut().cast()
    }

    #[inline(always)]
    fn find_tcp(&self, ctx: &XdpContext) -> *mut bpf_sock {
        // SAFETY: the tuple lies within the headers, which are initialised; it is only read.
        let socket = unsafe { bpf_skc_lookup_tcp(ctx.as_ptr(), self.tuple(), Self::TUPLE_LEN, CURRENT_NETNS, 0) };
        socket.cast()
    }
}

/// A TCP header of 24 bytes: no options but an MSS.
#[inline(always)]
fn tcp_words(packet: &Packet, sequence: u32, acknowledgement: u32, flags: u8, mss: u16) -> [u32; TCP] {
    let [high, low] = mss.to_be_bytes();
    [
        packet.ports(),
        sequence.to_be(),
        acknowledgement.to_be(),
        u32::from_ne_bytes([(TCP as u8) << 4, flags, 0, 0]),
        0,
        u32::from_ne_bytes([2, 4, high, low]),
    ]
}

/// The cookie of the host's kernel for these addresses, ports, sequence number and MSS.
#[inline(always)]
pub(crate) fn cookie(packet: &Packet, sequence: u32, mss: u16) -> Option<u32> {
    let result = if packet.destination.is_v4() {
        cookie_v4(packet, sequence, mss)
    } else {
        cookie_v6(packet, sequence, mss)
    };
    (result >= 0).then_some(result as u32)
}

#[inline(always)]
fn cookie_v4(packet: &Packet, sequence: u32, mss: u16) -> i64 {
    const SYN: u8 = 2;
    let headers = Headers::v4(packet, tcp_words(packet, sequence, 0, SYN, mss));
    // SAFETY: both headers are initialised, as long as is said, and only read.
    unsafe { bpf_tcp_raw_gen_syncookie_ipv4(headers.ip().cast::<iphdr>(), headers.tcp(), TCP_LEN) }
}

#[inline(always)]
fn cookie_v6(packet: &Packet, sequence: u32, mss: u16) -> i64 {
    const SYN: u8 = 2;
    let headers = Headers::v6(packet, tcp_words(packet, sequence, 0, SYN, mss));
    // SAFETY: as for IPv4.
    unsafe { bpf_tcp_raw_gen_syncookie_ipv6(headers.ip().cast::<ipv6hdr>(), headers.tcp(), TCP_LEN) }
}

/// What the kernel makes of a SYN: one of [`state`]. Tells the listener, too, that cookies of its are under way: it takes
/// none back otherwise (`tcp_synq_overflow` in the kernel's include/net/tcp.h).
#[inline(always)]
pub(crate) fn ask_listener(ctx: &XdpContext, settings: &Settings, packet: &Packet) -> u32 {
    if packet.destination.is_v4() {
        ask_listener_v4(ctx, settings, packet)
    } else {
        ask_listener_v6(ctx, settings, packet)
    }
}

#[inline(never)]
fn ask_listener_v4(ctx: &XdpContext, settings: &Settings, packet: &Packet) -> u32 {
    ask(
        ctx,
        settings,
        &Headers::v4(packet, tcp_words(packet, packet.sequence, 0, 2, 1_460)),
    )
}

#[inline(never)]
fn ask_listener_v6(ctx: &XdpContext, settings: &Settings, packet: &Packet) -> u32 {
    ask(
        ctx,
        settings,
        &Headers::v6(packet, tcp_words(packet, packet.sequence, 0, 2, 1_440)),
    )
}

#[inline(always)]
fn ask<const IP: usize>(ctx: &XdpContext, settings: &Settings, headers: &Headers<IP>) -> u32 {
    let socket = headers.find_tcp(ctx);
    if socket.is_null() {
        return state::NONE;
    }
    // SAFETY: not null, and ours until released.
    let listens = unsafe { (*socket).state } == TCP_LISTEN;
    let mut cookie = 0;
    if listens {
        // SAFETY: a socket that is ours, and headers as long as is said, which are only read.
        cookie = unsafe { bpf_tcp_gen_syncookie(socket.cast(), headers.ip(), 4 * IP as u32, headers.tcp(), TCP_LEN) };
    }
    // SAFETY: acquired above, released once.
    unsafe { bpf_sk_release(socket.cast()) };
    if !listens {
        state::KERNEL
    } else if cookie >= 0 {
        state::COOKIES
    } else if cookie == -ENOENT && settings.syncookies == 2 {
        // With cookies always on, the helper has none only for a server that does not accept (`tcp_get_syncookie_mss`).
        state::FULL
    } else {
        state::KERNEL
    }
}

/// Whether a TCP segment that is no SYN belongs to a connection of this host.
#[inline(always)]
pub(crate) fn connection(ctx: &XdpContext, packet: &Packet) -> Connection {
    let code = if packet.destination.is_v4() {
        connection_v4(ctx, packet)
    } else {
        connection_v6(ctx, packet)
    };
    match code {
        EXISTS => Connection::Exists,
        COOKIE => Connection::Cookie,
        _ => Connection::None,
    }
}

/// [`Connection`] as a number, which can cross a call.
const NONE: u32 = 0;
const EXISTS: u32 = 1;
const COOKIE: u32 = 2;

#[inline(never)]
fn connection_v4(ctx: &XdpContext, packet: &Packet) -> u32 {
    let tcp = tcp_words(packet, packet.sequence, packet.acknowledgement, packet.tcp_flags, 1_460);
    find_connection(ctx, &Headers::v4(packet, tcp))
}

#[inline(never)]
fn connection_v6(ctx: &XdpContext, packet: &Packet) -> u32 {
    let tcp = tcp_words(packet, packet.sequence, packet.acknowledgement, packet.tcp_flags, 1_440);
    find_connection(ctx, &Headers::v6(packet, tcp))
}

#[inline(always)]
fn find_connection<const IP: usize>(ctx: &XdpContext, headers: &Headers<IP>) -> u32 {
    let socket = headers.find_tcp(ctx);
    if socket.is_null() {
        return NONE;
    }
    // SAFETY: not null, and ours until released.
    let listens = unsafe { (*socket).state } == TCP_LISTEN;
    let mut valid = false;
    if listens {
        // SAFETY: a socket that is ours, and headers as long as is said, which are only read.
        valid =
            unsafe { bpf_tcp_check_syncookie(socket.cast(), headers.ip(), 4 * IP as u32, headers.tcp(), TCP_LEN) == 0 };
    }
    // SAFETY: acquired above, released once.
    unsafe { bpf_sk_release(socket.cast()) };
    match (listens, valid) {
        (false, _) => EXISTS,
        (true, true) => COOKIE,
        (true, false) => NONE,
    }
}

/// Which socket of this host a packet under a blackhole belongs to.
#[inline(always)]
pub(crate) fn own_socket(ctx: &XdpContext, settings: &Settings, packet: &Packet) -> OwnSocket {
    match packet.transport {
        Transport::Tcp => match connection(ctx, packet) {
            Connection::Exists => OwnSocket::Connection,
            Connection::None | Connection::Cookie => OwnSocket::None,
        },
        Transport::Udp if own_udp(ctx, settings, packet) => OwnSocket::UdpClient,
        _ => OwnSocket::None,
    }
}

#[inline(always)]
fn own_udp(ctx: &XdpContext, settings: &Settings, packet: &Packet) -> bool {
    if packet.destination.is_v4() {
        own_udp_v4(ctx, settings, packet)
    } else {
        own_udp_v6(ctx, settings, packet)
    }
}

#[inline(never)]
fn own_udp_v4(ctx: &XdpContext, settings: &Settings, packet: &Packet) -> bool {
    udp_client(ctx, settings, &Headers::v4(packet, tcp_words(packet, 0, 0, 0, 0)))
}

#[inline(never)]
fn own_udp_v6(ctx: &XdpContext, settings: &Settings, packet: &Packet) -> bool {
    udp_client(ctx, settings, &Headers::v6(packet, tcp_words(packet, 0, 0, 0, 0)))
}

/// Connected to the peer, or bound to a port that services do not use.
#[inline(always)]
fn udp_client<const IP: usize>(ctx: &XdpContext, settings: &Settings, headers: &Headers<IP>) -> bool {
    // SAFETY: the tuple lies within the headers, which are initialised; it is only read.
    let socket = unsafe {
        bpf_sk_lookup_udp(
            ctx.as_ptr(),
            headers.tuple(),
            Headers::<IP>::TUPLE_LEN,
            CURRENT_NETNS,
            0,
        )
    };
    if socket.is_null() {
        return false;
    }
    // SAFETY: not null, and ours until released.
    let (state, port) = unsafe { ((*socket).state, (*socket).src_port) };
    // SAFETY: acquired above, released once.
    unsafe { bpf_sk_release(socket.cast()) };
    let ephemeral = port >= u32::from(settings.ephemeral_low) && port <= u32::from(settings.ephemeral_high);
    state == TCP_ESTABLISHED || ephemeral
}

/// Four words of memory order.
#[inline(always)]
fn words(address: Address) -> [u32; 4] {
    let [a, b] = address.words();
    [a as u32, (a >> 32) as u32, b as u32, (b >> 32) as u32]
}
