//! The challenge: a SYN-ACK that acknowledges what the client did not send. A client that is there resets it (RFC 9293,
//! section 3.10.7.3), and the reset carries our number back in its sequence field; a spoofed source never saw the number.
//!
//! The number lies close below the client's own sequence number, because firewalls and NATs on the way swallow one that
//! does not: a block of 2^15 numbers that both sides can compute, and in it 15 bits of the kernel's cookie for the
//! connection's addresses and ports.

use xdp_common::Reason;

use super::{
    Write,
    segment::{self, Header},
};
use crate::{
    cursor::FrameMut,
    packet::{
        Packet,
        tcp_flag::{ACK, RST, SYN},
    },
    tables::Tables,
};

/// Numbers in a block.
const BLOCK: u32 = 1 << 15;
/// The MSS that goes into the cookie's computation: the same both ways.
const MSS: u16 = 1_460;

/// Answers a SYN with a challenge.
#[inline(always)]
pub(super) fn answer<F: FrameMut, T: Tables>(frame: &mut F, packet: &Packet, write: Write, tables: &T) -> Reason {
    let block = packet.sequence.wrapping_sub(BLOCK) & !(BLOCK - 1);
    let Some(cookie) = tables.cookie(packet, block, MSS) else {
        return Reason::Retry;
    };
    let acknowledgement = block | cookie & (BLOCK - 1);
    let header = Header::<5>::new(cookie, acknowledgement, SYN | ACK, 0);
    if segment::send(frame, packet, header, write) {
        Reason::ReplyChallenge
    } else {
        Reason::Retry
    }
}

/// Whether a reset answers a challenge. A forged one does in one of 32,768.
#[inline(always)]
pub(crate) fn is_answer<T: Tables>(packet: &Packet, tables: &T) -> bool {
    if packet.tcp_flags & (SYN | ACK | RST) != RST {
        return false;
    }
    let block = packet.sequence & !(BLOCK - 1);
    tables
        .cookie(packet, block, MSS)
        .is_some_and(|cookie| cookie & (BLOCK - 1) == packet.sequence & (BLOCK - 1))
}
