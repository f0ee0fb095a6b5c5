//! Sequences of frames through the loaded program and through its model (see [`crate::differential`]).

use std::cell::RefCell;

use agent::kernel::Form;
use nix::{
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
};
use xdp_common::Address;
use xdp_ebpf::parse;

use crate::{
    differential::{Kernel, TakenForRetransmission, protected::world, stay_on_one_cpu},
    packet::flag,
    random_packet::{Random, World},
};

/// Frames of one input.
const FRAMES: usize = 100;
const ADDRESSES_AT_ONCE: usize = 3;
/// How often a batch is done again that was too slow.
const TRIES: usize = 20;

thread_local! {
    /// Loading takes a second, so one is loaded for all inputs: each begins with empty buckets.
    static LOADED: RefCell<Kernel> = RefCell::new(load());
}

/// In a mount namespace of this thread's own: a fuzzer does not end in order, and leaves no mount behind so.
fn load() -> Kernel {
    unshare(CloneFlags::CLONE_NEWNS).expect("only root can load programs");
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>).expect("mounts of our own");
    stay_on_one_cpu().expect("one CPU");
    Kernel::new(Form::Whole).expect("the program is loaded")
}

pub(super) fn run(data: &[u8]) {
    let mut random = Random::of_bytes(data);
    let world = world().of_some(&mut random, ADDRESSES_AT_ONCE);
    let mut frames = Vec::new();
    while !random.is_used_up() && frames.len() < FRAMES {
        let frame = world.frame(&mut random);
        for _ in 0..*random.one(&[1, 1, 1, 12]) {
            if !is_chance(&world, &frame) {
                frames.push(frame.clone());
            }
        }
    }
    if frames.is_empty() {
        return;
    }
    LOADED.with_borrow_mut(|kernel| {
        let mut judged = || match kernel.agrees(&frames) {
            Err(error) if error.is::<TakenForRetransmission>() => {
                eprintln!("once: {error:#}");
                kernel.agrees(&frames)
            }
            judged => judged,
        };
        let found = (0..TRIES).find_map(|_| judged().unwrap_or_else(|error| panic!("{error:#}")));
        assert!(found.is_some(), "this machine is too slow to tell anything");
    });
}

/// What a reset means where sources are challenged is one of 32,768 chances, and another one in the model.
fn is_chance(world: &World, frame: &[u8]) -> bool {
    parse(&frame).is_ok_and(|packet| {
        packet.tcp_flags & (flag::RST | flag::ACK | flag::SYN) == flag::RST
            && world
                .without_resets
                .iter()
                .any(|address| packet.destination == Address::from(*address))
    })
}
