//! Levee as a busy load balancer has it: every stage on, lists filled, many addresses.

use std::{
    net::{IpAddr, Ipv4Addr},
    path::Path,
};

use agent::{
    config::units::{Burst, Rate},
    kernel::{Capacity, Kernel, LoadOptions},
    tables::{AddressState, KernelSettings, KernelTables as _, Limit, ListAction, ListEntry, Mode},
};
use anyhow::{Context as _, Result};
use ipnet::{IpNet, Ipv4Net};

use crate::addresses::vips;

/// How much Levee has to know.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    /// Protected addresses; those of the lab come first.
    pub(super) addresses: u32,
    /// Entries of the source list that were made by hand.
    pub(super) entries: u32,
    /// Prefixes of a large list.
    pub(super) listed: u32,
}

impl Size {
    /// A load balancer of some size.
    pub(super) const USUAL: Self = Self {
        addresses: 256,
        entries: 1_000,
        listed: 0,
    };
    /// One address, no list.
    pub(super) const LEAST: Self = Self {
        addresses: 1,
        entries: 0,
        listed: 0,
    };
    /// As much as is asked of Levee.
    pub(super) const MOST: Self = Self {
        addresses: 4_096,
        entries: 1_000,
        listed: 1_000_000,
    };
}

/// The program with samples on, thresholds that a flood exceeds at once, and so many addresses and list entries.
pub(super) fn load(bpffs: &Path, size: Size) -> Result<Kernel> {
    let default = Capacity::default();
    let (mut kernel, _) = Kernel::load(&LoadOptions {
        bpffs: bpffs.to_owned(),
        capacity: Capacity {
            addresses: default.addresses.max(size.addresses),
            ..default
        },
    })?;
    kernel.put_settings(&KernelSettings {
        samples_per_second: 10,
        ..KernelSettings::new(Mode::Enforce, limit(1_000, 2_000)?)
    })?;
    for address in addresses(size.addresses) {
        kernel.put_address(&AddressState {
            local: true,
            ..AddressState::new(address, limit(20_000, 20_000)?)
        })?;
    }
    fill_list(&mut kernel, size.entries)?;
    if size.listed > 0 {
        kernel.put_lists(&super::lists::dense(size.listed)?)?;
    }
    Ok(kernel)
}

/// So many addresses, those of the lab first.
pub(super) fn addresses(count: u32) -> impl Iterator<Item = IpAddr> {
    let more = (0..count).map(|n| IpAddr::V4(Ipv4Addr::from(0x0ac8_0000 + n)));
    vips().into_iter().chain(more).take(count as usize)
}

/// Spreads entries over the space that the flood's sources come from, so that look-ups walk the trie.
fn fill_list(kernel: &mut Kernel, entries: u32) -> Result<()> {
    for n in 0..entries {
        let network = Ipv4Net::new((0x4000_0000 | n.wrapping_mul(2_654_435_761) >> 3).into(), 28)?.trunc();
        kernel.put_entry(&ListEntry {
            prefix: IpNet::V4(network),
            action: ListAction::Block,
            until: None,
        })?;
    }
    Ok(())
}

pub(super) fn limit(rate: u32, burst: u32) -> Result<Limit> {
    Ok(Limit {
        syn_rate: Rate::new(rate).context("rate out of range")?,
        syn_burst: Burst::new(burst).context("burst out of range")?,
    })
}
