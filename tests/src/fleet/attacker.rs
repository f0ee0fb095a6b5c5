//! Who floods a node: in a namespace of its own, at a link of its own, so that no flood ever meets the link to etcd.

use std::{sync::atomic::AtomicBool, time::Duration};

use anyhow::Result;

use super::VIP;
use crate::{
    addresses::{BALANCER_MAC, GATEWAY_MAC, mac},
    flood::{self, Flood, Payload, Report, Sources},
    lab::Lab,
    netns::{Netns, Role},
    server,
    topology::ARMS,
};

/// The node's end of the link.
pub(super) const INTERFACE: &str = "in0";
/// The other end.
const FROM: &str = "attacker0";

/// The other end of a node's second link.
#[derive(Debug)]
pub(super) struct Attacker {
    namespace: Netns,
}

impl Attacker {
    /// Joined to a node.
    pub(super) fn join(lab: &Lab, node: &Netns) -> Result<Self> {
        let namespace = Netns::create(lab, Role::Attacker)?;
        namespace.ip(&format!(
            "link add {FROM} address {} mtu 1500 numtxqueues 1 numrxqueues 1 type veth \
             peer name {INTERFACE} address {} mtu 1500 numtxqueues 1 numrxqueues 1 netns {}\n\
             link set {FROM} up\nlink add {} type veth peer name {}\n",
            mac(GATEWAY_MAC),
            mac(BALANCER_MAC),
            node.name(),
            ARMS[0],
            ARMS[1]
        ))?;
        node.ip(&format!("link set {INTERFACE} up\n"))?;
        Ok(Self { namespace })
    }

    /// Sends SYNs of sources that are none to the node's address, until `stop` is set or the time of any flood is up.
    pub(super) fn flood(&self, rate_pps: u32, stop: &AtomicBool) -> Result<Report> {
        let flood = Flood {
            interface: FROM.to_owned(),
            sources: Sources::Spoofed { v6_percent: 0 },
            targets: vec![VIP.parse()?],
            port: server::PORT,
            payload: Payload::SYN,
            vlans: Vec::new(),
            rate_pps: Some(rate_pps),
            duration: flood::LONGEST.min(Duration::from_secs(15)),
        };
        self.namespace.enter(|| flood::run(&flood, stop))
    }
}
