//! What the agent must know of the host it runs on: interfaces and their addresses, default gateways, resolvers, its TCP, and
//! whether it keeps up. Read through netlink, `/proc` and `/etc/resolv.conf`; nothing here changes anything but a sysctl when the
//! configuration asks for it.

mod chosen;
pub mod interfaces;
pub mod load;
pub mod sockets;
mod sysctls;
mod tcp;

use std::{collections::BTreeMap, io, net::IpAddr};

use anyhow::Context as _;
use futures_util::TryStreamExt as _;
use rtnetlink::packet_route::{
    address::AddressAttribute,
    link::LinkAttribute,
    route::{RouteAddress, RouteAttribute, RouteMessage, RouteVia},
};

pub use chosen::Chosen;
pub use sockets::{Connection, Listening, Peers, connections};
pub use sysctls::{Sysctl, Sysctls, sysctl_files};
pub use tcp::{Looker, TcpFacts};

/// What the engine asks of the host, and does to it, beside the kernel's tables.
pub trait Host: Send {
    /// The peers of connections to an address of `ours`.
    ///
    /// # Errors
    /// If the kernel does not tell.
    fn peers(&self, ours: &dyn Fn(IpAddr) -> bool) -> io::Result<Peers>;

    /// Sets a sysctl.
    ///
    /// # Errors
    /// If the kernel refuses.
    fn set_sysctl(&self, sysctl: Sysctl, value: u32) -> io::Result<()>;
}

/// The host that the agent runs on.
#[derive(Debug)]
pub struct ThisHost;

/// The peers of connections to an address of `ours` on this host.
///
/// # Errors
/// If the kernel does not tell.
pub fn peers(ours: impl Fn(IpAddr) -> bool) -> io::Result<Peers> {
    sockets::peers(PEERS_MAX, ours)
}

/// Peers that are asked for at most: what fits the set of known sources, and a second of work.
const PEERS_MAX: usize = 200_000;

impl Host for ThisHost {
    fn peers(&self, ours: &dyn Fn(IpAddr) -> bool) -> io::Result<Peers> {
        peers(ours)
    }

    fn set_sysctl(&self, sysctl: Sysctl, value: u32) -> io::Result<()> {
        sysctl.write(value)
    }
}

/// Where the resolvers are named.
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// One network interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Name.
    pub name: String,
    /// The host's own addresses on it.
    pub addresses: Vec<IpAddr>,
    /// Its MTU in bytes; 0 where the kernel does not tell.
    pub mtu: u32,
    /// Packets that it lost so far because nobody took them in time.
    pub receive_drops: u64,
}

/// The host as it is now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostFacts {
    /// Every interface of this network namespace.
    pub interfaces: Vec<Interface>,
    /// Next hops of the default routes.
    pub gateways: Vec<IpAddr>,
    /// Name servers.
    pub resolvers: Vec<IpAddr>,
}

/// Version of the kernel that runs, as far as its release tells: (major, minor).
#[must_use]
pub fn kernel_version() -> Option<(u32, u32)> {
    let name = nix::sys::utsname::uname().ok()?;
    parse_release(&name.release().to_string_lossy())
}

/// The two first numbers of a release such as `6.1.0-30-amd64`.
#[must_use]
pub fn parse_release(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

impl HostFacts {
    /// Reads them all.
    ///
    /// # Errors
    /// If the kernel refuses a netlink request, which needs no privilege.
    pub async fn read() -> anyhow::Result<Self> {
        let (connection, handle, _) = rtnetlink::new_connection().context("cannot open a netlink socket")?;
        let driver = tokio::spawn(connection);
        let facts = Self {
            interfaces: read_interfaces(&handle)
                .await
                .context("cannot list the network interfaces")?,
            gateways: read_gateways(&handle).await.context("cannot list the routes")?,
            resolvers: parse_resolvers(&std::fs::read_to_string(RESOLV_CONF).unwrap_or_default()),
        };
        driver.abort();
        Ok(facts)
    }

    /// The interfaces alone: what can be asked for each second, where routes are too many.
    ///
    /// # Errors
    /// As for [`Self::read`].
    pub async fn read_interfaces() -> anyhow::Result<Vec<Interface>> {
        let (connection, handle, _) = rtnetlink::new_connection().context("cannot open a netlink socket")?;
        let driver = tokio::spawn(connection);
        let interfaces = read_interfaces(&handle)
            .await
            .context("cannot list the network interfaces");
        driver.abort();
        interfaces
    }

    /// The global addresses of all interfaces, each once: what `protect = ["auto"]` stands for.
    #[must_use]
    pub fn global_addresses(&self) -> Vec<IpAddr> {
        let mut addresses: Vec<IpAddr> = self
            .all_addresses()
            .filter(|address| can_be_protected(*address))
            .collect();
        addresses.sort_unstable();
        addresses.dedup();
        addresses
    }

    /// Whether this host has the address itself, so that its own sockets know the connections.
    #[must_use]
    pub fn is_local(&self, address: IpAddr) -> bool {
        self.all_addresses().any(|own| own == address)
    }

    /// Names of the interfaces.
    #[must_use]
    pub fn interface_names(&self) -> Vec<&str> {
        self.interfaces
            .iter()
            .map(|interface| interface.name.as_str())
            .collect()
    }

    fn all_addresses(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.interfaces
            .iter()
            .flat_map(|interface| interface.addresses.iter().copied())
    }
}

/// Whether packets from outside can be addressed to it: not loopback, link-local, multicast, broadcast or unspecified.
#[must_use]
pub fn can_be_protected(address: IpAddr) -> bool {
    let never = match address {
        IpAddr::V4(v4) => v4.is_link_local() || v4.is_broadcast() || v4.octets()[0] == 0,
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    !(never || address.is_loopback() || address.is_multicast() || address.is_unspecified())
}

async fn read_interfaces(handle: &rtnetlink::Handle) -> Result<Vec<Interface>, rtnetlink::Error> {
    let mut by_index = BTreeMap::new();
    let mut links = handle.link().get().execute();
    while let Some(link) = links.try_next().await? {
        let mut name = None;
        let (mut mtu, mut receive_drops) = (0, 0);
        for attribute in link.attributes {
            match attribute {
                LinkAttribute::IfName(found) => name = Some(found),
                LinkAttribute::Mtu(found) => mtu = found,
                LinkAttribute::Stats64(found) => receive_drops = load::receive_drops(&found),
                _ => {}
            }
        }
        if let Some(name) = name {
            by_index.insert(
                link.header.index,
                Interface {
                    name,
                    addresses: Vec::new(),
                    mtu,
                    receive_drops,
                },
            );
        }
    }
    let mut addresses = handle.address().get().execute();
    while let Some(message) = addresses.try_next().await? {
        // `Local` is the host's own address; on a point-to-point link `Address` is the peer's.
        let pick = |wanted: fn(&AddressAttribute) -> Option<IpAddr>| message.attributes.iter().find_map(wanted);
        let own = pick(|attribute| match attribute {
            AddressAttribute::Local(address) => Some(*address),
            _ => None,
        })
        .or_else(|| {
            pick(|attribute| match attribute {
                AddressAttribute::Address(address) => Some(*address),
                _ => None,
            })
        });
        if let (Some(address), Some(interface)) = (own, by_index.get_mut(&message.header.index)) {
            interface.addresses.push(address);
        }
    }
    Ok(by_index.into_values().collect())
}

async fn read_gateways(handle: &rtnetlink::Handle) -> Result<Vec<IpAddr>, rtnetlink::Error> {
    let requests = [
        rtnetlink::RouteMessageBuilder::<std::net::Ipv4Addr>::new().build(),
        rtnetlink::RouteMessageBuilder::<std::net::Ipv6Addr>::new().build(),
    ];
    let mut gateways = Vec::new();
    for request in requests {
        let mut routes = handle.route().get(request).execute();
        while let Some(route) = routes.try_next().await? {
            if route.header.destination_prefix_length == 0 {
                gateways.extend(next_hops(&route));
            }
        }
    }
    gateways.sort_unstable();
    gateways.dedup();
    Ok(gateways)
}

fn next_hops(route: &RouteMessage) -> Vec<IpAddr> {
    let mut hops = Vec::new();
    for attribute in &route.attributes {
        match attribute {
            RouteAttribute::MultiPath(paths) => {
                hops.extend(paths.iter().flat_map(|path| &path.attributes).filter_map(gateway));
            }
            other => hops.extend(gateway(other)),
        }
    }
    hops
}

fn gateway(attribute: &RouteAttribute) -> Option<IpAddr> {
    match attribute {
        RouteAttribute::Gateway(RouteAddress::Inet(v4)) | RouteAttribute::Via(RouteVia::Inet(v4)) => Some((*v4).into()),
        RouteAttribute::Gateway(RouteAddress::Inet6(v6)) | RouteAttribute::Via(RouteVia::Inet6(v6)) => {
            Some((*v6).into())
        }
        _ => None,
    }
}

/// The `nameserver` lines of resolv.conf(5); a zone (`fe80::1%eth0`) is cut off.
fn parse_resolvers(text: &str) -> Vec<IpAddr> {
    text.lines()
        .filter_map(|line| line.trim().strip_prefix("nameserver"))
        .filter_map(|rest| rest.split_whitespace().next())
        .filter_map(|address| address.split('%').next().and_then(|bare| bare.parse().ok()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolvers_of_resolv_conf() {
        let text = "# a comment\nsearch example.org\nnameserver 192.0.2.53\n nameserver 2001:db8::53\nnameserver fe80::1%eth0\nnameserver x\n";
        let wanted: Vec<IpAddr> = ["192.0.2.53", "2001:db8::53", "fe80::1"]
            .map(|a| a.parse().expect("address"))
            .into();
        assert_eq!(parse_resolvers(text), wanted);
    }

    #[test]
    fn only_global_addresses_are_protected() {
        for (address, wanted) in [
            ("203.0.113.7", true),
            ("10.0.0.1", true),
            ("2001:db8::1", true),
            ("fd00::1", true),
            ("127.0.0.1", false),
            ("169.254.1.1", false),
            ("224.0.0.1", false),
            ("0.1.2.3", false),
            ("255.255.255.255", false),
            ("::1", false),
            ("fe80::1", false),
            ("ff02::1", false),
        ] {
            assert_eq!(can_be_protected(address.parse().expect("address")), wanted, "{address}");
        }
    }

    #[tokio::test]
    async fn this_host_has_a_loopback() {
        let facts = HostFacts::read().await.expect("netlink answers");
        assert!(facts.interface_names().contains(&"lo"), "{facts:?}");
    }
}
