//! Ethernet II with up to two VLAN tags (IEEE 802.1Q, 802.1ad, and the older 0x9100 for the outer one).

use network_types::{
    eth::{EthHdr, EtherType},
    vlan::VlanHdr,
};
use xdp_common::Reason;

use crate::cursor::{Cursor, Frame};

/// VLAN tags that are looked through.
const VLAN_TAGS: usize = 2;

const IPV4: u16 = EtherType::Ipv4 as u16;
const IPV6: u16 = EtherType::Ipv6 as u16;
const VLAN: u16 = EtherType::Ieee8021q as u16;
const SERVICE_VLAN: u16 = EtherType::Ieee8021ad as u16;
const OLD_SERVICE_VLAN: u16 = EtherType::Ieee8021QinQ1 as u16;

/// The network protocol behind the Ethernet header.
pub(super) enum Network {
    Ipv4,
    Ipv6,
}

/// Moves the cursor to the network header.
#[inline(always)]
pub(super) fn parse<F: Frame>(cursor: &mut Cursor<'_, F>) -> Result<Network, Reason> {
    let ethernet: EthHdr = cursor.take().ok_or(Reason::Unreadable)?;
    let mut ether_type = ethernet.ether_type;
    for _ in 0..VLAN_TAGS {
        if !is_vlan(ether_type) {
            break;
        }
        let tag: VlanHdr = cursor.take().ok_or(Reason::Unreadable)?;
        ether_type = tag.ether_type;
    }
    match ether_type {
        IPV4 => Ok(Network::Ipv4),
        IPV6 => Ok(Network::Ipv6),
        tag if is_vlan(tag) => Err(Reason::VlanDepth),
        _ => Err(Reason::NotIp),
    }
}

#[inline(always)]
fn is_vlan(ether_type: u16) -> bool {
    matches!(ether_type, VLAN | SERVICE_VLAN | OLD_SERVICE_VLAN)
}
