//! Sequences of frames and pauses over the host's tables: lists, blackholes and rates hold whatever comes, and the same
//! sequence is judged the same again.

use std::{collections::HashMap, net::IpAddr, sync::LazyLock};

use agent::tables::{ListAction, ListEntry, Rung};
use xdp_common::{Action, Address, Reason};
use xdp_ebpf::{Packet, parse};

use crate::{
    differential::{
        host,
        protected::{addresses, list, world},
    },
    random_packet::Random,
};

/// Frames of one input.
const FRAMES: usize = 200;
/// Addresses that they go to.
const ADDRESSES_AT_ONCE: usize = 3;
const SECOND_NS: u64 = 1_000_000_000;

pub(super) fn run(data: &[u8]) {
    let mut random = Random::of_bytes(data);
    let world = world().of_some(&mut random, ADDRESSES_AT_ONCE);
    let mut steps: Vec<(Vec<u8>, u64)> = Vec::new();
    while !random.is_used_up() && steps.len() < FRAMES {
        let frame = world.frame(&mut random);
        let pause_ns = *random.one(&[0, 0, 0, 1_000_000, SECOND_NS, 10 * SECOND_NS]);
        for _ in 0..*random.one(&[1, 1, 1, 12]) {
            steps.push((frame.clone(), pause_ns));
        }
    }
    let reasons = judged(&steps);
    assert_eq!(judged(&steps), reasons, "the same again");
    let mut granted: HashMap<Address, u64> = HashMap::new();
    for ((frame, _), reason) in steps.iter().zip(&reasons) {
        let Ok(packet) = parse(&frame.as_slice()) else {
            assert_eq!(reason.action(), Action::Pass, "nobody's: {reason:?}");
            continue;
        };
        holds(&packet, *reason);
        if *reason == Reason::Syn {
            *granted.entry(packet.destination).or_default() += 1;
        }
    }
    let seconds = steps.iter().map(|(_, pause_ns)| pause_ns).sum::<u64>() / SECOND_NS;
    within_rates(&granted, seconds);
}

fn judged(steps: &[(Vec<u8>, u64)]) -> Vec<Reason> {
    let host = host().expect("the model");
    let judge = |(frame, pause_ns): &(Vec<u8>, u64)| {
        host.now_ns.set(host.now_ns.get() + pause_ns);
        host.reply(frame).0.reason
    };
    steps.iter().map(judge).collect()
}

/// What holds for each packet alone, whatever came before.
fn holds(packet: &Packet, reason: Reason) {
    let (source, destination) = (IpAddr::from(packet.source), IpAddr::from(packet.destination));
    static LIST: LazyLock<[ListEntry; 4]> = LazyLock::new(list);
    let holding = LIST.iter().filter(|entry| entry.prefix.contains(&source));
    if let Some(entry) = holding.max_by_key(|entry| entry.prefix.prefix_len()) {
        let expected = match entry.action {
            ListAction::Allow => Reason::Allowed,
            ListAction::Block => Reason::Blocked,
        };
        assert_eq!(reason, expected, "{source} is listed");
        return;
    }
    let Some(state) = addresses().iter().find(|state| state.address == destination) else {
        assert_eq!(reason, Reason::NotOurs, "{destination} is nobody's");
        return;
    };
    assert!(
        !matches!(reason, Reason::NotOurs | Reason::Allowed | Reason::Blocked),
        "{reason:?}"
    );
    if let Some(hole) = state.blackhole {
        let control = packet.is_neighbour_discovery() || !hole.all;
        assert!(
            reason.action() == Action::Drop || control,
            "{reason:?} out of a blackhole"
        );
        assert!(
            reason.action() == Action::Drop || !packet.is_syn() || packet.fault.is_some(),
            "{reason:?} for a SYN"
        );
    } else if let Some(fault) = packet.fault {
        assert_eq!(reason, fault);
    }
    if state.rung.is_some_and(|forced| forced.rung >= Rung::Verify) {
        assert_ne!(reason, Reason::Syn, "a SYN that proved nothing");
    }
}

/// No more SYNs that proved nothing than burst and rate allow.
fn within_rates(granted: &HashMap<Address, u64>, seconds: u64) {
    for state in addresses() {
        let most =
            u64::from(state.limit.syn_burst.events()) + u64::from(state.limit.syn_rate.per_second()) * (seconds + 1);
        let passed = granted.get(&Address::from(state.address)).copied().unwrap_or_default();
        assert!(
            passed <= most || state.rung.is_some_and(|forced| forced.rung == Rung::Observe),
            "{passed} SYNs passed to {} in {seconds} s, {most} may",
            state.address
        );
    }
}
