//! Routes: where default routes lead, and by which way each protected address is reached.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use anyhow::Context as _;
use futures_util::TryStreamExt as _;
use rtnetlink::{
    RouteMessageBuilder,
    packet_route::{
        neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourState},
        route::{RouteAddress, RouteAttribute, RouteMessage, RouteType, RouteVia},
    },
};

use crate::doctor::facts::{ConfigFacts, Way};

/// Addresses whose way is looked up: each is a question to the kernel.
const LOOKED_UP_MAX: usize = 512;

/// Names of interfaces by index.
async fn names(handle: &rtnetlink::Handle) -> anyhow::Result<BTreeMap<u32, String>> {
    use rtnetlink::packet_route::link::LinkAttribute;
    let mut names = BTreeMap::new();
    let mut links = handle.link().get().execute();
    while let Some(link) = links.try_next().await.context("cannot list the network interfaces")? {
        let name = link.attributes.into_iter().find_map(|attribute| match attribute {
            LinkAttribute::IfName(name) => Some(name),
            _ => None,
        });
        names.extend(name.map(|name| (link.header.index, name)));
    }
    Ok(names)
}

/// Interfaces that default routes use.
pub(super) async fn default_interfaces(handle: &rtnetlink::Handle) -> anyhow::Result<Vec<String>> {
    let names = names(handle).await?;
    let mut indexes = BTreeSet::new();
    let requests = [
        RouteMessageBuilder::<Ipv4Addr>::new().build(),
        RouteMessageBuilder::<Ipv6Addr>::new().build(),
    ];
    for request in requests {
        let mut routes = handle.route().get(request).execute();
        while let Some(route) = routes.try_next().await.context("cannot list the routes")? {
            if route.header.destination_prefix_length == 0 && route.header.kind == RouteType::Unicast {
                indexes.extend(interfaces_of(&route));
            }
        }
    }
    Ok(indexes.iter().filter_map(|index| names.get(index).cloned()).collect())
}

fn interfaces_of(route: &RouteMessage) -> Vec<u32> {
    route
        .attributes
        .iter()
        .flat_map(|attribute| match attribute {
            RouteAttribute::Oif(index) => vec![*index],
            RouteAttribute::MultiPath(hops) => hops.iter().map(|hop| hop.interface_index).collect(),
            _ => Vec::new(),
        })
        .collect()
}

/// The way to each protected address.
pub(super) async fn ways(handle: &rtnetlink::Handle, config: &ConfigFacts) -> anyhow::Result<BTreeMap<IpAddr, Way>> {
    let Ok(resolved) = &config.resolved else {
        return Ok(BTreeMap::new());
    };
    let mut ways = BTreeMap::new();
    let names = names(handle).await?;
    let dead = dead_neighbours(handle).await?;
    let mut asked = 0;
    for (address, protected) in &resolved.protected {
        if protected.local {
            ways.insert(*address, Way::Local);
        } else if asked < LOOKED_UP_MAX {
            asked += 1;
            ways.insert(*address, way(handle, *address, &names, &dead).await);
        }
    }
    Ok(ways)
}

async fn way(
    handle: &rtnetlink::Handle,
    address: IpAddr,
    names: &BTreeMap<u32, String>,
    dead: &BTreeSet<(u32, IpAddr)>,
) -> Way {
    let length = if address.is_ipv4() { 32 } else { 128 };
    let request = match RouteMessageBuilder::<IpAddr>::new().destination_prefix(address, length) {
        Ok(builder) => builder.build(),
        Err(error) => return Way::None(error.to_string()),
    };
    let route = match handle.route().get(request).execute().try_next().await {
        Ok(Some(route)) => route,
        Ok(None) => return Way::None("the kernel does not answer".to_owned()),
        Err(rtnetlink::Error::NetlinkError(error)) => return Way::None(said(&error.to_io())),
        Err(error) => return Way::None(error.to_string()),
    };
    match route.header.kind {
        RouteType::Local => Way::Local,
        RouteType::Unicast => {
            let index = interfaces_of(&route).first().copied().unwrap_or(0);
            let next_hop = route.attributes.iter().find_map(gateway);
            Way::By {
                interface: names.get(&index).cloned().unwrap_or_else(|| index.to_string()),
                next_hop,
                dead: dead.contains(&(index, next_hop.unwrap_or(address))),
            }
        }
        other => Way::None(format!("its route is {other:?}").to_lowercase()),
    }
}

/// The kernel's answer, as ip(8) words it.
fn said(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_lowercase()
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

/// Neighbours that do not answer.
async fn dead_neighbours(handle: &rtnetlink::Handle) -> anyhow::Result<BTreeSet<(u32, IpAddr)>> {
    let mut dead = BTreeSet::new();
    let mut neighbours = handle.neighbours().get().execute();
    while let Some(neighbour) = neighbours.try_next().await.context("cannot list the neighbours")? {
        if neighbour.header.state != NeighbourState::Failed {
            continue;
        }
        let address = neighbour.attributes.iter().find_map(|attribute| match attribute {
            NeighbourAttribute::Destination(NeighbourAddress::Inet(v4)) => Some(IpAddr::from(*v4)),
            NeighbourAttribute::Destination(NeighbourAddress::Inet6(v6)) => Some(IpAddr::from(*v6)),
            _ => None,
        });
        dead.extend(address.map(|address| (neighbour.header.ifindex, address)));
    }
    Ok(dead)
}
