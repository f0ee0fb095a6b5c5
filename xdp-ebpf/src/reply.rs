//! Packets that we send back: a verdict to reply, carried out in the place of the SYN that it answers.

pub mod challenge;
pub mod cookie;
pub mod options;
mod segment;

use xdp_common::{Reason, address_index::Found};

use crate::{cursor::FrameMut, judge::verify, packet::Packet, tables::Tables};

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
    found: Found,
    verdict: Reason,
    write: Write,
    tables: &T,
) -> Reason {
    let reason = match verdict {
        Reason::ReplyChallenge => challenge::answer(frame, packet, write, tables),
        _ => cookie::answer(frame, packet, found.slot(), write, tables),
    };
    // What goes on to the kernel has proved nothing: it must not be a way around verify.
    if reason == Reason::SynKernel && !takes_one(found, tables) {
        return Reason::Retry;
    }
    reason
}

#[inline(always)]
fn takes_one<T: Tables>(found: Found, tables: &T) -> bool {
    let (Some(policy), Some(shared)) = (tables.policy(found), tables.address_rate(found.slot())) else {
        return false;
    };
    verify::takes_unproven(policy, &shared, tables, tables.now_ns())
}
