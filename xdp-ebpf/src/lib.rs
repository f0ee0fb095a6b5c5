//! The pure half of the XDP program: everything between the bytes of a frame and its verdict, compiled for BPF and for
//! the host alike. What needs the kernel (maps, helpers, entry points) is behind [`tables::Tables`].
//!
//! ```text
//! frame → parse → Packet → judge → Judgement
//! ```
#![no_std]

pub mod cursor;
pub mod judge;
pub mod packet;
pub mod parse;
pub mod reply;
pub mod tables;
pub mod tally;

pub use judge::{Judgement, judge};
pub use packet::{Packet, Transport};
pub use parse::parse;
pub use reply::answer;
pub use tables::{Connection, Listener, OwnSocket, SharedAddress, SharedSource, Tables};

use cursor::Frame;
use xdp_common::{Address, Reason};

/// The whole way of a frame, up to the verdict. A verdict to reply still has to be carried out, by [`answer`].
#[inline(always)]
pub fn examine<F: Frame, T: Tables>(frame: &F, tables: &T) -> (Packet, Judgement) {
    match parse(frame) {
        Ok(packet) => (packet, judge(&packet, tables)),
        Err(reason) => (
            Packet::between(Address::default(), Address::default()),
            Judgement::of_nobody(reason),
        ),
    }
}

const _: () = assert!(Reason::ALL.len() < xdp_common::reason::REASON_SLOTS);
