//! Joins two namespaces by a veth: addresses, routes and neighbours, all of them settled in advance.

use std::fmt::Write as _;

use anyhow::Result;

use super::{ARMS, BALANCER_INTERFACE, WIRE_INTERFACE};
use crate::{
    addresses::{
        BACKEND_LINK, BALANCER_LINK, BALANCER_MAC, FRESH_PREFIX_V4, FRESH_PREFIX_V6, GATEWAY_MAC, Link, VIP_PREFIX_V4,
        VIP_PREFIX_V6, clients, mac, vips,
    },
    netns::Netns,
};

/// Makes a namespace a router, or not one. Packets may leave it by another way than they came.
pub(super) fn set_forwarding(namespace: &Netns, forwards: bool) -> Result<()> {
    let forwards = if forwards { "1" } else { "0" };
    namespace.set_sysctls(&[
        ("net/ipv4/conf/all/rp_filter", "0"),
        ("net/ipv4/conf/default/rp_filter", "0"),
        ("net/ipv4/ip_forward", forwards),
        ("net/ipv6/conf/all/forwarding", forwards),
    ])
}

/// Joins wire and load balancer: one receive queue, so that one core is the whole capacity, and addresses on both.
pub(super) fn join_balancer(wire: &Netns, balancer: &Netns) -> Result<()> {
    wire.ip(&pair_of_balancer(
        &format!("{BALANCER_INTERFACE} netns {}", balancer.name()),
        1500,
        1,
    ))?;
    set_forwarding(wire, true)?;
    wire.ip(&wire_end()?)?;
    balancer.ip(&balancer_end()?)?;
    wire.ip("route add blackhole default\nroute add blackhole ::/0\n")
}

/// The line that makes the pair of them.
pub(super) fn pair_of_balancer(end: &str, mtu: u32, queues: u32) -> String {
    format!(
        "link add {WIRE_INTERFACE} address {} mtu {mtu} numtxqueues {queues} numrxqueues {queues} type veth \
         peer address {} mtu {mtu} numtxqueues {queues} numrxqueues {queues} name {end}\n",
        mac(GATEWAY_MAC),
        mac(BALANCER_MAC),
    )
}

/// Lines that make the wire's end of it usable.
pub(super) fn wire_end() -> Result<String> {
    let end = end(WIRE_INTERFACE, BALANCER_LINK, true, &mac(BALANCER_MAC))?;
    Ok(end + &routes(&[VIP_PREFIX_V4, VIP_PREFIX_V6], BALANCER_LINK.peer())?)
}

/// Lines that make the load balancer's end of it usable.
pub(super) fn balancer_end() -> Result<String> {
    let end = end(BALANCER_INTERFACE, BALANCER_LINK, false, &mac(GATEWAY_MAC))?;
    Ok(end + &routes(&["default"; 2], BALANCER_LINK.wire())?)
}

/// Gives the protected addresses to the namespace that terminates connections.
pub(super) fn give_vips(server: &Netns) -> Result<()> {
    let mut lines = String::new();
    for vip in vips() {
        add_address(&mut lines, &vip.to_string(), "lo", vip.is_ipv6())?;
    }
    server.ip(&lines)
}

/// Makes the load balancer a router that sends the protected addresses on to the backend.
pub(super) fn join_backend(balancer: &Netns, backend: &Netns) -> Result<()> {
    set_forwarding(balancer, true)?;
    set_forwarding(backend, false)?;
    join(balancer, "to-backend", backend, "backend0", BACKEND_LINK)?;
    balancer.ip(&routes(&[VIP_PREFIX_V4, VIP_PREFIX_V6], BACKEND_LINK.peer())?)
}

/// Joins a router and a namespace whose default route leads through it.
pub(super) fn join(router: &Netns, router_interface: &str, peer: &Netns, interface: &str, link: Link) -> Result<()> {
    // Locally administered, and different for every end of every link.
    let address = |last: u8| {
        let [first, .., third] = link.wire_v4.octets();
        mac([0x02, 0, 0, first, third, last])
    };
    router.ip(&format!(
        "link add {router_interface} address {} mtu 1500 numtxqueues 1 numrxqueues 1 type veth \
         peer name {interface} address {} mtu 1500 numtxqueues 1 numrxqueues 1 netns {}\n",
        address(1),
        address(2),
        peer.name()
    ))?;
    router.ip(&end(router_interface, link, true, &address(2))?)?;
    peer.ip(&end(interface, link, false, &address(1))?)?;
    peer.ip(&routes(&["default"; 2], link.wire())?)
}

/// Two interfaces of the attacker that carry nothing: see [`ARMS`].
pub(super) fn add_arms(attacker: &Netns) -> Result<()> {
    attacker.ip(&format!("link add {} type veth peer name {}\n", ARMS[0], ARMS[1]))
}

/// Lines that give every customer's address to an interface.
pub(super) fn client_addresses(interface: &str) -> Result<String> {
    let mut lines = String::new();
    for client in clients() {
        add_address(&mut lines, &client.to_string(), interface, client.is_ipv6())?;
    }
    for prefix in [FRESH_PREFIX_V4, FRESH_PREFIX_V6] {
        writeln!(lines, "route add local {prefix} dev lo")?;
    }
    Ok(lines)
}

/// Lines that route an IPv4 and an IPv6 prefix by way of a neighbour.
pub(super) fn routes(prefixes: &[&str; 2], via: [std::net::IpAddr; 2]) -> Result<String> {
    let mut lines = String::new();
    for (prefix, via) in prefixes.iter().zip(via) {
        writeln!(lines, "route add {prefix} via {via}")?;
    }
    Ok(lines)
}

/// One end of a link: addresses, and the other end as a permanent neighbour, because a lost ARP answer under flood would
/// measure the lab and not the load balancer.
fn end(interface: &str, link: Link, is_router: bool, neighbour: &str) -> Result<String> {
    let (own, other) = if is_router {
        (link.wire(), link.peer())
    } else {
        (link.peer(), link.wire())
    };
    let mut lines = String::new();
    writeln!(lines, "address add {}/30 dev {interface}", own[0])?;
    writeln!(lines, "address add {}/64 dev {interface} nodad", own[1])?;
    writeln!(lines, "link set {interface} up")?;
    for other in other {
        writeln!(
            lines,
            "neighbour replace {other} lladdr {neighbour} dev {interface} nud permanent"
        )?;
    }
    Ok(lines)
}

fn add_address(lines: &mut String, address: &str, interface: &str, is_ipv6: bool) -> Result<()> {
    let (length, options) = if is_ipv6 { (128, " nodad") } else { (32, "") };
    writeln!(lines, "address add {address}/{length} dev {interface}{options}")?;
    Ok(())
}
