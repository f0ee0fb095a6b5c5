//! A sampled packet header in one line for people.

use std::net::{IpAddr, SocketAddr};

use etherparse::{LaxNetSlice, LaxSlicedPacket, TcpSlice, TransportSlice};

/// Who sent what to whom, as far as the header can be read: `198.51.100.7:40000 > 203.0.113.7:80 TCP SYN`.
#[must_use]
pub fn describe(header: &[u8]) -> String {
    let Ok(packet) = LaxSlicedPacket::from_ethernet(header) else {
        return "shorter than an Ethernet header".to_owned();
    };
    let Some((source, destination)) = packet.net.as_ref().and_then(addresses) else {
        return "neither IPv4 nor IPv6, or cut off before the addresses".to_owned();
    };
    let ports = |from: u16, to: u16| {
        format!(
            "{} > {}",
            SocketAddr::new(source, from),
            SocketAddr::new(destination, to)
        )
    };
    match &packet.transport {
        Some(TransportSlice::Tcp(tcp)) => {
            format!(
                "{} TCP {}",
                ports(tcp.source_port(), tcp.destination_port()),
                flags(tcp)
            )
        }
        Some(TransportSlice::Udp(udp)) => format!("{} UDP", ports(udp.source_port(), udp.destination_port())),
        Some(TransportSlice::Icmpv4(_) | TransportSlice::Icmpv6(_)) => format!("{source} > {destination} ICMP"),
        Some(TransportSlice::Igmp(_)) => format!("{source} > {destination} IGMP"),
        None => format!("{source} > {destination}, without a whole transport header"),
    }
}

fn addresses(net: &LaxNetSlice<'_>) -> Option<(IpAddr, IpAddr)> {
    match net {
        LaxNetSlice::Ipv4(ip) => Some((ip.header().source_addr().into(), ip.header().destination_addr().into())),
        LaxNetSlice::Ipv6(ip) => Some((ip.header().source_addr().into(), ip.header().destination_addr().into())),
        LaxNetSlice::Arp(_) => None,
    }
}

fn flags(tcp: &TcpSlice<'_>) -> String {
    let all = [
        (tcp.syn(), "SYN"),
        (tcp.ack(), "ACK"),
        (tcp.fin(), "FIN"),
        (tcp.rst(), "RST"),
        (tcp.psh(), "PSH"),
        (tcp.urg(), "URG"),
    ];
    let set: Vec<&str> = all.iter().filter(|(set, _)| *set).map(|(_, name)| *name).collect();
    if set.is_empty() {
        "no flags".to_owned()
    } else {
        set.join(",")
    }
}

#[cfg(test)]
mod tests {
    use etherparse::PacketBuilder;
    use proptest::prelude::*;

    use super::*;

    fn syn() -> Vec<u8> {
        let builder = PacketBuilder::ethernet2([2; 6], [3; 6])
            .ipv4([198, 51, 100, 7], [203, 0, 113, 7], 64)
            .tcp(40000, 80, 1, 64)
            .syn();
        let mut bytes = Vec::new();
        builder.write(&mut bytes, &[]).expect("memory");
        bytes
    }

    #[test]
    fn says_who_sent_what_to_whom() {
        assert_eq!(describe(&syn()), "198.51.100.7:40000 > 203.0.113.7:80 TCP SYN");
        let udp = PacketBuilder::ethernet2([2; 6], [3; 6])
            .ipv6([0x20; 16], [0x30; 16], 64)
            .udp(53, 9);
        let mut bytes = Vec::new();
        udp.write(&mut bytes, &[1, 2, 3]).expect("memory");
        assert!(describe(&bytes).ends_with("]:9 UDP"), "{}", describe(&bytes));
    }

    #[test]
    fn a_header_that_is_cut_off_is_told_as_far_as_it_goes() {
        let bytes = syn();
        assert_eq!(describe(&bytes[..10]), "shorter than an Ethernet header");
        assert_eq!(
            describe(&bytes[..20]),
            "neither IPv4 nor IPv6, or cut off before the addresses"
        );
        assert_eq!(
            describe(&bytes[..40]),
            "198.51.100.7 > 203.0.113.7, without a whole transport header"
        );
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..128)) {
            let _ = describe(&bytes);
        }
    }
}
