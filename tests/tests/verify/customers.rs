//! Customers stay in while a spoofed flood holds the address in verify: curl, wrk and long downloads, nginx and HAProxy,
//! behind a NAT and behind a firewall, by cookie and by challenge, in IPv4 and IPv6, with and without a VLAN tag.

use std::net::{IpAddr, SocketAddr, TcpStream};

use anyhow::{Context as _, Result};
use lab::{
    alone,
    guarded::{self, Guarded, allow_cookies, named, proofs, stranger, until},
    levee::Settings,
    long_download,
    netns::Netns,
    server,
    stacks::{
        client, haproxy,
        nstat::Counters,
        programs::{self, download, page},
        ss::{self, Negotiated},
    },
    topology::{Shape, Topology},
};
use xdp_common::Reason;

/// Of the flood at both addresses together, packets per second.
const FLOOD_PPS: u32 = 60_000;

#[test]
fn by_cookie() -> Result<()> {
    customers_are_served(false, false)
}

#[test]
fn by_cookie_behind_a_vlan_tag() -> Result<()> {
    customers_are_served(false, true)
}

#[test]
fn by_challenge() -> Result<()> {
    customers_are_served(true, false)
}

#[test]
fn by_challenge_behind_a_vlan_tag() -> Result<()> {
    customers_are_served(true, true)
}

fn customers_are_served(forwards: bool, vlan: bool) -> Result<()> {
    let _turn = alone::wait()?;
    let topology = Topology::shaped(Shape {
        forwards,
        vlan,
        edges: true,
    })?;
    for namespace in [topology.server(), topology.client()] {
        namespace.set_sysctls(&[("net/ipv4/tcp_ecn", "1")])?;
    }
    // Without Levee, handshakes are usual ones.
    let _nginx = server::start(&topology, false)?;
    let _haproxy = haproxy::start(&topology)?;
    let targets = guarded::targets(server::PORT);
    let mut calm = Vec::new();
    for target in targets {
        calm.push((negotiated(&topology, target)?, speed(&topology, target)?));
    }
    allow_cookies(topology.server())?;
    let lab = Guarded::start(topology, &guarded::settings())?;
    let flood = lab.flooded(&targets, FLOOD_PPS, 20)?;
    for (target, (options, calm_speed)) in targets.into_iter().zip(calm) {
        served_at(&lab, target).with_context(|| format!("at {target}"))?;
        assert_eq!(
            negotiated(lab.topology(), target)?,
            options,
            "{target}: the connection is not what it would be without Levee"
        );
        let speed = speed(lab.topology(), target)?;
        eprintln!(
            "{target}: {speed:.0} Mbit/s in the flood, {calm_speed:.0} Mbit/s in calm and without Levee: {:.2}",
            speed / calm_speed
        );
        // Client and generator share a core, and in calm there was no program on the interface either.
        assert!(speed > calm_speed / 5.0, "{target}: downloads are slow");
    }
    guarded::end(flood)
}

/// The figure for this is a benchmark's; here, a connection that began with a proof must not be crippled.
#[test]
fn long_downloads_keep_their_pace() -> Result<()> {
    let _turn = alone::wait()?;
    for found in long_download::compare(Shape::default(), 2)? {
        eprintln!("{found:?}: {:.2}", found.ratio());
        assert!(found.ratio() > 0.5, "{found:?}");
    }
    Ok(())
}

/// With the settings that Linux comes with, a listener's queue fills before there are cookies, and these keep an MSS only.
#[test]
fn with_the_kernels_own_settings() -> Result<()> {
    let _turn = alone::wait()?;
    let topology = Topology::shaped(Shape {
        edges: true,
        ..Shape::default()
    })?;
    let defaults = [("net/ipv4/tcp_syncookies", "1"), ("net/ipv4/tcp_timestamps", "1")];
    topology.server().set_sysctls(&defaults)?;
    strangers_are_served(topology, &guarded::settings(), Reason::ReplyCookiePlain)
}

/// Where the driver has no XDP, the program runs in the network stack.
#[test]
fn in_generic_mode_behind_a_vlan_tag() -> Result<()> {
    let _turn = alone::wait()?;
    let topology = Topology::shaped(Shape {
        vlan: true,
        edges: true,
        ..Shape::default()
    })?;
    allow_cookies(topology.server())?;
    let usual = guarded::settings();
    let settings = Settings {
        // The section of the kernel is the last one before these lines.
        more: format!("xdp_mode = \"generic\"\n{}", usual.more),
        ..usual
    };
    strangers_are_served(topology, &settings, Reason::ReplyCookie)
}

fn strangers_are_served(topology: Topology, settings: &Settings, answer: Reason) -> Result<()> {
    let _nginx = server::start(&topology, false)?;
    let _haproxy = haproxy::start(&topology)?;
    let lab = Guarded::start(topology, settings)?;
    let targets = guarded::targets(server::PORT);
    let flood = lab.flooded(&targets, FLOOD_PPS, 20)?;
    for target in targets {
        let before = lab.counts(target.ip())?;
        until("the flood is answered", || {
            Ok(lab.since(target.ip(), &before, answer)? > 1_000)
        })?;
        served_at(&lab, target).with_context(|| format!("at {target}"))?;
    }
    guarded::end(flood)
}

/// Everybody gets the page, by a proof of their own.
fn served_at(lab: &Guarded, target: SocketAddr) -> Result<()> {
    let topology = lab.topology();
    let before = lab.counts(target.ip())?;
    let stack_before = Counters::read(topology.server())?;
    let places: [(&Netns, Option<IpAddr>); 3] = [
        (topology.client(), Some(stranger(target.is_ipv6()))),
        (topology.home().context("no home")?, None),
        (topology.office().context("no office")?, None),
    ];
    for (place, from) in places {
        for port in [server::PORT, haproxy::PORT] {
            let at = SocketAddr::new(target.ip(), port);
            let body = page(place, from, at, 6.0).with_context(|| format!("from {}", place.name()))?;
            assert_eq!(body, server::BODY.as_bytes(), "{} {at}", place.name());
        }
    }
    let work = programs::work(topology.client(), target, 16, 2)?;
    assert!(work.requests > 100 && work.errors == 0, "wrk: {work:?}");

    let counts = lab.counts(target.ip())?.since(&before);
    assert!(
        proofs(&counts) > 1_000,
        "the address is not in verify: {}",
        named(&counts)
    );
    if topology.shape().forwards {
        // Who comes again is let in as well, and a few strangers are taken for such.
        assert!(
            counts.get(Reason::ChallengePassed) >= 1
                && counts.get(Reason::ChallengePassed) + counts.get(Reason::Retransmitted) >= 3,
            "customers did not pass a challenge: {}",
            named(&counts)
        );
    } else {
        assert!(
            counts.get(Reason::CookieAck) >= 3,
            "customers did not use a cookie: {}",
            named(&counts)
        );
        let stack = Counters::read(topology.server())?;
        assert!(stack.since(&stack_before, "TcpExtSyncookiesRecv") >= 3);
        assert_eq!(stack.since(&stack_before, "TcpExtSyncookiesFailed"), 0);
    }
    Ok(())
}

/// Connects as a stranger; the options of both ends.
fn negotiated(topology: &Topology, target: SocketAddr) -> Result<[Negotiated; 2]> {
    let from = SocketAddr::new(stranger(target.is_ipv6()), 0);
    let (stream, _) = client::connect(topology.client(), from, target, client::Options::default())?;
    let (local, peer) = (stream.local_addr()?, stream.peer_addr()?);
    // By its first request the server's end has accepted, whatever the handshake was.
    request(&stream)?;
    Ok([
        ss::negotiated(topology.client(), local, peer)?,
        ss::negotiated(topology.server(), peer, local)?,
    ])
}

fn request(mut stream: &TcpStream) -> Result<()> {
    use std::io::{Read as _, Write as _};
    stream.set_read_timeout(Some(guarded::PATIENCE))?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: lab\r\n\r\n")?;
    let mut answer = [0; 1];
    stream
        .read_exact(&mut answer)
        .context("no answer on an open connection")
}

/// The best of three downloads, each of a stranger, Mbit/s.
fn speed(topology: &Topology, target: SocketAddr) -> Result<f64> {
    let mut best = 0.0;
    for _ in 0..3 {
        let from = Some(stranger(target.is_ipv6()));
        let transfer = download(topology.client(), from, target, server::DOWNLOAD, 15)?;
        assert_eq!(transfer.bytes, server::DOWNLOAD_BYTES);
        best = f64::max(best, transfer.mbit_per_s());
    }
    Ok(best)
}
