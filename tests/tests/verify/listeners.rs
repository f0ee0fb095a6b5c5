//! Listeners of every kind behind verify, and a host whose settings and servers change while it lasts.

use std::{
    net::{IpAddr, SocketAddr},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use lab::{
    addresses::{clients, ghost},
    alone,
    guarded::{self, Guarded, allow_cookies, named, proofs, stranger, until, until_within},
    netns::Netns,
    raw::Raw,
    segment::Segment,
    stacks::{
        client,
        exchange::{self, Order},
        listener::{self, Listener},
        nstat::Counters,
        ss::{self, Negotiated},
    },
    topology::{Topology, WIRE_INTERFACE},
};
use xdp_common::Reason;

const PORT: u16 = 7_000;

const ANY: IpAddr = IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED);

const DUAL: listener::Options = listener::Options {
    receive_buffer: None,
    backlog: 1_024,
    reuse_port: false,
    v6_only: false,
    signed_peer: None,
    fast_open: 0,
    closes_first: false,
};

fn in_verify(lab: &Guarded) -> Result<()> {
    for target in guarded::targets(PORT) {
        lab.set_rung(target.ip(), "verify")?;
    }
    Ok(())
}

/// What the agent knows of listeners and settings is at most so old.
fn wait_for_the_agent() {
    thread::sleep(Duration::from_millis(1_500));
}

fn set(namespace: &Netns, name: &str, value: u32) -> Result<()> {
    namespace.set_sysctls(&[(&format!("net/ipv4/{name}"), &value.to_string())])
}

/// A stranger has a megabyte carried each way.
fn visit(lab: &Guarded, target: SocketAddr) -> Result<Duration> {
    client::visit(
        lab.topology().client(),
        stranger(target.is_ipv6()),
        target,
        Order::megabytes(1),
    )
}

#[test]
fn a_client_connects_whatever_the_settings() -> Result<()> {
    let turn = alone::wait()?;
    let topology = Topology::routed()?;
    let _listener = Listener::start(topology.server(), SocketAddr::new(ANY, PORT), DUAL)?;
    let lab = Guarded::start(topology, &guarded::settings())?;
    in_verify(&lab)?;
    // Most of this is waiting, which others need not wait for.
    drop(turn);
    let server = lab.topology().server();
    for settings in combinations() {
        for (name, value) in NAMES.into_iter().zip(settings) {
            set(server, name, value)?;
        }
        wait_for_settings(&lab, settings)?;
        for target in guarded::targets(PORT) {
            visit(&lab, target).with_context(|| format!("{target}: {NAMES:?} = {settings:?}"))?;
        }
    }
    Ok(())
}

const NAMES: [&str; 4] = ["tcp_syncookies", "tcp_timestamps", "tcp_sack", "tcp_window_scaling"];

/// All of them where cookies are made, else those with everything and with nothing.
fn combinations() -> Vec<[u32; 4]> {
    let mut combinations = Vec::new();
    for syncookies in [2, 1, 0] {
        for timestamps in [2, 1, 0] {
            for (sack, scaling) in [(1, 1), (1, 0), (0, 1), (0, 0)] {
                if syncookies == 2 || sack == scaling {
                    combinations.push([syncookies, timestamps, sack, scaling]);
                }
            }
        }
    }
    combinations
}

/// Waits until the agent has seen the settings, and told the program.
fn wait_for_settings(lab: &Guarded, settings: [u32; 4]) -> Result<()> {
    until("the agent has seen the settings", || {
        let said = lab.home().ask_json(&["listeners"])?;
        let has =
            |(name, value): (&str, u32)| said["sysctls"][format!("net.ipv4.{name}")] == value.to_string().as_str();
        Ok(NAMES.into_iter().zip(settings).all(has))
    })
}

/// Changed behind the agent's back, which looks once a second: until it has, a connection's window may be misjudged.
#[test]
fn settings_change_in_mid_flood() -> Result<()> {
    const LOOKS: Duration = Duration::from_secs(1);
    let _turn = alone::wait()?;
    let topology = Topology::routed()?;
    allow_cookies(topology.server())?;
    let _listener = Listener::start(topology.server(), SocketAddr::new(ANY, PORT), DUAL)?;
    let lab = Guarded::start(topology, &guarded::settings())?;
    let targets = guarded::targets(PORT);
    let flood = lab.flooded(&targets, 30_000, 20)?;
    let since = Instant::now();
    for (name, value) in [
        ("tcp_timestamps", 1),
        ("tcp_window_scaling", 0),
        ("tcp_timestamps", 2),
        ("tcp_window_scaling", 1),
        ("tcp_syncookies", 1),
        ("tcp_syncookies", 2),
    ] {
        set(lab.topology().server(), name, value)?;
        let changed = Instant::now();
        let connect = || {
            let from = SocketAddr::new(stranger(false), 0);
            client::connect(lab.topology().client(), from, targets[0], client::Options::default())
        };
        let (stream, _) = connect()?;
        if let Err(error) = exchange::ask_within(&stream, Order::megabytes(1), Duration::from_millis(500)) {
            eprintln!("right after {name}={value}: {error:#}");
        }
        thread::sleep((LOOKS + Duration::from_millis(500)).saturating_sub(changed.elapsed()));
        for target in targets {
            visit(&lab, target).with_context(|| format!("{target} some time after {name}={value}"))?;
        }
    }
    guarded::end(flood, since)
}

/// Both ends of a connection, in calm without Levee and in verify.
#[test]
fn listeners_with_buffers_of_their_own_get_the_windows_that_they_would_have() -> Result<()> {
    const BUFFERS: [Option<usize>; 4] = [None, Some(8_192), Some(300_000), Some(6_000_000)];
    let _turn = alone::wait()?;
    let topology = Topology::routed()?;
    let server = topology.server();
    server.set_sysctls(&[
        ("net/ipv4/tcp_timestamps", "2"),
        ("net/ipv4/tcp_rmem", "4096 131072 33554432"),
    ])?;
    let mut listeners = Vec::new();
    for (number, buffer) in (0..).zip(BUFFERS) {
        let options = listener::Options {
            receive_buffer: buffer,
            ..DUAL
        };
        listeners.push(Listener::start(server, SocketAddr::new(ANY, PORT + number), options)?);
    }
    let ports = || (0..).zip(BUFFERS).map(|(number, buffer)| (PORT + number, buffer));
    let mut calm = Vec::new();
    for (port, _) in ports() {
        for target in guarded::targets(port) {
            calm.push(negotiated(&topology, target)?);
        }
    }
    allow_cookies(topology.server())?;
    let lab = Guarded::start(topology, &guarded::settings())?;
    in_verify(&lab)?;
    wait_for_the_agent();
    let mut calm = calm.into_iter();
    for (port, buffer) in ports() {
        for target in guarded::targets(port) {
            let before = lab.counts(target.ip())?;
            let now = negotiated(lab.topology(), target).with_context(|| format!("{target} SO_RCVBUF {buffer:?}"))?;
            assert_eq!(Some(now), calm.next(), "{target} SO_RCVBUF {buffer:?}");
            assert_eq!(
                lab.since(target.ip(), &before, Reason::ReplyCookie)?,
                1,
                "{target} {buffer:?}"
            );
        }
    }
    Ok(())
}

fn negotiated(topology: &Topology, target: SocketAddr) -> Result<[Negotiated; 2]> {
    let from = SocketAddr::new(stranger(target.is_ipv6()), 0);
    let (stream, _) = client::connect(topology.client(), from, target, client::Options::default())?;
    exchange::ask(&stream, Order::megabytes(2))?;
    let (local, peer) = (stream.local_addr()?, stream.peer_addr()?);
    Ok([
        ss::negotiated(topology.client(), local, peer)?,
        ss::negotiated(topology.server(), peer, local)?,
    ])
}

#[test]
fn listeners_of_every_kind_are_found() -> Result<()> {
    let _turn = alone::wait()?;
    let topology = Topology::routed()?;
    allow_cookies(topology.server())?;
    let server = topology.server();
    let [v4, v6] = guarded::targets(PORT);
    let at = |port, address: &str| -> Result<SocketAddr> { Ok(SocketAddr::new(address.parse()?, port)) };
    let only = listener::Options { v6_only: true, ..DUAL };
    let shared = listener::Options {
        reuse_port: true,
        ..DUAL
    };
    let mut listeners = vec![
        Listener::start(server, at(7_010, "::")?, DUAL)?,
        Listener::start(server, at(7_011, "::")?, only)?,
        Listener::start(server, at(7_011, "0.0.0.0")?, DUAL)?,
        Listener::start(server, SocketAddr::new(v4.ip(), 7_012), DUAL)?,
        Listener::start(server, SocketAddr::new(v6.ip(), 7_012), only)?,
    ];
    let group: Vec<Listener> = (0..4)
        .map(|_| Listener::start(server, at(7_013, "::")?, shared))
        .collect::<Result<_>>()?;
    let lab = Guarded::start(topology, &guarded::settings())?;
    in_verify(&lab)?;
    for target in [v4, v6] {
        for port in 7_010..=7_012 {
            let target = SocketAddr::new(target.ip(), port);
            let before = lab.counts(target.ip())?;
            visit(&lab, target).with_context(|| format!("{target}"))?;
            assert_eq!(proofs(&lab.counts(target.ip())?.since(&before)), 1, "{target}");
        }
        for _ in 0..16 {
            client::visit(
                lab.topology().client(),
                stranger(target.is_ipv6()),
                SocketAddr::new(target.ip(), 7_013),
                Order::small(),
            )
            .context("a SO_REUSEPORT group")?;
        }
    }
    let served: Vec<u64> = group.iter().map(Listener::accepted).collect();
    assert_eq!(served.iter().sum::<u64>(), 32, "{served:?}");
    assert!(served.iter().filter(|count| **count > 0).count() >= 2, "{served:?}");

    // An IPv6-only listener is none for IPv4.
    drop(listeners.remove(2));
    until("nobody listens for IPv4 at that port", || {
        let options = client::Options {
            patience: Duration::from_millis(300),
            ..client::Options::default()
        };
        let before = lab.counts(v4.ip())?;
        let from = SocketAddr::new(stranger(false), 0);
        let refused = client::connect(lab.topology().client(), from, SocketAddr::new(v4.ip(), 7_011), options).is_err();
        Ok(refused && lab.since(v4.ip(), &before, Reason::NoListener)? >= 1)
    })
}

#[test]
fn servers_come_and_go_in_mid_flood() -> Result<()> {
    let _turn = alone::wait()?;
    let topology = Topology::routed()?;
    allow_cookies(topology.server())?;
    let at = SocketAddr::new(ANY, PORT);
    let mut listener = Some(Listener::start(topology.server(), at, DUAL)?);
    let lab = Guarded::start(topology, &guarded::settings())?;
    let targets = guarded::targets(PORT);
    let vips = targets.map(|target| target.ip());
    let stack = Counters::read(lab.topology().server())?;
    let flood = lab.flooded(&targets, 30_000, 20)?;
    let since = Instant::now();
    for target in targets {
        visit(&lab, target)?;
    }
    for _ in 0..2 {
        drop(listener.take());
        until("that nobody listens is noticed", || {
            let before = lab.counts(vips[0])?;
            thread::sleep(Duration::from_millis(100));
            let counts = lab.counts(vips[0])?.since(&before);
            Ok(counts.get(Reason::NoListener) > 500 && counts.get(Reason::ReplyCookie) == 0)
        })?;
        listener = Some(Listener::start(lab.topology().server(), at, DUAL)?);
        let started = Instant::now();
        for target in targets {
            until_within(Duration::from_secs(6), "customers are served again", || {
                Ok(visit(&lab, target).is_ok())
            })?;
        }
        eprintln!("served again after {:?}", started.elapsed());
    }
    assert_eq!(
        Counters::read(lab.topology().server())?.since(&stack, "TcpExtSyncookiesFailed"),
        0
    );
    guarded::end(flood, since)
}

#[test]
fn where_nobody_listens_nobody_answers() -> Result<()> {
    let _turn = alone::wait()?;
    let topology = Topology::routed()?;
    allow_cookies(topology.server())?;
    let raw = Raw::open(topology.wire(), WIRE_INTERFACE)?;
    let lab = Guarded::start(topology, &guarded::settings())?;
    in_verify(&lab)?;
    let before = Counters::read(lab.topology().server())?;
    for target in guarded::targets(PORT) {
        let counts = lab.counts(target.ip())?;
        let syn = Segment::syn(SocketAddr::new(ghost(0, target.is_ipv6()), 5_000), target);
        assert_eq!(raw.answer(&syn, Duration::from_millis(500))?, None, "{target}");
        assert_eq!(lab.since(target.ip(), &counts, Reason::NoListener)?, 1, "{target}");
    }
    let after = Counters::read(lab.topology().server())?;
    assert_eq!(
        (after.since(&before, "TcpInSegs"), after.since(&before, "TcpOutRsts")),
        (0, 0)
    );
    Ok(())
}

#[test]
fn a_server_that_does_not_accept_is_not_promised() -> Result<()> {
    let _turn = alone::wait()?;
    let topology = Topology::routed()?;
    allow_cookies(topology.server())?;
    let raw = Raw::open(topology.wire(), WIRE_INTERFACE)?;
    let options = listener::Options { backlog: 1, ..DUAL };
    let mut listener = Listener::bind(topology.server(), SocketAddr::new(ANY, PORT), options)?;
    let lab = Guarded::start(topology, &guarded::settings())?;
    in_verify(&lab)?;
    let [target, target_v6] = guarded::targets(PORT);
    // A backlog of one holds two.
    let mut waiting = Vec::new();
    for _ in 0..2 {
        let from = SocketAddr::new(stranger(false), 0);
        waiting.push(client::connect(
            lab.topology().client(),
            from,
            target,
            client::Options::default(),
        )?);
    }
    for target in [target, target_v6] {
        until("that the queue is full is noticed", || {
            let before = lab.counts(target.ip())?;
            let syn = Segment::syn(SocketAddr::new(ghost(0, target.is_ipv6()), 5_000), target);
            let answer = raw.answer(&syn, Duration::from_millis(200))?;
            Ok(answer.is_none() && lab.since(target.ip(), &before, Reason::AcceptFull)? == 1)
        })?;
    }
    listener.serve()?;
    for target in [target, target_v6] {
        visit(&lab, target).context("once the server accepts again")?;
    }
    for (stream, _) in &waiting {
        exchange::ask(stream, Order::small()).context("who waited in the queue")?;
    }
    Ok(())
}

/// Signatures of segments (BGP) and data in SYNs (Fast Open), with real stacks at both ends.
#[test]
fn signed_connections_and_fast_open_work() -> Result<()> {
    let _turn = alone::wait()?;
    let topology = Topology::routed()?;
    allow_cookies(topology.server())?;
    set(topology.server(), "tcp_fastopen", 3)?;
    set(topology.client(), "tcp_fastopen", 1)?;
    let [v4, v6] = guarded::targets(PORT);
    let peer = |is_ipv6: bool| clients().into_iter().find(|client| client.is_ipv6() == is_ipv6);
    let mut listeners = Vec::new();
    for target in [v4, v6] {
        let peer = peer(target.is_ipv6()).context("no customer")?;
        let signed = listener::Options {
            signed_peer: Some(peer),
            v6_only: true,
            ..DUAL
        };
        let fast_open = listener::Options {
            fast_open: 16,
            v6_only: true,
            ..DUAL
        };
        listeners.push(Listener::start(topology.server(), target, signed)?);
        listeners.push(Listener::start(
            topology.server(),
            SocketAddr::new(target.ip(), PORT + 1),
            fast_open,
        )?);
    }
    // A Fast Open cookie of the server, in calm.
    for target in [v4, v6] {
        fast_open(&topology, target)?;
    }
    let lab = Guarded::start(topology, &guarded::settings())?;
    in_verify(&lab)?;
    for target in [v4, v6] {
        let from = SocketAddr::new(peer(target.is_ipv6()).context("no customer")?, 0);
        let before = lab.counts(target.ip())?;
        let signed = client::Options {
            signed: true,
            ..client::Options::default()
        };
        let (stream, _) = client::connect(lab.topology().client(), from, target, signed).context("MD5")?;
        exchange::ask(&stream, Order::megabytes(1)).context("MD5")?;
        assert_eq!(lab.since(target.ip(), &before, Reason::SynKernel)?, 1, "{target}: MD5");

        fast_open(lab.topology(), target)?;
        let counts = lab.counts(target.ip())?.since(&before);
        assert_eq!(
            counts.get(Reason::ReplyCookieData),
            1,
            "{target}: Fast Open: {}",
            named(&counts)
        );
        let again = SocketAddr::new(stranger(target.is_ipv6()), 0);
        let unsigned = client::connect(
            lab.topology().client(),
            again,
            SocketAddr::new(target.ip(), PORT + 1),
            client::Options::default(),
        );
        let (stream, _) = unsigned.context("an ordinary client of the Fast Open server")?;
        exchange::ask(&stream, Order::small())?;
    }
    Ok(())
}

/// Sends an order's header with the SYN, or right after the handshake where the client has no cookie of the server.
fn fast_open(topology: &Topology, target: SocketAddr) -> Result<()> {
    let target = SocketAddr::new(target.ip(), PORT + 1);
    let from = SocketAddr::new(stranger(target.is_ipv6()), 0);
    let options = client::Options {
        // Sixteen zeros are an order for nothing.
        fast_open: 16,
        ..client::Options::default()
    };
    let (stream, _) = client::connect(topology.client(), from, target, options).context("Fast Open")?;
    exchange::ask(&stream, Order::small()).context("Fast Open")
}

#[test]
fn settings_are_set_and_put_back() -> Result<()> {
    const NAMES: [&str; 2] = ["tcp_syncookies", "tcp_timestamps"];
    let _turn = alone::wait()?;
    let topology = Topology::routed()?;
    let values = |topology: &Topology| -> Result<Vec<String>> {
        topology.balancer().enter(|| {
            let read = |name| std::fs::read_to_string(format!("/proc/sys/net/ipv4/{name}"));
            Ok(NAMES.map(read).into_iter().collect::<Result<Vec<_>, _>>()?)
        })
    };
    for name in NAMES {
        set(topology.balancer(), name, 1)?;
    }
    let settings = lab::levee::Settings {
        more: "[verify]\nset_sysctls = true\n".to_owned(),
        ..guarded::settings()
    };
    let lab = Guarded::start(topology, &settings)?;
    // The agent waits until no cookie of the kernel's can be on its way.
    until("the settings are those for cookies", || {
        Ok(values(lab.topology())? == ["2\n", "2\n"])
    })?;
    let topology = lab.detach()?;
    assert_eq!(values(&topology)?, ["1\n", "1\n"]);
    Ok(())
}
