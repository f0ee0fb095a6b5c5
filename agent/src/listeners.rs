//! What the kernel would say in a SYN-ACK of each listener: a pure function of its sockets and settings. The program's
//! SYN-ACK must say the same, because the kernel works it out anew from the last acknowledgement and believes itself.
//!
//! It follows `tcp_openreq_init_rwin` and `tcp_select_initial_window` (net/ipv4/tcp_minisocks.c, tcp_output.c), and for
//! the choice among listeners `inet_lookup_listener` (net/ipv4/inet_hashtables.c). What it cannot see, and takes for
//! unset: `window`, `initrwnd` and `advmss` of a route; and, without the right to ask the sockets of others
//! (CAP_SYS_PTRACE), `TCP_WINDOW_CLAMP`, `TCP_MAXSEG`, and an `SO_RCVBUF` that happens to be the default.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use crate::{
    host::{Chosen, Listening, Sysctls, TcpFacts},
    tables::ListenerFacts,
};

/// Headers that an MSS leaves out (RFC 9293, section 3.7.1).
const HEADERS_V4: u32 = 20 + 20;
const HEADERS_V6: u32 = 40 + 20;
/// The least MSS that the kernel offers (`ip_rt_min_advmss`, and the IPv6 minimum MTU without headers).
const LEAST_MSS_V4: u32 = 256;
const LEAST_MSS_V6: u32 = 1_280 - HEADERS_V6;
/// The longest IPv4 packet, and the largest MSS (in IPv6 it means "any", RFC 9293).
const PACKET_MAX_V4: u32 = 65_535;
const MSS_MAX: u32 = 65_535;
/// Bytes of the timestamps option with its padding.
const TIMESTAMPS_BYTES: u32 = 12;
/// The largest window without a scale, and the largest scale (RFC 7323).
const WINDOW_MAX: u32 = 65_535;
const WINDOW_SCALED_MAX: u32 = WINDOW_MAX << SCALE_MAX;
const SCALE_MAX: u32 = 14;
/// What `tcp_workaround_signed_windows` leaves of a window.
const SIGNED_WINDOW_MAX: u32 = 32_767;
/// The MTU to reckon with where no interface is known.
const ETHERNET_MTU: u32 = 1_500;

/// What decides besides the sockets.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The host's TCP.
    pub tcp: &'a TcpFacts,
    /// Interfaces where packets come in.
    pub interfaces: &'a [String],
    /// Sizes of a receive buffer that nobody chose: `tcp_rmem`'s default, now and earlier.
    pub default_buffers: &'a BTreeSet<u32>,
}

/// What is known of each listener of these addresses, by address and port.
#[must_use]
pub fn facts(view: &View<'_>, addresses: impl Iterator<Item = IpAddr>) -> BTreeMap<(IpAddr, u16), ListenerFacts> {
    let mut by_port: BTreeMap<u16, Vec<&Listening>> = BTreeMap::new();
    for socket in &view.tcp.listening {
        by_port.entry(socket.port).or_default().push(socket);
    }
    let own = view.tcp.own_addresses();
    let addresses: Vec<IpAddr> = addresses.filter(|address| own.contains(address)).collect();
    let mut found = BTreeMap::new();
    for (port, sockets) in by_port {
        for address in &addresses {
            if let Some(facts) = facts_of(view, *address, &sockets) {
                found.insert((*address, port), facts);
            }
        }
    }
    found
}

/// What is known of one address and port.
fn facts_of(view: &View<'_>, address: IpAddr, sockets: &[&Listening]) -> Option<ListenerFacts> {
    let best = sockets.iter().filter_map(|socket| rank(socket, address)).max()?;
    let mss = mss(view, address);
    let mut facts = sockets
        .iter()
        .filter(|socket| rank(socket, address) == Some(best))
        .map(|socket| facts_of_socket(view, socket, mss));
    let first = facts.next()?;
    // Several sockets that share a port: which of them takes a connection is decided by a hash that we do not know.
    Some(facts.fold(first, |one, other| ListenerFacts {
        window: one.window.min(other.window),
        mss: one.mss.min(other.mss),
        window_scaling: one.window_scaling && other.window_scaling && one.window_scale == other.window_scale,
        ..one
    }))
}

/// How much the kernel prefers a socket for an address; `None` for not at all.
fn rank(socket: &Listening, address: IpAddr) -> Option<(bool, u8)> {
    let exact = socket.address == address;
    let wildcard =
        socket.address.is_unspecified() && (socket.v6 || address.is_ipv4()) && !(socket.v6_only && address.is_ipv4());
    if !exact && !wildcard {
        return None;
    }
    let score = u8::from(socket.interface != 0) + u8::from(!socket.v6);
    Some((exact, score))
}

/// The MSS that the host offers: by the smallest MTU of the interfaces where packets come in and where the address is.
fn mss(view: &View<'_>, address: IpAddr) -> u32 {
    let relevant = view
        .tcp
        .interfaces
        .iter()
        .filter(|interface| view.interfaces.contains(&interface.name) || interface.addresses.contains(&address));
    let mtu = relevant
        .map(|interface| interface.mtu)
        .filter(|mtu| *mtu != 0)
        .min()
        .unwrap_or(ETHERNET_MTU);
    match address {
        IpAddr::V4(_) => mtu.min(PACKET_MAX_V4).saturating_sub(HEADERS_V4).max(LEAST_MSS_V4),
        IpAddr::V6(_) => mtu.saturating_sub(HEADERS_V6).clamp(LEAST_MSS_V6, MSS_MAX),
    }
}

fn facts_of_socket(view: &View<'_>, socket: &Listening, mss: u32) -> ListenerFacts {
    let sysctls = &view.tcp.sysctls;
    let timestamps = sysctls.timestamps == 2;
    // Where the owner's choice is not known: a buffer of another size than the default is one.
    let chosen = socket.chosen.unwrap_or_else(|| Chosen {
        receive_buffer: !view.default_buffers.contains(&socket.receive_buffer),
        ..Chosen::default()
    });
    let mss = if chosen.mss == 0 { mss } else { mss.min(chosen.mss) };
    let space = full_space(socket.receive_buffer, sysctls);
    let clamp = match chosen.window_clamp {
        0 if chosen.receive_buffer => space,
        0 => WINDOW_SCALED_MAX,
        clamp if chosen.receive_buffer => clamp.min(space),
        clamp => clamp,
    };
    let space = space.min(clamp);
    let segment = mss.saturating_sub(if timestamps { TIMESTAMPS_BYTES } else { 0 }).max(1);
    let whole = if space > segment {
        space - space % segment
    } else {
        space
    };
    let window = if sysctls.signed_windows {
        whole.min(SIGNED_WINDOW_MAX)
    } else {
        whole.min(WINDOW_MAX)
    };
    let [.., most] = sysctls.receive_memory;
    let largest = whole.max(most).max(sysctls.receive_memory_max).min(clamp);
    ListenerFacts {
        window: u16::try_from(window).unwrap_or(u16::MAX),
        mss: u16::try_from(mss).unwrap_or(u16::MAX),
        window_scale: scale(largest),
        timestamps,
        window_scaling: sysctls.window_scaling,
        sack: sysctls.sack,
        ecn: sysctls.ecn,
    }
}

/// What of a receive buffer is for data (`tcp_full_space`).
fn full_space(receive_buffer: u32, sysctls: &Sysctls) -> u32 {
    match sysctls.adv_win_scale {
        scale @ ..=0 => receive_buffer.checked_shr(scale.unsigned_abs()).unwrap_or(0),
        scale => receive_buffer - receive_buffer.checked_shr(scale.unsigned_abs()).unwrap_or(0),
    }
}

/// The scale by which a window of so many bytes can be told in 16 bits.
fn scale(bytes: u32) -> u8 {
    let bits = bytes.checked_ilog2().unwrap_or(0);
    bits.saturating_sub(15).min(SCALE_MAX) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Interface;

    const V4: &str = "203.0.113.7";
    const V6: &str = "2001:db8:f::7";

    fn address(text: &str) -> IpAddr {
        text.parse().expect("test address")
    }

    fn socket(at: &str, port: u16) -> Listening {
        Listening {
            address: address(at),
            port,
            v6: address(at).is_ipv6(),
            v6_only: false,
            interface: 0,
            receive_buffer: 131_072,
            chosen: None,
            inode: 0,
            cookie: 0,
        }
    }

    fn host(listening: Vec<Listening>) -> TcpFacts {
        TcpFacts {
            sysctls: Sysctls {
                timestamps: 2,
                ..Sysctls::default()
            },
            interfaces: vec![Interface {
                name: "eth0".to_owned(),
                addresses: vec![address(V4), address(V6)],
                mtu: 1_500,
                receive_drops: 0,
            }],
            listening,
            ..TcpFacts::default()
        }
    }

    fn facts_on(tcp: &TcpFacts) -> BTreeMap<(IpAddr, u16), ListenerFacts> {
        let view = View {
            tcp,
            interfaces: &["eth0".to_owned()],
            default_buffers: &[131_072].into(),
        };
        facts(&view, [V4, V6, "203.0.113.8"].map(address).into_iter())
    }

    fn one(tcp: &TcpFacts, at: &str) -> Option<ListenerFacts> {
        facts_on(tcp).get(&(address(at), 80)).copied()
    }

    #[test]
    fn a_plain_listener_is_as_every_linux_shows_it() {
        let facts = one(&host(vec![socket("0.0.0.0", 80)]), V4).expect("listens");
        let wanted = ListenerFacts {
            window: 65_160,
            mss: 1_460,
            window_scale: 7,
            timestamps: true,
            window_scaling: true,
            sack: true,
            ecn: true,
        };
        assert_eq!(facts, wanted);
    }

    #[test]
    fn which_addresses_a_socket_serves() {
        let served = |socket: Listening| {
            facts_on(&host(vec![socket]))
                .into_keys()
                .map(|(at, _)| at)
                .collect::<Vec<_>>()
        };
        assert_eq!(served(socket("0.0.0.0", 80)), [address(V4)]);
        assert_eq!(served(socket("::", 80)), [address(V4), address(V6)], "dual stack");
        let only = Listening {
            v6_only: true,
            ..socket("::", 80)
        };
        assert_eq!(served(only), [address(V6)]);
        assert_eq!(served(socket(V4, 80)), [address(V4)]);
        assert!(served(socket("127.0.0.1", 80)).is_empty());
        assert!(
            served(socket("203.0.113.8", 80)).is_empty(),
            "not an address of this host"
        );
    }

    #[test]
    fn a_chosen_receive_buffer_bounds_window_and_scale() {
        let mut small = socket("0.0.0.0", 80);
        small.receive_buffer = 32_768;
        let facts = one(&host(vec![small]), V4).expect("listens");
        assert_eq!((facts.window, facts.window_scale), (15_928, 0));
        let mut large = socket("0.0.0.0", 80);
        large.receive_buffer = 4 << 20;
        let facts = one(&host(vec![large]), V4).expect("listens");
        assert_eq!((facts.window, facts.window_scale), (65_535, 6));
    }

    #[test]
    fn what_the_owner_chose_counts_where_it_is_known() {
        let with = |chosen: Chosen| {
            let mut socket = socket("0.0.0.0", 80);
            socket.chosen = Some(chosen);
            one(&host(vec![socket]), V4).map(|facts| (facts.window, facts.window_scale, facts.mss))
        };
        assert_eq!(with(Chosen::default()), Some((65_160, 7, 1_460)));
        let buffer = Chosen {
            receive_buffer: true,
            ..Chosen::default()
        };
        assert_eq!(with(buffer), Some((65_160, 1, 1_460)), "the default, but chosen");
        let clamp = Chosen {
            window_clamp: 30_000,
            ..Chosen::default()
        };
        assert_eq!(with(clamp), Some((28_960, 0, 1_460)));
        let small = Chosen {
            mss: 1_200,
            ..Chosen::default()
        };
        assert_eq!(with(small), Some((65_340, 7, 1_200)));
        let odd = Chosen {
            mss: 3,
            window_clamp: 1,
            receive_buffer: true,
        };
        assert!(with(odd).is_some(), "nothing panics");
    }

    #[test]
    fn the_scale_follows_the_larger_of_the_two_limits() {
        let mut tcp = host(vec![socket("0.0.0.0", 80)]);
        tcp.sysctls.receive_memory_max = 64 << 20;
        assert_eq!(one(&tcp, V4).map(|facts| facts.window_scale), Some(11));
        tcp.sysctls.receive_memory_max = 0;
        tcp.sysctls.receive_memory[2] = 60_000;
        assert_eq!(one(&tcp, V4).map(|facts| facts.window_scale), Some(0));
        tcp.sysctls.receive_memory[2] = u32::MAX;
        assert_eq!(one(&tcp, V4).map(|facts| facts.window_scale), Some(14));
    }

    #[test]
    fn without_plain_timestamps_none_are_offered() {
        let mut tcp = host(vec![socket("0.0.0.0", 80)]);
        for timestamps in [0, 1] {
            tcp.sysctls.timestamps = timestamps;
            let facts = one(&tcp, V4).expect("listens");
            assert_eq!((facts.timestamps, facts.window), (false, 64_240));
        }
    }

    #[test]
    fn the_mss_follows_the_smallest_mtu_in_the_way() {
        let mut tcp = host(vec![socket("::", 80)]);
        let mss = |tcp: &TcpFacts, at| one(tcp, at).map(|facts| facts.mss);
        assert_eq!((mss(&tcp, V4), mss(&tcp, V6)), (Some(1_460), Some(1_440)));
        tcp.interfaces[0].mtu = 9_000;
        assert_eq!(mss(&tcp, V4), Some(8_960));
        // The address of a real server behind a load balancer is on its loopback.
        let addresses = std::mem::take(&mut tcp.interfaces[0].addresses);
        tcp.interfaces.push(Interface {
            name: "lo".to_owned(),
            addresses,
            mtu: 65_536,
            receive_drops: 0,
        });
        assert_eq!(mss(&tcp, V4), Some(8_960));
        tcp.interfaces[1].mtu = 1_400;
        assert_eq!((mss(&tcp, V4), mss(&tcp, V6)), (Some(1_360), Some(1_340)));
        tcp.interfaces[1].mtu = 100;
        assert_eq!((mss(&tcp, V4), mss(&tcp, V6)), (Some(256), Some(1_220)));
    }

    #[test]
    fn the_kernels_choice_among_listeners() {
        let with = |mut socket: Listening, receive_buffer| {
            socket.receive_buffer = receive_buffer;
            socket
        };
        let scale = |sockets| one(&host(sockets), V4).map(|facts| (facts.window_scaling, facts.window_scale));
        let everywhere = with(socket("0.0.0.0", 80), 131_072);
        let here = with(socket(V4, 80), 1 << 20);
        let dual = with(socket("::", 80), 4 << 20);
        assert_eq!(scale(vec![everywhere, here, dual]), Some((true, 4)), "its own address");
        assert_eq!(scale(vec![everywhere, dual]), Some((true, 7)), "IPv4 before dual stack");
        let bound = Listening {
            interface: 2,
            ..with(socket("0.0.0.0", 80), 2 << 20)
        };
        assert_eq!(scale(vec![everywhere, bound]), Some((true, 5)), "bound to an interface");
        assert_eq!(scale(vec![everywhere, everywhere]), Some((true, 7)), "SO_REUSEPORT");
        let other = with(everywhere, 1 << 20);
        assert_eq!(
            scale(vec![everywhere, other]).map(|(scaling, _)| scaling),
            Some(false),
            "nobody can know which of them it will be"
        );
    }

    #[test]
    fn no_settings_make_it_panic() {
        for receive_buffer in [0, 1, 2_304, u32::MAX] {
            for adv_win_scale in [-31, -40, 0, 1, 31, 40] {
                let mut listening = socket("::", 80);
                listening.receive_buffer = receive_buffer;
                let mut tcp = host(vec![listening]);
                tcp.sysctls.adv_win_scale = adv_win_scale;
                tcp.sysctls.receive_memory = [0; 3];
                tcp.sysctls.signed_windows = true;
                let facts = one(&tcp, V6).expect("listens");
                assert!(facts.window <= 32_767 && facts.window_scale <= 14, "{facts:?}");
            }
        }
    }
}
