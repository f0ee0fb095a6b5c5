//! Entry point of the XDP program: parse → judge → account → act. The only place that names the kernel's verdicts.
#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]

mod account;
mod clock;
mod frame;
mod handshake;
mod lists;
mod maps;
mod options;
mod sample;
mod socket;
mod steps;
mod vectors;
mod verifier;
mod word;

use aya_ebpf::{bindings::xdp_action, macros::xdp, programs::XdpContext};
use aya_log_ebpf::info;
use frame::XdpFrame;
use maps::{Examined, KernelTables};
use xdp_common::{Action, Address, Reason, Settings};
use xdp_ebpf::{reply::Write, tally};

/// The licence that the kernel checks before it lends GPL-only helpers.
#[unsafe(no_mangle)]
#[unsafe(link_section = "license")]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

/// One packet, from its parser to its verdict in one function: calls would cost it a fourth of its time.
#[xdp(frags)]
#[inline(always)]
pub(crate) fn levee(ctx: XdpContext) -> u32 {
    // Arrays have all their elements; the verifier wants it asked.
    let (Some(settings), Some(examined)) = (maps::settings(), maps::examined()) else {
        return xdp_action::XDP_PASS;
    };
    examined.judgement = match xdp_ebpf::parse(&XdpFrame(&ctx)) {
        Ok(packet) => {
            examined.packet = packet;
            verifier::reload();
            xdp_ebpf::judge(&examined.packet, &KernelTables::new(&ctx, settings))
        }
        Err(reason) => xdp_ebpf::Judgement::of_nobody(reason),
    };
    verifier::reload();
    answer_or_finish(&ctx, settings, examined)
}

/// The same packet, judged in steps: for kernels whose verifier refuses to walk through [`levee`].
#[xdp(frags)]
#[inline(always)]
pub(crate) fn levee_steps(ctx: XdpContext) -> u32 {
    if steps::read(&ctx) {
        steps::judge(&ctx);
    }
    let (Some(settings), Some(examined)) = (maps::settings(), maps::examined()) else {
        return xdp_action::XDP_PASS;
    };
    answer_or_finish(&ctx, settings, examined)
}

/// What follows a judgement.
#[inline(always)]
fn answer_or_finish(ctx: &XdpContext, settings: &'static Settings, examined: &mut Examined) -> u32 {
    if examined.judgement.reason.action() == Action::Reply {
        maps::go_on_to_answer(ctx);
        // Whoever loaded this program gave it no other to go on to.
        examined.judgement.reason = Reason::Retry;
    }
    finish(ctx, &KernelTables::new(ctx, settings), examined)
}

/// The answer to a packet that `levee` judged, as a program of its own: both need most of the stack that there is, and
/// what is not answered does not pay for a call.
#[xdp(frags)]
#[inline(always)]
pub(crate) fn answer(ctx: XdpContext) -> u32 {
    let (Some(settings), Some(examined)) = (maps::settings(), maps::examined()) else {
        return xdp_action::XDP_PASS;
    };
    let tables = KernelTables::new(&ctx, settings);
    let write = if tables.enforces() { Write::Yes } else { Write::No };
    let judgement = &mut examined.judgement;
    judgement.reason = xdp_ebpf::answer(
        &mut XdpFrame(&ctx),
        &examined.packet,
        judgement.found,
        judgement.reason,
        write,
        &tables,
    );
    finish(&ctx, &tables, examined)
}

/// Counts, tells, acts: the one exit.
#[inline(always)]
fn finish(ctx: &XdpContext, tables: &KernelTables<'_>, examined: &mut Examined) -> u32 {
    let judgement = &examined.judgement;
    account::count(tables, judgement);
    if judgement.excess {
        tell_of_excess(ctx, judgement.destination, judgement.reason == Reason::SourceRate);
    }
    let enforce = tables.enforces();
    let action = match judgement.reason.action() {
        Action::Pass => xdp_action::XDP_PASS,
        Action::Drop => {
            sample::take(ctx, tables, judgement);
            account::count_drop(tables, enforce);
            if enforce {
                xdp_action::XDP_DROP
            } else {
                xdp_action::XDP_PASS
            }
        }
        Action::Reply => {
            if enforce {
                xdp_action::XDP_TX
            } else {
                xdp_action::XDP_PASS
            }
        }
    };
    if judgement.found.is_protected() && tally::meet(&examined.packet, tables) {
        examined.action = action;
        maps::go_on_to_look(ctx);
    }
    action
}

/// One packet of many is looked at for the tally, by a program of its own: what becomes of it is decided.
#[xdp(frags)]
#[inline(always)]
pub(crate) fn look(ctx: XdpContext) -> u32 {
    let (Some(settings), Some(examined)) = (maps::settings(), maps::examined()) else {
        return xdp_action::XDP_PASS;
    };
    let reason = examined.judgement.reason;
    tally::look(&examined.packet, reason, &KernelTables::new(&ctx, settings));
    examined.action
}

/// The one event that is told as it happens, at most once in ten seconds for each address and CPU.
#[inline(never)]
fn tell_of_excess(ctx: &XdpContext, destination: Address, by_source: bool) {
    if by_source {
        info!(
            ctx,
            "over a rate: {:i}, by a source over its own",
            destination.to_bytes()
        );
    } else {
        info!(
            ctx,
            "over a rate: {:i}, by all its sources together",
            destination.to_bytes()
        );
    }
}

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
