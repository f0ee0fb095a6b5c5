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
pub mod tables;

pub use judge::{Judgement, judge};
pub use packet::{Packet, Transport};
pub use parse::parse;
pub use tables::{OwnSocket, SharedSource, Tables};

use cursor::Frame;
use xdp_common::{Address, Reason};

/// The whole way of a frame, up to the verdict.
#[inline(always)]
pub fn examine<F: Frame, T: Tables>(frame: &F, tables: &T) -> Judgement {
    match parse(frame) {
        Ok(packet) => judge(&packet.through(|word| tables.forget(word)), tables),
        Err(reason) => Judgement {
            slot: 0,
            reason,
            destination: Address::default(),
            excess: false,
        },
    }
}

const _: () = assert!(Reason::ALL.len() < xdp_common::reason::REASON_SLOTS);
