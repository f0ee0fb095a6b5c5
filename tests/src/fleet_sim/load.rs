//! What arrives at the nodes, as they are told.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Subnets};

/// SYNs per second that an address may have, on each node.
pub(super) const THRESHOLD: f64 = 20_000.0;
/// The first protected address.
const FIRST: u32 = 0x0a00_0000;

/// What arrives at each node.
#[derive(Clone, Debug, Default)]
pub(super) struct Load {
    /// These addresses are attacked.
    pub(super) attacked: Vec<IpAddr>,
    /// SYNs per second that nobody completed, to each of them at each node.
    pub(super) unproven: f64,
    /// From one look to the next it may be more or less by this part.
    pub(super) swing: f64,
}

impl Load {
    /// One and a half times the threshold in sum, spread evenly over all nodes: under it on each.
    pub(super) fn thin(attacked: Vec<IpAddr>, nodes: u32, swing: f64) -> Self {
        Self {
            attacked,
            unproven: 1.5 * THRESHOLD / f64::from(nodes.max(1)),
            swing,
        }
    }
}

/// The address with this number.
pub(super) const fn address(number: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from_bits(FIRST + number))
}

/// Numbers that look random and are the same each time.
#[derive(Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// From 0 to below 1: SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
    pub(super) fn roll(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// The protected addresses, as few prefixes as hold them.
pub(super) fn protected(addresses: u32) -> Vec<IpNet> {
    let subnets = Ipv4Subnets::new(
        Ipv4Addr::from_bits(FIRST),
        Ipv4Addr::from_bits(FIRST + addresses.max(1) - 1),
        0,
    );
    subnets.map(IpNet::V4).collect()
}
