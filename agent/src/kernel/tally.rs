//! Reads the tally: one system call for each set of records, and what each CPU counted in all.

use aya::maps::{MapData, PerCpuArray};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use xdp_common::{
    Address,
    distinct::{self, Distinct},
    map_name,
    tally::{Kind, Record, SETS, Seen, Set},
};

use super::{convert, maps::Maps};
use crate::{
    tables::{MonotonicNs, Result},
    traffic::{Tallied, TallyReading, Traffic},
};

pub(super) fn read(maps: &Maps, now: MonotonicNs) -> Result<TallyReading> {
    let cpus = maps
        .cpu
        .get(&0, 0)
        .map_err(|error| convert::failed("read", map_name::CPU, &error))?;
    Ok(TallyReading {
        totals: cpus.iter().map(|cpu| traffic(&cpu.tallied)).collect(),
        sources: records(&maps.tally, Kind::Source)?,
        prefixes: records(&maps.tally, Kind::Prefix)?,
        distinct_sources: distinct_sources(&maps.distinct, now)?,
    })
}

fn records(map: &PerCpuArray<MapData, Set>, kind: Kind) -> Result<Vec<Tallied>> {
    let mut found = Vec::new();
    let first = kind as u32 * SETS;
    for index in first..first + SETS {
        let cpus = map
            .get(&index, 0)
            .map_err(|error| convert::failed("read", map_name::TALLY, &error))?;
        for (cpu, set) in cpus.iter().enumerate() {
            let begun = set.records.iter().filter(|record| record.since_ns != 0);
            found.extend(begun.map(|record| tallied(cpu, record, kind)));
        }
    }
    Ok(found)
}

fn tallied(cpu: usize, record: &Record, kind: Kind) -> Tallied {
    Tallied {
        cpu,
        prefix: prefix(record.key, kind),
        traffic: traffic(&record.seen),
        since: MonotonicNs(record.since_ns),
        last: MonotonicNs(record.last_ns),
    }
}

fn prefix(key: Address, kind: Kind) -> IpNet {
    match key.into() {
        std::net::IpAddr::V4(v4) => IpNet::V4(Ipv4Net::new_assert(v4, kind.v4_len())),
        std::net::IpAddr::V6(v6) => IpNet::V6(Ipv6Net::new_assert(v6, kind.v6_len())),
    }
}

const fn traffic(seen: &Seen) -> Traffic {
    Traffic {
        packets: seen.packets,
        bytes: seen.bytes,
        syns: seen.syns,
        drops: seen.drops,
    }
}

/// Different sources in the last window that is over. A CPU that had no packet in it has no registers of it.
fn distinct_sources(map: &PerCpuArray<MapData, Distinct>, now: MonotonicNs) -> Result<Option<f64>> {
    let cpus = map
        .get(&0, 0)
        .map_err(|error| convert::failed("read", map_name::DISTINCT, &error))?;
    let window = (now.0 >> distinct::WINDOW_SHIFT).saturating_sub(1);
    if window == 0 {
        return Ok(None);
    }
    Ok(Some(distinct::estimate(
        cpus.iter().filter_map(|cpu| cpu.of_window(window)),
    )))
}
