//! What the agent believes of this host's listeners, against the SYN-ACKs that this kernel really sends: in a network
//! namespace of its own, over its loopback interface. And the ledger on a full disk, in a mount namespace. Needs root.

mod full_disk;
mod lives;
mod syn_ack;

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::AsRawFd as _,
    process::Command,
    thread,
};

use agent::{
    host::{Sysctl, TcpFacts},
    listeners::{View, facts},
    tables::{ListenerFacts, Syncookies},
};
use nix::{
    libc,
    sched::{CloneFlags, unshare},
};
use socket2::{Domain, Protocol, Socket, Type};
use syn_ack::{SynAck, Wire};

const V4: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7));
const V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0xf, 0, 0, 0, 0, 7));
const PORT: u16 = 8_080;

/// Runs a test in a network namespace that has two addresses on its loopback interface, which is as wide as an Ethernet.
fn in_namespace(test: impl FnOnce() + Send + 'static) {
    let inside = move || {
        unshare(CloneFlags::CLONE_NEWNET).expect("a namespace of its own: this test needs root");
        ip("link set lo up mtu 1500");
        ip(&format!("addr add {V4}/32 dev lo"));
        ip(&format!("addr add {V6}/128 dev lo nodad"));
        set("net.ipv4.tcp_timestamps", "2");
        test();
    };
    if let Err(panic) = thread::spawn(inside).join() {
        std::panic::resume_unwind(panic);
    }
}

fn ip(arguments: &str) {
    let status = Command::new("ip")
        .args(arguments.split(' '))
        .status()
        .expect("iproute2");
    assert!(status.success(), "ip {arguments}");
}

fn set(name: &str, value: &str) {
    let path = format!("/proc/sys/{}", name.replace('.', "/"));
    std::fs::write(path, value).expect(name);
}

/// A socket that is to listen.
#[derive(Clone, Copy)]
struct Plan {
    at: IpAddr,
    receive_buffer: Option<usize>,
    receive_least: Option<u32>,
    mss: Option<u32>,
    v6_only: bool,
}

const fn plan(at: IpAddr) -> Plan {
    Plan {
        at,
        receive_buffer: None,
        receive_least: None,
        mss: None,
        v6_only: false,
    }
}

fn listen(plan: Plan) -> Socket {
    let socket = Socket::new(
        Domain::for_address(SocketAddr::new(plan.at, PORT)),
        Type::STREAM,
        Some(Protocol::TCP),
    )
    .expect("a socket");
    socket.set_reuse_port(true).expect("SO_REUSEPORT");
    if plan.at.is_ipv6() {
        socket.set_only_v6(plan.v6_only).expect("IPV6_V6ONLY");
    }
    if let Some(bytes) = plan.receive_buffer {
        socket.set_recv_buffer_size(bytes).expect("SO_RCVBUF");
    }
    if let Some(bytes) = plan.receive_least {
        set_option(&socket, libc::SOL_SOCKET, libc::SO_RCVLOWAT, bytes);
    }
    if let Some(bytes) = plan.mss {
        set_option(&socket, libc::IPPROTO_TCP, libc::TCP_MAXSEG, bytes);
    }
    socket.bind(&SocketAddr::new(plan.at, PORT).into()).expect("binds");
    socket.listen(16).expect("listens");
    socket
}

fn set_option(socket: &Socket, level: libc::c_int, name: libc::c_int, value: u32) {
    let length = size_of::<u32>() as libc::socklen_t;
    // SAFETY: the kernel reads `length` bytes, which `value` has, and both outlive the call.
    let result = unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const value).cast(), length) };
    assert_eq!(result, 0, "option {name}: {}", std::io::Error::last_os_error());
}

fn look() -> TcpFacts {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(TcpFacts::read()).expect("netlink answers")
}

fn believed(tcp: &TcpFacts, address: IpAddr) -> Option<ListenerFacts> {
    let view = View {
        tcp,
        interfaces: &["lo".to_owned()],
        default_buffers: &[tcp.sysctls.receive_memory[1]].into(),
    };
    facts(&view, [V4, V6].into_iter()).get(&(address, PORT)).copied()
}

/// Connects, and compares what the kernel answered with what is believed.
fn compare(address: IpAddr, what: &str) {
    let tcp = look();
    let facts = believed(&tcp, address).unwrap_or_else(|| panic!("{what}: {address} is not known to listen: {tcp:?}"));
    let seen = Wire::open().syn_ack_of(SocketAddr::new(address, PORT));
    let believed = SynAck {
        window: facts.window,
        mss: facts.mss,
        window_scale: facts.window_scaling.then_some(facts.window_scale),
        sack: facts.sack,
        timestamps: facts.timestamps,
    };
    assert_eq!(
        seen, believed,
        "{what}, to {address}: the kernel's SYN-ACK, and what is believed of it"
    );
}

#[test]
fn listeners_of_either_family_and_of_both() {
    in_namespace(|| {
        for (at, reached) in [
            (V4, &[V4][..]),
            (V6, &[V6]),
            (Ipv4Addr::UNSPECIFIED.into(), &[V4]),
            (Ipv6Addr::UNSPECIFIED.into(), &[V4, V6]),
        ] {
            let _listener = listen(plan(at));
            for address in reached {
                compare(*address, &format!("listening at {at}"));
            }
        }
        let _only = listen(Plan {
            v6_only: true,
            ..plan(Ipv6Addr::UNSPECIFIED.into())
        });
        compare(V6, "IPv6 only");
        assert_eq!(believed(&look(), V4), None, "IPv6 only");
    });
}

#[test]
fn receive_buffers_of_their_own() {
    in_namespace(|| {
        // The kernel doubles 65,536 to what is its default.
        for bytes in [1, 4_000, 30_000, 65_000, 65_536, 70_000, 500_000, 3_000_000] {
            let _listener = listen(Plan {
                receive_buffer: Some(bytes),
                ..plan(Ipv6Addr::UNSPECIFIED.into())
            });
            for address in [V4, V6] {
                compare(address, &format!("SO_RCVBUF of {bytes}"));
            }
        }
    });
}

#[test]
fn windows_and_segments_that_owners_bound() {
    in_namespace(|| {
        for (receive_least, mss) in [(None, Some(1_000)), (Some(200_000), None), (Some(3_000), Some(900))] {
            let _listener = listen(Plan {
                receive_least,
                mss,
                ..plan(Ipv6Addr::UNSPECIFIED.into())
            });
            for address in [V4, V6] {
                compare(address, &format!("SO_RCVLOWAT {receive_least:?}, TCP_MAXSEG {mss:?}"));
            }
        }
    });
}

#[test]
fn other_mtus() {
    in_namespace(|| {
        let _listener = listen(plan(Ipv6Addr::UNSPECIFIED.into()));
        for mtu in [1_280, 1_400, 1_492, 9_000, 65_535, 65_536] {
            ip(&format!("link set lo mtu {mtu}"));
            for address in [V4, V6] {
                compare(address, &format!("MTU {mtu}"));
            }
        }
    });
}

#[test]
fn sysctls() {
    in_namespace(|| {
        for (name, value) in [
            ("net.ipv4.tcp_rmem", "4096 131072 6291456"),
            ("net.ipv4.tcp_rmem", "4096 131072 1000000000"),
            ("net.ipv4.tcp_rmem", "4096 20000 40000"),
            ("net.ipv4.tcp_rmem", "4096 2000000 30000000"),
            ("net.ipv4.tcp_rmem", "4096 131072 33554432"),
            ("net.ipv4.tcp_sack", "0"),
            ("net.ipv4.tcp_window_scaling", "0"),
            ("net.ipv4.tcp_window_scaling", "1"),
            ("net.ipv4.tcp_workaround_signed_windows", "1"),
        ] {
            set(name, value);
            let _listener = listen(plan(Ipv6Addr::UNSPECIFIED.into()));
            for address in [V4, V6] {
                compare(address, &format!("{name} = {value}"));
            }
        }
    });
}

#[test]
fn without_timestamps() {
    in_namespace(|| {
        set("net.ipv4.tcp_timestamps", "0");
        let _listener = listen(plan(Ipv6Addr::UNSPECIFIED.into()));
        for address in [V4, V6] {
            compare(address, "no timestamps");
        }
    });
}

#[test]
fn the_nearest_of_several_listeners() {
    in_namespace(|| {
        let buffer = |at, bytes| Plan {
            receive_buffer: Some(bytes),
            ..plan(at)
        };
        let _dual = listen(buffer(Ipv6Addr::UNSPECIFIED.into(), 500_000));
        compare(V4, "a dual-stack listener alone");
        let _everywhere = listen(buffer(Ipv4Addr::UNSPECIFIED.into(), 60_000));
        compare(V4, "an IPv4 listener beside it");
        compare(V6, "an IPv4 listener beside it");
        let _here = listen(buffer(V4, 2_000_000));
        compare(V4, "a listener at the address itself");
        let _group = listen(buffer(V4, 2_000_000));
        compare(V4, "a group that shares its port");
    });
}

#[test]
fn listeners_go() {
    in_namespace(|| {
        let listener = listen(plan(V4));
        assert!(believed(&look(), V4).is_some());
        drop(listener);
        assert_eq!(believed(&look(), V4), None);
    });
}

#[test]
fn sysctls_are_those_of_the_namespace_and_can_be_set_there() {
    in_namespace(|| {
        Sysctl::Syncookies.write(0).expect("root");
        assert_eq!(look().sysctls.syncookies, Syncookies::Never);
        Sysctl::Syncookies.write(2).expect("root");
        Sysctl::Timestamps.write(1).expect("root");
        let sysctls = look().sysctls;
        assert_eq!((sysctls.syncookies, sysctls.timestamps), (Syncookies::Always, 1));
    });
}

#[test]
fn cookies_of_the_kernel_are_counted() {
    in_namespace(|| {
        Sysctl::Syncookies.write(2).expect("root");
        let before = look().cookies_sent;
        let _listener = listen(plan(V4));
        std::net::TcpStream::connect((V4, PORT)).expect("connects");
        assert_eq!(look().cookies_sent, before + 1);
    });
}
