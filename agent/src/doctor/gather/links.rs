//! The interfaces, put together from netlink, ethtool and sysfs.

use std::collections::BTreeMap;

use anyhow::Context as _;
use futures_util::TryStreamExt as _;
use rtnetlink::packet_route::link::{LinkAttribute, LinkFlags, LinkInfo, LinkMessage, LinkXdp, XdpAttached};

use super::{driver, ethtool::Asker, places::Places, sysfs};
use crate::{
    doctor::facts::{Attached, Nic},
    kernel::inspect,
    tables::XdpMode,
};

/// What netlink says of one link.
struct Link {
    name: String,
    kind: Option<String>,
    lower: Option<u32>,
    flags: LinkFlags,
    mtu: u32,
    programs: Vec<(u32, XdpMode)>,
}

/// The interfaces of these names.
pub(super) async fn gather(handle: &rtnetlink::Handle, names: &[String], places: &Places) -> anyhow::Result<Vec<Nic>> {
    let mut links = BTreeMap::new();
    let mut answers = handle.link().get().execute();
    while let Some(message) = answers.try_next().await.context("cannot list the network interfaces")? {
        let index = message.header.index;
        links.insert(index, link(message));
    }
    let mut asker = Asker::new();
    let wanted = names
        .iter()
        .filter_map(|name| links.iter().find(|(_, link)| link.name == *name));
    Ok(wanted
        .map(|(index, link)| nic(*index, link, &links, places, &mut asker))
        .collect())
}

fn link(message: LinkMessage) -> Link {
    let mut link = Link {
        name: String::new(),
        kind: None,
        lower: None,
        flags: message.header.flags,
        mtu: 0,
        programs: Vec::new(),
    };
    let mut elsewhere = false;
    for attribute in message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name = name,
            LinkAttribute::Mtu(mtu) => link.mtu = mtu,
            LinkAttribute::Link(index) => link.lower = Some(index),
            LinkAttribute::LinkNetNsId(_) => elsewhere = true,
            LinkAttribute::LinkInfo(infos) => {
                link.kind = infos.iter().find_map(|info| match info {
                    LinkInfo::Kind(kind) => Some(kind.to_string()),
                    _ => None,
                });
            }
            LinkAttribute::Xdp(attributes) => link.programs = programs(&attributes),
            _ => {}
        }
    }
    if elsewhere {
        link.lower = None;
    }
    link
}

fn programs(attributes: &[LinkXdp]) -> Vec<(u32, XdpMode)> {
    let generic = attributes.contains(&LinkXdp::Attached(XdpAttached::SocketBuffer));
    let single = if generic { XdpMode::Generic } else { XdpMode::Native };
    let mut programs: Vec<(u32, XdpMode)> = attributes
        .iter()
        .filter_map(|attribute| match attribute {
            LinkXdp::DrvProgId(id) | LinkXdp::HwProgId(id) => Some((*id, XdpMode::Native)),
            LinkXdp::SkbProgId(id) => Some((*id, XdpMode::Generic)),
            LinkXdp::ProgId(id) => Some((*id, single)),
            _ => None,
        })
        .collect();
    programs.sort_unstable_by_key(|(id, _)| *id);
    programs.dedup_by_key(|(id, _)| *id);
    programs
}

fn nic(index: u32, link: &Link, all: &BTreeMap<u32, Link>, places: &Places, asker: &mut Asker) -> Nic {
    let is_vlan_on_it = |other: &&Link| other.kind.as_deref() == Some("vlan") && other.lower == Some(index);
    let queues = asker.queues(&link.name);
    Nic {
        name: link.name.clone(),
        driver: driver::name(&link.name).ok(),
        kind: link.kind.clone(),
        lower: link
            .lower
            .and_then(|lower| all.get(&lower))
            .map(|lower| lower.name.clone()),
        vlans: all
            .values()
            .filter(is_vlan_on_it)
            .map(|other| other.name.clone())
            .collect(),
        up: link.flags.contains(LinkFlags::Up),
        carrier: link.flags.contains(LinkFlags::LowerUp),
        mtu: link.mtu,
        xdp_features: asker.xdp_features(index),
        features: asker.features(&link.name),
        combined: queues.as_ref().is_ok_and(|queues| queues.combined),
        queues: queues.map(|queues| queues.receive),
        ring: asker.ring(&link.name),
        indirection: asker.indirection(&link.name),
        interrupts: sysfs::interrupts(places, &link.name),
        rps: sysfs::rps(places, &link.name),
        programs: link
            .programs
            .iter()
            .map(|(id, mode)| Attached {
                id: *id,
                mode: *mode,
                name: inspect::program_name(*id),
                link: inspect::xdp_link_of(*id),
            })
            .collect(),
    }
}
