//! Reads the tally: sets of records, many at once, and what each CPU counted in all.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use xdp_common::{
    Address, CpuState,
    distinct::{self, Distinct},
    map_name,
    tally::{Kind, Record, SETS, Seen, Set},
};

use super::{batch::Reader, pins::Pins};
use crate::{
    tables::{MonotonicNs, Result, TableError},
    traffic::{Tallied, TallyReading, Traffic},
};

/// Readers of the tally's maps.
pub(super) struct Tallies {
    sets: Reader<Set>,
    cpus: Reader<CpuState>,
    distinct: Reader<Distinct>,
}

impl Tallies {
    pub(super) fn open(pins: &Pins) -> Result<Self> {
        let cpus = aya::util::nr_cpus()
            .map_err(|(file, error)| TableError::Kernel(format!("cannot count the CPUs: {file}: {error}")))?;
        Ok(Self {
            sets: Reader::open(pins, map_name::TALLY, cpus)?,
            cpus: Reader::open(pins, map_name::CPU, cpus)?,
            distinct: Reader::open(pins, map_name::DISTINCT, cpus)?,
        })
    }

    pub(super) fn read(&mut self, now: MonotonicNs) -> Result<TallyReading> {
        Ok(TallyReading {
            totals: self.cpus.get(0)?.iter().map(|cpu| traffic(&cpu.tallied)).collect(),
            sources: self.records(Kind::Source)?,
            prefixes: self.records(Kind::Prefix)?,
            distinct_sources: distinct_sources(self.distinct.get(0)?, now),
        })
    }

    fn records(&mut self, kind: Kind) -> Result<Vec<Tallied>> {
        let mut found = Vec::new();
        let first = kind as u32 * SETS;
        self.sets.read(first..first + SETS, |_, cpus| {
            for (cpu, set) in cpus.iter().enumerate() {
                let begun = set.records.iter().filter(|record| record.since_ns != 0);
                found.extend(begun.map(|record| tallied(cpu, record, kind)));
            }
            Ok(())
        })?;
        Ok(found)
    }
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
fn distinct_sources(cpus: &[Distinct], now: MonotonicNs) -> Option<f64> {
    let window = (now.0 >> distinct::WINDOW_SHIFT).saturating_sub(1);
    (window > 0).then(|| distinct::estimate(cpus.iter().filter_map(|cpu| cpu.of_window(window))))
}
