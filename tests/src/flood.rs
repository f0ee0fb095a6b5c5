//! The flood: what it looks like ([`Flood`]), and what it was ([`Report`]).
//!
//! It runs in the calling thread's namespace and refuses any that is not a lab's: see [`guard`].

mod generator;
mod guard;
mod template;

use std::{net::IpAddr, time::Duration};

use serde::{Deserialize, Serialize};
use xdp_ebpf::packet::tcp_flag as flag;

pub use generator::run;

/// No flood is longer than this, whatever was asked for.
pub const LONGEST: Duration = Duration::from_secs(20);

/// Where the flood's packets claim to come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sources {
    /// One address.
    One(IpAddr),
    /// Addresses in a row, each sending its share: IPv4 addresses, or IPv6 networks of /64 with the first one's host part.
    /// Answers to them die in the wire only if it knows the range.
    Range {
        /// The first.
        first: IpAddr,
        /// How many.
        count: u32,
    },
    /// As many real addresses of either family, each sending its share.
    Botnet {
        /// IPv4 addresses, from 198.18.0.0/15.
        v4: u32,
        /// IPv6 networks of /64, from 2001:db8:b000::/36.
        v6: u32,
    },
    /// A new random address for every packet, from 64.0.0.0/3 and 2001:db8:f000::/36.
    Spoofed {
        /// Share of IPv6 among them, 0 to 100 percent.
        v6_percent: u32,
    },
}

/// What the packets carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    /// A TCP segment.
    Tcp {
        /// The header's flag byte: 0x02 is SYN.
        flags: u8,
        /// Its options.
        options: Options,
        /// Whether a few bytes of data follow; not with [`Options::Linux`], which leaves no room.
        data: bool,
    },
    /// UDP with 32 bytes.
    Udp,
}

/// The options of a TCP segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Options {
    /// A Linux client's SYN: MSS, SACK permitted, timestamps, window scale.
    Linux,
    /// A Windows client's SYN: MSS, window scale, SACK permitted; no timestamps.
    Windows,
    /// Timestamps alone, as on the segments of a connection.
    Timestamps,
    /// None at all.
    None,
}

impl Payload {
    /// A Linux client's SYN.
    pub const SYN: Self = Self::tcp(flag::SYN);

    /// A segment with these flags, and the options that a Linux host sends with such.
    #[must_use]
    pub const fn tcp(flags: u8) -> Self {
        Self::Tcp {
            flags,
            options: Options::usual(flags),
            data: false,
        }
    }
}

impl Options {
    /// What a Linux host sends with these flags.
    #[must_use]
    pub const fn usual(flags: u8) -> Self {
        if flags & flag::SYN != 0 {
            Self::Linux
        } else if flags & flag::RST != 0 {
            Self::None
        } else {
            Self::Timestamps
        }
    }
}

/// A flood, completely described.
#[derive(Clone, Debug)]
pub struct Flood {
    /// The interface it leaves by, in the calling thread's namespace.
    pub interface: String,
    /// Where it claims to come from.
    pub sources: Sources,
    /// Destinations; each family uses its own. At most 16 of each.
    pub targets: Vec<IpAddr>,
    /// Destination port; 0 for a random one in every packet.
    pub port: u16,
    /// What the packets carry.
    pub payload: Payload,
    /// VLAN tags, outermost first; at most two.
    pub vlans: Vec<u16>,
    /// Packets per second; `None` for as many as the core can make.
    pub rate_pps: Option<u32>,
    /// How long it lasts, cut to [`LONGEST`].
    pub duration: Duration,
}

/// What was sent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Packets with an IPv4 header.
    pub v4: u64,
    /// Packets with an IPv6 header.
    pub v6: u64,
    /// From the first packet to the last, in seconds.
    pub seconds: f64,
    /// `CLOCK_MONOTONIC` of the first packet, in ns.
    pub first_ns: u64,
}

impl Report {
    /// All packets.
    #[must_use]
    pub const fn packets(&self) -> u64 {
        self.v4 + self.v6
    }

    /// Packets per second that were in fact sent.
    #[must_use]
    pub fn offered_pps(&self) -> f64 {
        if self.seconds > 0.0 {
            self.packets() as f64 / self.seconds
        } else {
            0.0
        }
    }
}
