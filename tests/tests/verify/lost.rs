//! A client that lost its connection without a word (it restarted, or its NAT did) comes again from the same port, while the
//! server still has the old connection. The kernel finds that out by itself (RFC 9293, section 3.10.7.4), and must be let,
//! however long ago the handshake was.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use anyhow::{Context as _, Result};
use lab::{
    command::{output, output_with_input},
    guarded::{self, Guarded, named, stranger, until_within},
    levee::{KnownSources, Settings},
    netns::Netns,
    stacks::{
        client,
        exchange::{self, Order},
    },
    topology::Topology,
};
use socket2::SockRef;

use super::common::{PORT, serve};

/// Keeps what a client's kernel says at the end of a connection from the server.
const SILENCE: &str = "table inet silence {
    chain output {
        type filter hook output priority 0
        tcp dport 7000 drop
    }
}
";
/// The agent looks who is connected four times while a source is known, which is a minute here.
const NEXT_LOOK: Duration = Duration::from_secs(25);

#[test]
fn a_port_whose_old_connection_the_server_still_has_connects() -> Result<()> {
    let topology = Topology::routed()?;
    guarded::allow_cookies(topology.balancer())?;
    let _listener = serve(&topology, PORT)?;
    let settings = guarded::settings();
    let lab = Guarded::start(
        topology,
        &Settings {
            more: format!("{}known_for = \"1m\"\n", settings.more),
            ..settings
        },
    )?;
    let lost = guarded::targets(PORT)
        .into_iter()
        .map(|target| Ok((lose(lab.topology().client(), target)?, target)))
        .collect::<Result<Vec<_>>>()?;
    let mut known = KnownSources::open(lab.topology().lab())?;
    known.forget()?;
    until_within(NEXT_LOOK, "the connected ones are known again", || {
        let each = lost.iter().map(|(from, _)| known.has(from.ip()));
        Ok(each.collect::<Result<Vec<_>>>()?.into_iter().all(|known| known))
    })?;
    // While others come, too, each SYN gets its answer without a look at the sockets.
    let mut flood = lab.flooded(&guarded::targets(PORT), 20_000, 15)?;
    for (from, target) in lost {
        comes_again(&lab, from, target)?;
    }
    flood.stop()?;
    flood.flood_report()?;
    Ok(())
}

/// Makes a connection of which the client soon knows nothing any more; its end of it.
fn lose(customers: &Netns, target: SocketAddr) -> Result<SocketAddr> {
    let from = SocketAddr::new(stranger(target.is_ipv6()), 0);
    let (stream, _) = client::connect(customers, from, target, client::Options::default())?;
    exchange::ask(&stream, Order::small())?;
    let from = stream.local_addr()?;
    output_with_input(customers.command("nft").args(["-f", "-"]), SILENCE)?;
    // No FIN, but a reset, once; and that is lost.
    SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
    drop(stream);
    output(customers.command("nft").args(["delete", "table", "inet", "silence"]))?;
    Ok(from)
}

fn comes_again(lab: &Guarded, from: SocketAddr, target: SocketAddr) -> Result<()> {
    let before = lab.counts(target.ip())?;
    let met = |address: IpAddr| lab.counts(address).map(|counts| named(&counts.since(&before)));
    let options = client::Options {
        patience: Duration::from_secs(8),
        ..client::Options::default()
    };
    let connected = client::connect(lab.topology().client(), from, target, options);
    let (stream, took) = connected.with_context(|| format!("{target}: {:?}", met(target.ip())))?;
    exchange::ask(&stream, Order::small())
        .with_context(|| format!("{target} after {took:?}: {:?}", met(target.ip())))?;
    Ok(())
}
