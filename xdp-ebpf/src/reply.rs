//! Packets that we send back: a verdict to reply, carried out in the place of the SYN that it answers.

pub mod challenge;
pub mod cookie;
pub mod options;
mod segment;

use xdp_common::Reason;

use crate::{cursor::FrameMut, packet::Packet, tables::Tables};

/// Whether an answer is really written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// It is: enforce mode.
    Yes,
    /// Only what it would be is told: monitor mode.
    No,
}

/// Makes the frame of a SYN into its answer. The verdict that comes back is `verdict`, or one that is not to reply: then the
/// frame is as it was.
#[inline(always)]
pub fn answer<F: FrameMut, T: Tables>(
    frame: &mut F,
    packet: &Packet,
    slot: u32,
    verdict: Reason,
    write: Write,
    tables: &T,
) -> Reason {
    match verdict {
        Reason::ReplyChallenge => challenge::answer(frame, packet, write, tables),
        _ => cookie::answer(frame, packet, slot, write, tables),
    }
}
