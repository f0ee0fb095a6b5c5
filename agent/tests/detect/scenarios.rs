//! The traces, by name: what happens in each, and what has to be found.

use agent::detect::{AttackVector, Subject};

use crate::world::{Load, Place, Setup, World};

/// When something begins in each trace, in seconds from its beginning.
pub(crate) const ONSET: f64 = 60.0;
/// How long it goes on, unless the trace says otherwise.
const LASTS: f64 = 90.0;

/// What is wanted of a trace.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Wanted {
    /// One attack, of these vectors, found within so many seconds from the onset.
    Attack {
        vectors: &'static [AttackVector],
        within: f64,
    },
    /// None.
    Nothing,
}

/// A trace.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// In a sentence.
    pub(crate) about: &'static str,
    pub(crate) wanted: Wanted,
    /// Falling handshakes are to be told.
    pub(crate) warned: bool,
    /// Customers are hurt for more than ten seconds.
    pub(crate) hurt: bool,
    /// Much to do is to be told.
    pub(crate) busy: bool,
    /// Whether what is usual was learned before, for a week.
    pub(crate) learned: bool,
    /// Its length in seconds.
    pub(crate) seconds: f64,
    /// What is attacked.
    pub(crate) target: &'static str,
    pub(crate) world: fn() -> World,
    /// The load of each place, at so many seconds from the beginning.
    pub(crate) load: fn(f64, usize) -> Load,
}

const SYN: &[AttackVector] = &[AttackVector::Syn];
const ADDRESS: &str = "203.0.113.1";

/// All traces.
pub(crate) fn all() -> Vec<Scenario> {
    let mut all = floods();
    all.extend(shapes());
    all.extend(other_vectors());
    all.extend(customers());
    all
}

fn floods() -> Vec<Scenario> {
    vec![
        Scenario {
            name: "step",
            about: "200,000 forged SYNs per second at once; SYNs prove themselves, customers stay in",
            ..attack(SYN, 0.5, |at, _| flood(during(at, 200_000.0)))
        },
        Scenario {
            name: "step, nothing learned",
            about: "the same a minute after the installation",
            learned: false,
            ..attack(SYN, 0.5, |at, _| flood(during(at, 200_000.0)))
        },
        Scenario {
            name: "step, monitor",
            about: "the same while nothing is dropped: customers lose their connections",
            warned: true,
            hurt: true,
            world: || {
                one(Setup {
                    enforce: false,
                    ..Setup::default()
                })
            },
            ..attack(SYN, 0.5, |at, _| flood(during(at, 200_000.0)))
        },
        Scenario {
            name: "step, forwarded",
            about: "the same to an address that this host forwards for, where no handshake is counted in calm",
            world: || {
                one(Setup {
                    terminates: false,
                    ..Setup::default()
                })
            },
            ..attack(SYN, 0.5, |at, _| flood(during(at, 200_000.0)))
        },
        Scenario {
            name: "under the threshold",
            about: "6,000 forged SYNs per second, where 20,000 are allowed",
            warned: true,
            hurt: true,
            ..attack(SYN, 4.0, |at, _| flood(during(at, 6_000.0)))
        },
        Scenario {
            name: "carpet",
            about: "1,500 forged SYNs per second to each of 64 addresses, whose group may have 114,000 with their customers",
            target: "group 203.0.113.0/24",
            world: carpet,
            ..attack(SYN, 0.5, |at, _| flood(during(at, 1_500.0)))
        },
        Scenario {
            name: "carpet, no threshold",
            about: "the same to a group without a threshold",
            target: "group 203.0.113.0/24",
            world: bare_carpet,
            ..attack(SYN, 4.0, |at, _| flood(during(at, 1_500.0)))
        },
        Scenario {
            name: "one of a group",
            target: "203.0.113.0",
            about: "200,000 forged SYNs per second to one of the 64: an attack on the address, none on the group",
            world: carpet,
            ..attack(SYN, 0.5, |at, index| {
                if index == 0 {
                    flood(during(at, 200_000.0))
                } else {
                    usual()
                }
            })
        },
    ]
}

fn shapes() -> Vec<Scenario> {
    vec![
        Scenario {
            name: "ramp",
            warned: true,
            about: "forged SYNs rise by 2,000 per second each second",
            ..attack(SYN, 4.0, |at, _| flood(during(at, (at - ONSET) * 2_000.0)))
        },
        Scenario {
            name: "slow creep",
            about: "forged SYNs rise by 8 per second each second, for 20 minutes",
            seconds: 1_400.0,
            warned: true,
            hurt: true,
            ..attack(SYN, 300.0, |at, _| {
                flood(if (ONSET..ONSET + 1_200.0).contains(&at) {
                    (at - ONSET) * 8.0
                } else {
                    0.0
                })
            })
        },
        Scenario {
            name: "pulse wave",
            about: "60,000 forged SYNs per second for 5 s of each 12 s: one attack",
            ..attack(SYN, 0.5, |at, _| flood(pulses(at, 12.0, 5.0, 60_000.0)))
        },
        Scenario {
            name: "short pulses",
            about: "200,000 forged SYNs per second for 0.1 s of each 0.4 s: one attack",
            ..attack(SYN, 2.5, |at, _| flood(pulses(at, 0.4, 0.1, 200_000.0)))
        },
        Scenario {
            name: "far pulses",
            about: "60,000 forged SYNs per second for 2 s of each 25 s: one attack",
            ..attack(SYN, 0.5, |at, _| flood(pulses(at, 25.0, 2.0, 60_000.0)))
        },
    ]
}

fn other_vectors() -> Vec<Scenario> {
    vec![
        Scenario {
            name: "vector change",
            about: "100,000 forged SYNs per second for 30 s, then 300,000 UDP packets per second: one attack",
            ..attack(&[AttackVector::Syn, AttackVector::Udp], 0.5, |at, _| {
                let udp = if at < ONSET + 30.0 { 0.0 } else { during(at, 300_000.0) };
                Load {
                    udp,
                    over_udp: udp * 0.9,
                    flood: if at < ONSET + 30.0 { during(at, 100_000.0) } else { 0.0 },
                    ..usual()
                }
            })
        },
        Scenario {
            name: "UDP, unlimited",
            about: "100,000 UDP packets per second to an address without a limit for them and with 500 as a rule",
            ..attack(&[AttackVector::Udp], 1.5, |at, _| Load {
                udp: 500.0 + during(at, 100_000.0),
                ..usual()
            })
        },
        Scenario {
            name: "reflected",
            about: "50,000 UDP packets per second from amplifiers",
            ..attack(&[AttackVector::Amplified], 1.0, |at, _| Load {
                amplified: during(at, 50_000.0),
                ..usual()
            })
        },
        Scenario {
            name: "stray segments",
            about: "400,000 TCP segments per second that belong to no connection",
            ..attack(&[AttackVector::Tcp], 4.5, |at, _| Load {
                stray: during(at, 400_000.0),
                ..usual()
            })
        },
        Scenario {
            name: "into the blackhole",
            hurt: true,
            about: "200,000 forged SYNs per second; after 20 s the address is blackholed, and nothing is told apart",
            ..attack(SYN, 0.5, |at, _| {
                if (ONSET + 20.0..ONSET + LASTS).contains(&at) {
                    Load {
                        blackholed: 204_000.0,
                        ..Load::default()
                    }
                } else {
                    flood(during(at, 200_000.0))
                }
            })
        },
    ]
}

fn customers() -> Vec<Scenario> {
    vec![
        Scenario {
            name: "flash crowd",
            about: "customers rise from 1,000 to 30,000 per second within 2 s, over the threshold of 20,000",
            busy: true,
            ..nothing(|at, _| crowd(at, 30_000.0, 2.0))
        },
        Scenario {
            name: "flash crowd, nothing learned",
            about: "the same a minute after the installation",
            busy: true,
            learned: false,
            ..nothing(|at, _| crowd(at, 30_000.0, 2.0))
        },
        Scenario {
            name: "flash crowd at once",
            about: "customers rise from 1,000 to 30,000 per second at once",
            busy: true,
            ..nothing(|at, _| crowd(at, 30_000.0, 0.0))
        },
        Scenario {
            name: "flash crowd, forwarded",
            about: "a rise within 2 s to 30,000 customers per second, where no handshake is counted in calm",
            busy: true,
            world: || {
                one(Setup {
                    terminates: false,
                    ..Setup::default()
                })
            },
            ..nothing(|at, _| crowd(at, 30_000.0, 2.0))
        },
        Scenario {
            name: "crowd that fails",
            about: "a rise to 10,000 customers per second, of whom a sixth does not get in",
            busy: true,
            ..nothing(|at, _| Load {
                failing: during(at, 1.0 / 6.0),
                ..crowd(at, 10_000.0, 5.0)
            })
        },
        Scenario {
            name: "NAT gateway",
            about: "2,000 customers behind one address come back at once: 1,800 SYNs per second beside 300 of others; \
                    what is over the rate of a source is dropped",
            ..nothing(|at, _| Load {
                customers: 300.0 + during(at, 1_800.0),
                failing: during(at, 0.38),
                ..Load::default()
            })
        },
        Scenario {
            name: "port scan",
            about: "300 SYNs per second to closed ports",
            ..nothing(|at, _| flood(during(at, 300.0)))
        },
    ]
}

fn attack(vectors: &'static [AttackVector], within: f64, load: fn(f64, usize) -> Load) -> Scenario {
    Scenario {
        wanted: Wanted::Attack { vectors, within },
        ..nothing(load)
    }
}

fn nothing(load: fn(f64, usize) -> Load) -> Scenario {
    Scenario {
        name: "",
        about: "",
        wanted: Wanted::Nothing,
        warned: false,
        hurt: false,
        busy: false,
        learned: true,
        seconds: 240.0,
        target: ADDRESS,
        world: || one(Setup::default()),
        load,
    }
}

/// So much while it goes on, nothing before and after.
fn during(at: f64, rate: f64) -> f64 {
    if (ONSET..ONSET + LASTS).contains(&at) {
        rate
    } else {
        0.0
    }
}

/// So much for the first seconds of each period.
fn pulses(at: f64, period: f64, on: f64, rate: f64) -> f64 {
    // Half a tick aside: sums of tenths are not exact.
    let into = (at - ONSET + 0.05).rem_euclid(period);
    if into < on { during(at, rate) } else { 0.0 }
}

/// Customers as usual, and a flood.
fn flood(flood: f64) -> Load {
    Load { flood, ..usual() }
}

/// More customers than usual, from the onset on, after a rise of so many seconds.
fn crowd(at: f64, most: f64, rise: f64) -> Load {
    let part = if rise > 0.0 {
        ((at - ONSET) / rise).min(1.0)
    } else {
        1.0
    };
    let customers = 1_000.0 + during(at, (most - 1_000.0) * part);
    Load {
        customers,
        ..Load::default()
    }
}

fn usual() -> Load {
    Load {
        customers: 1_000.0,
        ..Load::default()
    }
}

fn one(setup: Setup) -> World {
    World::new(1, vec![Place::new(address(1), setup)])
}

fn carpet() -> World {
    World::new(
        1,
        (0..64)
            .map(|last| Place::new(address(last), Setup::default()))
            .collect(),
    )
    .with_group("203.0.113.0/24", Some(50_000.0 + 64_000.0))
}

fn bare_carpet() -> World {
    World::new(
        1,
        (0..64)
            .map(|last| Place::new(address(last), Setup::default()))
            .collect(),
    )
    .with_group("203.0.113.0/24", None)
}

/// An address of ours.
pub(crate) fn address(last: u8) -> Subject {
    Subject::Address([203, 0, 113, last].into())
}
