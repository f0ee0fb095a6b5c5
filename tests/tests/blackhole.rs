//! A blackholed address of this host, with real sockets: what was there before lives on, replies to our own connections
//! come in, and nothing else does.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops there, and says where")]

use std::{
    net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    process::Command,
    thread,
};

use agent::tables::{AddressState, Blackhole, KernelSettings, KernelTables as _, Limit, Mode};
use lab::{
    expect,
    packet::{Packet, Transport, flag},
    prog_run::ProgRun,
};
use nix::{
    sched::{CloneFlags, unshare},
    sys::socket::{AddressFamily, SockFlag, SockType, SockaddrStorage, connect, socket},
};
use xdp_common::Reason;

const OURS: [&str; 2] = ["198.51.100.22", "2001:db8:1::22"];
const PEERS: [&str; 2] = ["203.0.113.7", "2001:db8:2::7"];

/// Runs `test` in a network namespace of its own, in which all of these addresses are on the loopback interface.
fn in_namespace(test: impl FnOnce() + Send + 'static) {
    lab::require::root().unwrap();
    let outcome = thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        ip("link set lo up");
        for address in OURS.iter().chain(&PEERS) {
            ip(&format!(
                "address add {address}/{} dev lo",
                if address.contains(':') { 128 } else { 32 }
            ));
        }
        // Routed to a wire on which nobody answers: connections to there stay in SYN-SENT.
        ip("link add far type veth peer name end");
        ip("link set far up");
        ip("link set end up");
        ip("route add 192.0.2.0/24 dev far");
        ip("route add 2001:db8:9::/48 dev far");
        test();
    })
    .join();
    assert!(outcome.is_ok(), "the test failed in its namespace");
}

fn ip(arguments: &str) {
    let output = Command::new("ip").args(arguments.split(' ')).output().unwrap();
    assert!(
        output.status.success(),
        "ip {arguments}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn program(all: bool) -> ProgRun {
    let mut run = ProgRun::load().unwrap();
    let limit = Limit {
        syn_rate: agent::config::units::Rate::new(1_000).unwrap(),
        syn_burst: agent::config::units::Burst::new(1_000).unwrap(),
    };
    run.kernel
        .put_settings(&KernelSettings::new(Mode::Enforce, limit))
        .unwrap();
    for address in OURS {
        let blackhole = Some(Blackhole { until: None, all });
        let state = AddressState {
            blackhole,
            local: true,
            ..AddressState::new(address.parse().unwrap(), limit)
        };
        run.kernel.put_address(&state).unwrap();
    }
    run
}

/// What a packet from `from` to `to` meets.
fn reason(run: &mut ProgRun, from: SocketAddr, to: SocketAddr, transport: Transport) -> Reason {
    let packet = Packet::new(&from.ip().to_string(), &to.ip().to_string(), transport).ports(from.port(), to.port());
    let (_, moved) = run.frame(&packet.bytes()).unwrap();
    match expect::moved(&moved)[..] {
        [(Some(address), reason, 1)] if address == to.ip() => reason,
        ref other => panic!("one counter of {} should have moved by one: {other:?}", to.ip()),
    }
}

fn tcp(flags: u8) -> Transport {
    Transport::Tcp {
        flags,
        options: 0,
        payload: 0,
    }
}

fn at(address: &str, port: u16) -> SocketAddr {
    SocketAddr::new(address.parse::<IpAddr>().unwrap(), port)
}

/// Begins a connection from `from` that nobody answers; the socket's local address.
fn begin(from: SocketAddr, to: SocketAddr) -> (std::os::fd::OwnedFd, SocketAddr) {
    use std::os::fd::AsRawFd as _;
    let family = if from.is_ipv4() {
        AddressFamily::Inet
    } else {
        AddressFamily::Inet6
    };
    let socket = socket(family, SockType::Stream, SockFlag::SOCK_NONBLOCK, None).unwrap();
    nix::sys::socket::bind(socket.as_raw_fd(), &SockaddrStorage::from(from)).unwrap();
    let begun = connect(socket.as_raw_fd(), &SockaddrStorage::from(to));
    assert_eq!(begun, Err(nix::errno::Errno::EINPROGRESS));
    let stream = TcpStream::from(socket);
    let local = stream.local_addr().unwrap();
    (stream.into(), local)
}

#[test]
fn established_connections_and_our_own_live_on() {
    in_namespace(|| {
        let mut run = program(false);
        for (ours, peer, far) in [(OURS[0], PEERS[0], "192.0.2.9"), (OURS[1], PEERS[1], "2001:db8:9::9")] {
            let listener = TcpListener::bind(at(ours, 80)).unwrap();
            let client = {
                let (socket, _) = begin_connected(at(peer, 0), at(ours, 80));
                socket
            };
            let (server, from) = listener.accept().unwrap();
            let to = server.local_addr().unwrap();
            assert_eq!(
                reason(&mut run, from, to, tcp(flag::ACK)),
                Reason::BlackholeEstablished,
                "{ours}"
            );
            assert_eq!(
                reason(&mut run, from, to, tcp(flag::FIN | flag::ACK)),
                Reason::BlackholeEstablished,
                "{ours}"
            );
            assert_eq!(reason(&mut run, from, to, tcp(flag::SYN)), Reason::Blackhole, "{ours}");
            let stranger = at(peer, 9);
            assert_eq!(
                reason(&mut run, stranger, to, tcp(flag::ACK)),
                Reason::Blackhole,
                "{ours}: only listens"
            );
            assert_eq!(
                reason(&mut run, stranger, to, tcp(flag::SYN | flag::ACK)),
                Reason::Blackhole,
                "{ours}"
            );
            let (_opening, local) = begin(at(ours, 0), at(far, 443));
            assert_eq!(
                reason(&mut run, at(far, 443), local, tcp(flag::SYN | flag::ACK)),
                Reason::BlackholeReply,
                "{ours}"
            );
            drop(client);
        }
    });
}

/// A connected stream, from a given local address.
fn begin_connected(from: SocketAddr, to: SocketAddr) -> (TcpStream, SocketAddr) {
    use std::os::fd::AsRawFd as _;
    let family = if from.is_ipv4() {
        AddressFamily::Inet
    } else {
        AddressFamily::Inet6
    };
    let socket = socket(family, SockType::Stream, SockFlag::empty(), None).unwrap();
    nix::sys::socket::bind(socket.as_raw_fd(), &SockaddrStorage::from(from)).unwrap();
    connect(socket.as_raw_fd(), &SockaddrStorage::from(to)).unwrap();
    let stream = TcpStream::from(socket);
    let local = stream.local_addr().unwrap();
    (stream, local)
}

#[test]
fn replies_to_our_queries_come_in_and_requests_do_not() {
    in_namespace(|| {
        let mut run = program(false);
        let udp = || Transport::Udp { payload: 40 };
        for (ours, peer) in [(OURS[0], PEERS[0]), (OURS[1], PEERS[1])] {
            let service = UdpSocket::bind(at(ours, 53)).unwrap();
            assert_eq!(
                reason(&mut run, at(peer, 5_000), at(ours, 53), udp()),
                Reason::Blackhole,
                "{ours}: a service"
            );
            drop(service);
            let connected = UdpSocket::bind(at(ours, 3_000)).unwrap();
            connected.connect(at(peer, 53)).unwrap();
            assert_eq!(
                reason(&mut run, at(peer, 53), at(ours, 3_000), udp()),
                Reason::BlackholeReply,
                "{ours}"
            );
            assert_eq!(
                reason(&mut run, at(peer, 54), at(ours, 3_000), udp()),
                Reason::Blackhole,
                "{ours}: not the peer"
            );
            let client = UdpSocket::bind(at(ours, 0)).unwrap();
            let local = client.local_addr().unwrap();
            assert_eq!(
                reason(&mut run, at(peer, 53), local, udp()),
                Reason::BlackholeReply,
                "{ours}: ephemeral port"
            );
        }
    });
}

#[test]
fn all_means_all() {
    in_namespace(|| {
        let mut run = program(true);
        let listener = TcpListener::bind(at(OURS[0], 80)).unwrap();
        let (client, from) = begin_connected(at(PEERS[0], 0), at(OURS[0], 80));
        let (server, _) = listener.accept().unwrap();
        let to = server.local_addr().unwrap();
        assert_eq!(reason(&mut run, from, to, tcp(flag::ACK)), Reason::Blackhole);
        drop(client);
    });
}
