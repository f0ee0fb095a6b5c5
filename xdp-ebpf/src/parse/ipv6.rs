//! IPv6 (RFC 8200) with a bounded chain of extension headers.

use network_types::ip::Ipv6Hdr;
use xdp_common::{Address, Reason};

use super::transport;
use crate::{
    cursor::{Cursor, Frame},
    packet::{Packet, Transport},
};

/// Extension headers that are looked through. RFC 8200 recommends each at most once (destination options twice): six,
/// and Mobility beside them.
const CHAIN_MAX: usize = 7;

/// Extension headers by their protocol numbers (IANA "IPv6 Extension Header Types").
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION_OPTIONS: u8 = 60;
const MOBILITY: u8 = 135;
const HIP: u8 = 139;
const SHIM6: u8 = 140;

/// What the walk over the chain found.
enum Chain {
    /// The transport protocol, the bytes from its header on, and whether this is the first of several fragments.
    Transport {
        protocol: u8,
        payload_len: usize,
        first_of_many: bool,
    },
    LaterFragment {
        fault: Option<Reason>,
    },
    Fault(Reason),
}

/// Reads from the IPv6 header on.
#[inline(always)]
pub(super) fn parse<F: Frame>(cursor: &mut Cursor<'_, F>) -> Result<Packet, Reason> {
    let network_at = cursor.offset();
    let header: Ipv6Hdr = cursor.take().ok_or(Reason::Unreadable)?;
    if header.vcf[0] >> 4 != 6 {
        return Err(Reason::Unreadable);
    }
    let mut packet = Packet::between(
        Address::from_bytes(header.src_addr),
        Address::from_bytes(header.dst_addr),
    );
    packet.network_at = network_at;
    let payload_len = usize::from(u16::from_be_bytes(header.payload_len));
    // Payload length 0 with a hop-by-hop header would be a jumbogram (RFC 2675), which no Ethernet carries.
    if !cursor.holds(payload_len) || (payload_len == 0 && header.next_hdr == HOP_BY_HOP) {
        packet.fault = Some(Reason::Ipv6Malformed);
        return Ok(packet);
    }
    packet.frame_len = cursor.frame_len(payload_len);
    match walk(cursor, header.next_hdr, payload_len) {
        Chain::Transport {
            protocol,
            payload_len,
            first_of_many,
        } => {
            packet.is_fragment = first_of_many;
            transport::parse(cursor, &mut packet, protocol, payload_len, first_of_many);
        }
        Chain::LaterFragment { fault } => {
            packet.transport = Transport::LaterFragment;
            packet.is_fragment = true;
            packet.fault = fault;
        }
        Chain::Fault(reason) => packet.fault = Some(reason),
    }
    Ok(packet)
}

/// Moves the cursor over the extension headers.
#[inline(always)]
fn walk<F: Frame>(cursor: &mut Cursor<'_, F>, first: u8, payload_len: usize) -> Chain {
    let mut next = first;
    let mut left = payload_len;
    let mut first_of_many = false;
    for _ in 0..CHAIN_MAX {
        let [left_now, next_now, first_now] = cursor.forget([left, usize::from(next), usize::from(first_of_many)]);
        (left, next, first_of_many) = (left_now, next_now as u8, first_now & 1 != 0);
        if !is_extension(next) {
            return Chain::Transport {
                protocol: next,
                payload_len: left,
                first_of_many,
            };
        }
        let Some([after, len, high, low]) = cursor.take::<[u8; 4]>() else {
            return Chain::Fault(if first_of_many {
                Reason::FragmentMalformed
            } else {
                Reason::Ipv6Chain
            });
        };
        let header_len = extension_len(next, len);
        if header_len > left {
            return Chain::Fault(if first_of_many {
                Reason::FragmentMalformed
            } else {
                Reason::Ipv6Chain
            });
        }
        left -= header_len;
        cursor.skip(header_len - 4);
        if next == FRAGMENT {
            let field = u16::from_be_bytes([high, low]);
            if field >> 3 != 0 {
                return Chain::LaterFragment {
                    fault: later_fragment_fault(field, left),
                };
            }
            first_of_many = field & 1 != 0;
        }
        next = after;
    }
    if is_extension(next) {
        return Chain::Fault(Reason::Ipv6Chain);
    }
    Chain::Transport {
        protocol: next,
        payload_len: left,
        first_of_many,
    }
}

#[inline(always)]
fn is_extension(protocol: u8) -> bool {
    matches!(
        protocol,
        HOP_BY_HOP | ROUTING | FRAGMENT | AUTHENTICATION | DESTINATION_OPTIONS | MOBILITY | HIP | SHIM6
    )
}

/// Length of an extension header in bytes, 8 to 2,048. Authentication counts in units of 4 (RFC 4302, section 2.2), the
/// fragment header is always 8 bytes.
#[inline(always)]
fn extension_len(protocol: u8, len: u8) -> usize {
    match protocol {
        FRAGMENT => 8,
        AUTHENTICATION => (usize::from(len) + 2) * 4,
        _ => (usize::from(len) + 1) * 8,
    }
}

/// The offset is the upper 13 bits in units of 8 bytes: as they stand, with the lower 3 cleared, they count bytes.
#[inline(always)]
fn later_fragment_fault(field: u16, payload_len: usize) -> Option<Reason> {
    (usize::from(field & 0xfff8) + payload_len > 0xffff).then_some(Reason::FragmentMalformed)
}
