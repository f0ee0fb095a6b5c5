//! Entry point of the XDP program: parse → judge → account → act. The only place that names the kernel's verdicts.
#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]

mod account;
mod clock;
mod handshake;
mod maps;
mod options;
mod sample;
mod socket;
mod verifier;
mod word;

use aya_ebpf::{bindings::xdp_action, macros::xdp, programs::XdpContext};
use aya_log_ebpf::info;
use maps::{Examined, KernelTables, XdpFrame};
use xdp_common::{Action, Address, Reason, Settings};
use xdp_ebpf::{Judgement, reply::Write};

/// The licence that the kernel checks before it lends GPL-only helpers.
#[unsafe(no_mangle)]
#[unsafe(link_section = "license")]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

/// One packet. Each step is a function of its own, with a stack of its own.
#[xdp(frags)]
pub(crate) fn levee(ctx: XdpContext) -> u32 {
    // Arrays have all their elements; the verifier wants it asked.
    let (Some(settings), Some(examined)) = (maps::settings(), maps::examined()) else {
        return xdp_action::XDP_PASS;
    };
    look(&ctx, settings, examined);
    if examined.judgement.reason.action() == Action::Reply {
        answer(&ctx, settings, examined);
    }
    finish(&ctx, settings, &examined.judgement)
}

#[inline(never)]
fn look(ctx: &XdpContext, settings: &'static Settings, examined: &mut Examined) {
    examined.judgement = match xdp_ebpf::parse(&XdpFrame(ctx)) {
        Ok(packet) => {
            examined.packet = packet;
            verifier::reload();
            xdp_ebpf::judge(&examined.packet, &KernelTables::new(ctx, settings))
        }
        Err(reason) => Judgement::of_nobody(reason),
    };
}

#[inline(never)]
fn answer(ctx: &XdpContext, settings: &'static Settings, examined: &mut Examined) {
    let tables = KernelTables::new(ctx, settings);
    let write = if tables.enforces() { Write::Yes } else { Write::No };
    let judgement = &mut examined.judgement;
    judgement.reason = xdp_ebpf::answer(
        &mut XdpFrame(ctx),
        &examined.packet,
        judgement.found,
        judgement.reason,
        write,
        &tables,
    );
}

/// Counts, tells, acts: the one exit.
#[inline(always)]
fn finish(ctx: &XdpContext, settings: &'static Settings, judgement: &Judgement) -> u32 {
    let tables = KernelTables::new(ctx, settings);
    account::count(&tables, judgement);
    if judgement.excess {
        tell_of_excess(ctx, judgement.destination, judgement.reason == Reason::SourceRate);
    }
    let enforce = tables.enforces();
    match judgement.reason.action() {
        Action::Pass => xdp_action::XDP_PASS,
        Action::Drop => {
            sample::take(ctx, &tables, judgement);
            account::count_drop(&tables, enforce);
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
    }
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
