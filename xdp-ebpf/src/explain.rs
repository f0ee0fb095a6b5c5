//! Entry point of the program that tells what would become of a packet: parse → judge, by the code and over the maps of the
//! program on the interface, without a trace (see [`dry`]). It is never attached; whoever asks runs it by
//! `BPF_PROG_TEST_RUN`, and finds the reason in its return value and what it was found by in EXPLAINED.
#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]
#![expect(
    dead_code,
    reason = "what counts, samples and answers is the other program's part of the modules that both share"
)]

mod clock;
mod dry;
mod frame;
mod lists;
mod maps;
mod options;
mod socket;
mod vectors;
mod verifier;
mod word;

use aya_ebpf::{macros::xdp, programs::XdpContext};
use dry::DryTables;
use frame::XdpFrame;
use xdp_common::{Action, Explained, Reason, sketch};
use xdp_ebpf::{Judgement, reply::Write};

/// The licence that the kernel checks before it lends GPL-only helpers.
#[unsafe(no_mangle)]
#[unsafe(link_section = "license")]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

/// What no reason is: the maps are not there.
const NOTHING: u32 = u32::MAX;

/// One packet.
#[xdp(frags)]
#[inline(always)]
pub(crate) fn explain(ctx: XdpContext) -> u32 {
    let (Some(settings), Some(examined), Some(explained)) = (maps::settings(), maps::examined(), dry::explained())
    else {
        return NOTHING;
    };
    match xdp_ebpf::parse(&XdpFrame(&ctx)) {
        Ok(packet) => examined.packet = packet,
        Err(reason) => {
            *explained = Explained::default();
            return told(explained, reason);
        }
    }
    dry::reload();
    let hash = sketch::hash(examined.packet.source.source(), settings.seed);
    dry::prepare(maps::find(&examined.packet.destination, settings).policy, hash);
    dry::reload();
    let Some(tables) = DryTables::new(&ctx, settings) else {
        return NOTHING;
    };
    examined.judgement = xdp_ebpf::judge(&examined.packet, &tables);
    dry::reload();
    dry::note(ctx.ctx, examined.judgement.found.policy, hash);
    if examined.judgement.reason.action() == Action::Reply {
        maps::go_on_to_answer(&ctx);
        examined.judgement.reason = Reason::Retry;
    }
    told(explained, examined.judgement.reason)
}

/// What the answer to a packet would be that `explain` judged, for the reason that its counter would be named by.
#[xdp(frags)]
#[inline(always)]
pub(crate) fn explain_answer(ctx: XdpContext) -> u32 {
    let (Some(settings), Some(examined), Some(explained)) = (maps::settings(), maps::examined(), dry::explained())
    else {
        return NOTHING;
    };
    let Some(tables) = DryTables::new(&ctx, settings) else {
        return NOTHING;
    };
    let Judgement { found, reason, .. } = examined.judgement;
    let reason = xdp_ebpf::answer(&mut XdpFrame(&ctx), &examined.packet, found, reason, Write::No, &tables);
    told(explained, reason)
}

#[inline(always)]
fn told(explained: &mut Explained, reason: Reason) -> u32 {
    explained.reason = reason as u8;
    u32::from(explained.reason)
}

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
