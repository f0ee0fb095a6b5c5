//! Entry point of the XDP program: parse → judge → account → act. The only place that names the kernel's verdicts.
#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]

mod account;
mod clock;
mod maps;
mod sample;
mod socket;
mod verifier;
mod word;

use aya_ebpf::{bindings::xdp_action, macros::xdp, programs::XdpContext};
use aya_log_ebpf::info;
use maps::KernelTables;
use xdp_common::{Action, Address, Reason};
use xdp_ebpf::{Judgement, examine};

/// The licence that the kernel checks before it lends GPL-only helpers.
#[unsafe(no_mangle)]
#[unsafe(link_section = "license")]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

/// One packet.
#[xdp(frags)]
pub(crate) fn levee(ctx: XdpContext) -> u32 {
    // An array has all its elements; the verifier wants it asked.
    let Some(settings) = maps::settings() else {
        return xdp_action::XDP_PASS;
    };
    let tables = KernelTables::new(&ctx, settings);
    let judgement = examine(&maps::XdpFrame(&ctx), &tables);
    account::count(&tables, &judgement);
    if judgement.excess {
        tell_of_excess(&ctx, judgement.destination, judgement.reason == Reason::SourceRate);
    }
    act(&ctx, &tables, &judgement)
}

/// The one exit.
#[inline(always)]
fn act(ctx: &XdpContext, tables: &KernelTables<'_>, judgement: &Judgement) -> u32 {
    let enforce = tables.enforces();
    match judgement.reason.action() {
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
