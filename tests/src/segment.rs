//! TCP segments byte by byte: built as a test wants them, with every checksum right, and read back from frames.

use std::net::{IpAddr, SocketAddr};

use etherparse::{
    EtherType, Ethernet2Header, IpNumber, Ipv4Header, Ipv4Options, Ipv6FlowLabel, Ipv6Header, LinkExtSlice, NetSlice,
    SlicedPacket, TcpHeader, TransportSlice,
};

use crate::{
    addresses::{BALANCER_MAC, GATEWAY_MAC},
    packet::{extension, flag},
};

/// Congestion window reduced: the other of the two ECN flags of TCP.
pub const CWR: u8 = 0x80;

/// Congestion experienced, echoed.
pub const ECE: u8 = 0x40;

/// A segment on its way to the load balancer, or from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// From where.
    pub source: SocketAddr,
    /// To where.
    pub destination: SocketAddr,
    /// Sequence number.
    pub sequence: u32,
    /// Acknowledgement number.
    pub acknowledgement: u32,
    /// The flag byte.
    pub flags: u8,
    /// Window, as it is in the header.
    pub window: u16,
    /// Options of TCP as they are in the header, at most 40 bytes; shorter ones are filled up to whole words.
    pub options: Vec<u8>,
    /// Data.
    pub payload: Vec<u8>,
    /// Bytes of IPv4 options (no-operation) or of an IPv6 header with destination options.
    pub ip_options: usize,
    /// VLAN tags, outermost first.
    pub vlans: Vec<u16>,
}

/// The options of a Linux client's SYN: MSS 1,460, SACK, a timestamp of 1, window scale 7.
pub const LINUX_OPTIONS: [u8; 20] = [2, 4, 0x05, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7];

impl Segment {
    /// A SYN with the options of a Linux client.
    #[must_use]
    pub fn syn(source: SocketAddr, destination: SocketAddr) -> Self {
        Self {
            source,
            destination,
            sequence: 0x1234_5678,
            acknowledgement: 0,
            flags: flag::SYN,
            window: 64_240,
            options: LINUX_OPTIONS.to_vec(),
            payload: Vec::new(),
            ip_options: 0,
            vlans: Vec::new(),
        }
    }

    /// With these options of TCP.
    #[must_use]
    pub fn options(self, options: &[u8]) -> Self {
        Self {
            options: options.to_vec(),
            ..self
        }
    }

    /// The same segment behind these VLAN tags.
    #[must_use]
    pub fn vlans(self, vlans: &[u16]) -> Self {
        Self {
            vlans: vlans.to_vec(),
            ..self
        }
    }

    /// The answer that a client sends to this answer to its SYN: its handshake's last segment.
    #[must_use]
    pub fn acknowledged(&self) -> Self {
        Self {
            source: self.destination,
            destination: self.source,
            sequence: self.acknowledgement,
            acknowledgement: self.sequence.wrapping_add(1),
            flags: flag::ACK,
            window: 502,
            options: self.echoed_timestamp(),
            payload: Vec::new(),
            ip_options: 0,
            vlans: self.vlans.clone(),
        }
    }

    /// The RST that a client sends to this answer to its SYN if the acknowledgement is none that it can accept.
    #[must_use]
    pub fn reset(&self) -> Self {
        Self {
            flags: flag::RST,
            acknowledgement: 0,
            window: 0,
            options: Vec::new(),
            ..self.acknowledged()
        }
    }

    /// The value of the first option of this kind, without kind and length.
    #[must_use]
    pub fn option(&self, kind: u8) -> Option<&[u8]> {
        let mut rest = self.options.as_slice();
        loop {
            match *rest {
                [] | [0, ..] => return None,
                [1, ..] => rest = &rest[1..],
                [found, length, ..] if length >= 2 && rest.len() >= usize::from(length) => {
                    if found == kind {
                        return Some(&rest[2..usize::from(length)]);
                    }
                    rest = &rest[usize::from(length)..];
                }
                _ => return None,
            }
        }
    }

    /// The timestamp option that answers this segment's: empty if it has none.
    fn echoed_timestamp(&self) -> Vec<u8> {
        match self.option(8) {
            Some(value) if value.len() == 8 => {
                let mut options = vec![1, 1, 8, 10, 0, 0, 0, 2];
                options.extend(&value[..4]);
                options
            }
            _ => Vec::new(),
        }
    }

    /// The frame, as the wire sends it to the load balancer.
    ///
    /// # Panics
    /// When the parts do not fit: the test is wrong.
    #[must_use]
    pub fn frame(&self) -> Vec<u8> {
        let segment = self.segment();
        let (ether_type, network) = match (self.source.ip(), self.destination.ip()) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let mut header = Ipv4Header::new(0, 64, IpNumber::TCP, source.octets(), destination.octets())
                    .expect("an empty packet");
                header.options = Ipv4Options::try_from(vec![1; self.ip_options].as_slice()).expect("options fit");
                header.total_len = (header.header_len() + segment.len()) as u16;
                header.header_checksum = header.calc_header_checksum();
                (EtherType::IPV4, header.to_bytes().to_vec())
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let options = destination_options(self.ip_options);
                let next_header = if options.is_empty() {
                    IpNumber::TCP
                } else {
                    IpNumber(extension::DESTINATION)
                };
                let header = Ipv6Header {
                    traffic_class: 0,
                    flow_label: Ipv6FlowLabel::ZERO,
                    payload_length: (options.len() + segment.len()) as u16,
                    next_header,
                    hop_limit: 64,
                    source: source.octets(),
                    destination: destination.octets(),
                };
                (EtherType::IPV6, [header.to_bytes().as_slice(), &options].concat())
            }
            _ => unreachable!("a segment has one address family"),
        };
        let mut frame = self.ethernet(ether_type);
        frame.extend(network);
        frame.extend(segment);
        frame
    }

    fn ethernet(&self, ether_type: EtherType) -> Vec<u8> {
        let header = Ethernet2Header {
            source: GATEWAY_MAC,
            destination: BALANCER_MAC,
            ether_type: if self.vlans.is_empty() {
                ether_type
            } else {
                EtherType::VLAN_TAGGED_FRAME
            },
        };
        let mut frame = header.to_bytes().to_vec();
        for (index, vlan) in self.vlans.iter().enumerate() {
            let inner = if index + 1 == self.vlans.len() {
                ether_type
            } else {
                EtherType::VLAN_TAGGED_FRAME
            };
            frame.extend(vlan.to_be_bytes());
            frame.extend(inner.0.to_be_bytes());
        }
        frame
    }

    fn segment(&self) -> Vec<u8> {
        let mut header = TcpHeader::new(self.source.port(), self.destination.port(), self.sequence, self.window);
        header.acknowledgment_number = self.acknowledgement;
        let mut options = self.options.clone();
        options.resize(options.len().next_multiple_of(4), 0);
        header.set_options_raw(&options).expect("40 bytes of options at most");
        let mut bytes = header.to_bytes().to_vec();
        bytes[13] = self.flags;
        bytes.extend(&self.payload);
        let checksum = self.checksum(&bytes);
        bytes[16..18].copy_from_slice(&checksum.to_be_bytes());
        bytes
    }

    /// The checksum of a segment whose checksum field is zero.
    fn checksum(&self, bytes: &[u8]) -> u16 {
        let mut covered = Vec::new();
        match (self.source.ip(), self.destination.ip()) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                covered.extend(source.octets());
                covered.extend(destination.octets());
            }
            (source, destination) => {
                for address in [source, destination] {
                    if let IpAddr::V6(address) = address {
                        covered.extend(address.octets());
                    }
                }
            }
        }
        covered.extend([0, IpNumber::TCP.0]);
        covered.extend((bytes.len() as u16).to_be_bytes());
        covered.extend(bytes);
        let mut sum: u32 = covered
            .chunks(2)
            .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0)))
            .sum();
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        !(sum as u16)
    }

    /// Reads a TCP segment from a frame; none if the frame carries none.
    #[must_use]
    pub fn read(frame: &[u8]) -> Option<Self> {
        let packet = SlicedPacket::from_ethernet(frame).ok()?;
        let (source, destination, ip_options) = match packet.net? {
            NetSlice::Ipv4(v4) => (
                IpAddr::from(v4.header().source()),
                IpAddr::from(v4.header().destination()),
                v4.header().options().len(),
            ),
            NetSlice::Ipv6(v6) => (
                IpAddr::from(v6.header().source()),
                IpAddr::from(v6.header().destination()),
                v6.extensions().slice().len(),
            ),
            NetSlice::Arp(_) => return None,
        };
        let Some(TransportSlice::Tcp(tcp)) = packet.transport else {
            return None;
        };
        Some(Self {
            source: SocketAddr::new(source, tcp.source_port()),
            destination: SocketAddr::new(destination, tcp.destination_port()),
            sequence: tcp.sequence_number(),
            acknowledgement: tcp.acknowledgment_number(),
            flags: tcp.slice()[13],
            window: tcp.window_size(),
            options: tcp.options().to_vec(),
            payload: tcp.payload().to_vec(),
            ip_options,
            vlans: packet
                .link_exts
                .iter()
                .filter_map(|extension| match extension {
                    LinkExtSlice::Vlan(tag) => Some(tag.vlan_identifier().value()),
                    LinkExtSlice::Macsec(_) => None,
                })
                .collect(),
        })
    }
}

/// A header of destination options that holds nothing but padding, with the number of TCP after it; none of no bytes.
fn destination_options(bytes: usize) -> Vec<u8> {
    if bytes == 0 {
        return Vec::new();
    }
    let mut header = vec![0; bytes];
    header[0] = IpNumber::TCP.0;
    header[1] = (bytes / 8 - 1) as u8;
    // PadN over all that is left.
    header[2] = 1;
    header[3] = (bytes - 4) as u8;
    header
}

#[cfg(test)]
mod tests {
    use super::{LINUX_OPTIONS, Segment};

    fn pairs() -> [Segment; 2] {
        [
            ("203.0.113.9:4000", "198.51.100.10:80"),
            ("[2001:db8:c::9]:4000", "[2001:db8:1::10]:80"),
        ]
        .map(|(from, to)| Segment::syn(from.parse().expect("an address"), to.parse().expect("an address")))
    }

    #[test]
    fn what_is_built_is_read_back() {
        for plain in pairs() {
            for vlans in [&[][..], &[100], &[200, 100]] {
                for ip_options in [0, 8, 40] {
                    let segment = Segment {
                        ip_options,
                        payload: b"odd".to_vec(),
                        ..plain.clone().vlans(vlans)
                    };
                    assert_eq!(Segment::read(&segment.frame()), Some(segment));
                }
            }
        }
    }

    #[test]
    fn checksums_are_right() {
        for segment in pairs() {
            let frame = segment.frame();
            let packet = etherparse::PacketHeaders::from_ethernet_slice(&frame).expect("a packet");
            let tcp = packet.transport.expect("a segment").tcp().expect("TCP");
            let right = match packet.net.expect("IP") {
                etherparse::NetHeaders::Ipv4(header, _) => tcp.calc_checksum_ipv4(&header, &[]),
                etherparse::NetHeaders::Ipv6(header, _) => tcp.calc_checksum_ipv6(&header, &[]),
                etherparse::NetHeaders::Arp(_) => unreachable!("not ARP"),
            };
            assert_eq!(tcp.checksum, right.expect("short enough"));
        }
    }

    #[test]
    fn options_are_found_and_a_timestamp_is_echoed() {
        let [segment, _] = pairs();
        assert_eq!(segment.option(3), Some(&LINUX_OPTIONS[19..]));
        assert_eq!(segment.option(5), None);
        assert_eq!(segment.acknowledged().option(8), Some(&[0, 0, 0, 2, 0, 0, 0, 1][..]));
        assert_eq!(segment.options(&[2, 9, 0]).option(2), None, "cut off");
    }
}
