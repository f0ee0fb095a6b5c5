//! What is over a rate, and amplifiers.

use super::{ReasonDoc, Stage};

pub(super) const SOURCE: ReasonDoc = ReasonDoc {
    stage: Stage::SynRates,
    means: "The source asks for more connections than every source may (an IPv6 source is a /64). Only the excess is dropped, before it \
            eats the budget of the address.",
    benign: "A NAT gateway, proxy, crawler or load test: many customers behind one address. Then handshakes of it complete.",
    attack: "A botnet of real hosts, or one heavy attacker.",
    next: "`agent sources` names them. A NAT gateway of yours: `agent allow-ip IP`, or raise the rate: `agent threshold set source \
           --syn-rate 200`. An attacker: `agent block-ip IP`.",
    settings: &[
        "thresholds.source.syn_rate",
        "thresholds.source.syn_burst",
        "limits.sources",
    ],
    rfcs: &["RFC 4987"],
};

pub(super) const ADDRESS: ReasonDoc = ReasonDoc {
    stage: Stage::SynRates,
    means: "The address takes no more SYNs now, and must not (or cannot) make them prove themselves: rung limit, method drop. The excess \
            is dropped, customers with the flood.",
    benign: "A threshold below what customers need: look at whether handshakes complete at the rate of the threshold.",
    attack: "A SYN flood, spoofed or of many sources, on an address that may not enter verify.",
    next: "Let it verify: rung \"verify\" for the address, or `agent rung ADDR verify` now. Too low a threshold: `agent threshold suggest`, then \
           `agent threshold set ADDR --syn-rate 20k`.",
    settings: &[
        "thresholds.address.syn_rate",
        "thresholds.address.syn_burst",
        "verify.method",
        "ladder.highest",
    ],
    rfcs: &["RFC 4987"],
};

pub(super) const GROUP: ReasonDoc = ReasonDoc {
    stage: Stage::SynRates,
    means: "All addresses of a group together get more SYNs than the group may, and this address must not make them prove themselves. \
            The excess is dropped.",
    benign: "The group's rate is below the sum of what its addresses need.",
    attack: "Carpet bombing: a flood spread thin over all addresses of a prefix, each of them below its own rate.",
    next: "`agent groups` shows which. Let its addresses verify, or raise the rate: `agent threshold set PREFIX --syn-rate 50k`.",
    settings: &["group.syn_rate", "group.syn_burst"],
    rfcs: &["RFC 4987"],
};

pub(super) const GROUP_VECTOR: ReasonDoc = ReasonDoc {
    stage: Stage::Vectors,
    means: "All addresses of a group together get more of what is not a SYN (UDP, ICMP, fragments, other protocols) than the group may. \
            The excess is dropped.",
    benign: "The group's rate is below the sum of what its addresses need.",
    attack: "Carpet bombing with UDP or fragments: each address stays below its own rate.",
    next: "`agent groups` shows which, `agent capture ADDR` of what. To raise it: `agent threshold set PREFIX --udp-packets 100k/s`.",
    settings: &["group.udp", "group.icmp", "group.other", "group.fragments"],
    rfcs: &[],
};

const fn vector(
    means: &'static str,
    benign: &'static str,
    attack: &'static str,
    next: &'static str,
    settings: &'static [&'static str],
) -> ReasonDoc {
    ReasonDoc {
        stage: Stage::Vectors,
        means,
        benign,
        attack,
        next,
        settings,
        rfcs: &[],
    }
}

pub(super) const UDP: ReasonDoc = vector(
    "The address gets more UDP (packets or bits) than it may. The excess is dropped; answers that this host asked for pass where that \
     can be told cheaply.",
    "More customers of a UDP service (DNS, QUIC) than the threshold was set for.",
    "A UDP flood, mostly amplified answers or random payload.",
    "`agent capture ADDR` shows the ports; for amplifiers set `amplification`. To raise it: `agent threshold set ADDR --udp-packets 20k/s \
     --udp-bits 200M/s`.",
    &["thresholds.udp.packets", "thresholds.udp.bits", "amplification"],
);

pub(super) const ICMP: ReasonDoc = vector(
    "The address gets more ICMP than it may. The excess is dropped, also of errors; neighbour discovery is never counted.",
    "Much monitoring; answers to pings that this host sends to many.",
    "A ping flood, or answers to pings that somebody sent in our name.",
    "Nothing, mostly. Long transfers that stall point to lost \"packet too big\": raise it: `agent threshold set ADDR --icmp-packets 2k/s`.",
    &["thresholds.icmp.packets", "thresholds.icmp.bits"],
);

pub(super) const OTHER: ReasonDoc = vector(
    "The address gets more of other IP protocols (GRE, ESP, ..) than it may. The excess is dropped.",
    "A tunnel or VPN that the threshold was not set for.",
    "A GRE or random-protocol flood: fills the line, needs no port.",
    "`agent capture ADDR` names the protocol. A tunnel of yours: `agent allow-ip PEER`, or `agent threshold set ADDR --other-bits 1G/s`.",
    &["thresholds.other.packets", "thresholds.other.bits"],
);

pub(super) const FRAGMENT: ReasonDoc = vector(
    "The address gets more fragments (first ones included) than it may. The excess is dropped.",
    "Large UDP answers, VPNs and tunnels with a small MTU.",
    "Fragment floods wear out reassembly; amplified answers come in fragments, too.",
    "`agent capture ADDR` shows whose. To raise it: `agent threshold set ADDR --fragments-packets 5k/s`.",
    &["thresholds.fragments.packets", "thresholds.fragments.bits"],
);

pub(super) const OUT_OF_STATE: ReasonDoc = ReasonDoc {
    stage: Stage::OtherTcp,
    means: "TCP other than SYNs is over the address's rate, and this segment belongs to no connection of this host (where it forwards: its \
            source completed no handshake lately). Dropped.",
    benign: "After a failover connections of the neighbour arrive here; on a forwarding host, customers who are connected for very long.",
    attack: "An ACK, RST or SYN-ACK flood; reflected SYN-ACKs of servers that somebody asked in our name.",
    next: "If customers are cut: `agent threshold set ADDR --tcp-packets unlimited`, or a higher rate. `agent baseline` knows the usual one.",
    settings: &["thresholds.tcp.packets", "thresholds.tcp.bits", "verify.known_for"],
    rfcs: &["RFC 9293"],
};

pub(super) const AMPLIFIED: ReasonDoc = ReasonDoc {
    stage: Stage::Vectors,
    means: "UDP from the port of a protocol that attackers use to multiply their traffic, to an address that takes nothing from there \
            unasked. Answers to this host's own sockets and of its resolvers pass.",
    benign: "On a host that forwards: answers to what the hosts behind it asked (DNS, NTP). Those cannot be told apart.",
    attack: "An amplification attack: somebody asks open servers in our name, and they answer to us.",
    next: "If hosts behind need such answers: take the preset out of `amplification` for the address. The servers are victims, too: blocking \
           them by address does not help.",
    settings: &["amplification"],
    rfcs: &["RFC 5358", "RFC 2827"],
};
