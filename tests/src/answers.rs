//! What the program sends back: that it goes where the frame came from, and is sound to the last byte.

use etherparse::{NetHeaders, PacketHeaders, TcpHeader, TransportHeader};

/// Headers of a frame that carries TCP.
///
/// # Panics
/// It carries none.
#[must_use]
pub fn headers(frame: &[u8]) -> (NetHeaders, TcpHeader) {
    let headers = PacketHeaders::from_ethernet_slice(frame).expect("a frame that was read whole");
    let Some(TransportHeader::Tcp(tcp)) = headers.transport else {
        panic!("no TCP: {frame:02x?}");
    };
    (headers.net.expect("a frame that was read whole"), tcp)
}

/// `back` goes where `frame` came from, with sound checksums and no byte behind its end.
///
/// # Panics
/// It does not.
pub fn assert_answers(what: &str, frame: &[u8], back: &[u8]) {
    assert_eq!(
        (&back[..6], &back[6..12]),
        (&frame[6..12], &frame[..6]),
        "{what}: hardware addresses"
    );
    let ((asked, asking), (network, tcp)) = (headers(frame), headers(back));
    assert_eq!(
        (tcp.source_port, tcp.destination_port),
        (asking.destination_port, asking.source_port),
        "{what}: ports"
    );
    let tcp_len = tcp.header_len();
    let behind = match (asked, network) {
        (NetHeaders::Ipv4(asked, _), NetHeaders::Ipv4(ip, _)) => {
            assert_eq!((ip.source, ip.destination), (asked.destination, asked.source), "{what}");
            assert_eq!(ip.header_checksum, ip.calc_header_checksum(), "{what}: IP checksum");
            assert_eq!(
                tcp.checksum,
                tcp.calc_checksum_ipv4(&ip, &[]).expect("a frame that was read whole"),
                "{what}: TCP checksum"
            );
            assert_eq!(usize::from(ip.total_len), ip.header_len() + tcp_len, "{what}");
            usize::from(ip.total_len)
        }
        (NetHeaders::Ipv6(asked, _), NetHeaders::Ipv6(ip, _)) => {
            assert_eq!((ip.source, ip.destination), (asked.destination, asked.source), "{what}");
            assert_eq!(
                tcp.checksum,
                tcp.calc_checksum_ipv6(&ip, &[]).expect("a frame that was read whole"),
                "{what}: TCP checksum"
            );
            assert_eq!(usize::from(ip.payload_length), tcp_len, "{what}");
            40 + tcp_len
        }
        _ => panic!("{what}: another family"),
    };
    let tags = frame[12..]
        .chunks_exact(4)
        .take_while(|tag| matches!(tag[..2], [0x81 | 0x91, 0] | [0x88, 0xa8]))
        .count();
    assert_eq!(back[12..12 + 4 * tags], frame[12..12 + 4 * tags], "{what}: VLAN tags");
    assert_eq!(back.len(), 14 + 4 * tags + behind, "{what}: length of the frame");
}
