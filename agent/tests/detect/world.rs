//! A small world that makes ticks: customers who complete handshakes after their round trip, floods that do not, the kernel
//! side that notices excess and makes SYNs prove themselves. Pure: the same seed makes the same ticks.

use std::collections::VecDeque;

use agent::{
    clock::Now,
    detect::{HostObservation, Observation, Rates, Standing, Subject, Tick},
    ladder::Rung,
    tables::MonotonicNs,
};
use jiff::{SignedDuration, Timestamp};

/// Segments that a connection brings besides its SYN.
const SEGMENTS: f64 = 12.0;
/// An address stays in verify for so long after its last excess, in seconds.
const VERIFY_HOLD: f64 = 10.0;

/// What a subject meets at an instant, per second.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Load {
    /// Connections of customers.
    pub(crate) customers: f64,
    /// SYNs that nobody completes.
    pub(crate) flood: f64,
    /// Share of the customers' SYNs that get no further, beyond what the flood does.
    pub(crate) failing: f64,
    /// UDP packets.
    pub(crate) udp: f64,
    /// TCP segments that belong to no connection.
    pub(crate) stray: f64,
    /// What of UDP is over its limit.
    pub(crate) over_udp: f64,
    /// Reflected UDP.
    pub(crate) amplified: f64,
    /// What a blackhole drops, instead of all SYNs.
    pub(crate) blackholed: f64,
}

impl Load {
    /// The same with so much of the traffic.
    pub(crate) fn scaled(self, part: f64) -> Self {
        Self {
            customers: self.customers * part,
            flood: self.flood * part,
            udp: self.udp * part,
            stray: self.stray * part,
            ..self
        }
    }
}

/// How an address is set up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setup {
    /// SYNs per second above which it goes into verify; `None` for a group without one.
    pub(crate) threshold: Option<f64>,
    /// SYNs that nobody completes, per second, above which an unprotected server loses its customers' too.
    pub(crate) backlog: f64,
    /// What breaks a rule is dropped, and SYNs prove themselves.
    pub(crate) enforce: bool,
    /// Handshakes are counted in calm.
    pub(crate) terminates: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            threshold: Some(20_000.0),
            backlog: 2_000.0,
            enforce: true,
            terminates: true,
        }
    }
}

/// One protected address.
pub(crate) struct Place {
    pub(crate) subject: Subject,
    pub(crate) setup: Setup,
    /// SYNs of customers on their way to complete: seconds from now, and how many.
    waiting: VecDeque<(f64, f64)>,
    verify_left: f64,
}

impl Place {
    pub(crate) fn new(subject: Subject, setup: Setup) -> Self {
        Self {
            subject,
            setup,
            waiting: VecDeque::new(),
            verify_left: 0.0,
        }
    }
}

/// The world: its clock, its chance, its places.
pub(crate) struct World {
    pub(crate) now: Now,
    chance: Chance,
    pub(crate) places: Vec<Place>,
    groups: Vec<(Subject, Option<f64>)>,
}

/// Monday, at midnight.
pub(crate) const MONDAY: &str = "2025-06-02T00:00:00Z";

impl World {
    pub(crate) fn new(seed: u64, places: Vec<Place>) -> Self {
        Self {
            now: Now {
                wall: MONDAY.parse().expect("timestamp"),
                mono: MonotonicNs(1_000_000_000_000),
            },
            chance: Chance(seed),
            places,
            groups: Vec::new(),
        }
    }

    /// With a group that all places belong to.
    pub(crate) fn with_group(mut self, prefix: &str, threshold: Option<f64>) -> Self {
        let subject = Subject::Group(prefix.parse().expect("prefix"));
        self.groups.push((subject, threshold));
        self
    }

    /// Goes on by so many seconds; gives what was observed.
    pub(crate) fn tick(&mut self, seconds: f64, load: impl Fn(usize) -> Load) -> Tick {
        self.now.mono.0 += (seconds * 1e9).round() as u64;
        self.now.wall += SignedDuration::try_from_secs_f64(seconds).expect("seconds");
        let mut subjects: Vec<Observation> = Vec::with_capacity(self.places.len() + self.groups.len());
        for (index, place) in self.places.iter_mut().enumerate() {
            subjects.push(observe(place, load(index), seconds, &mut self.chance));
        }
        for (subject, threshold) in &self.groups {
            subjects.push(sum(*subject, *threshold, &subjects[..self.places.len()]));
        }
        subjects.sort_by_key(|seen| seen.subject);
        Tick {
            elsewhere: std::collections::BTreeMap::new(),
            at: self.now,
            seconds,
            subjects,
            host: HostObservation::default(),
        }
    }

    /// The wall clock's hour of the day, 0 to 24.
    pub(crate) fn hour(&self) -> f64 {
        hour_of(self.now.wall)
    }
}

/// The hour of the day in UTC, 0 to 24.
pub(crate) fn hour_of(wall: Timestamp) -> f64 {
    wall.as_second().rem_euclid(86_400) as f64 / 3_600.0
}

/// A daily rhythm: a night at 30 % of the evening's peak.
pub(crate) fn rhythm(hour: f64) -> f64 {
    let turn = (hour - 20.0) / 24.0 * std::f64::consts::TAU;
    0.65 + 0.35 * turn.cos()
}

fn observe(place: &mut Place, load: Load, seconds: f64, chance: &mut Chance) -> Observation {
    let setup = place.setup;
    let customers = chance.count(load.customers * seconds);
    let flood = chance.count(load.flood * seconds);
    let syn = (customers + flood) / seconds;
    let excess = setup.threshold.is_some_and(|threshold| syn > threshold);
    place.verify_left = if excess {
        VERIFY_HOLD
    } else {
        (place.verify_left - seconds).max(0.0)
    };
    let verify = place.verify_left > 0.0;
    let served = if verify && setup.enforce {
        1.0
    } else {
        (setup.backlog / load.flood.max(setup.backlog)).powi(2)
    } * (1.0 - load.failing);
    let done = complete(place, customers * served, seconds, chance);
    let tcp = done * SEGMENTS / seconds + load.stray;
    let counts = setup.terminates || verify;
    let replied = if verify && setup.enforce { syn } else { 0.0 };
    let dropped = if setup.enforce {
        load.over_udp + load.amplified
    } else {
        0.0
    };
    let rates = Rates {
        syn,
        handshakes: if counts { done / seconds } else { 0.0 },
        tcp,
        udp: load.udp,
        amplified: load.amplified,
        blackholed: load.blackholed,
        passed: syn - replied + tcp + load.udp - load.over_udp.min(load.udp),
        dropped,
        replied,
        over_vectors: load.over_udp,
        ..Rates::default()
    };
    Observation {
        subject: place.subject,
        rates,
        standing: Standing {
            syn_threshold: setup.threshold,
            excess,
            rung: if verify { Rung::Verify } else { Rung::Limit },
            counts_handshakes: counts,
        },
    }
}

/// Handshakes of this tick: of customers whose round trip is over. A fifth of them is close by, the others take 50 to
/// 250 ms.
fn complete(place: &mut Place, customers: f64, seconds: f64, chance: &mut Chance) -> f64 {
    const PARTS: [(f64, f64); 5] = [(0.005, 0.2), (0.05, 0.2), (0.1, 0.25), (0.17, 0.25), (0.25, 0.1)];
    // They arrive all through the tick; each part is that of the tick's middle.
    for (round_trip, share) in PARTS {
        let jitter = (chance.uniform() - 0.5) * 0.02;
        let due = f64::max(round_trip + jitter - seconds / 2.0, 0.0);
        place.waiting.push_back((due, customers * share));
    }
    let mut done = 0.0;
    place.waiting.retain_mut(|(due, count)| {
        *due -= seconds;
        let over = *due <= 0.0;
        done += if over { *count } else { 0.0 };
        !over
    });
    done
}

fn sum(subject: Subject, threshold: Option<f64>, members: &[Observation]) -> Observation {
    let total = |of: fn(&Rates) -> f64| members.iter().map(|member| of(&member.rates)).sum::<f64>();
    let syn = total(|rates| rates.syn);
    Observation {
        subject,
        rates: Rates {
            syn,
            handshakes: total(|rates| rates.handshakes),
            tcp: total(|rates| rates.tcp),
            udp: total(|rates| rates.udp),
            amplified: total(|rates| rates.amplified),
            passed: total(|rates| rates.passed),
            dropped: total(|rates| rates.dropped),
            replied: total(|rates| rates.replied),
            over_vectors: total(|rates| rates.over_vectors),
            ..Rates::default()
        },
        standing: Standing {
            syn_threshold: threshold,
            excess: threshold.is_some_and(|threshold| syn > threshold),
            rung: Rung::Limit,
            counts_handshakes: members.iter().all(|member| member.standing.counts_handshakes),
        },
    }
}

/// A generator of chance: SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to 1.
    fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// How many events happen where so many are expected: by a normal distribution, which is near enough to Poisson's.
    fn count(&mut self, expected: f64) -> f64 {
        if expected <= 0.0 {
            return 0.0;
        }
        let normal = (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0;
        (expected + normal * expected.sqrt()).round().max(0.0)
    }
}
