//! What the parser says of a packet. From here on nobody knows its family.

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
    /// TCP sequence number.
    pub sequence: u32,
    /// TCP acknowledgement number, valid with the flag ACK.
    pub acknowledgement: u32,
    /// Where the IP header begins, bytes from the beginning of the frame.
    pub network_at: u16,
    /// Where the transport header begins.
    pub transport_at: u16,
    /// Length of the TCP header, bytes (zero for others).
    pub tcp_header_len: u8,
    /// True for a TCP segment with data.
    pub has_data: bool,
    /// True for a fragment, the first included.
    pub is_fragment: bool,
    /// Length of the frame, bytes: of its linear part, or up to the end of the IP packet if that is longer.
    pub frame_len: u64,
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
            sequence: 0,
            acknowledgement: 0,
            network_at: 0,
            transport_at: 0,
            tcp_header_len: 0,
            has_data: false,
            is_fragment: false,
            frame_len: 0,
        }
    }

    /// Both ports in one word, as they lie in the header.
    #[inline(always)]
    pub const fn ports(&self) -> u32 {
        let ([a, b], [c, d]) = (self.source_port, self.destination_port);
        u32::from_ne_bytes([a, b, c, d])
    }

    /// Router and neighbour solicitation, advertisement and redirect (RFC 4861, section 4): no traffic of the address, but
    /// what makes it reachable at all.
    #[inline(always)]
    pub fn is_neighbour_discovery(&self) -> bool {
        !self.source.is_v4() && matches!(self.icmp_type, 133..=137)
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
}
