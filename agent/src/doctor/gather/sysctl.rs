//! Settings of the network, each by its name.

use super::places::Places;
use crate::{
    doctor::facts::{Nic, SysctlFacts},
    host::Sysctls,
};

/// Those that are looked at beside what a SYN-ACK says.
const NAMES: [&str; 9] = [
    "net.ipv4.tcp_max_syn_backlog",
    "net.core.somaxconn",
    "net.ipv4.tcp_abort_on_overflow",
    "net.ipv4.ip_forward",
    "net.ipv6.conf.all.forwarding",
    "net.core.netdev_max_backlog",
    "net.netfilter.nf_conntrack_max",
    "net.netfilter.nf_conntrack_count",
    "net.netfilter.nf_conntrack_tcp_loose",
];

pub(super) fn gather(places: &Places, nics: &[Nic]) -> SysctlFacts {
    let filters = ["all"].into_iter().chain(nics.iter().map(|nic| &*nic.name));
    let names = NAMES.into_iter().map(str::to_owned);
    // With slashes, because names of interfaces may have dots.
    let names = names.chain(filters.map(|which| format!("net/ipv4/conf/{which}/rp_filter")));
    SysctlFacts {
        tcp: Sysctls::read_at(&places.proc.join("sys")),
        values: names
            .filter_map(|name| Some((name.clone(), places.number(&name).ok()?)))
            .collect(),
    }
}
