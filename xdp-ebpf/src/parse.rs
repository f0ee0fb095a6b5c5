//! Bytes to [`Packet`]. The family split lives and ends here.

mod ethernet;
mod ipv4;
mod ipv6;
mod transport;

use crate::{
    cursor::{Cursor, Frame},
    packet::Packet,
};
use ethernet::Network;
use xdp_common::Reason;

/// Reads a frame. `Err` is the (passing) reason of a frame in which no destination address can be read; a malformed
/// packet with a readable destination is `Ok` with its [`Packet::fault`].
#[inline(always)]
pub fn parse<F: Frame>(frame: &F) -> Result<Packet, Reason> {
    let mut cursor = Cursor::new(frame);
    match ethernet::parse(&mut cursor)? {
        Network::Ipv4 => ipv4::parse(&mut cursor),
        Network::Ipv6 => ipv6::parse(&mut cursor),
    }
}
