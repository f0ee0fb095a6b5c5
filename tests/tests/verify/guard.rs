//! While an address is in verify, TCP that belongs to no connection ends at the interface, and what belongs to one works on.

use std::{
    io::Read as _,
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context as _, Result};
use lab::{
    addresses::clients,
    alone,
    guarded::{self, Guarded, ghost, stranger, until},
    packet::flag,
    raw::Raw,
    segment::Segment,
    stacks::{
        client,
        exchange::{self, Order},
        listener::{self, Listener},
        nstat::Counters,
        ss,
    },
    topology::{Topology, WIRE_INTERFACE},
};
use xdp_common::Reason;

use super::common::{PORT, any, force, serve};

/// A server that answers one order and closes.
const CLOSING_PORT: u16 = 7_001;

/// Everything that was there before the attack, of one address family.
struct Before {
    target: SocketAddr,
    established: TcpStream,
    half_open: Segment,
    /// Whose old connection is in TIME_WAIT at the server.
    lingering: SocketAddr,
}

#[test]
fn floods_end_at_the_interface_and_connections_live_on() -> Result<()> {
    let _turn = alone::wait()?;
    let topology = Topology::routed()?;
    // Half-open connections are remembered only while cookies are not needed.
    let balancer = topology.balancer();
    balancer.set_sysctls(&[("net/ipv4/tcp_syncookies", "1"), ("net/ipv4/tcp_timestamps", "2")])?;
    let listener = serve(&topology, PORT)?;
    let closing = listener::Options {
        closes_first: true,
        ..listener::Options::DUAL_STACK
    };
    let _closing = Listener::start(balancer, any(CLOSING_PORT), closing)?;
    let raw = Raw::open(topology.wire(), WIRE_INTERFACE)?;
    let lab = Guarded::start(topology, &guarded::settings())?;
    let before: Vec<Before> = guarded::targets(PORT)
        .into_iter()
        .map(|target| begin(&lab, &raw, target))
        .collect::<Result<_>>()?;

    let vips: Vec<_> = before.iter().map(|before| before.target.ip()).collect();
    force(&lab)?;
    guarded::allow_cookies(lab.topology().balancer())?;
    for (name, flags) in [
        ("ACK", &["--tcp-flags", "16"][..]),
        ("SYN-ACK", &["--tcp-flags", "18"]),
        ("RST", &["--tcp-flags", "4"]),
        ("RST and ACK", &["--tcp-flags", "20"]),
        ("FIN and ACK", &["--tcp-flags", "17"]),
        ("data", &["--tcp-flags", "24", "--data"]),
    ] {
        ends_at_the_interface(&lab, &vips, flags).with_context(|| format!("{name} flood"))?;
    }

    // All of it at once, and everything goes on.
    let spoofed = ["--sources", "spoofed", "--port", "7000", "--tcp-flags", "16"];
    let mut flood = lab.flood(&vips, &spoofed, 50_000, 15)?;
    for before in &before {
        goes_on(&lab, &raw, before, &listener).with_context(|| format!("at {}", before.target))?;
    }
    flood.stop()?;
    flood.flood_report()?;
    Ok(())
}

/// A protected address is a client, too: what it asked for comes in.
#[test]
fn our_own_connections_go_out() -> Result<()> {
    let turn = alone::wait()?;
    let topology = Topology::routed()?;
    guarded::allow_cookies(topology.balancer())?;
    let _far = Listener::start(topology.client(), any(PORT), listener::Options::DUAL_STACK)?;
    let lab = Guarded::start(topology, &guarded::settings())?;
    // Nothing is measured from here on.
    drop(turn);
    force(&lab)?;
    for vip in guarded::targets(PORT).map(|target| target.ip()) {
        let far = clients().into_iter().find(|client| client.is_ipv6() == vip.is_ipv6());
        let to = SocketAddr::new(far.context("no customer")?, PORT);
        let before = lab.counts(vip)?;
        client::visit(lab.topology().balancer(), vip, to, Order::megabytes(1))?;
        assert_eq!(lab.since(vip, &before, Reason::Guard)?, 0, "{vip}");
    }
    Ok(())
}

fn begin(lab: &Guarded, raw: &Raw, target: SocketAddr) -> Result<Before> {
    let from = SocketAddr::new(stranger(target.is_ipv6()), 0);
    let client = lab.topology().client();
    let (established, _) = client::connect(client, from, target, client::Options::default())?;
    exchange::ask(&established, Order::small())?;

    let closing = SocketAddr::new(target.ip(), CLOSING_PORT);
    let (stream, _) = client::connect(client, from, closing, client::Options::default())?;
    exchange::ask(&stream, Order::small())?;
    let lingering = stream.local_addr()?;
    // Only who closes first is in TIME_WAIT afterwards, and that is to be the server.
    let nothing = (&stream).read(&mut [0]).context("the server does not close")?;
    assert_eq!(nothing, 0, "the answer was read whole before");
    drop(stream);
    until("the server's end is in TIME_WAIT", || {
        Ok(ss::count(lab.topology().balancer(), "time-wait", CLOSING_PORT)? > usize::from(target.is_ipv6()))
    })?;

    let syn = Segment::syn(SocketAddr::new(ghost(target.is_ipv6()), 5_000), target);
    let half_open = raw
        .answer(&syn, Duration::from_secs(2))?
        .context("the kernel does not answer a SYN in calm")?;
    assert_eq!(half_open.flags, flag::SYN | flag::ACK);
    Ok(Before {
        target,
        established,
        half_open,
        lingering,
    })
}

/// Floods for a second: all of it is dropped as `guard`, and the stack gets and sends nothing.
fn ends_at_the_interface(lab: &Guarded, vips: &[std::net::IpAddr], flags: &[&str]) -> Result<()> {
    let balancer = lab.topology().balancer();
    let counted: Vec<_> = vips.iter().map(|vip| lab.counts(*vip)).collect::<Result<_>>()?;
    let before = Counters::read(balancer)?;
    let spoofed = ["--sources", "spoofed", "--port", "7000"];
    let report = lab
        .flood(vips, &[&spoofed, flags].concat(), 40_000, 1)?
        .flood_report()?;
    let after = Counters::read(balancer)?;
    let received = after.received_since(&before);
    // Retransmitted SYN-ACKs of half-open connections go out, neighbours are discovered: nothing that grows with a flood.
    assert!(
        received < 100,
        "{received} of {} packets came up to IP",
        report.packets()
    );
    assert_eq!(after.since(&before, "TcpOutRsts"), 0, "the stack answered");
    for (vip, counted) in vips.iter().zip(&counted) {
        let dropped = lab.since(*vip, counted, Reason::Guard)?;
        assert!(
            dropped * 10 > report.packets() / 2 * 9,
            "{vip}: only {dropped} of {} were dropped as guard: {:?}",
            report.packets() / 2,
            lab.counts(*vip)?.since(counted)
        );
    }
    Ok(())
}

fn goes_on(lab: &Guarded, raw: &Raw, before: &Before, listener: &Listener) -> Result<()> {
    exchange::ask(&before.established, Order::megabytes(1)).context("the established connection")?;

    let accepted = listener.accepted();
    raw.send(&before.half_open.acknowledged().frame())?;
    until("a half-open connection opens", || Ok(listener.accepted() > accepted))?;

    let closing = SocketAddr::new(before.target.ip(), CLOSING_PORT);
    let (stream, took) = client::connect(
        lab.topology().client(),
        before.lingering,
        closing,
        client::Options::default(),
    )
    .context("from a port whose old connection is in TIME_WAIT")?;
    exchange::ask(&stream, Order::small())?;
    assert!(took < Duration::from_secs(3), "TIME_WAIT: {took:?}");

    // New ones come, too.
    client::visit(
        lab.topology().client(),
        stranger(before.target.is_ipv6()),
        before.target,
        Order::megabytes(1),
    )?;
    Ok(())
}
