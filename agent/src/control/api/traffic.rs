//! Traffic to protected addresses and to groups of them.

use std::{collections::BTreeMap, net::IpAddr};

use ipnet::IpNet;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    tables::{Limit, Method, Mode},
    vectors::Vectors,
};

/// Packets by verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct RatesView {
    /// SYNs per second, whatever became of them.
    pub syn_pps: f64,
    /// Packets per second that passed their rules.
    pub pass_pps: f64,
    /// Packets per second that broke one.
    pub drop_pps: f64,
    /// Packets per second that were answered here.
    pub reply_pps: f64,
    /// Handshakes per second that this host completed. SYNs without them are half-open pressure.
    #[serde(default)]
    pub handshakes_pps: f64,
}

/// One address in `GET /v1/stats`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AddressStatsView {
    /// The address; absent for all traffic to anything that is not protected.
    pub address: Option<IpAddr>,
    /// Its threshold.
    pub limit: Option<Limit>,
    /// Its rates of what is not a SYN.
    #[serde(default)]
    pub vectors: Option<Vectors>,
    /// Its rung of the ladder: `observe`, `limit`, `verify`, `known` or `blackhole`.
    pub rung: Option<String>,
    /// Since when, where that is known.
    #[serde(default)]
    pub rung_since: Option<Timestamp>,
    /// How its sources prove themselves in verify.
    #[serde(default)]
    pub method: Option<Method>,
    /// This host has the address itself, and sees its handshakes complete.
    #[serde(default)]
    pub local: bool,
    /// Handshakes completed since the maps were made.
    #[serde(default)]
    pub handshakes: u64,
    /// Rates over the last poll.
    pub rates: RatesView,
    /// Since when SYNs are over a rate; absent when they are not now.
    pub over_since: Option<Timestamp>,
    /// Packets by reason since the maps were made; reasons that were never met are left out.
    pub packets: BTreeMap<String, u64>,
}

/// `GET /v1/stats`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatsView {
    /// When the counters were read.
    pub at: Timestamp,
    /// The mode: in `monitor` what is counted as dropped did pass.
    pub mode: Mode,
    /// Every protected address, then the rest.
    pub addresses: Vec<AddressStatsView>,
    /// Packets that large lists decided about, by their names.
    #[serde(default)]
    pub lists: BTreeMap<String, u64>,
}

/// One line of `GET /v1/groups`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupView {
    /// The prefix.
    pub prefix: IpNet,
    /// Protected addresses in it.
    pub addresses: usize,
    /// `limit`, or `verify` while every SYN to any of its addresses must prove itself.
    pub rung: String,
    /// In verify since when.
    pub since: Option<Timestamp>,
    /// SYNs that its addresses share; absent for no limit.
    pub limit: Option<Limit>,
    /// What is not a SYN.
    pub vectors: Vectors,
    /// Of all its addresses together, over the last poll; absent where only the kernel was asked.
    pub rates: Option<RatesView>,
    /// Packets per second that it had no room for.
    pub over_pps: Option<f64>,
    /// Packets that it had no room for, since the maps were made.
    pub over: u64,
    /// Its addresses that meet packets over a rate now, over their own or the group's.
    pub over_rate: Vec<IpAddr>,
}

/// Traffic to protected addresses per second, over the last ten seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct TrafficView {
    /// Packets per second, whatever their protocol and their verdict.
    pub packets_pps: f64,
    /// Bits of their frames per second.
    pub bits_per_s: f64,
    /// SYNs per second.
    pub syn_pps: f64,
    /// Packets per second whose verdict is drop.
    pub drop_pps: f64,
    /// Of all packets to protected addresses, 0 to 1.
    pub share: f64,
}
