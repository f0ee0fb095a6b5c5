//! Levee as a busy load balancer has it: every stage on, lists filled, many addresses.

use std::{net::IpAddr, path::Path};

use agent::{
    config::units::{Burst, Rate},
    kernel::{Capacity, Kernel, LoadOptions},
    tables::{AddressState, KernelSettings, KernelTables as _, Limit, ListAction, ListEntry, Mode},
};
use anyhow::{Context as _, Result};
use ipnet::{IpNet, Ipv4Net};

use crate::addresses::vips;

/// Protected addresses beside those of the lab.
const MORE_ADDRESSES: u32 = 248;
/// Entries of the source list.
const LIST_ENTRIES: u32 = 1_000;

/// The program with 256 addresses, 1,000 list entries, samples on, and thresholds that a flood exceeds at once.
pub(super) fn load(bpffs: &Path) -> Result<Kernel> {
    let (mut kernel, _) = Kernel::load(&LoadOptions {
        bpffs: bpffs.to_owned(),
        capacity: Capacity::default(),
    })?;
    let source_limit = limit(1_000, 2_000)?;
    kernel.put_settings(&KernelSettings {
        samples_per_second: 10,
        ..KernelSettings::new(Mode::Enforce, source_limit)
    })?;
    let more = (0..MORE_ADDRESSES).map(|n| IpAddr::from([198, 51, 101, n as u8]));
    for address in vips().into_iter().chain(more) {
        kernel.put_address(&AddressState {
            local: true,
            ..AddressState::new(address, limit(20_000, 20_000)?)
        })?;
    }
    // Spread over the space that the flood's sources come from, so that look-ups walk the trie.
    for n in 0..LIST_ENTRIES {
        let network = Ipv4Net::new((0x4000_0000 | n.wrapping_mul(2_654_435_761) >> 3).into(), 28)?.trunc();
        let entry = ListEntry {
            prefix: IpNet::V4(network),
            action: ListAction::Block,
            until: None,
        };
        kernel.put_entry(&entry)?;
    }
    Ok(kernel)
}

pub(super) fn limit(rate: u32, burst: u32) -> Result<Limit> {
    Ok(Limit {
        syn_rate: Rate::new(rate).context("rate out of range")?,
        syn_burst: Burst::new(burst).context("burst out of range")?,
    })
}
