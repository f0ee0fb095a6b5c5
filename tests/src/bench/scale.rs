//! What a packet costs, whatever Levee has to know: a million list entries, thousands of addresses, few sources or a new
//! one in each packet. By the kernel's accounting under live floods, in alternating rounds.

use std::net::IpAddr;

use anyhow::Result;
use aya::sys::{Stats, enable_stats};

use super::{
    ROUNDS,
    live::{self, bare_ns, flood, levee_ns},
    median,
    prepared::Size,
    row::{Row, Target},
};
use crate::{
    flood::{Payload, Sources},
    topology::Topology,
};

/// A new source in each packet.
const SPOOFED: Sources = Sources::Spoofed { v6_percent: 0 };

/// The names of the rows of [`floods`].
pub(super) const FLOODS: &[&str] = &["flood_all_live", "flood_all_against_least"];

/// A spoofed flood against everything at its largest: against a bare filter, and against one address without a list.
pub(super) fn floods() -> Result<Vec<Row>> {
    let topology = Topology::direct()?;
    let flood = flood(&topology, SPOOFED, Payload::SYN, None);
    let _accounting = enable_stats(Stats::RunTime)?;
    let (mut bare, mut most, mut least) = (vec![], vec![], vec![]);
    for _ in 0..ROUNDS {
        bare.push(bare_ns(&topology, &flood)?);
        least.push(levee_ns(&topology, &flood, Size::LEAST)?);
        most.push(levee_ns(&topology, &flood, Size::MOST)?);
    }
    let (bare, most, least) = (median(&mut bare), median(&mut most), median(&mut least));
    Ok(vec![
        Row::compared("flood_all_live", most, "ns", bare, Target::RatioAtMost(2.5)),
        Row::compared("flood_all_against_least", most, "ns", least, Target::RatioAtMost(1.1)),
    ])
}

/// Segments as of established connections, with everything at its largest.
pub(super) fn established() -> Result<Vec<Row>> {
    live::established_at("established_all_live", Size::MOST, 1.8)
}

/// One size after the other, each against the least.
const SIZES: [(&str, Size); 6] = [
    ("cost_least", Size::LEAST),
    ("cost_entries_1k", sized(1, 1_000)),
    ("cost_entries_100k", sized(1, 100_000)),
    ("cost_entries_1m", sized(1, 1_000_000)),
    ("cost_addresses_256", sized(256, 0)),
    ("cost_addresses_4096", sized(4_096, 0)),
];

/// Sources against one address without a list: who they are, and the row's name.
const CROWDS: [(&str, u32); 3] = [
    ("cost_sources_16", 16),
    ("cost_sources_1k", 1_000),
    ("cost_sources_100k", 100_000),
];

/// The names of the rows of [`sizes`].
pub(super) const COSTS: &[&str] = &[
    "cost_least",
    "cost_entries_1k",
    "cost_entries_100k",
    "cost_entries_1m",
    "cost_addresses_256",
    "cost_addresses_4096",
    "cost_sources_16",
    "cost_sources_1k",
    "cost_sources_100k",
];

const fn sized(addresses: u32, listed: u32) -> Size {
    Size {
        addresses,
        entries: 0,
        listed,
    }
}

/// The table of cost against size.
pub(super) fn sizes() -> Result<Vec<Row>> {
    let topology = Topology::direct()?;
    let spoofed = flood(&topology, SPOOFED, Payload::SYN, None);
    let _accounting = enable_stats(Stats::RunTime)?;
    let mut costs = [const { Vec::new() }; SIZES.len() + CROWDS.len()];
    for _ in 0..ROUNDS {
        for ((_, size), costs) in SIZES.iter().zip(&mut costs) {
            costs.push(levee_ns(&topology, &spoofed, *size)?);
        }
        for ((_, count), costs) in CROWDS.iter().zip(&mut costs[SIZES.len()..]) {
            let crowd = Sources::Range {
                first: IpAddr::from([100, 64, 0, 0]),
                count: *count,
            };
            let crowd = flood(&topology, crowd, Payload::SYN, None);
            costs.push(levee_ns(&topology, &crowd, Size::LEAST)?);
        }
    }
    let mut costs = costs.map(|mut values| median(&mut values)).into_iter();
    let names = SIZES
        .iter()
        .map(|(name, _)| *name)
        .chain(CROWDS.iter().map(|(name, _)| *name));
    let least = costs.clone().next().unwrap_or(f64::NAN);
    Ok(names
        .map(|name| {
            Row::compared(
                name,
                costs.next().unwrap_or(f64::NAN),
                "ns",
                least,
                Target::RatioAtMost(1.25),
            )
        })
        .collect())
}
