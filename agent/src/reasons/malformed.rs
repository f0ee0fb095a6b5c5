//! What no sound host sends.

use super::{ReasonDoc, Stage};

/// What is benign about broken packets, whichever they are.
const BROKEN: &str = "A broken NIC, middlebox or tunnel on the way: then it stays little, and comes from few networks.";
const LOOK: &str = "Look at some: `agent samples` and `agent capture ADDR --dropped --out it.pcapng`. `agent sources` says who sends. \
                    They cost little more than the wire; if the line is full, only the network above can help.";

const fn malformed(means: &'static str, attack: &'static str, rfcs: &'static [&'static str]) -> ReasonDoc {
    ReasonDoc {
        stage: Stage::Sanity,
        means,
        benign: BROKEN,
        attack,
        next: LOOK,
        settings: &["samples.per_second"],
        rfcs,
    }
}

pub(super) const IPV4: ReasonDoc = malformed(
    "The IPv4 header says less than 20 bytes, or its lengths do not fit the frame. Dropped, as the kernel would.",
    "Crafted to crash or confuse a parser, or a careless flood tool.",
    &["RFC 791", "RFC 1122"],
);

pub(super) const IPV6: ReasonDoc = malformed(
    "The IPv6 payload length does not fit the frame, or it is a jumbogram. Dropped.",
    "Crafted to crash or confuse a parser, or a careless flood tool.",
    &["RFC 8200", "RFC 2675"],
);

pub(super) const IPV6_CHAIN: ReasonDoc = malformed(
    "More extension headers than any sound packet has, or one that runs past the end: what it carries cannot be told. Dropped.",
    "Long chains hide the transport header from filters, and cost whoever reads them.",
    &["RFC 8200", "RFC 7045", "RFC 7112"],
);

pub(super) const FRAGMENT: ReasonDoc = malformed(
    "A first fragment too short for its transport header, or one that runs past 65,535 bytes. Dropped.",
    "Tiny fragments slip past filters that look at ports and flags; overlong ones are the ping of death.",
    &["RFC 1858", "RFC 3128", "RFC 7112", "RFC 5722"],
);

pub(super) const TCP: ReasonDoc = malformed(
    "The TCP header is cut off, or its data offset is under 5 or past the packet. Dropped, as the kernel would.",
    "Crafted packets, or a flood tool that fills headers with random bytes.",
    &["RFC 9293"],
);

pub(super) const TCP_FLAGS: ReasonDoc = malformed(
    "A combination of TCP flags that no stack sends: none at all, SYN with FIN or RST, FIN with RST, or FIN, URG, PSH without ACK. \
     Dropped.",
    "Null, Xmas and FIN scans, or floods with random flags that look for the one that a filter forgot.",
    &["RFC 9293", "RFC 3360"],
);

pub(super) const UDP: ReasonDoc = malformed(
    "The UDP header is cut off, or its length does not fit the packet. Dropped, as the kernel would.",
    "Careless flood tools; crafted packets.",
    &["RFC 768"],
);

pub(super) const ICMP: ReasonDoc = malformed(
    "The ICMP header is cut off. Dropped.",
    "Careless flood tools; crafted packets.",
    &["RFC 792", "RFC 4443"],
);

pub(super) const IMPOSSIBLE_SOURCE: ReasonDoc = ReasonDoc {
    stage: Stage::Sanity,
    means: "The source cannot be outside: loopback, multicast, unspecified, or the destination itself (a LAND packet). Dropped.",
    benign: "A misconfigured neighbour on the own segment; a loop of one's own traffic.",
    attack: "Spoofing without care: real clients never have such sources. LAND packets once made hosts answer themselves.",
    next: "`agent samples` shows some. Ask the network above to filter spoofed sources at its edge.",
    settings: &["samples.per_second"],
    rfcs: &["RFC 1122", "RFC 6890", "RFC 2827"],
};
