//! The ladder under an attack that is thin here and large in the fleet: the kernel side sees no excess, and the address makes SYNs prove
//! themselves all the same.

use agent::{
    fleet::Elsewhere,
    tables::{Mode, Rung},
};

use super::world::{CALM, FLOOD, Traffic, World, policy};

/// At six other nodes.
const THERE: Elsewhere = Elsewhere {
    unproven: 120_000.0,
    nodes: 6,
    attacked: 0,
};
/// Of it, here: a fifth of the rate.
const THIN: Traffic = Traffic { syn: 20_000.0, ..CALM };

fn under_attack(highest: &str) -> World {
    let mut world = World::new(policy(highest, ""));
    world.meet_for(CALM, 5);
    world.elsewhere = Some(THERE);
    world.meet_for(THIN, 2);
    world
}

#[test]
fn what_is_thin_here_goes_to_verify_and_comes_down_when_the_sum_is_gone() {
    let mut world = under_attack("verify");
    assert_eq!(
        (world.rung(), world.verify),
        (Rung::Verify, None),
        "not by the kernel side"
    );
    let taken = world.overrides.taken.values().next().expect("the ladder took it");
    assert_eq!(
        taken.origin.reason.as_deref(),
        Some("thin here (20000 SYNs/s), 140000 SYNs/s in the fleet, and its rate is 100000/s")
    );
    world.meet_for(THIN, 120);
    assert_eq!(world.rung(), Rung::Verify, "as long as it lasts");
    world.elsewhere = None;
    world.meet_for(CALM, 10);
    assert_eq!(world.rung(), Rung::Verify, "it was not calm for long enough");
    world.meet_for(CALM, 60);
    assert_eq!(world.rung(), Rung::Limit);
    let steps: Vec<Option<Rung>> = world.steps.iter().map(|(_, rung)| *rung).collect();
    assert_eq!(steps, [Some(Rung::Verify), None], "once up, once down");
}

#[test]
fn a_share_that_goes_away_here_does_not_end_it_while_the_others_are_flooded() {
    let mut world = under_attack("verify");
    world.meet_for(CALM, 120);
    assert_eq!(world.rung(), Rung::Verify);
}

#[test]
fn a_node_that_is_cut_off_goes_by_what_it_sees_itself() {
    let mut world = under_attack("verify");
    world.elsewhere = None;
    world.meet_for(THIN, 70);
    assert_eq!(world.rung(), Rung::Limit);
}

#[test]
fn an_address_that_may_not_verify_stays_on_limit() {
    assert_eq!(under_attack("limit").rung(), Rung::Limit);
}

#[test]
fn where_sources_cannot_prove_themselves_strangers_are_not_kept_out() {
    let mut config = policy("verify", "");
    for protected in config.protected.values_mut() {
        protected.method = agent::ladder::MethodChoice::Drop;
    }
    let mut world = World::new(config);
    world.elsewhere = Some(THERE);
    world.meet_for(THIN, 5);
    assert_eq!(world.rung(), Rung::Limit);
}

#[test]
fn a_person_wins() {
    let mut world = World::new(policy("blackhole", ""));
    world.force(Rung::Limit);
    world.elsewhere = Some(THERE);
    world.meet_for(THIN, 20);
    assert_eq!(world.rung(), Rung::Limit);
    assert!(world.overrides.taken.is_empty());
}

#[test]
fn it_climbs_no_higher_for_what_arrives_elsewhere() {
    let mut world = under_attack("blackhole");
    world.meet_for(THIN, 300);
    assert_eq!(world.rung(), Rung::Verify);
}

#[test]
fn a_flood_that_comes_here_too_is_left_to_the_kernel_side() {
    let mut world = World::new(policy("verify", ""));
    world.elsewhere = Some(THERE);
    world.meet_for(FLOOD, 5);
    assert!(world.verify.is_some() && world.overrides.taken.is_empty());
}

#[test]
fn in_monitor_it_is_only_said() {
    let mut config = policy("verify", "");
    config.mode = Mode::Monitor;
    let mut world = World::new(config);
    world.elsewhere = Some(THERE);
    world.meet_for(THIN, 5);
    assert_eq!(world.rung(), Rung::Limit);
    let said = world.events.iter().any(|event| {
        matches!(event, agent::detect::What::RungChanged { to: Rung::Verify, dry_run: true, why, .. }
            if why.starts_with("thin here"))
    });
    assert!(said, "{:?}", world.events);
}
