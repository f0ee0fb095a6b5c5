//! Groups: budgets that addresses share, in the loaded program and in the model on the host, in both families.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops there, and says where")]

use std::{net::IpAddr, time::Duration};

use agent::{
    config::units::{Burst, Rate},
    tables::{AddressState, GroupState, KernelSettings, KernelTables as _, Ladder, Limit, Method, Mode, Rung, Vectors},
    vectors::VectorRates,
};
use ipnet::IpNet;
use lab::{
    expect,
    host_tables::HostTables,
    packet::{Packet, Transport, flag},
    prog_run::ProgRun,
};
use xdp_common::{Reason, Vector};

const GROUPS: [&str; 2] = ["198.51.100.0/28", "2001:db8:1::/124"];
/// Two addresses of each group, and one that is in none.
const FIRST: [&str; 2] = ["198.51.100.1", "2001:db8:1::1"];
const SECOND: [&str; 2] = ["198.51.100.2", "2001:db8:1::2"];
const OUTSIDE: [&str; 2] = ["198.51.100.99", "2001:db8:1::99"];
const CLIENTS: [&str; 2] = ["203.0.113.7", "2001:db8:2::7"];
/// So many SYNs come at once here, at one per second: a test has a second for those that follow.
const BURST: usize = 10;
/// So many frames of [`FRAME`] come at once at the lowest rate of bits (see `vectors.rs`); the next one eleven seconds later.
const FRAMES: usize = 11;
const FRAME: usize = 1_500;

fn limit(rate: u32, burst: u32) -> Limit {
    Limit {
        syn_rate: Rate::new(rate).unwrap(),
        syn_burst: Burst::new(burst).unwrap(),
    }
}

fn group(prefix: &str, syn: Option<Limit>) -> GroupState {
    GroupState {
        prefix: prefix.parse().unwrap(),
        limit: syn,
        vectors: Vectors::default(),
        hold: Duration::from_secs(10),
    }
}

/// UDP with bytes behind its end, up to [`FRAME`].
fn udp(from: &str, to: &str) -> Vec<u8> {
    let mut frame = Packet::new(from, to, Transport::Udp { payload: 10 }).bytes();
    frame.resize(FRAME, 0);
    frame
}

fn udp_bits(rate: &str) -> Vectors {
    let rates = VectorRates {
        bits: rate.parse().unwrap(),
        ..VectorRates::default()
    };
    Vectors::from_each(|vector| {
        if vector == Vector::Udp {
            rates
        } else {
            VectorRates::default()
        }
    })
}

struct Sides {
    kernel: ProgRun,
    host: HostTables,
}

impl Sides {
    fn new(groups: impl Fn(&str) -> GroupState, with: impl Fn(&mut AddressState)) -> Self {
        let mut sides = Self {
            kernel: ProgRun::load().unwrap(),
            host: HostTables::default(),
        };
        let settings = KernelSettings::new(Mode::Enforce, limit(100_000, 100_000));
        sides.kernel.kernel.put_settings(&settings).unwrap();
        sides.host.put_settings(&settings);
        for prefix in GROUPS {
            sides.kernel.kernel.put_group(&groups(prefix)).unwrap();
            sides.host.put_group(&groups(prefix));
        }
        for address in FIRST.into_iter().chain(SECOND).chain(OUTSIDE) {
            let mut state = AddressState::new(address.parse().unwrap(), limit(100_000, 100_000));
            let group = GROUPS.map(|group| group.parse::<IpNet>().unwrap());
            state.group = group.into_iter().find(|group| group.contains(&state.address));
            with(&mut state);
            sides.kernel.kernel.put_address(&state).unwrap();
            sides.host.put_address(&state);
        }
        sides
    }

    fn expect(&mut self, what: &str, to: &str, frame: &[u8], reason: Reason) {
        let (_, moved) = self.kernel.frame(frame).unwrap();
        let address: IpAddr = to.parse().unwrap();
        assert_eq!(
            expect::moved(&moved),
            [(Some(address), reason, 1)],
            "{what}, in the kernel"
        );
        assert_eq!(self.host.examine(frame).reason, reason, "{what}, on the host");
    }
}

fn ladder(most: Rung, method: Method) -> Ladder {
    Ladder {
        most,
        method,
        hold: Duration::from_secs(10),
    }
}

/// Addresses of one family by turns, each far within its own rate.
fn family(at: usize) -> ([&'static str; 2], &'static str, &'static str) {
    ([FIRST[at], SECOND[at]], OUTSIDE[at], CLIENTS[at])
}

#[test]
fn over_the_groups_rate_each_syn_to_any_of_its_addresses_must_prove_itself() {
    for (most, method, over) in [
        (Rung::Verify, Method::Challenge, Reason::ReplyChallenge),
        (Rung::Verify, Method::Drop, Reason::GroupRate),
        (Rung::Limit, Method::Challenge, Reason::GroupRate),
    ] {
        let mut sides = Sides::new(
            |prefix| group(prefix, Some(limit(1, BURST as u32))),
            |state| state.ladder = ladder(most, method),
        );
        for at in 0..2 {
            let (members, outside, from) = family(at);
            for syn in 0..BURST {
                let to = members[syn % 2];
                sides.expect(
                    "within the group's rate",
                    to,
                    &Packet::syn(from, to).bytes(),
                    Reason::Syn,
                );
            }
            for to in members {
                sides.expect("over the group's rate", to, &Packet::syn(from, to).bytes(), over);
                let ack = Packet::tcp(from, to, flag::ACK).bytes();
                sides.expect("what is no SYN", to, &ack, Reason::Tcp);
            }
            let syn = Packet::syn(from, outside).bytes();
            sides.expect("an address outside", outside, &syn, Reason::Syn);
        }
    }
}

#[test]
fn a_flood_of_one_address_is_not_one_of_its_group() {
    let own = BURST as u32 / 2;
    let mut sides = Sides::new(
        |prefix| group(prefix, Some(limit(1, BURST as u32))),
        |state| {
            state.ladder = ladder(Rung::Limit, Method::Drop);
            if FIRST.contains(&&*state.address.to_string()) {
                state.limit = limit(1, own);
            }
        },
    );
    for at in 0..2 {
        let ([flooded, other], _, from) = family(at);
        let syn = |to: &str| Packet::syn(from, to).bytes();
        for _ in 0..own {
            sides.expect("within both rates", flooded, &syn(flooded), Reason::Syn);
        }
        for _ in 0..BURST {
            sides.expect("over its own rate", flooded, &syn(flooded), Reason::AddressRate);
        }
        for _ in own..BURST as u32 {
            sides.expect("what is left of the group's", other, &syn(other), Reason::Syn);
        }
        sides.expect("over the group's", other, &syn(other), Reason::GroupRate);
    }
}

#[test]
fn vectors_nest_and_what_the_group_refuses_costs_the_address_nothing() {
    let mut sides = Sides::new(
        |prefix| GroupState {
            vectors: udp_bits("1k"),
            ..group(prefix, None)
        },
        |state| {
            if FIRST.contains(&&*state.address.to_string()) {
                state.vectors = udp_bits("2k");
            }
        },
    );
    for at in 0..2 {
        let (members, outside, from) = family(at);
        let udp = |to: &str| udp(from, to);
        for packet in 0..FRAMES {
            let to = members[packet % 2];
            sides.expect("within the group's rate", to, &udp(to), Reason::Udp);
        }
        for to in members {
            for _ in 0..2 * FRAMES {
                sides.expect("over the group's rate", to, &udp(to), Reason::GroupVectorRate);
            }
            sides.expect("a SYN is no vector", to, &Packet::syn(from, to).bytes(), Reason::Syn);
        }
        for _ in 0..3 * FRAMES {
            sides.expect("an address outside", outside, &udp(outside), Reason::Udp);
        }
    }
}

#[test]
fn over_its_own_rate_an_address_leaves_the_groups_alone() {
    let mut sides = Sides::new(
        |prefix| GroupState {
            vectors: udp_bits("1G"),
            ..group(prefix, None)
        },
        |state| {
            if FIRST.contains(&&*state.address.to_string()) {
                state.vectors = udp_bits("1k");
            }
        },
    );
    for at in 0..2 {
        let ([flooded, other], _, from) = family(at);
        let udp = |to: &str| udp(from, to);
        for _ in 0..FRAMES {
            sides.expect("within both rates", flooded, &udp(flooded), Reason::Udp);
        }
        for _ in 0..5 * FRAMES {
            sides.expect("over its own rate", flooded, &udp(flooded), Reason::UdpRate);
        }
        for _ in 0..5 {
            sides.expect("the group has room", other, &udp(other), Reason::Udp);
        }
    }
}

#[test]
fn groups_come_and_go_under_their_addresses() {
    let mut sides = Sides::new(
        |prefix| group(prefix, Some(limit(100_000, 100_000))),
        |state| state.ladder = ladder(Rung::Limit, Method::Drop),
    );
    let (to, from) = (FIRST[0], CLIENTS[0]);
    let udp = udp(from, to);
    let reason = |sides: &mut Sides| expect::moved(&sides.kernel.frame(&udp).unwrap().1)[0].1;
    for _ in 0..3 * FRAMES {
        assert_eq!(reason(&mut sides), Reason::Udp);
    }
    let limited = GroupState {
        vectors: udp_bits("1k"),
        ..group(GROUPS[0], None)
    };
    sides.kernel.kernel.put_group(&limited).unwrap();
    assert_eq!(sides.kernel.kernel.groups().unwrap()[0], limited);
    let met: Vec<Reason> = (0..2 * FRAMES).map(|_| reason(&mut sides)).collect();
    assert_eq!((met[0], met[2 * FRAMES - 1]), (Reason::Udp, Reason::GroupVectorRate));
    sides.kernel.kernel.remove_group(limited.prefix).unwrap();
    for _ in 0..3 * FRAMES {
        assert_eq!(reason(&mut sides), Reason::Udp, "the group is gone");
    }
    let states = sides.kernel.kernel.addresses().unwrap();
    let state = states.iter().find(|state| state.address.to_string() == to).unwrap();
    sides.kernel.kernel.put_group(&limited).unwrap();
    assert_eq!(
        state.group,
        Some(limited.prefix),
        "it is of the group when that is back"
    );
    let met: Vec<Reason> = (0..2 * FRAMES).map(|_| reason(&mut sides)).collect();
    assert_eq!(met[2 * FRAMES - 1], Reason::GroupVectorRate);
}

/// By the clock, which only the model's can be moved: the group leaves when it was calm for its hold, not before.
#[test]
fn a_group_leaves_verify_when_it_was_calm() {
    const MS: u64 = 1_000_000;
    let mut host = HostTables::default();
    host.put_settings(&KernelSettings::new(Mode::Enforce, limit(100_000, 100_000)));
    host.put_group(&group(GROUPS[0], Some(limit(1_000, 1_000))));
    for address in [FIRST[0], SECOND[0]] {
        let mut state = AddressState::new(address.parse().unwrap(), limit(100_000, 100_000));
        state.ladder = ladder(Rung::Verify, Method::Drop);
        state.group = Some(GROUPS[0].parse().unwrap());
        host.put_address(&state);
    }
    let start = host.now_ns.get();
    let mut number = 0u32;
    let mut stranger = |host: &HostTables, to: &str| {
        number += 1;
        let source = format!("100.{}.{}.7", number / 256 % 256, number % 256);
        host.examine(&Packet::syn(&source, to).bytes()).reason
    };
    let mut second = |host: &HostTables, second: u64, syns: u64| -> Vec<Reason> {
        let syn = |at: u64| {
            host.now_ns.set(start + second * 1_000 * MS + at * 1_000 * MS / syns);
            stranger(host, [FIRST[0], SECOND[0]][at as usize % 2])
        };
        (0..syns).map(syn).collect()
    };
    let flooded = second(&host, 0, 5_000);
    assert_eq!((flooded[0], flooded[4_999]), (Reason::Syn, Reason::GroupRate));
    // Below the rate, but not below half of it: it stays.
    for at in 1..14 {
        let met = second(&host, at, 800);
        assert_eq!(met[799], Reason::GroupRate, "second {at}");
    }
    // Below half: it leaves after its hold of ten seconds.
    for at in 14..22 {
        let met = second(&host, at, 100);
        assert_eq!(met[99], Reason::GroupRate, "second {at}");
    }
    for at in 22..26 {
        second(&host, at, 100);
    }
    assert_eq!(second(&host, 26, 100)[99], Reason::Syn);
}
