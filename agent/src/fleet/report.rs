//! What a node sees, in bounded size: the addresses with so much pressure that it could matter to all.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::Garbage;
use crate::ladder::Rung;

/// The most that one node reports, bytes.
const MOST_BYTES: usize = 64 * 1024;
/// Addresses that it may name; what it does name is set by `fleet.top`.
pub(super) const MOST_PRESSURES: usize = 256;
/// No sensor counts more.
const HIGHEST_PPS: f64 = 1e12;

/// What arrives for one address at one node.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Pressure {
    /// Which.
    pub address: IpAddr,
    /// SYNs that nobody completed, per second over about a second, without those that are usual there.
    pub unproven: f64,
    /// SYNs per second.
    pub syn: f64,
    /// Its threshold there, SYNs per second.
    pub threshold: f64,
    /// The rung where it stands there.
    pub rung: Rung,
    /// That node's detection calls it an attack, by what arrives there.
    #[serde(default)]
    pub attacked: bool,
}

/// What one node sees, the most first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Of these addresses; what is not named is little.
    pub pressures: Vec<Pressure>,
}

impl Pressure {
    /// How much of its threshold arrives.
    pub(super) fn share(&self) -> f64 {
        self.unproven / self.threshold.max(f64::MIN_POSITIVE)
    }
}

impl Report {
    /// Reads what etcd holds.
    ///
    /// # Errors
    /// What makes no sense of it.
    pub fn read(value: &[u8]) -> Result<Self, Garbage> {
        if value.len() > MOST_BYTES {
            return Err(Garbage::new(format!("{} bytes are too many", value.len())));
        }
        let report: Self = serde_json::from_slice(value).map_err(|error| Garbage::new(error.to_string()))?;
        if report.pressures.len() > MOST_PRESSURES {
            return Err(Garbage::new(format!("it names more than {MOST_PRESSURES} addresses")));
        }
        let sound = |rate: f64| rate.is_finite() && (0.0..=HIGHEST_PPS).contains(&rate);
        let all_sound = report
            .pressures
            .iter()
            .all(|one| sound(one.unproven) && sound(one.syn) && sound(one.threshold));
        let mut addresses: Vec<IpAddr> = report.pressures.iter().map(|one| one.address).collect();
        addresses.sort_unstable();
        if !all_sound || addresses.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(Garbage::new("a rate is none, or an address is named twice"));
        }
        Ok(report)
    }

    /// As etcd holds it.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// What it says of an address.
    #[must_use]
    pub fn of(&self, address: IpAddr) -> Option<&Pressure> {
        self.pressures.iter().find(|one| one.address == address)
    }
}
