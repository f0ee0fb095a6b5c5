//! Seven days of everyday life from the first minute after the installation on: no attack may be told.

use agent::detect::{Severity, What};

use crate::{
    run::{TICK, Watch},
    scenarios::address,
    world::{Load, Place, Setup, World, rhythm},
};

const DAY: f64 = 86_400.0;
/// Ticks are a tenth of a second while something is on, and so long in calm, which says the same and is over sooner.
const COARSE: f64 = 10.0;

/// What is on at a second of a day, for a place: the load, and whether it has to be looked at closely.
fn life(day: u32, second: f64, index: usize) -> (Load, bool) {
    let weekend = day % 7 >= 5;
    let size = [4_000.0, 300.0, 40.0][index] * if weekend { 0.5 } else { 1.0 };
    let customers = size * rhythm(second / 3_600.0);
    let udp = if index == 1 { customers * 20.0 } else { 0.0 };
    let calm = Load {
        customers,
        udp,
        failing: 0.02,
        ..Load::default()
    };
    let since = |hour: f64| second - hour * 3_600.0 - f64::from(day) * 60.0;
    let on = |hour: f64, seconds: f64| (0.0..seconds).contains(&since(hour));
    let load = match index {
        // The news at 20:00 bring eight times as many within 3 s, for two minutes.
        0 if on(20.0, 120.0) => Load {
            customers: customers * (1.0 + 7.0 * (since(20.0) / 3.0).min(1.0)),
            ..calm
        },
        // A message to all telephones, at once; some of them give up.
        0 if on(11.5, 60.0) => Load {
            customers: customers * 5.0,
            failing: 0.1,
            ..calm
        },
        // A job of each night.
        1 if on(3.0, 30.0) => Load {
            customers: 3_000.0,
            ..calm
        },
        // Somebody looks for open ports.
        1 if on(14.0, 40.0) => Load { flood: 400.0, ..calm },
        // The server is held up for a few seconds.
        0 if on(16.0, 4.0) => Load { failing: 0.4, ..calm },
        // It restarts: nothing is completed, and nothing more comes.
        2 if on(5.0, 20.0) => Load { failing: 1.0, ..calm },
        _ => return (calm, false),
    };
    (load, true)
}

#[test]
fn seven_days_of_everyday_life_have_no_attack() {
    let places = (0..3)
        .map(|index| Place::new(address(index), Setup::default()))
        .collect();
    let mut world = World::new(7, places).with_group("203.0.113.0/24", Some(60_000.0));
    let mut watch = Watch::new();
    let (mut busy, mut ticks) = (0, 0);
    for day in 0..7 {
        let mut second = 0.0;
        while second < DAY {
            let soon = second + COARSE;
            let close = (0..3).any(|index| life(day, second, index).1 || life(day, soon, index).1);
            let seconds = if close { TICK } else { COARSE };
            let tick = world.tick(seconds, |index| life(day, second, index).0);
            for event in watch.feed(&tick) {
                assert!(
                    event.what.severity() == Severity::Info,
                    "day {day}, second {second}: {event:?}"
                );
                busy += u32::from(matches!(event.what, What::Busy { .. }));
            }
            second += seconds;
            ticks += 1;
        }
    }
    assert!(busy >= 7, "the crowds are told: {busy}");
    assert!(ticks > 60_000, "it was looked at closely: {ticks}");
}
