//! What the tests of verify share beside the lab's library.

use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
    thread,
    time::Duration,
};

use anyhow::Result;
use lab::{
    guarded::{self, Guarded, stranger},
    netns::Netns,
    stacks::{
        client,
        exchange::{self, Order},
        listener::{self, Listener},
        ss::{self, Negotiated},
    },
    topology::Topology,
};

/// Where the tests' own servers listen.
pub(crate) const PORT: u16 = 7_000;

/// How long an answer may take.
pub(crate) const SOON: Duration = Duration::from_secs(2);

/// How long no answer comes before we believe that none does.
pub(crate) const NEVER: Duration = Duration::from_millis(300);

/// Every address of the host, of both families.
pub(crate) const fn any(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port)
}

/// A server for all addresses of both families, where connections to the protected addresses end.
pub(crate) fn serve(topology: &Topology, port: u16) -> Result<Listener> {
    Listener::start(topology.server(), any(port), listener::Options::DUAL_STACK)
}

/// Puts the protected addresses that are tested into verify by hand.
pub(crate) fn force(lab: &Guarded) -> Result<()> {
    for target in guarded::targets(PORT) {
        lab.set_rung(target.ip(), "verify")?;
    }
    Ok(())
}

/// What the agent knows of listeners and settings is at most so old.
pub(crate) fn wait_for_the_agent() {
    thread::sleep(Duration::from_millis(1_500));
}

/// Sets a sysctl of IPv4, which for TCP is one of IPv6, too.
pub(crate) fn set(namespace: &Netns, name: &str, value: u32) -> Result<()> {
    namespace.set_sysctls(&[(&format!("net/ipv4/{name}"), &value.to_string())])
}

/// A stranger has a megabyte carried each way.
pub(crate) fn visit(lab: &Guarded, target: SocketAddr) -> Result<Duration> {
    let from = stranger(target.is_ipv6());
    client::visit(lab.topology().client(), from, target, Order::megabytes(1))
}

/// A stranger connects and has two megabytes carried each way; the options of both ends, the client's first.
pub(crate) fn negotiated(topology: &Topology, target: SocketAddr) -> Result<[Negotiated; 2]> {
    negotiated_for(topology, target, Order::megabytes(2))
}

/// The same with another order carried out.
pub(crate) fn negotiated_for(topology: &Topology, target: SocketAddr, order: Order) -> Result<[Negotiated; 2]> {
    let from = SocketAddr::new(stranger(target.is_ipv6()), 0);
    let (stream, _) = client::connect(topology.client(), from, target, client::Options::default())?;
    exchange::ask(&stream, order)?;
    let (local, peer) = (stream.local_addr()?, stream.peer_addr()?);
    Ok([
        ss::negotiated(topology.client(), local, peer)?,
        ss::negotiated(topology.server(), peer, local)?,
    ])
}
