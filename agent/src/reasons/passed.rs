//! What no rule objects to, and what is none of Levee's business.

use super::{ReasonDoc, Stage};

pub(super) const NOT_IP: ReasonDoc = ReasonDoc {
    stage: Stage::Parse,
    means: "The frame carries another protocol than IP: ARP, LLDP, spanning tree and the like. It passes and no rule looks at it.",
    benign: "ARP after a failover, or many neighbours on one segment.",
    attack: "A flood of it can only come from the local segment: a broken switch, a loop, a neighbour.",
    next: "Look at the segment: `ip -s neigh` and `tcpdump -eni IFACE not ip and not ip6`. No setting of Levee helps.",
    settings: &[],
    rfcs: &[],
};

pub(super) const UNREADABLE: ReasonDoc = ReasonDoc {
    stage: Stage::Parse,
    means: "The frame says IP, and no destination address can be read in it. It passes, because nobody can tell whom it is for; the \
            kernel drops it.",
    benign: "A broken NIC, cable or offload on the way: then interface error counters grow with it.",
    attack: "Garbage on the wire. It reaches no server, but costs the kernel its parsing.",
    next: "Compare with `ip -s -s link` and `ethtool -S IFACE`; look at frames with `tcpdump -xxni IFACE`.",
    settings: &[],
    rfcs: &["RFC 791", "RFC 8200"],
};

pub(super) const VLAN_DEPTH: ReasonDoc = ReasonDoc {
    stage: Stage::Parse,
    means: "Behind two VLAN tags came a third. The packet behind it was not looked at and passed: what is in there is not protected.",
    benign: "A provider's tag was added to frames that have two already, after a change of the network.",
    attack: "Nobody can send such frames through a router; they come from the own segment or the provider's.",
    next: "Find who adds tags: `tcpdump -eni IFACE vlan`. Have the switch take one off, or attach to the VLAN's own interface.",
    settings: &["interfaces"],
    rfcs: &[],
};

pub(super) const NOT_OURS: ReasonDoc = ReasonDoc {
    stage: Stage::Destination,
    means: "The destination is not in `protect`, so no rule but the lists of sources was asked. It passes.",
    benign: "Normal: everything to the host's own management addresses, and what it forwards for others.",
    attack: "A flood that shows here only hits an address that nobody put under protection.",
    next: "If it is an address of yours that should be protected: add it to `protect`, then `agent reload`.",
    settings: &["protect"],
    rfcs: &[],
};

pub(super) const SYN: ReasonDoc = ReasonDoc {
    stage: Stage::End,
    means: "A new connection was asked for, within every rate: of its source, of the address, of the group. It passes.",
    benign: "Normal: customers who connect. A campaign or a restart of many clients makes it grow.",
    attack: "A flood below the thresholds passes as this. Compare with completed handshakes in `agent stats`: customers complete them.",
    next: "If handshakes stay behind: `agent rung ADDR verify`, and lower the address's rate: `agent threshold suggest` says to what.",
    settings: &["thresholds.address.syn_rate", "thresholds.source.syn_rate"],
    rfcs: &["RFC 9293"],
};

pub(super) const TCP: ReasonDoc = ReasonDoc {
    stage: Stage::OtherTcp,
    means: "A segment that is no SYN: data, acknowledgements, the ends of connections. It passes.",
    benign: "Normal: traffic of connections.",
    attack: "An ACK or RST flood. Without a rate for such segments it passes to the kernel, which refuses what has no connection.",
    next: "Compare with its usual rate in `agent baseline`; to bound it: `agent threshold set ADDR --tcp-packets 200k/s`.",
    settings: &["thresholds.tcp.packets", "thresholds.tcp.bits"],
    rfcs: &["RFC 9293"],
};

pub(super) const UDP: ReasonDoc = ReasonDoc {
    stage: Stage::End,
    means: "A UDP datagram within the rates for UDP, if there are any. It passes.",
    benign: "Normal where the address serves UDP: DNS, QUIC, games.",
    attack: "A UDP flood below or without a rate. On an address that serves no UDP any of it is noise or attack.",
    next: "`agent capture ADDR` shows what it is. To bound it: `agent threshold set ADDR --udp-packets 10k/s --udp-bits 100M/s`.",
    settings: &["thresholds.udp.packets", "thresholds.udp.bits", "amplification"],
    rfcs: &["RFC 768"],
};

pub(super) const ICMP: ReasonDoc = ReasonDoc {
    stage: Stage::End,
    means: "ICMP or ICMPv6 within the rates for it, if there are any. It passes.",
    benign: "Normal: monitoring pings, and errors that path MTU discovery needs.",
    attack: "A ping flood, or replies to pings that somebody sent in our name.",
    next: "To bound it: `agent threshold set ADDR --icmp-packets 1k/s`. Never drop all of it: path MTU discovery breaks.",
    settings: &["thresholds.icmp.packets", "thresholds.icmp.bits"],
    rfcs: &["RFC 792", "RFC 4443", "RFC 4890"],
};

pub(super) const FRAGMENT: ReasonDoc = ReasonDoc {
    stage: Stage::End,
    means: "A later fragment: it has no ports, so only rates of fragments can hold it. It passes. First fragments count by what they \
            carry.",
    benign: "Large DNS answers, tunnels, VPNs.",
    attack: "Fragment floods wear out the kernel's reassembly. TCP customers hardly ever send any.",
    next: "To bound it: `agent threshold set ADDR --fragments-packets 1k/s`.",
    settings: &["thresholds.fragments.packets", "thresholds.fragments.bits"],
    rfcs: &["RFC 791", "RFC 8200"],
};

pub(super) const OTHER: ReasonDoc = ReasonDoc {
    stage: Stage::End,
    means: "An IP protocol other than TCP, UDP and ICMP (GRE, ESP, SCTP, ..) within its rates, if there are any. It passes.",
    benign: "Tunnels and VPNs that end at the address.",
    attack: "GRE floods of botnets fill the line. On an address without tunnels all of it is noise or attack.",
    next: "`agent capture ADDR` names the protocol. To bound it: `agent threshold set ADDR --other-packets 100/s`.",
    settings: &["thresholds.other.packets", "thresholds.other.bits"],
    rfcs: &[],
};
