//! Lists of sources, and blackholes.

use super::{ReasonDoc, Stage};

pub(super) const ALLOWED: ReasonDoc = ReasonDoc {
    stage: Stage::Lists,
    means: "The source is on the allowlist (by hand or by a large list). It passes before any other rule, blackholes and rates \
            included: nothing limits it.",
    benign: "Normal: monitoring, partners, your own networks.",
    attack: "Whoever knows an allowed address can spoof it, and then floods past every rule.",
    next: "If it floods: `agent explain SRC DST` names the entry, `agent unallow-ip CIDR` takes it off.",
    settings: &["allow", "list.action"],
    rfcs: &[],
};

pub(super) const BLOCKED: ReasonDoc = ReasonDoc {
    stage: Stage::Lists,
    means: "The source is on the blocklist: an entry made by hand, one of the configuration, or a large list. Everything of it is \
            dropped, whatever it is and wherever it goes.",
    benign: "A blocked NAT gateway or proxy has many customers behind it: one block, thousands of people.",
    attack: "Blocked sources go on sending. Blocking spoofed sources blocks the owners of the addresses, not the attacker.",
    next: "`agent list` says who blocked what until when, `agent lists` what large lists do. To take one back: `agent unblock-ip CIDR`.",
    settings: &["block", "block_ttl", "list.action"],
    rfcs: &[],
};

pub(super) const BLACKHOLE: ReasonDoc = ReasonDoc {
    stage: Stage::Blackhole,
    means: "The address is blackholed, by a person or by the ladder: nothing new reaches it. What was connected before lives on, \
            unless the blackhole was made with --all.",
    benign: "Customers who try to connect to it count here, too.",
    attack: "The flood that it was blackholed for. While it goes on, putting the address back hurts.",
    next: "`agent safe ADDR` says whether it can be put back; `agent unblock-ip ADDR` does it.",
    settings: &["ladder.highest", "ladder.blackhole.after"],
    rfcs: &["RFC 7999"],
};

pub(super) const BLACKHOLE_ESTABLISHED: ReasonDoc = ReasonDoc {
    stage: Stage::Blackhole,
    means: "Of a connection to a blackholed address that was there before: it passes. Where this host forwards, every segment that \
            is no SYN counts as such.",
    benign: "Normal under a blackhole: customers who were connected stay connected.",
    attack: "Where this host forwards, an ACK flood passes as this; the server behind refuses what has no connection.",
    next: "If such segments flood a forwarded address: blackhole it with `agent block-ip ADDR --all`.",
    settings: &[],
    rfcs: &["RFC 9293"],
};

pub(super) const BLACKHOLE_REPLY: ReasonDoc = ReasonDoc {
    stage: Stage::Blackhole,
    means: "The answer to what this host asked from a blackholed address: it passes, which a provider's blackhole would not do.",
    benign: "Normal under a blackhole: DNS answers, connections of our own to others, answers to our pings.",
    attack: "Spoofed answers to ephemeral ports can pass as this; they reach a socket only where one waits for that peer.",
    next: "Nothing, as long as the host's own traffic works. `agent block-ip ADDR --all` takes these, too.",
    settings: &[],
    rfcs: &[],
};

pub(super) const BLACKHOLE_CONTROL: ReasonDoc = ReasonDoc {
    stage: Stage::Blackhole,
    means: "ICMP to a blackholed address that connections and reachability need: errors, packet too big, neighbour discovery. It \
            passes.",
    benign: "Normal under a blackhole.",
    attack: "A flood of spoofed ICMP errors. Rates for ICMP do not hold under a blackhole.",
    next: "If it floods: `agent block-ip ADDR --all`, which lets only neighbour discovery pass.",
    settings: &[],
    rfcs: &["RFC 1191", "RFC 8201", "RFC 4861"],
};
