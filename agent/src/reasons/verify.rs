//! Addresses in verify: who proves itself, and how.

use super::{ReasonDoc, Stage};

pub(super) const KNOWN: ReasonDoc = ReasonDoc {
    stage: Stage::Verify,
    means: "The address is in verify, and the source completed a handshake lately: its SYN passes without a proof, within the rates of its \
            source and of the address.",
    benign: "Normal under a flood: returning customers.",
    attack: "Whoever spoofs known sources passes as this, up to the address's rate, and no further.",
    next: "If handshakes stay far behind it: shorten `verify.known_for`, or lower the address's rate.",
    settings: &["verify.known_for", "limits.known_sources"],
    rfcs: &["RFC 4987"],
};

pub(super) const SYN_KERNEL: ReasonDoc = ReasonDoc {
    stage: Stage::Verify,
    means: "A SYN that only this host's kernel can answer: it has an MD5 or TCP-AO option, meets an old connection of the same ports, or the \
            kernel makes no cookie (yet). It passes, within the address's rate.",
    benign: "BGP sessions with MD5; customers who reuse ports quickly; net.ipv4.tcp_syncookies is not 2.",
    attack: "SYNs with an MD5 option, to get past cookies. They are bounded by the address's rate.",
    next: "`agent status` warns when the sysctls are not as cookies need them; `verify.set_sysctls` sets them.",
    settings: &["verify.set_sysctls", "verify.method"],
    rfcs: &["RFC 2385", "RFC 5925", "RFC 4987"],
};

pub(super) const COOKIE_ACK: ReasonDoc = ReasonDoc {
    stage: Stage::OtherTcp,
    means: "A client acknowledged a SYN cookie: its source is real. It passes, and the kernel makes the connection.",
    benign: "Normal under a flood: customers who prove themselves.",
    attack: "A botnet of real hosts proves itself, too. Then `source_rate` bounds each of them.",
    next: "Many of these with few requests behind: `agent sources` names the sources, `agent block-ip` drops them.",
    settings: &["thresholds.source.syn_rate"],
    rfcs: &["RFC 4987"],
};

pub(super) const RETRANSMITTED: ReasonDoc = ReasonDoc {
    stage: Stage::Verify,
    means: "A SYN to a forwarded address came a second time, as only a real client sends it: it passes within the address's rate. The slow \
            way in for clients whose firewall swallows the challenge.",
    benign: "Normal under a flood: customers behind strict firewalls and some NATs.",
    attack: "A flood that sends each SYN twice a second apart. It is bounded by the address's rate.",
    next: "Nothing, unless it grows to the address's rate: then `agent rung ADDR known` admits known sources only.",
    settings: &["thresholds.address.syn_rate", "limits.retry_memory"],
    rfcs: &["RFC 6298", "RFC 9293"],
};

pub(super) const RETRY: ReasonDoc = ReasonDoc {
    stage: Stage::Verify,
    means: "This CPU had no budget left for an answer. The SYN is remembered and dropped; when the client sends it again after a second, that \
            one is answered.",
    benign: "`verify.answers_per_second` is lower than this machine can do.",
    attack: "A flood larger than this CPU can answer. Customers connect a second later than usual; they are not lost.",
    next: "`agent status` says whether the host is saturated. More receive queues spread the flood over more CPUs; a higher \
           `verify.answers_per_second` helps only while the CPUs have time.",
    settings: &["verify.answers_per_second", "limits.retry_memory"],
    rfcs: &["RFC 6298"],
};

pub(super) const NOT_KNOWN: ReasonDoc = ReasonDoc {
    stage: Stage::Verify,
    means: "The address is on rung known: only sources that completed a handshake lately get in. This one did not. Dropped.",
    benign: "New customers: they stay outside while the rung holds.",
    attack: "The flood that the address was put on this rung for.",
    next: "`agent rung` says who put it there and until when. Down again: `agent rung ADDR verify`, or `agent rung ADDR auto`.",
    settings: &["ladder.highest", "verify.known_for"],
    rfcs: &[],
};

pub(super) const NO_LISTENER: ReasonDoc = ReasonDoc {
    stage: Stage::Verify,
    means: "Nobody listens on that port, so there is nothing to answer. Dropped without the reset that the kernel would send.",
    benign: "Port scans; a server that is down or restarts: then customers meet this.",
    attack: "A flood to random ports.",
    next: "`agent listeners` shows what Levee knows of; if the service should be there: `ss -ltn`, and look at the server.",
    settings: &["limits.listeners"],
    rfcs: &["RFC 9293"],
};

pub(super) const ACCEPT_FULL: ReasonDoc = ReasonDoc {
    stage: Stage::Verify,
    means: "The server does not accept connections fast enough: its accept queue is full, and the kernel would drop the SYN. So does Levee.",
    benign: "An overloaded or hanging server, or a short backlog.",
    attack: "Connections of a botnet, which are real, pile up at the server: the flood is above TCP.",
    next: "`ss -ltn` shows the queue (Recv-Q against Send-Q). Give the server a longer backlog and more workers; raise net.core.somaxconn.",
    settings: &[],
    rfcs: &["RFC 4987"],
};

pub(super) const GUARD: ReasonDoc = ReasonDoc {
    stage: Stage::OtherTcp,
    means: "The address is in verify, and this segment belongs to no connection of this host and carries no valid cookie. Dropped without a \
            reset.",
    benign: "Connections that ended or timed out, or were another host's before a failover. Cookies that are older than two minutes.",
    attack: "An ACK or RST flood beside the SYN flood; guessed cookies.",
    next: "Nothing, mostly. After a failover of anycast or ECMP, customers of other hosts meet this until they connect anew.",
    settings: &["verify.hold"],
    rfcs: &["RFC 9293", "RFC 4987"],
};

pub(super) const CHALLENGE_PASSED: ReasonDoc = ReasonDoc {
    stage: Stage::OtherTcp,
    means: "The reset by which a client answers a challenge: its source is real, and known from now on. The reset itself has done its work \
            and is dropped. The client's next SYN passes.",
    benign: "Normal under a flood on a forwarded address: customers who prove themselves.",
    attack: "A botnet of real hosts proves itself, too. A forged reset passes once in 32,768.",
    next: "Compare with `challenge`: few of these say that the flood is spoofed.",
    settings: &["verify.known_for"],
    rfcs: &["RFC 9293"],
};

const COOKIE_BENIGN: &str = "Normal under a flood: new customers are answered like this, too, and notice nothing.";

pub(super) const COOKIE: ReasonDoc = ReasonDoc {
    stage: Stage::Verify,
    means: "The address is in verify: Levee answered the SYN with the kernel's own SYN cookie, with timestamps, window scale and SACK. Nothing \
            is kept until the client acknowledges it.",
    benign: COOKIE_BENIGN,
    attack: "The SYN flood, answered. Compare with `cookie_ack`: a spoofed flood never acknowledges.",
    next: "Nothing: this is the protection at work. `agent attacks` has the attack, `agent rung` says until when it holds.",
    settings: &["verify.method", "verify.hold", "thresholds.address.syn_rate"],
    rfcs: &["RFC 4987", "RFC 7323"],
};

pub(super) const COOKIE_PLAIN: ReasonDoc = ReasonDoc {
    stage: Stage::Verify,
    means: "As `cookie`, without timestamps: such a connection has no window scale and no SACK, and is slow on long lines.",
    benign: "Clients without timestamps; net.ipv4.tcp_timestamps is not 2, so that the kernel could not read options back.",
    attack: "Flood tools send SYNs without options.",
    next: "If customers' transfers are slow: have `verify.set_sysctls` set tcp_timestamps to 2; `agent listeners` shows what SYN-ACKs offer.",
    settings: &["verify.set_sysctls"],
    rfcs: &["RFC 4987", "RFC 7323"],
};

pub(super) const COOKIE_DATA: ReasonDoc = ReasonDoc {
    stage: Stage::Verify,
    means: "As `cookie`, for a SYN that carries data or asks for Fast Open: the data is not taken, the client sends it again.",
    benign: "Clients with TCP Fast Open.",
    attack: "SYN floods with payload, to fill the line.",
    next: "Nothing.",
    settings: &["verify.method"],
    rfcs: &["RFC 7413", "RFC 4987"],
};

pub(super) const COOKIE_MALFORMED: ReasonDoc = ReasonDoc {
    stage: Stage::Verify,
    means: "As `cookie`, for a SYN whose options are malformed: what stands before the fault counts.",
    benign: "A middlebox that rewrites options badly.",
    attack: "Flood tools that fill options with random bytes.",
    next: "Nothing. `agent capture ADDR` shows what passes; answered SYNs are not in it.",
    settings: &["verify.method"],
    rfcs: &["RFC 9293"],
};

pub(super) const CHALLENGE: ReasonDoc = ReasonDoc {
    stage: Stage::Verify,
    means: "The address is in verify, and this host forwards (or makes no cookies): Levee answered the SYN with a wrong acknowledgement, which \
            a real client resets. Then its source is known.",
    benign: "Normal under a flood: new customers are asked like this, too, and connect some milliseconds later.",
    attack: "The SYN flood, answered. Compare with `challenge_passed`: a spoofed flood never answers.",
    next: "Nothing: this is the protection at work. Clients whose firewall swallows it come in by `retransmitted`.",
    settings: &["verify.method", "verify.hold"],
    rfcs: &["RFC 9293", "RFC 5961"],
};
