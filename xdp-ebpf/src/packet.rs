//! What the parser says of a packet. From here on nobody knows its family.

use core::mem::transmute;

use xdp_common::{Address, Reason};

/// TCP flag bits (RFC 9293, section 3.1).
pub mod tcp_flag {
    /// No more data from the sender.
    pub const FIN: u8 = 0x01;
    /// Begins a connection.
    pub const SYN: u8 = 0x02;
    /// Ends a connection at once.
    pub const RST: u8 = 0x04;
    /// Push.
    pub const PSH: u8 = 0x08;
    /// The acknowledgement field is valid.
    pub const ACK: u8 = 0x10;
    /// The urgent pointer is valid.
    pub const URG: u8 = 0x20;
}

/// The transport that a packet carries.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP or ICMPv6.
    Icmp,
    /// A fragment other than the first: no transport header.
    LaterFragment,
    /// Another protocol.
    Other,
}

/// A packet with a readable destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Who it claims to be from.
    pub source: Address,
    /// Where it goes.
    pub destination: Address,
    /// What is wrong with it, if it is malformed; then only the addresses are to be trusted.
    pub fault: Option<Reason>,
    /// What it carries.
    pub transport: Transport,
    /// TCP flags (zero for others).
    pub tcp_flags: u8,
    /// ICMP or ICMPv6 type (zero for others).
    pub icmp_type: u8,
    /// Source port of TCP and UDP, as on the wire (network byte order).
    pub source_port: [u8; 2],
    /// Destination port of TCP and UDP, as on the wire.
    pub destination_port: [u8; 2],
}

/// All of a [`Packet`] but its addresses, in one word.
#[repr(C)]
struct Rest {
    fault: Option<Reason>,
    transport: Transport,
    tcp_flags: u8,
    icmp_type: u8,
    source_port: [u8; 2],
    destination_port: [u8; 2],
}

impl Packet {
    /// A packet of which only the addresses are known yet.
    #[inline(always)]
    pub fn between(source: Address, destination: Address) -> Self {
        Self {
            source,
            destination,
            fault: None,
            transport: Transport::Other,
            tcp_flags: 0,
            icmp_type: 0,
            source_port: [0; 2],
            destination_port: [0; 2],
        }
    }

    /// True for a segment that asks for a new connection: SYN without ACK.
    #[inline(always)]
    pub fn is_syn(&self) -> bool {
        self.tcp_flags & (tcp_flag::SYN | tcp_flag::ACK) == tcp_flag::SYN
    }

    /// True for the answer to a segment that asked for a new connection.
    #[inline(always)]
    pub fn is_syn_ack(&self) -> bool {
        self.tcp_flags & (tcp_flag::SYN | tcp_flag::ACK) == tcp_flag::SYN | tcp_flag::ACK
    }

    /// The same packet, after each of its words has gone through `forget`, which returns it as it was. The kernel's
    /// verifier walks every way through the parser, and without this it would walk the judge once for each of them.
    #[inline(always)]
    pub fn through(self, forget: impl Fn(u64) -> u64) -> Self {
        let rest = Rest {
            fault: self.fault,
            transport: self.transport,
            tcp_flags: self.tcp_flags,
            icmp_type: self.icmp_type,
            source_port: self.source_port,
            destination_port: self.destination_port,
        };
        // SAFETY: eight bytes without padding, to a word and back; the word is what it was.
        let rest: Rest = unsafe { transmute(forget(transmute::<Rest, u64>(rest))) };
        Self {
            source: Address::from_words(self.source.words().map(&forget)),
            destination: Address::from_words(self.destination.words().map(&forget)),
            fault: rest.fault,
            transport: rest.transport,
            tcp_flags: rest.tcp_flags,
            icmp_type: rest.icmp_type,
            source_port: rest.source_port,
            destination_port: rest.destination_port,
        }
    }
}
