//! The lab's address plan: who has which addresses, all of them from ranges set aside for documentation and tests.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Customers' IPv4 addresses: 203.0.113.1 and on.
pub const CLIENTS_V4: u8 = 250;

/// Customers' IPv6 addresses, each in a /64 of its own: 2001:db8:c:1::1 and on.
pub const CLIENTS_V6: u16 = 32;

/// Protected addresses of each family: 198.51.100.10 and 2001:db8:1::10 and on.
pub const VIPS: u8 = 8;

/// The load balancer's hardware address.
pub const BALANCER_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x02];

/// The hardware address of the wire's interface to the load balancer: its gateway.
pub const GATEWAY_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x01];

/// A point-to-point link: the wire's end and the other end, in both families.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// The wire's IPv4 address, prefix length 30.
    pub wire_v4: Ipv4Addr,
    /// The other end's IPv4 address.
    pub peer_v4: Ipv4Addr,
    /// The wire's IPv6 address, prefix length 64.
    pub wire_v6: Ipv6Addr,
    /// The other end's IPv6 address.
    pub peer_v6: Ipv6Addr,
}

impl Link {
    /// The wire's addresses, IPv4 and IPv6.
    #[must_use]
    pub const fn wire(self) -> [IpAddr; 2] {
        [IpAddr::V4(self.wire_v4), IpAddr::V6(self.wire_v6)]
    }

    /// The other end's addresses, IPv4 and IPv6.
    #[must_use]
    pub const fn peer(self) -> [IpAddr; 2] {
        [IpAddr::V4(self.peer_v4), IpAddr::V6(self.peer_v6)]
    }
}

const fn link(number: u8) -> Link {
    Link {
        wire_v4: Ipv4Addr::new(192, 0, 2, 4 * number + 1),
        peer_v4: Ipv4Addr::new(192, 0, 2, 4 * number + 2),
        wire_v6: Ipv6Addr::new(0x2001, 0xdb8, 0, number as u16 + 1, 0, 0, 0, 1),
        peer_v6: Ipv6Addr::new(0x2001, 0xdb8, 0, number as u16 + 1, 0, 0, 0, 2),
    }
}

/// Between the wire and the load balancer.
pub const BALANCER_LINK: Link = link(0);

/// Between the wire and the customers.
pub const CLIENT_LINK: Link = link(1);

/// Between the wire and the attacker.
pub const ATTACKER_LINK: Link = link(2);

/// Between the wire and the router that hides a home.
pub const NAT_LINK: Link = link(3);

/// Between that router and the home, with addresses that nobody else knows.
pub const HOME_LINK: Link = Link {
    wire_v4: Ipv4Addr::new(10, 0, 0, 1),
    peer_v4: Ipv4Addr::new(10, 0, 0, 2),
    wire_v6: Ipv6Addr::new(0xfd00, 0, 0, 1, 0, 0, 0, 1),
    peer_v6: Ipv6Addr::new(0xfd00, 0, 0, 1, 0, 0, 0, 2),
};

/// Between the wire and the router that lets in only what was asked for.
pub const FIREWALL_LINK: Link = link(4);

/// Between that router and the office.
pub const OFFICE_LINK: Link = link(5);

/// Between the load balancer and the server to which it forwards.
pub const BACKEND_LINK: Link = link(6);

/// Where the load balancer's IPv4 addresses are routed.
pub const VIP_PREFIX_V4: &str = "198.51.100.0/24";

/// Where the load balancer's IPv6 addresses are routed.
pub const VIP_PREFIX_V6: &str = "2001:db8:1::/48";

/// Where the customers' IPv4 addresses are routed.
pub const CLIENT_PREFIX_V4: &str = "203.0.113.0/24";

/// Where the customers' IPv6 addresses are routed.
pub const CLIENT_PREFIX_V6: &str = "2001:db8:c::/48";

/// Addresses of customers who come once, four million of them, all local to the customers' namespace. Nothing floods from
/// here.
pub const FRESH_PREFIX_V4: &str = "10.64.0.0/10";

/// The same in IPv6: 65,536 networks of /64.
pub const FRESH_PREFIX_V6: &str = "2001:db8:d::/48";

/// The protected addresses, IPv4 and IPv6 in turns.
#[must_use]
pub fn vips() -> Vec<IpAddr> {
    let both = |number: u8| -> [IpAddr; 2] {
        let v6 = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 0x10 + u16::from(number));
        [Ipv4Addr::new(198, 51, 100, 10 + number).into(), v6.into()]
    };
    (0..VIPS).flat_map(both).collect()
}

/// The customers' addresses: all IPv4 ones, then all IPv6 ones.
#[must_use]
pub fn clients() -> Vec<IpAddr> {
    let v4 = (1..=CLIENTS_V4).map(|host| IpAddr::from(Ipv4Addr::new(203, 0, 113, host)));
    let v6 = (1..=CLIENTS_V6).map(|network| IpAddr::from(Ipv6Addr::new(0x2001, 0xdb8, 0xc, network, 0, 0, 0, 1)));
    v4.chain(v6).collect()
}

/// A hardware address as `ip` writes it.
#[must_use]
pub fn mac(bytes: [u8; 6]) -> String {
    bytes.map(|byte| format!("{byte:02x}")).join(":")
}
