//! Whether addresses can be put back.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// `GET /v1/safe?target=..`: whether addresses can be put back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SafeView {
    /// The address or prefix.
    pub target: String,
    /// Yes or no: yes if it is so for every address.
    pub safe: bool,
    /// Why, in a sentence.
    pub why: String,
    /// What arrives at all of them that may be an attack, in packets per second.
    pub residual_pps: f64,
    /// Every address.
    pub addresses: Vec<SafeAddressView>,
}

/// One address of [`SafeView`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SafeAddressView {
    /// The address.
    pub address: IpAddr,
    /// Yes or no.
    pub safe: bool,
    /// Why, in a sentence.
    pub why: String,
    /// The rung where it stands.
    pub rung: String,
    /// What arrives that may be an attack, in packets per second.
    pub residual_pps: f64,
    /// Since half its SYN rate or more arrived; absent if that was not seen.
    pub seconds_since_excess: Option<f64>,
    /// The calm that is still missing.
    pub cooldown_left_seconds: f64,
    /// The attack that goes on.
    pub attack: Option<u64>,
    /// What the other nodes see of it; absent where there is no fleet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fleet: Option<SafeFleetView>,
}

/// What the other nodes of the fleet see of an address.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SafeFleetView {
    /// There is no way to them: the answer is for this node alone.
    pub cut_off: bool,
    /// SYNs per second there that nobody completes.
    pub unproven_pps: f64,
    /// Nodes that report it, but for this one.
    pub nodes: u32,
    /// Of them, those whose own traffic is an attack.
    pub attacked_nodes: u32,
}
