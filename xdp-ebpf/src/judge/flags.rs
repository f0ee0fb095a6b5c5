//! Stage: malformed packets, flags that no stack sends, sources that cannot be.

use xdp_common::Reason;

use crate::packet::{
    Packet, Transport,
    tcp_flag::{ACK, FIN, PSH, RST, SYN, URG},
};

#[inline(always)]
pub(super) fn stage(packet: &Packet) -> Option<Reason> {
    if packet.fault.is_some() {
        return packet.fault;
    }
    if packet.source == packet.destination || packet.source.is_impossible_source() && !is_address_probe(packet) {
        return Some(Reason::ImpossibleSource);
    }
    (packet.transport == Transport::Tcp && is_impossible(packet.tcp_flags)).then_some(Reason::TcpFlags)
}

/// RFC 9293 lets a SYN carry neither FIN nor RST, and every segment but a SYN or RST carry ACK. ECN bits are free.
#[inline(always)]
const fn is_impossible(flags: u8) -> bool {
    let syn = flags & SYN != 0;
    let fin = flags & FIN != 0;
    let rst = flags & RST != 0;
    let ack = flags & ACK != 0;
    let bare = flags & (SYN | RST | ACK) == 0;
    (syn && (fin || rst)) || (fin && rst) || bare || (!ack && flags & (FIN | PSH | URG) != 0 && !syn)
}

/// Duplicate address detection comes from the unspecified IPv6 address (RFC 4862, section 5.4.2).
#[inline(always)]
fn is_address_probe(packet: &Packet) -> bool {
    packet.transport == Transport::Icmp && packet.icmp_type == 135 && packet.source.words() == [0, 0]
}

#[cfg(test)]
mod tests {
    use super::is_impossible;

    #[test]
    fn what_stacks_send_is_possible() {
        // SYN, SYN+ECN, SYN-ACK, ACK, PSH ACK, FIN ACK, FIN PSH URG ACK, RST, RST ACK, RST PSH ACK seen from middleboxes.
        for flags in [0x02, 0xc2, 0x12, 0x52, 0x10, 0x18, 0x11, 0x39, 0x04, 0x14, 0x1c] {
            assert!(!is_impossible(flags), "{flags:#04x}");
        }
    }

    #[test]
    fn scans_are_impossible() {
        // Null, Xmas, FIN, SYN FIN, SYN RST, FIN RST ACK, PSH alone, URG alone, ECN bits alone.
        for flags in [0x00, 0x29, 0x01, 0x03, 0x06, 0x15, 0x08, 0x20, 0xc0] {
            assert!(is_impossible(flags), "{flags:#04x}");
        }
    }
}
