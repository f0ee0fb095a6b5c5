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
//! [`Topology::shaped`] adds to it what its [`Shape`] says:
//!
//! ```text
//! home    home0 ── to-home    nat        nat0 ── to-nat            ┐          lb   to-backend ── backend0   backend
//! office  office0 ── to-office  firewall   firewall0 ── to-firewall  wire
//! ```
//!
//! [`Topology::direct`]: one veth, with customers and attacker at its other end: the fewest moving parts, for benchmarks.

mod edge;
mod join;
mod remake;

use anyhow::Result;
use edge::Edges;
pub use remake::NewLink;

use crate::{
    addresses::{ATTACKER_LINK, CLIENT_LINK, CLIENT_PREFIX_V4, CLIENT_PREFIX_V6, FRESH_PREFIX_V4, FRESH_PREFIX_V6},
    cores::{self, Cores},
    lab::Lab,
    netns::{Netns, Role},
    vlan, wire,
};

/// The load balancer's one interface.
pub const BALANCER_INTERFACE: &str = "lb0";

/// The wire's interface to the load balancer.
pub const WIRE_INTERFACE: &str = "to-lb";

/// The attacker's interfaces that carry nothing: the generator's programs are attached there, see `flood::generator`.
pub(crate) const ARMS: [&str; 2] = ["arm-v4", "arm-v6"];

const ATTACKER_INTERFACE: &str = "attacker0";

/// What a lab has beside customers, attacker, wire and load balancer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// The load balancer has no listener of its own: it forwards the protected addresses to a backend.
    pub forwards: bool,
    /// Frames on the load balancer's link carry a VLAN tag.
    pub vlan: bool,
    /// There are customers behind a NAT and behind a firewall too.
    pub edges: bool,
}

/// A lab that is wired and ready for traffic. Dropping it takes it down.
#[derive(Debug)]
pub struct Topology {
    // The order is that of dropping: namespaces before the lab.
    client: Option<Netns>,
    attacker: Option<Netns>,
    edges: Option<Edges>,
    wire: Netns,
    balancer: Netns,
    backend: Option<Netns>,
    shape: Shape,
    cores: Cores,
    lab: Lab,
}

impl Topology {
    /// Customers, attacker and load balancer, each at its own veth of the wire.
    pub fn routed() -> Result<Self> {
        Self::shaped(Shape::default())
    }

    /// The same, and what `shape` adds to it.
    pub fn shaped(shape: Shape) -> Result<Self> {
        let lab = Lab::create()?;
        let balancer = Netns::create(&lab, Role::Balancer)?;
        let wire = Netns::create(&lab, Role::Wire)?;
        let client = Netns::create(&lab, Role::Client)?;
        let attacker = Netns::create(&lab, Role::Attacker)?;
        join::set_forwarding(&balancer, false)?;
        join::join_balancer(&wire, &balancer)?;
        join::join(&wire, "to-client", &client, "client0", CLIENT_LINK)?;
        join::join(&wire, "to-attacker", &attacker, ATTACKER_INTERFACE, ATTACKER_LINK)?;
        join::add_arms(&attacker)?;
        client.ip(&join::client_addresses("client0")?)?;
        // Customers who come once bind to addresses that are routed here, and not one by one on an interface.
        client.set_sysctls(&[("net/ipv6/ip_nonlocal_bind", "1")])?;
        for prefixes in [[CLIENT_PREFIX_V4, CLIENT_PREFIX_V6], [FRESH_PREFIX_V4, FRESH_PREFIX_V6]] {
            wire.ip(&join::routes(&prefixes, CLIENT_LINK.peer())?)?;
        }
        let backend = if shape.forwards {
            let backend = Netns::create(&lab, Role::Backend)?;
            join::join_backend(&balancer, &backend)?;
            Some(backend)
        } else {
            None
        };
        join::give_vips(backend.as_ref().unwrap_or(&balancer))?;
        let edges = if shape.edges {
            Some(Edges::create(&lab, &wire)?)
        } else {
            None
        };
        wire::attach_routed(&lab, &wire, "to-attacker", WIRE_INTERFACE)?;
        if shape.vlan {
            vlan::tag(&lab, &wire, WIRE_INTERFACE)?;
            vlan::tag(&lab, &balancer, BALANCER_INTERFACE)?;
        }
        let cores = cores::settle(&balancer, &wire)?;
        Ok(Self {
            client: Some(client),
            attacker: Some(attacker),
            edges,
            wire,
            balancer,
            backend,
            shape,
            cores,
            lab,
        })
    }

    /// One veth, with customers and attacker in the wire's namespace.
    pub fn direct() -> Result<Self> {
        let lab = Lab::create()?;
        let balancer = Netns::create(&lab, Role::Balancer)?;
        let wire = Netns::create(&lab, Role::Wire)?;
        join::set_forwarding(&balancer, false)?;
        join::join_balancer(&wire, &balancer)?;
        join::give_vips(&balancer)?;
        join::add_arms(&wire)?;
        wire.ip(&join::client_addresses("lo")?)?;
        wire::attach_direct(&lab, &wire, WIRE_INTERFACE)?;
        let cores = cores::settle(&balancer, &wire)?;
        Ok(Self {
            client: None,
            attacker: None,
            edges: None,
            wire,
            balancer,
            backend: None,
            shape: Shape::default(),
            cores,
            lab,
        })
    }

    /// The lab: its name and its files.
    #[must_use]
    pub const fn lab(&self) -> &Lab {
        &self.lab
    }

    /// What this lab has beside the usual.
    #[must_use]
    pub const fn shape(&self) -> Shape {
        self.shape
    }

    /// Where the load balancer runs.
    #[must_use]
    pub const fn balancer(&self) -> &Netns {
        &self.balancer
    }

    /// Where connections to the protected addresses end: the backend if there is one, else the load balancer.
    #[must_use]
    pub fn server(&self) -> &Netns {
        self.backend.as_ref().unwrap_or(&self.balancer)
    }

    /// Where customers are.
    #[must_use]
    pub fn client(&self) -> &Netns {
        self.client.as_ref().unwrap_or(&self.wire)
    }

    /// Where customers behind a masquerading NAT are; none if the lab has no edges.
    #[must_use]
    pub fn home(&self) -> Option<&Netns> {
        self.edges.as_ref().map(|edges| &edges.home)
    }

    /// Where customers behind a stateful firewall are; none if the lab has no edges.
    #[must_use]
    pub fn office(&self) -> Option<&Netns> {
        self.edges.as_ref().map(|edges| &edges.office)
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

    /// The VLAN tags that frames on the load balancer's link carry.
    #[must_use]
    pub const fn vlans(&self) -> &'static [u16] {
        if self.shape.vlan { &[vlan::VLAN] } else { &[] }
    }

    /// Which core does what.
    #[must_use]
    pub const fn cores(&self) -> Cores {
        self.cores
    }

    /// Leaves everything up after the end of this process. `lab down` ends it.
    pub fn keep(&mut self) -> Result<()> {
        self.lab.keep()?;
        let some = [self.client.as_mut(), self.attacker.as_mut(), self.backend.as_mut()];
        for namespace in some.into_iter().flatten() {
            namespace.keep();
        }
        if let Some(edges) = &mut self.edges {
            edges.keep();
        }
        self.wire.keep();
        self.balancer.keep();
        Ok(())
    }
}
