//! The ladder alone, under any traffic: it always comes down again, holds what it takes, does not flap, and never acts against
//! a person or where it may only speak.

use std::{collections::BTreeSet, net::IpAddr, time::Duration};

use agent::{
    clock::Now,
    config::Config,
    decide::{
        KernelState,
        ladder::{Ladder, Outcome, View},
        standing,
    },
    detect::{Attack, AttackVector, HostObservation, Observation, Peaks, Rates, Standing, Subject, Tick, What},
    overrides::{BlackholeOverride, Change, Origin, Overrides, RungOverride},
    tables::{InVerify, Mode, MonotonicNs, Rung},
};
use proptest::prelude::*;

use crate::support::{address, config, noon, tcp};

const ADDRESS: &str = "203.0.113.7";
/// SYNs per second.
const THRESHOLD: f64 = 100_000.0;
/// Detection ends an attack after so long a calm.
const ATTACK_HOLD: Duration = Duration::from_secs(30);
/// Time between two ticks: longer than in life, so that hours take moments.
const TICK: Duration = Duration::from_millis(500);

/// What comes in during a tick.
#[derive(Debug, Clone, Copy, Default)]
struct Traffic {
    syn: f64,
    /// Half of the SYNs go unanswered, and customers are hurt.
    beyond_answers: bool,
    saturated: bool,
}

const CALM: Traffic = Traffic {
    syn: 1_000.0,
    beyond_answers: false,
    saturated: false,
};
const FLOOD: Traffic = Traffic { syn: 300_000.0, ..CALM };
const OVERLOAD: Traffic = Traffic {
    beyond_answers: true,
    ..FLOOD
};
const SATURATION: Traffic = Traffic {
    saturated: true,
    ..OVERLOAD
};

/// One address, a kernel side that goes to verify by itself, and detection.
struct World {
    config: Config,
    overrides: Overrides,
    ladder: Ladder,
    verify: Option<InVerify>,
    attack: Option<(Attack, Now)>,
    ids: u64,
    now: Now,
    /// The rung that the ladder has in force, and since when.
    taken: Option<(Rung, Now)>,
    /// Every step so far.
    steps: Vec<(Now, Option<Rung>)>,
    events: Vec<What>,
}

fn after(now: Now, span: Duration) -> Now {
    let then = now.plus(span);
    Now {
        wall: then.wall,
        mono: then.mono,
    }
}

impl World {
    fn new(config: Config) -> Self {
        let overrides = Overrides::default();
        Self {
            ladder: Ladder::new(&overrides, noon()),
            config,
            overrides,
            verify: None,
            attack: None,
            ids: 0,
            now: noon(),
            taken: None,
            steps: Vec::new(),
            events: Vec::new(),
        }
    }

    fn kernel(&self) -> KernelState {
        KernelState::wanted(&self.config, &self.overrides, &tcp())
    }

    fn rung(&self) -> Rung {
        standing::rung(&self.kernel().addresses[&address(ADDRESS)], self.verify, self.now.mono)
    }

    /// One tick.
    fn meet(&mut self, traffic: Traffic) -> Outcome {
        self.now = after(self.now, TICK);
        self.overrides = self.overrides.with(&self.overrides.expired(self.now));
        self.follow_kernel(traffic);
        self.detect(traffic);
        let kernel = self.kernel();
        let rung = self.rung();
        let blackholed = rung >= Rung::Blackhole;
        let syn = if blackholed { 0.0 } else { traffic.syn };
        let rates = Rates {
            syn,
            unanswered: if traffic.beyond_answers { syn * 0.7 } else { 0.0 },
            blackholed: traffic.syn - syn,
            dropped: traffic.syn,
            ..Rates::default()
        };
        let tick = Tick {
            at: self.now,
            seconds: TICK.as_secs_f64(),
            subjects: vec![Observation {
                subject: Subject::Address(address(ADDRESS)),
                rates,
                standing: Standing {
                    syn_threshold: Some(THRESHOLD),
                    excess: traffic.syn > THRESHOLD,
                    rung,
                    counts_handshakes: true,
                },
            }],
            host: HostObservation {
                receive_drops: if traffic.saturated { 1e6 } else { 0.0 },
                ..HostObservation::default()
            },
        };
        let attacks: Vec<Attack> = self.attack.iter().map(|(attack, _)| attack.clone()).collect();
        let outcome = self.ladder.tick(&View {
            tick: &tick,
            attacks: &attacks,
            saturated: traffic.saturated,
            protected: &self.config.protected,
            kernel: &kernel,
            overrides: &self.overrides,
        });
        self.put_into_force(&outcome);
        outcome
    }

    fn put_into_force(&mut self, outcome: &Outcome) {
        for step in &outcome.steps {
            self.steps.push((self.now, step.rung));
            self.taken = step.rung.map(|rung| (rung, self.now));
        }
        let steps: Vec<Change> = outcome.steps.iter().map(|step| step.change.clone()).collect();
        self.overrides = self.overrides.with(&steps).with(&outcome.renewals);
        self.events
            .extend(outcome.events.iter().map(|event| event.what.clone()));
    }

    fn follow_kernel(&mut self, traffic: Traffic) {
        let on = self.verify.filter(|verify| verify.is_on(self.now.mono));
        let stays = on.is_some() && traffic.syn >= THRESHOLD / 2.0;
        if traffic.syn >= THRESHOLD || stays {
            self.verify = Some(InVerify {
                since: on.map_or(self.now.mono, |verify| verify.since),
                until: self.now.plus(self.config.verify.hold.duration()).mono,
            });
        }
    }

    fn detect(&mut self, traffic: Traffic) {
        if traffic.syn >= THRESHOLD {
            let id = self.ids + 1;
            let (attack, last) = self.attack.get_or_insert_with(|| {
                let attack = Attack {
                    id,
                    subject: Subject::Address(address(ADDRESS)),
                    started: self.now.wall,
                    detected: self.now.wall,
                    last_excess: self.now.wall,
                    ended: None,
                    vectors: BTreeSet::from([AttackVector::Syn]),
                    rungs: BTreeSet::new(),
                    peaks: Peaks::default(),
                    impact_seconds: 0.0,
                };
                (attack, self.now)
            });
            *last = self.now;
            self.ids = attack.id;
            if traffic.beyond_answers {
                attack.impact_seconds += TICK.as_secs_f64();
            }
        }
        let hold = u64::try_from(ATTACK_HOLD.as_nanos()).expect("short");
        let over = |last: Now| self.now.mono.0 - last.mono.0 >= hold;
        self.attack.take_if(|(_, last)| over(*last));
    }

    fn meet_for(&mut self, traffic: Traffic, seconds: u64) {
        for _ in 0..seconds * 2 {
            self.meet(traffic);
        }
    }

    fn force(&mut self, rung: Rung) {
        let origin = self.origin();
        let forced = RungOverride { rung, origin };
        self.overrides.apply(&Change::PutRung(address(ADDRESS), forced));
    }

    fn origin(&self) -> Origin {
        Origin {
            actor: "uid=0 (root)".to_owned(),
            reason: None,
            since: self.now.wall,
            until: None,
        }
    }
}

/// Whatever the sections say, the steps are short: hours in moments.
fn policy(highest: &str, dry_run: &str) -> Config {
    config(&format!(
        "[verify]\nhold = \"5s\"\n[ladder]\nhighest = \"{highest}\"\ndry_run = [{dry_run}]\ncalm = \"20s\"\nhold_max = \"10m\"\nttl = \"40s\"\n\
         [ladder.known]\nafter = \"5s\"\nhold = \"30s\"\n[ladder.blackhole]\nafter = \"10s\"\nhold = \"1m\"\n\
         [ladder.upstream]\nafter = \"10s\"\nhold = \"2m\"\n"
    ))
}

fn any_traffic() -> impl Strategy<Value = Traffic> {
    let steady = prop_oneof![
        Just(CALM),
        Just(FLOOD),
        Just(OVERLOAD),
        Just(SATURATION),
        Just(Traffic {
            syn: THRESHOLD * 0.7,
            ..CALM
        }),
    ];
    steady.boxed()
}

/// Phases of up to two minutes, and what a person does before each.
fn any_day() -> impl Strategy<Value = Vec<(Traffic, u64, u8)>> {
    prop::collection::vec((any_traffic(), 1..120u64, 0..16u8), 1..20)
}

#[test]
fn it_climbs_one_rung_at_a_time_and_comes_down_through_verify() {
    let mut world = World::new(policy("blackhole", ""));
    world.meet(CALM);
    world.meet_for(SATURATION, 60);
    world.meet_for(CALM, 600);
    let rungs: Vec<Option<Rung>> = world.steps.iter().map(|(_, rung)| *rung).collect();
    assert_eq!(
        rungs,
        [Some(Rung::Known), Some(Rung::Blackhole), Some(Rung::Verify), None]
    );
    let told: Vec<(Rung, Rung)> = world
        .events
        .iter()
        .filter_map(|what| match what {
            What::RungChanged {
                from,
                to,
                dry_run: false,
                ..
            } => Some((*from, *to)),
            _ => None,
        })
        .collect();
    assert_eq!(
        told,
        [
            (Rung::Limit, Rung::Verify),
            (Rung::Verify, Rung::Known),
            (Rung::Known, Rung::Blackhole),
            (Rung::Blackhole, Rung::Verify),
            (Rung::Verify, Rung::Limit),
        ],
        "each is told once, the kernel side's own too"
    );
}

#[test]
fn proofs_that_are_enough_need_no_more() {
    let mut world = World::new(policy("blackhole", ""));
    world.meet_for(FLOOD, 600);
    assert_eq!(world.steps, [], "verify is the kernel side's own");
    assert_eq!(world.rung(), Rung::Verify);
}

#[test]
fn by_default_nothing_is_taken_above_verify() {
    let mut world = World::new(config(""));
    world.meet_for(SATURATION, 600);
    assert_eq!(world.steps, []);
    assert_eq!(world.rung(), Rung::Verify);
}

#[test]
fn what_is_only_known_to_saturate_elsewhere_is_left_alone() {
    let mut world = World::new(policy("blackhole", ""));
    // The host is saturated, and this address gets next to nothing.
    let quiet = Traffic {
        saturated: true,
        ..CALM
    };
    world.meet_for(FLOOD, 5);
    world.meet_for(quiet, 20);
    assert_eq!(world.steps.len(), 0, "{:?}", world.steps);
}

#[test]
fn upstream_is_said_and_blackhole_stays() {
    let mut world = World::new(policy("upstream", "\"upstream\""));
    world.meet_for(SATURATION, 120);
    let held = world.rung();
    let said = world.events.iter().any(|what| {
        matches!(
            what,
            What::RungChanged {
                to: Rung::Upstream,
                dry_run: true,
                ..
            }
        )
    });
    assert!(said, "{:?}", world.events);
    assert_eq!(
        held,
        Rung::Blackhole,
        "what stands below a rung that is only said stays in force"
    );
    world.meet_for(CALM, 1_200);
    assert_eq!(world.rung(), Rung::Limit);
}

#[test]
fn the_agents_death_ends_what_it_took() {
    let mut world = World::new(policy("blackhole", ""));
    world.meet_for(SATURATION, 60);
    assert_eq!(world.rung(), Rung::Blackhole);
    let state = world.kernel().addresses[&address(ADDRESS)];
    let ttl = Duration::from_secs(40);
    let dead = world.now.plus(ttl).mono;
    assert_eq!(
        standing::rung(&state, None, dead),
        Rung::Limit,
        "nothing renews it, and it is over within its ttl"
    );
}

#[test]
fn a_ceiling_holds_it_down() {
    let mut world = World::new(policy("blackhole", ""));
    world.meet_for(SATURATION, 60);
    let ceiling = RungOverride {
        rung: Rung::Known,
        origin: world.origin(),
    };
    world.overrides.apply(&Change::RemoveTaken(address(ADDRESS)));
    world.overrides.apply(&Change::PutCeiling(address(ADDRESS), ceiling));
    world.meet(SATURATION);
    assert!(world.rung() < Rung::Blackhole);
    world.meet_for(SATURATION, 300);
    assert_eq!(world.rung(), Rung::Known, "as high as it may");
}

#[test]
fn a_new_configuration_holds_at_once() {
    let mut world = World::new(policy("blackhole", ""));
    world.meet_for(SATURATION, 60);
    assert_eq!(world.rung(), Rung::Blackhole);
    world.config = policy("verify", "");
    world.meet(SATURATION);
    assert!(world.rung() <= Rung::Verify, "{}", world.rung());
    world.config.protected.remove(&address(ADDRESS));
    world.overrides.apply(&Change::RemoveTaken(address(ADDRESS)));
}

#[test]
fn the_same_wave_again_and_again_is_held_longer_each_time() {
    let mut world = World::new(policy("known", ""));
    let mut holds = Vec::new();
    for _ in 0..5 {
        world.meet_for(OVERLOAD, 8);
        let (rung, since) = world.taken.expect("known");
        assert_eq!(rung, Rung::Known);
        // Waves come as soon as it is down.
        while world.taken.is_some_and(|(rung, _)| rung == Rung::Known) {
            world.meet(CALM);
        }
        holds.push(Duration::from_nanos(world.now.mono.0 - since.mono.0).as_secs());
    }
    for (hold, at_least) in holds.iter().zip([30, 60, 120, 240, 480]) {
        assert!(
            (at_least..at_least + 30).contains(hold),
            "each hold is twice the one before: {holds:?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever happened, calm brings it back to the bottom, and nothing is remembered for ever.
    #[test]
    fn it_is_never_stuck(day in any_day(), highest in prop::sample::select(vec!["limit", "verify", "known", "blackhole"])) {
        let mut world = World::new(policy(highest, ""));
        for (traffic, seconds, person) in day {
            match person {
                0 => world.force(Rung::Known),
                1 => world.force(Rung::Observe),
                _ => {}
            }
            world.meet_for(traffic, seconds);
            world.overrides.apply(&Change::RemoveRung(address(ADDRESS)));
        }
        // The longest hold, the calm of the attack and of each rung on the way, and what is remembered.
        world.meet_for(CALM, 600 + 30 + 3 * 40 + 600);
        prop_assert!(world.overrides.taken.is_empty(), "{:?}", world.overrides.taken);
        prop_assert_eq!(world.rung(), Rung::Limit);
        prop_assert!(world.ladder.watched().is_empty(), "{:?}", world.ladder.watched());
    }

    /// In force is one rung, never above what is configured; its end is never farther than its ttl; a lower one is taken
    /// only after the hold.
    #[test]
    fn holds_ends_and_bounds_are_respected(day in any_day()) {
        let mut world = World::new(policy("blackhole", ""));
        for (traffic, seconds, _) in day {
            for _ in 0..seconds * 2 {
                let before = world.taken;
                world.meet(traffic);
                if let (Some((was, since)), true) = (before, world.taken.map(|(rung, _)| rung) < before.map(|(rung, _)| rung)) {
                    let held = Duration::from_nanos(world.now.mono.0 - since.mono.0);
                    let policy = world.config.protected[&address(ADDRESS)].ladder;
                    prop_assert!(held >= policy.hold(was), "{} was held for {:?}", was, held);
                }
                let state = world.kernel().addresses[&address(ADDRESS)];
                prop_assert!(state.rung.is_none() || state.blackhole.is_none(), "two at once: {:?}", state);
                let end = state.rung.map(|forced| forced.until).or(state.blackhole.map(|hole| hole.until));
                if let Some(until) = end {
                    let until = until.expect("what the ladder takes has an end");
                    prop_assert!(until > world.now.mono, "it is renewed in time");
                    prop_assert!(until.0 - world.now.mono.0 <= 40_000_000_000, "{:?}", until);
                }
            }
        }
    }

    /// A person's rung is the one in force, from the moment on in which it is given, whatever comes in.
    #[test]
    fn a_person_always_wins(day in any_day(), rung in prop::sample::select(vec![Rung::Observe, Rung::Limit, Rung::Verify, Rung::Known]), hole: bool) {
        let mut world = World::new(policy("blackhole", ""));
        world.meet_for(SATURATION, 60);
        if hole {
            let origin = world.origin();
            world.overrides.apply(&Change::PutBlackhole(address(ADDRESS), BlackholeOverride { all: true, origin }));
        } else {
            world.force(rung);
        }
        let wanted = if hole { Rung::Blackhole } else { rung };
        for (traffic, seconds, _) in day {
            prop_assert_eq!(world.rung(), wanted);
            world.meet_for(traffic, seconds);
            prop_assert!(world.overrides.taken.is_empty());
        }
        prop_assert_eq!(world.rung(), wanted);
    }

    /// What is only said changes nothing: neither what a rung's dry run says, nor anything in mode monitor.
    #[test]
    fn a_dry_run_never_changes_anything(day in any_day(), monitor: bool) {
        let mut config = policy("blackhole", if monitor { "" } else { "\"known\"" });
        if monitor {
            config.mode = Mode::Monitor;
        }
        let mut world = World::new(config);
        for (traffic, seconds, _) in day {
            for _ in 0..seconds * 2 {
                world.meet(traffic);
                let high = world.overrides.taken.values().any(|taken| monitor || taken.rung >= Rung::Known);
                prop_assert!(!high, "{:?}", world.overrides.taken);
            }
        }
        let done = world.events.iter().any(|what| {
            matches!(what, What::RungChanged { to, dry_run: false, .. } if monitor || *to >= Rung::Known)
        });
        prop_assert!(!done, "{:?}", world.events);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// On and off, every few seconds or minutes, for two hours: the changes are few.
    #[test]
    fn pulse_waves_do_not_make_it_flap(on in 1..60u64, off in 1..240u64, worst: bool) {
        prop_assert!(changes_in_waves(on, off, worst).is_ok(), "{:?}", changes_in_waves(on, off, worst));
    }
}

/// This one once made it begin anew after each long blackhole.
#[test]
fn a_wave_that_is_longer_away_than_any_hold_does_not_make_it_flap() {
    assert_eq!(changes_in_waves(10, 59, true), Ok(()));
}

/// Two hours of waves; too many changes, or events, are an error.
fn changes_in_waves(on: u64, off: u64, worst: bool) -> Result<(), String> {
    let mut world = World::new(policy("blackhole", ""));
    let wave = if worst { SATURATION } else { OVERLOAD };
    let (span, mut seconds) = (2 * 3_600, 0);
    while seconds < span {
        world.meet_for(wave, on);
        world.meet_for(CALM, off);
        seconds += on + off;
    }
    // A hold doubles at most seven times from 5 s up to 10 minutes; then each way up and down through three rungs takes as
    // long as the longest hold.
    let most = 3 * 2 * (7 + span / 600);
    let (changes, told) = (world.steps.len() as u64, world.events.len() as u64);
    if changes > most || told > 2 * most {
        return Err(format!("{changes} changes, {told} events, {most} allowed"));
    }
    Ok(())
}

#[test]
fn a_dry_run_says_what_would_have_been() {
    let mut world = World::new(policy("blackhole", "\"known\""));
    world.meet_for(SATURATION, 60);
    world.meet_for(CALM, 600);
    let said: Vec<(Rung, Rung)> = world
        .events
        .iter()
        .filter_map(|what| match what {
            What::RungChanged {
                from,
                to,
                dry_run: true,
                ..
            } => Some((*from, *to)),
            _ => None,
        })
        .collect();
    assert_eq!(
        said[..2],
        [(Rung::Verify, Rung::Known), (Rung::Known, Rung::Blackhole)],
        "{said:?}"
    );
    assert_eq!(said.len(), 3, "and the way down: {said:?}");
}

#[test]
fn an_address_that_is_no_more_protected_is_forgotten() {
    let mut world = World::new(policy("blackhole", ""));
    world.meet_for(SATURATION, 60);
    world.config.protected.remove(&address(ADDRESS));
    let view_of: IpAddr = address(ADDRESS);
    let kernel = world.kernel();
    assert!(!kernel.addresses.contains_key(&view_of));
    let tick = Tick {
        at: after(world.now, TICK),
        seconds: TICK.as_secs_f64(),
        subjects: Vec::new(),
        host: HostObservation::default(),
    };
    let outcome = world.ladder.tick(&View {
        tick: &tick,
        attacks: &[],
        saturated: false,
        protected: &world.config.protected,
        kernel: &kernel,
        overrides: &world.overrides,
    });
    let changes: Vec<Change> = outcome.steps.iter().map(|step| step.change.clone()).collect();
    assert_eq!(changes, [Change::RemoveTaken(view_of)]);
    assert!(world.ladder.watched().is_empty());
    let _: MonotonicNs = tick.at.mono;
}
