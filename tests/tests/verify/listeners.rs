//! Listeners of every kind behind verify: where they listen, what they want of TCP, when they come and go.

use std::{
    net::{Ipv4Addr, SocketAddr},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use lab::{
    addresses::clients,
    alone,
    guarded::{self, Guarded, allow_cookies, ghost, named, proofs, stranger, until, until_within},
    raw::Raw,
    segment::Segment,
    stacks::{
        client,
        exchange::{self, Order},
        listener::{self, Listener},
        nstat::Counters,
    },
    topology::{Topology, WIRE_INTERFACE},
};
use xdp_common::Reason;

use super::common::{PORT, any, force, serve, set, visit};

#[test]
fn listeners_of_every_kind_are_found() -> Result<()> {
    let turn = alone::wait()?;
    let topology = Topology::routed()?;
    allow_cookies(topology.server())?;
    let server = topology.server();
    let [v4, v6] = guarded::targets(PORT);
    let (dual, only) = (listener::Options::DUAL_STACK, listener::Options::ONE_FAMILY);
    let shared = listener::Options {
        reuse_port: true,
        ..dual
    };
    let any_v4 = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 7_011);
    let mut listeners = vec![
        Listener::start(server, any(7_010), dual)?,
        Listener::start(server, any(7_011), only)?,
        Listener::start(server, any_v4, only)?,
        Listener::start(server, SocketAddr::new(v4.ip(), 7_012), only)?,
        Listener::start(server, SocketAddr::new(v6.ip(), 7_012), only)?,
    ];
    let group: Vec<Listener> = (0..4)
        .map(|_| Listener::start(server, any(7_013), shared))
        .collect::<Result<_>>()?;
    let lab = Guarded::start(topology, &guarded::settings())?;
    // Nothing is measured from here on.
    drop(turn);
    force(&lab)?;
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
    let mut listener = Some(serve(&topology, PORT)?);
    let lab = Guarded::start(topology, &guarded::settings())?;
    let targets = guarded::targets(PORT);
    let vips = targets.map(|target| target.ip());
    let stack = Counters::read(lab.topology().server())?;
    let flood = lab.flooded(&targets, 30_000, 20)?;
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
        listener = Some(serve(lab.topology(), PORT)?);
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
    guarded::end(flood)
}

#[test]
fn where_nobody_listens_nobody_answers() -> Result<()> {
    let turn = alone::wait()?;
    let topology = Topology::routed()?;
    allow_cookies(topology.server())?;
    let raw = Raw::open(topology.wire(), WIRE_INTERFACE)?;
    let lab = Guarded::start(topology, &guarded::settings())?;
    // Nothing is measured from here on.
    drop(turn);
    force(&lab)?;
    let before = Counters::read(lab.topology().server())?;
    for target in guarded::targets(PORT) {
        let counts = lab.counts(target.ip())?;
        let syn = Segment::syn(SocketAddr::new(ghost(target.is_ipv6()), 5_000), target);
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
    let turn = alone::wait()?;
    let topology = Topology::routed()?;
    allow_cookies(topology.server())?;
    let raw = Raw::open(topology.wire(), WIRE_INTERFACE)?;
    let options = listener::Options {
        backlog: 1,
        ..listener::Options::DUAL_STACK
    };
    let mut listener = Listener::bind(topology.server(), any(PORT), options)?;
    let lab = Guarded::start(topology, &guarded::settings())?;
    // Nothing is measured from here on.
    drop(turn);
    force(&lab)?;
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
            let syn = Segment::syn(SocketAddr::new(ghost(target.is_ipv6()), 5_000), target);
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

/// Signatures of segments (BGP), data in SYNs (Fast Open) and Multipath TCP, with real stacks at both ends.
#[test]
fn extensions_of_tcp_work_or_give_way() -> Result<()> {
    let turn = alone::wait()?;
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
            ..listener::Options::ONE_FAMILY
        };
        let fast_open = listener::Options {
            fast_open: 16,
            ..listener::Options::ONE_FAMILY
        };
        let multipath = listener::Options {
            multipath: true,
            ..listener::Options::ONE_FAMILY
        };
        listeners.push(Listener::start(
            topology.server(),
            SocketAddr::new(target.ip(), PORT + 2),
            multipath,
        )?);
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
    // Nothing is measured from here on.
    drop(turn);
    force(&lab)?;
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

        let multipath = client::Options {
            multipath: true,
            ..client::Options::default()
        };
        let (from, to) = (
            SocketAddr::new(stranger(target.is_ipv6()), 0),
            SocketAddr::new(target.ip(), PORT + 2),
        );
        let (stream, _) = client::connect(lab.topology().client(), from, to, multipath).context("Multipath TCP")?;
        exchange::ask(&stream, Order::megabytes(1)).context("Multipath TCP")?;
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
