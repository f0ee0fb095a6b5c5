//! How the namespaces are joined.
//!
//! [`Topology::routed`]: customers and attacker each have a veth to `wire`, which has one veth to the load balancer. The
//! kernel of `wire` routes customers; its XDP program moves the flood. Both enter the load balancer by its one interface.
//!
//! ```text
//! client    client0 ── to-client   ┐
//!                                   wire   to-lb ── lb0   lb
//! attacker  attacker0 ── to-attacker ┘
//! ```
//!
//! [`Topology::direct`]: one veth, with customers and attacker at its other end: the fewest moving parts, for benchmarks.

use std::fmt::Write as _;

use anyhow::Result;

use crate::{
    addresses::{
        ATTACKER_LINK, BALANCER_LINK, BALANCER_MAC, CLIENT_LINK, CLIENT_PREFIX_V4, CLIENT_PREFIX_V6, FRESH_PREFIX_V4,
        GATEWAY_MAC, Link, VIP_PREFIX_V4, VIP_PREFIX_V6, clients, mac, vips,
    },
    cores::{self, Cores},
    lab::Lab,
    netns::{Netns, Role},
    wire,
};

/// The load balancer's one interface.
pub const BALANCER_INTERFACE: &str = "lb0";

/// The wire's interface to the load balancer.
pub const WIRE_INTERFACE: &str = "to-lb";

/// The attacker's interfaces that carry nothing: the generator's programs are attached there, see `flood::generator`.
pub(crate) const ARMS: [&str; 2] = ["arm-v4", "arm-v6"];

const ATTACKER_INTERFACE: &str = "attacker0";

/// A lab that is wired and ready for traffic. Dropping it takes it down.
#[derive(Debug)]
pub struct Topology {
    // The order is that of dropping: namespaces before the lab.
    client: Option<Netns>,
    attacker: Option<Netns>,
    wire: Netns,
    balancer: Netns,
    cores: Cores,
    lab: Lab,
}

impl Topology {
    /// Customers, attacker and load balancer, each at its own veth of the wire.
    pub fn routed() -> Result<Self> {
        let lab = Lab::create()?;
        let balancer = Netns::create(&lab, Role::Balancer)?;
        let wire = Netns::create(&lab, Role::Wire)?;
        let client = Netns::create(&lab, Role::Client)?;
        let attacker = Netns::create(&lab, Role::Attacker)?;
        join_balancer(&wire, &balancer)?;
        join(&wire, "to-client", &client, "client0", CLIENT_LINK)?;
        join(&wire, "to-attacker", &attacker, ATTACKER_INTERFACE, ATTACKER_LINK)?;
        add_arms(&attacker)?;
        client.ip(&client_addresses("client0"))?;
        let mut routes = String::new();
        writeln!(routes, "route add {CLIENT_PREFIX_V4} via {}", CLIENT_LINK.peer_v4)?;
        writeln!(routes, "route add {CLIENT_PREFIX_V6} via {}", CLIENT_LINK.peer_v6)?;
        writeln!(routes, "route add {FRESH_PREFIX_V4} via {}", CLIENT_LINK.peer_v4)?;
        wire.ip(&routes)?;
        wire::attach_routed(&lab, &wire, "to-attacker", WIRE_INTERFACE)?;
        let cores = cores::settle(&balancer, &wire)?;
        Ok(Self {
            client: Some(client),
            attacker: Some(attacker),
            wire,
            balancer,
            cores,
            lab,
        })
    }

    /// One veth, with customers and attacker in the wire's namespace.
    pub fn direct() -> Result<Self> {
        let lab = Lab::create()?;
        let balancer = Netns::create(&lab, Role::Balancer)?;
        let wire = Netns::create(&lab, Role::Wire)?;
        join_balancer(&wire, &balancer)?;
        add_arms(&wire)?;
        wire.ip(&client_addresses("lo"))?;
        wire::attach_direct(&lab, &wire, WIRE_INTERFACE)?;
        let cores = cores::settle(&balancer, &wire)?;
        Ok(Self {
            client: None,
            attacker: None,
            wire,
            balancer,
            cores,
            lab,
        })
    }

    /// The lab: its name and its files.
    #[must_use]
    pub const fn lab(&self) -> &Lab {
        &self.lab
    }

    /// Where the load balancer runs.
    #[must_use]
    pub const fn balancer(&self) -> &Netns {
        &self.balancer
    }

    /// Where customers are.
    #[must_use]
    pub fn client(&self) -> &Netns {
        self.client.as_ref().unwrap_or(&self.wire)
    }

    /// Where the flood comes from.
    #[must_use]
    pub fn attacker(&self) -> &Netns {
        self.attacker.as_ref().unwrap_or(&self.wire)
    }

    /// The Internet between them.
    #[must_use]
    pub const fn wire(&self) -> &Netns {
        &self.wire
    }

    /// The interface by which the flood leaves the attacker.
    #[must_use]
    pub const fn flood_interface(&self) -> &'static str {
        if self.attacker.is_some() {
            ATTACKER_INTERFACE
        } else {
            WIRE_INTERFACE
        }
    }

    /// Which core does what.
    #[must_use]
    pub const fn cores(&self) -> Cores {
        self.cores
    }

    /// Leaves everything up after the end of this process. `lab down` ends it.
    pub fn keep(&mut self) -> Result<()> {
        self.lab.keep()?;
        for namespace in [self.client.as_mut(), self.attacker.as_mut()].into_iter().flatten() {
            namespace.keep();
        }
        self.wire.keep();
        self.balancer.keep();
        Ok(())
    }
}

/// Joins wire and load balancer: one receive queue, so that one core is the whole capacity, and addresses on both.
fn join_balancer(wire: &Netns, balancer: &Netns) -> Result<()> {
    wire.ip(&format!(
        "link add {WIRE_INTERFACE} address {} mtu 1500 numtxqueues 1 numrxqueues 1 type veth \
         peer name {BALANCER_INTERFACE} address {} mtu 1500 numtxqueues 1 numrxqueues 1 netns {}\n",
        mac(GATEWAY_MAC),
        mac(BALANCER_MAC),
        balancer.name()
    ))?;
    for namespace in [wire, balancer] {
        namespace.set_sysctls(&[
            ("net/ipv4/conf/all/rp_filter", "0"),
            ("net/ipv4/conf/default/rp_filter", "0"),
            (
                "net/ipv4/ip_forward",
                if namespace.name() == wire.name() { "1" } else { "0" },
            ),
            (
                "net/ipv6/conf/all/forwarding",
                if namespace.name() == wire.name() { "1" } else { "0" },
            ),
        ])?;
    }
    wire.ip(&end(WIRE_INTERFACE, BALANCER_LINK, true, &mac(BALANCER_MAC))?)?;
    balancer.ip(&end(BALANCER_INTERFACE, BALANCER_LINK, false, &mac(GATEWAY_MAC))?)?;
    let mut routes = String::new();
    writeln!(routes, "route add {VIP_PREFIX_V4} via {}", BALANCER_LINK.peer_v4)?;
    writeln!(routes, "route add {VIP_PREFIX_V6} via {}", BALANCER_LINK.peer_v6)?;
    writeln!(routes, "route add blackhole default")?;
    writeln!(routes, "route add blackhole ::/0")?;
    wire.ip(&routes)?;
    let mut lines = gateway(BALANCER_LINK)?;
    for vip in vips() {
        add_address(&mut lines, &vip.to_string(), "lo", vip.is_ipv6())?;
    }
    balancer.ip(&lines)
}

/// Joins the wire and a namespace whose default route leads through it.
fn join(wire: &Netns, wire_interface: &str, peer: &Netns, interface: &str, link: Link) -> Result<()> {
    // Locally administered, and different for every end of every link.
    let address = |last: u8| mac([0x02, 0, 0, 0, link.wire_v4.octets()[3], last]);
    wire.ip(&format!(
        "link add {wire_interface} address {} mtu 1500 numtxqueues 1 numrxqueues 1 type veth \
         peer name {interface} address {} mtu 1500 numtxqueues 1 numrxqueues 1 netns {}\n",
        address(1),
        address(2),
        peer.name()
    ))?;
    wire.ip(&end(wire_interface, link, true, &address(2))?)?;
    peer.ip(&end(interface, link, false, &address(1))?)?;
    peer.ip(&gateway(link)?)
}

fn add_arms(attacker: &Netns) -> Result<()> {
    attacker.ip(&format!("link add {} type veth peer name {}\n", ARMS[0], ARMS[1]))
}

/// One end of a link: addresses, and the other end as a permanent neighbour, because a lost ARP answer under flood would
/// measure the lab and not the load balancer.
fn end(interface: &str, link: Link, is_wire: bool, neighbour: &str) -> Result<String> {
    let (own_v4, other_v4) = if is_wire {
        (link.wire_v4, link.peer_v4)
    } else {
        (link.peer_v4, link.wire_v4)
    };
    let (own_v6, other_v6) = if is_wire {
        (link.wire_v6, link.peer_v6)
    } else {
        (link.peer_v6, link.wire_v6)
    };
    let mut lines = String::new();
    writeln!(lines, "address add {own_v4}/30 dev {interface}")?;
    writeln!(lines, "address add {own_v6}/64 dev {interface} nodad")?;
    writeln!(lines, "link set {interface} up")?;
    writeln!(
        lines,
        "neighbour replace {other_v4} lladdr {neighbour} dev {interface} nud permanent"
    )?;
    writeln!(
        lines,
        "neighbour replace {other_v6} lladdr {neighbour} dev {interface} nud permanent"
    )?;
    Ok(lines)
}

fn gateway(link: Link) -> Result<String> {
    let mut lines = String::new();
    writeln!(lines, "route add default via {}", link.wire_v4)?;
    writeln!(lines, "route add default via {}", link.wire_v6)?;
    Ok(lines)
}

fn client_addresses(interface: &str) -> String {
    let mut lines = String::new();
    for client in clients() {
        // Writing to a string does not fail.
        let _written = add_address(&mut lines, &client.to_string(), interface, client.is_ipv6());
    }
    let _written = writeln!(lines, "route add local {FRESH_PREFIX_V4} dev lo");
    lines
}

fn add_address(lines: &mut String, address: &str, interface: &str, is_ipv6: bool) -> Result<()> {
    let (length, options) = if is_ipv6 { (128, " nodad") } else { (32, "") };
    writeln!(lines, "address add {address}/{length} dev {interface}{options}")?;
    Ok(())
}
