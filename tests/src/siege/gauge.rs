//! The gauge of unprotected packets: nftables counters in the load balancer's namespace, behind XDP.
//!
//! It proves at each reading that it can count: customers, who must pass, are counted by the same chain.

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::{BLOCKED, LISTED, blackholed, customers};
use crate::{
    addresses::{CLIENT_PREFIX_V4, CLIENT_PREFIX_V6},
    command::{output, output_with_input},
    guarded::until_within,
    topology::Topology,
};

const TABLE: &str = "siege";

/// The counters, as they were at the last reading.
#[derive(Debug, Default)]
pub(super) struct Gauge {
    flood: u64,
    customers: u64,
}

impl Gauge {
    /// Puts the counters in place. They only look: whoever gets that far reaches the stack, as without them.
    pub(super) fn set_up(topology: &Topology) -> Result<Self> {
        let mut rules = String::new();
        let sources: Vec<&str> = LISTED.into_iter().chain(BLOCKED).collect();
        let targets = blackholed();
        let targets = targets.iter().map(String::as_str);
        let customers = [CLIENT_PREFIX_V4, CLIENT_PREFIX_V6];
        for (way, prefix, counter) in sources
            .into_iter()
            .map(|prefix| ("saddr", prefix, "flood"))
            .chain(targets.map(|address| ("daddr", address, "flood")))
            .chain(customers.map(|prefix| ("saddr", prefix, "customers")))
        {
            let family = if prefix.contains(':') { "ip6" } else { "ip" };
            rules += &format!("    {family} {way} {prefix} counter name {counter}\n");
        }
        let text = format!(
            "table inet {TABLE} {{\n  counter flood {{ }}\n  counter customers {{ }}\n  chain seen {{\n    type filter hook \
             prerouting priority raw; policy accept;\n{rules}  }}\n}}\n"
        );
        let mut nft = topology.balancer().command("nft");
        output_with_input(nft.args(["-f", "-"]), &text)?;
        Ok(Self::default())
    }

    /// Packets of the flood that were seen since the last reading, without making this one.
    pub(super) fn peek(&self, topology: &Topology) -> Result<u64> {
        Ok(counters(topology)?.flood - self.flood)
    }

    /// Packets of the flood that were seen since the last reading. Waits for a customer if there was none: one whose SYNs are lost sends
    /// the next after a second, and after two more.
    pub(super) fn read(&mut self, topology: &Topology) -> Result<u64> {
        let mut now = counters(topology)?;
        let what = "a packet of a customer behind XDP; without one, the gauge would not have seen the flood either";
        until_within(2 * customers::DEADLINE, what, || {
            now = counters(topology)?;
            Ok(now.customers > self.customers)
        })?;
        let seen = now.flood - self.flood;
        *self = now;
        Ok(seen)
    }
}

fn counters(topology: &Topology) -> Result<Gauge> {
    let mut nft = topology.balancer().command("nft");
    let text = output(nft.args(["-j", "list", "counters", "table", "inet", TABLE]))?;
    let answer: Value = serde_json::from_str(&text).context("nft prints no JSON")?;
    let count = |name: &str| -> Result<u64> {
        let entries = answer["nftables"].as_array().context("nft lists nothing")?;
        entries
            .iter()
            .find_map(|entry| (entry["counter"]["name"] == name).then(|| entry["counter"]["packets"].as_u64())?)
            .with_context(|| format!("nft has no counter {name}: {text}"))
    };
    Ok(Gauge {
        flood: count("flood")?,
        customers: count("customers")?,
    })
}
