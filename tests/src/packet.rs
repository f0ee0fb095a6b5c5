//! Builds frames for the tests: sound ones by description, and lying ones by patching the bytes afterwards.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use etherparse::{
    EtherType, Ethernet2Header, IpFragOffset, IpNumber, Ipv4Header, Ipv4Options, Ipv6FlowLabel, Ipv6Header, TcpHeader,
    UdpHeader,
};

/// TCP flags as the byte on the wire.
pub use xdp_ebpf::packet::tcp_flag as flag;

/// Protocol numbers of IPv6 extension headers (IANA).
pub mod extension {
    /// Hop-by-hop options.
    pub const HOP_BY_HOP: u8 = 0;
    /// Routing.
    pub const ROUTING: u8 = 43;
    /// Fragment.
    pub const FRAGMENT: u8 = 44;
    /// Authentication.
    pub const AUTHENTICATION: u8 = 51;
    /// Destination options.
    pub const DESTINATION: u8 = 60;
}

/// What the IP packet carries.
#[derive(Clone, Debug)]
pub enum Transport {
    /// TCP with these flags, and this much payload.
    Tcp {
        /// The flag byte.
        flags: u8,
        /// Bytes of options, a multiple of four.
        options: usize,
        /// Bytes of payload.
        payload: usize,
    },
    /// UDP with this much payload.
    Udp {
        /// Bytes of payload.
        payload: usize,
    },
    /// ICMP (or ICMPv6 over IPv6) of this type.
    Icmp(u8),
    /// Any protocol with these bytes.
    Raw(u8, Vec<u8>),
}

/// A packet by description. [`Self::bytes`] makes the frame.
#[derive(Clone, Debug)]
pub struct Packet {
    source: IpAddr,
    destination: IpAddr,
    ports: (u16, u16),
    vlan: Vec<u16>,
    ip_options: usize,
    extensions: Vec<(u8, Vec<u8>)>,
    fragment: Option<(u16, bool)>,
    transport: Transport,
}

impl Packet {
    /// A packet with this transport.
    ///
    /// # Panics
    /// When one of the addresses is none, or the families differ: the test is wrong.
    #[must_use]
    pub fn new(source: &str, destination: &str, transport: Transport) -> Self {
        let source: IpAddr = source.parse().expect("the test's source is an address");
        let destination: IpAddr = destination.parse().expect("the test's destination is an address");
        assert_eq!(source.is_ipv4(), destination.is_ipv4(), "one family");
        Self {
            source,
            destination,
            ports: (40_000, 443),
            vlan: Vec::new(),
            ip_options: 0,
            extensions: Vec::new(),
            fragment: None,
            transport,
        }
    }

    /// A TCP segment with these flags.
    #[must_use]
    pub fn tcp(source: &str, destination: &str, flags: u8) -> Self {
        Self::new(
            source,
            destination,
            Transport::Tcp {
                flags,
                options: 0,
                payload: 0,
            },
        )
    }

    /// A SYN as Linux sends it: 20 bytes of options.
    #[must_use]
    pub fn syn(source: &str, destination: &str) -> Self {
        Self::new(
            source,
            destination,
            Transport::Tcp {
                flags: flag::SYN,
                options: 20,
                payload: 0,
            },
        )
    }

    /// With these ports (source, destination).
    #[must_use]
    pub fn ports(mut self, source: u16, destination: u16) -> Self {
        self.ports = (source, destination);
        self
    }

    /// Behind VLAN tags of these ether types, outermost first.
    #[must_use]
    pub fn vlan(mut self, ether_types: &[u16]) -> Self {
        self.vlan = ether_types.to_vec();
        self
    }

    /// With so many bytes of IPv4 options (no-operation), a multiple of four up to 40.
    #[must_use]
    pub fn ip_options(mut self, bytes: usize) -> Self {
        self.ip_options = bytes;
        self
    }

    /// With an IPv6 extension header of this type and this many bytes (8 at least, a multiple of 8; for
    /// [`extension::AUTHENTICATION`] of 4).
    #[must_use]
    pub fn extension(mut self, kind: u8, bytes: usize) -> Self {
        let mut body = vec![0u8; bytes];
        body[1] = match kind {
            extension::AUTHENTICATION => bytes / 4 - 2,
            _ => bytes / 8 - 1,
        } as u8;
        self.extensions.push((kind, body));
        self
    }

    /// As a fragment: offset in units of 8 bytes, and whether more follow.
    #[must_use]
    pub fn fragment(mut self, offset: u16, more: bool) -> Self {
        self.fragment = Some((offset, more));
        if self.destination.is_ipv6() {
            let field = (offset << 3 | u16::from(more)).to_be_bytes();
            self.extensions
                .push((extension::FRAGMENT, vec![0, 0, field[0], field[1], 0, 0, 0, 7]));
        }
        self
    }

    /// The frame.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let (protocol, transport) = self.transport_bytes();
        let (ether_type, network) = match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                (EtherType::IPV4, self.v4(source, destination, protocol, &transport))
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                (EtherType::IPV6, self.v6(source, destination, protocol, &transport))
            }
            _ => unreachable!("`new` refuses mixed families"),
        };
        let mut frame = self.ethernet(ether_type);
        frame.extend(network);
        frame
    }

    /// The frame with some bytes changed: `offset` counts from the IP header.
    #[must_use]
    pub fn patched(&self, offset: usize, bytes: &[u8]) -> Vec<u8> {
        let mut frame = self.bytes();
        let at = self.network_offset() + offset;
        frame[at..at + bytes.len()].copy_from_slice(bytes);
        frame
    }

    /// The frame cut off so many bytes after the start of the IP header.
    #[must_use]
    pub fn cut(&self, after: usize) -> Vec<u8> {
        let mut frame = self.bytes();
        frame.truncate(self.network_offset() + after);
        frame
    }

    fn network_offset(&self) -> usize {
        14 + 4 * self.vlan.len()
    }

    fn ethernet(&self, ether_type: EtherType) -> Vec<u8> {
        let outer = self.vlan.first().map_or(ether_type, |&tag| EtherType(tag));
        let header = Ethernet2Header {
            source: [2, 0, 0, 0, 0, 1],
            destination: [2, 0, 0, 0, 0, 2],
            ether_type: outer,
        };
        let mut frame = header.to_bytes().to_vec();
        for (at, _) in self.vlan.iter().enumerate() {
            let inner = self.vlan.get(at + 1).map_or(ether_type.0, |&tag| tag);
            frame.extend([0, 100 + at as u8]);
            frame.extend(inner.to_be_bytes());
        }
        frame
    }

    fn v4(&self, source: Ipv4Addr, destination: Ipv4Addr, protocol: u8, transport: &[u8]) -> Vec<u8> {
        let mut header = Ipv4Header::new(
            transport.len() as u16,
            64,
            IpNumber(protocol),
            source.octets(),
            destination.octets(),
        )
        .expect("the payload fits");
        header.options = Ipv4Options::try_from(vec![1u8; self.ip_options].as_slice()).expect("options fit");
        header.dont_fragment = false;
        if let Some((offset, more)) = self.fragment {
            header.fragment_offset = IpFragOffset::try_new(offset).expect("offset fits");
            header.more_fragments = more;
        }
        header.total_len = (header.header_len() + transport.len()) as u16;
        header.header_checksum = header.calc_header_checksum();
        let mut packet = header.to_bytes().to_vec();
        packet.extend(transport);
        packet
    }

    fn v6(&self, source: Ipv6Addr, destination: Ipv6Addr, protocol: u8, transport: &[u8]) -> Vec<u8> {
        let chain: usize = self.extensions.iter().map(|(_, body)| body.len()).sum();
        let header = Ipv6Header {
            traffic_class: 0,
            flow_label: Ipv6FlowLabel::ZERO,
            payload_length: (chain + transport.len()) as u16,
            next_header: IpNumber(self.extensions.first().map_or(protocol, |(kind, _)| *kind)),
            hop_limit: 64,
            source: source.octets(),
            destination: destination.octets(),
        };
        let mut packet = header.to_bytes().to_vec();
        for (at, (_, body)) in self.extensions.iter().enumerate() {
            let from = packet.len();
            packet.extend(body);
            packet[from] = self.extensions.get(at + 1).map_or(protocol, |(kind, _)| *kind);
        }
        packet.extend(transport);
        packet
    }

    fn transport_bytes(&self) -> (u8, Vec<u8>) {
        let (source_port, destination_port) = self.ports;
        match &self.transport {
            Transport::Tcp {
                flags,
                options,
                payload,
            } => {
                let mut header = TcpHeader::new(source_port, destination_port, 1, 64_240);
                header.set_options_raw(&vec![1u8; *options]).expect("options fit");
                let mut bytes = header.to_bytes().to_vec();
                bytes[13] = *flags;
                bytes.resize(bytes.len() + payload, 0x55);
                (6, bytes)
            }
            Transport::Udp { payload } => {
                let header = UdpHeader {
                    source_port,
                    destination_port,
                    length: 8 + *payload as u16,
                    checksum: 0,
                };
                let mut bytes = header.to_bytes().to_vec();
                bytes.resize(8 + payload, 0x55);
                (17, bytes)
            }
            Transport::Icmp(kind) => (
                if self.destination.is_ipv4() { 1 } else { 58 },
                vec![*kind, 0, 0, 0, 0, 0, 0, 0],
            ),
            Transport::Raw(protocol, bytes) => (*protocol, bytes.clone()),
        }
    }
}
