//! What the reports of all nodes come to, added up by one of them for all. See [`super::Adder`] for when.

use std::{collections::BTreeMap, net::IpAddr};

use serde::{Deserialize, Serialize};

use super::{
    Garbage, Report,
    report::{MOST_PRESSURES, Pressure},
};
use crate::ladder::Rung;

/// The largest value, bytes.
const MOST_BYTES: usize = 128 * 1024;

/// What arrives for one address at all nodes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Sum {
    /// Which.
    pub address: IpAddr,
    /// SYNs that nobody completed, per second.
    pub unproven: f64,
    /// SYNs per second.
    pub syn: f64,
    /// The lowest threshold of one of them, SYNs per second.
    pub threshold: f64,
    /// Nodes that report it.
    pub nodes: u32,
    /// Of them, those whose own traffic is an attack.
    pub attacked: u32,
    /// The highest rung where it stands.
    pub rung: Rung,
}

/// All of them, the most first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Sums {
    /// Nodes of the fleet.
    pub nodes: u32,
    /// They hold all reports up to this revision of etcd, and none after it.
    #[serde(default)]
    pub revision: i64,
    /// Counts the writings: what says the same as before is seen to be new.
    #[serde(default)]
    pub round: u64,
    /// Of these addresses; what is not named is little.
    pub sums: Vec<Sum>,
}

impl Sums {
    /// Adds reports up; the addresses with the largest sums for their threshold stay. `revision` is the latest change of a report
    /// that is known.
    #[must_use]
    pub fn of<'a>(nodes: usize, revision: i64, reports: impl IntoIterator<Item = &'a Report>) -> Self {
        let mut sums: BTreeMap<IpAddr, Sum> = BTreeMap::new();
        for pressure in reports.into_iter().flat_map(|report| &report.pressures) {
            let sum = sums.entry(pressure.address).or_insert(Sum {
                address: pressure.address,
                unproven: 0.0,
                syn: 0.0,
                threshold: f64::INFINITY,
                nodes: 0,
                attacked: 0,
                rung: Rung::Observe,
            });
            sum.add(pressure);
        }
        let mut sums: Vec<Sum> = sums.into_values().collect();
        sums.sort_by(|a, b| b.share().total_cmp(&a.share()).then(a.address.cmp(&b.address)));
        sums.truncate(MOST_PRESSURES);
        Self {
            nodes: u32::try_from(nodes).unwrap_or(u32::MAX),
            revision,
            round: 0,
            sums,
        }
    }

    /// Reads what etcd holds.
    ///
    /// # Errors
    /// What makes no sense of it.
    pub fn read(value: &[u8]) -> Result<Self, Garbage> {
        if value.len() > MOST_BYTES {
            return Err(Garbage::new(format!("{} bytes are too many", value.len())));
        }
        let sums: Self = serde_json::from_slice(value).map_err(|error| Garbage::new(error.to_string()))?;
        let sound = |rate: f64| rate.is_finite() && rate >= 0.0;
        let all_sound = sums
            .sums
            .iter()
            .all(|sum| sound(sum.unproven) && sound(sum.syn) && sound(sum.threshold));
        if !all_sound || sums.sums.len() > MOST_PRESSURES {
            return Err(Garbage::new("a rate is none, or there are too many addresses"));
        }
        Ok(sums)
    }

    /// As etcd holds it.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Whether others say something else: an address came or went, is attacked by more nodes or fewer, or a rate moved by more than
    /// a share of itself.
    #[must_use]
    pub fn differs(&self, other: &Self, share: f64) -> bool {
        self.nodes != other.nodes
            || self.sums.len() != other.sums.len()
            || self.sums.iter().any(|sum| {
                other.get(sum.address).is_none_or(|before| {
                    let moved = |now: f64, before: f64| (now - before).abs() > share * now.max(before);
                    (sum.nodes, sum.attacked, sum.rung) != (before.nodes, before.attacked, before.rung)
                        || moved(sum.unproven, before.unproven)
                        || moved(sum.syn, before.syn)
                })
            })
    }

    /// What they say of an address.
    #[must_use]
    pub fn get(&self, address: IpAddr) -> Option<&Sum> {
        self.sums.iter().find(|sum| sum.address == address)
    }
}

impl Sum {
    fn share(&self) -> f64 {
        self.unproven / self.threshold.max(f64::MIN_POSITIVE)
    }

    fn add(&mut self, pressure: &Pressure) {
        self.unproven += pressure.unproven;
        self.syn += pressure.syn;
        self.threshold = self.threshold.min(pressure.threshold);
        self.nodes += 1;
        self.attacked += u32::from(pressure.attacked);
        self.rung = self.rung.max(pressure.rung);
    }
}
