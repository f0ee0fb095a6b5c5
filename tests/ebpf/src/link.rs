//! The load balancer's link, where it carries a VLAN tag.

/// Identifier of the VLAN that the load balancer's link carries, where it carries one.
pub const VLAN: u16 = 100;

/// EtherType of an IEEE 802.1Q tag.
pub const VLAN_ETHER_TYPE: u16 = 0x8100;
