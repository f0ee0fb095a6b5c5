//! The ladder alone, under any traffic: it always comes down again, holds what it takes, does not flap, and never acts against
//! a person or where it may only speak.

mod exhaustive;
mod fleet;
mod groups;
mod world;

use std::time::Duration;

use agent::{
    decide::{ladder::View, standing},
    detect::{HostObservation, Tick, What},
    overrides::{BlackholeOverride, Change, RungOverride},
    tables::{Mode, Rung},
};
use proptest::prelude::*;

use crate::support::{address, config};
use world::{ADDRESS, CALM, FLOOD, OVERLOAD, SATURATION, THRESHOLD, TICK, Traffic, World, after, policy};

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
    let kernel = world.kernel();
    assert!(!kernel.addresses.contains_key(&address(ADDRESS)));
    let tick = Tick {
        elsewhere: std::collections::BTreeMap::new(),
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
    assert_eq!(changes, [Change::RemoveTaken(address(ADDRESS))]);
    assert!(world.ladder.watched().is_empty());
}
