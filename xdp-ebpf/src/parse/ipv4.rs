//! IPv4 (RFC 791) with options and fragments.

use network_types::ip::Ipv4Hdr;
use xdp_common::{Address, Reason};

use super::transport;
use crate::{
    cursor::{Cursor, Frame},
    packet::{Packet, Transport},
};

/// Header length without options, bytes.
const HEADER_LEN: usize = 20;
/// The fragment offset in the flags-and-offset field, in units of 8 bytes.
const OFFSET_MASK: u16 = 0x1fff;
/// "More fragments" in the same field.
const MORE_FRAGMENTS: u16 = 0x2000;

/// Reads from the IPv4 header on.
#[inline(always)]
pub(super) fn parse<F: Frame>(cursor: &mut Cursor<'_, F>) -> Result<Packet, Reason> {
    let network_at = cursor.offset();
    let header: Ipv4Hdr = cursor.take().ok_or(Reason::Unreadable)?;
    if header.vihl >> 4 != 4 {
        return Err(Reason::Unreadable);
    }
    let mut packet = Packet::between(
        Address::from_v4_bytes(header.src_addr),
        Address::from_v4_bytes(header.dst_addr),
    );
    packet.network_at = network_at;
    let header_len = usize::from(header.vihl & 0xf) * 4;
    let total_len = usize::from(u16::from_be_bytes(header.tot_len));
    // A length that lies is malformed even where the verifier would let it pass.
    if header_len < HEADER_LEN || total_len < header_len || !cursor.holds(total_len - HEADER_LEN) {
        packet.fault = Some(Reason::Ipv4Malformed);
        return Ok(packet);
    }
    packet.frame_len = cursor.frame_len(total_len - HEADER_LEN);
    cursor.skip(header_len - HEADER_LEN);
    let payload_len = total_len - header_len;
    let fragment = u16::from_be_bytes(header.frags);
    let offset = fragment & OFFSET_MASK;
    if offset != 0 {
        packet.transport = Transport::LaterFragment;
        packet.is_fragment = true;
        packet.fault = later_fragment_fault(offset, payload_len, header.proto);
        return Ok(packet);
    }
    let first_of_many = fragment & MORE_FRAGMENTS != 0;
    packet.is_fragment = first_of_many;
    transport::parse(cursor, &mut packet, header.proto, payload_len, first_of_many);
    Ok(packet)
}

/// A fragment that overlaps the TCP header (offset 8 bytes, RFC 1858, section 4) or runs past the largest packet.
#[inline(always)]
fn later_fragment_fault(offset: u16, payload_len: usize, protocol: u8) -> Option<Reason> {
    let overlaps_tcp = offset == 1 && protocol == transport::TCP;
    let end = usize::from(offset) * 8 + payload_len;
    (overlaps_tcp || end > 0xffff - HEADER_LEN).then_some(Reason::FragmentMalformed)
}
