//! Reading and judging a packet in steps that are global functions: each takes the packet from EXAMINED and leaves there what it
//! found. The verifier walks each once, by itself, and begins with the next one anew; as one function it would walk a step once
//! for each way through those before it, and kernels before 6.12 would need more than they allow. One after the other, they
//! share the stack, of which each needs most. A packet without anything special takes two.

use aya_ebpf::{bindings::xdp_md, programs::XdpContext};
use xdp_ebpf::{
    Judgement,
    judge::{self, Next},
};

use crate::{
    frame::XdpFrame,
    maps::{self, Examined, live::TablesOf},
    verifier::used,
};

/// The maps, for the steps. A type of its own, so that the two programs share no function of the judge: what has two callers,
/// the code generator makes a function with calls, which the one in one piece is there to avoid.
type StepTables<'a> = TablesOf<'a, true>;

/// What comes after a step.
const DONE: u32 = 0;
const SYN: u32 = 1;
const SEGMENT: u32 = 2;
const SPECIAL: u32 = 3;
const BEGIN: u32 = 4;
const SOURCE: u32 = 5;

/// What [`read_frame`] says.
const NOBODY: u32 = 0;
const PACKET: u32 = 1;

/// Puts the packet into EXAMINED; or, where no destination can be read, the judgement. True for a packet.
#[inline(always)]
pub(crate) fn read(ctx: &XdpContext) -> bool {
    read_frame(ctx.ctx) == PACKET
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn read_frame(ctx: *mut xdp_md) -> u32 {
    // Arrays have all their elements; the verifier wants it asked.
    let Some(examined) = maps::examined() else {
        return NOBODY;
    };
    match xdp_ebpf::parse(&XdpFrame(&XdpContext::new(ctx))) {
        Ok(packet) => {
            examined.packet = packet;
            PACKET
        }
        Err(reason) => {
            examined.judgement = Judgement::of_nobody(reason);
            NOBODY
        }
    }
}

/// Judges the packet in EXAMINED, and leaves the judgement there.
#[inline(always)]
pub(crate) fn judge(ctx: &XdpContext) {
    let mut next = if is_listed(ctx) { judge_listed(ctx.ctx) } else { BEGIN };
    if next == BEGIN {
        next = judge_packet(ctx.ctx);
    }
    if next == SPECIAL {
        next = judge_special(ctx.ctx);
    }
    match next {
        SYN => match judge_syn(ctx.ctx) {
            SOURCE => judge_admitted(ctx.ctx, judge_source(ctx.ctx)),
            _ => DONE,
        },
        SEGMENT => judge_segment(ctx.ctx),
        _ => DONE,
    };
}

#[inline(always)]
fn is_listed(ctx: &XdpContext) -> bool {
    let (Some(settings), Some(examined)) = (maps::settings(), maps::examined()) else {
        return false;
    };
    judge::may_be_listed(&examined.packet, &StepTables::new(ctx, settings))
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn judge_listed(ctx: *mut xdp_md) -> u32 {
    step(ctx, |examined, tables| {
        let Some(verdict) = judge::listed(&examined.packet, tables) else {
            return BEGIN;
        };
        let found = maps::find(&examined.packet.destination, tables.settings);
        examined.judgement = judge::conclude(&examined.packet, found, verdict, tables);
        DONE
    })
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn judge_packet(ctx: *mut xdp_md) -> u32 {
    step(ctx, |examined, tables| {
        examined.judgement.found = maps::find(&examined.packet.destination, tables.settings);
        let next = judge::begin(&examined.packet, examined.judgement.found, tables);
        go_on(examined, next, tables)
    })
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn judge_special(ctx: *mut xdp_md) -> u32 {
    step(ctx, |examined, tables| {
        let next = judge::special(&examined.packet, examined.judgement.found, tables);
        go_on(examined, next, tables)
    })
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn judge_syn(ctx: *mut xdp_md) -> u32 {
    step(ctx, |examined, tables| {
        match judge::syn_begin(&examined.packet, examined.judgement.found, tables) {
            Ok(asking) => examined.asking = asking,
            Err(judgement) => {
                examined.judgement = judgement;
                return DONE;
            }
        }
        SOURCE
    })
}

/// 1 where a SYN is within its source's rate.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn judge_source(ctx: *mut xdp_md) -> u32 {
    step(ctx, |examined, tables| {
        u32::from(judge::syn_source(&examined.packet, examined.asking, tables))
    })
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn judge_admitted(ctx: *mut xdp_md, within: u32) -> u32 {
    step(ctx, |examined, tables| {
        let (found, asking) = (examined.judgement.found, examined.asking);
        examined.judgement = judge::syn_end(&examined.packet, found, asking, within != 0, tables);
        DONE
    })
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn judge_segment(ctx: *mut xdp_md) -> u32 {
    step(ctx, |examined, tables| {
        examined.judgement = judge::segment(&examined.packet, examined.judgement.found, tables);
        DONE
    })
}

#[inline(always)]
fn go_on(examined: &mut Examined, next: Next, tables: &StepTables<'_>) -> u32 {
    match next {
        Next::Conclude(verdict) => {
            let found = examined.judgement.found;
            examined.judgement = judge::conclude(&examined.packet, found, verdict, tables);
            DONE
        }
        Next::Special => SPECIAL,
        Next::Syn => SYN,
        Next::Segment => SEGMENT,
    }
}

#[inline(always)]
fn step(ctx: *mut xdp_md, take: impl FnOnce(&mut Examined, &StepTables<'_>) -> u32) -> u32 {
    let ctx = used(ctx);
    // Arrays have all their elements; the verifier wants it asked.
    let (Some(settings), Some(examined)) = (maps::settings(), maps::examined()) else {
        return DONE;
    };
    take(examined, &StepTables::new(&XdpContext::new(ctx), settings))
}
