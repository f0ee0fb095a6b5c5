//! What is learned, what is not, and how much an attacker may teach.

use agent::detect::{Baselines, Detector, Severity, Subject, Tick, baseline::Baseline};
use jiff::{SignedDuration, Timestamp};

use crate::{
    run::{TICK, Watch},
    scenarios::address,
    world::{Load, MONDAY, Place, Setup, World, rhythm},
};

const ADDRESS: Subject = Subject::Address(std::net::IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 1)));

fn world() -> World {
    World::new(3, vec![Place::new(address(1), Setup::default())])
}

fn usual() -> Load {
    Load {
        customers: 1_000.0,
        udp: 700.0,
        ..Load::default()
    }
}

fn at(hours: i64) -> Timestamp {
    let monday: Timestamp = MONDAY.parse().expect("timestamp");
    monday + SignedDuration::from_hours(hours)
}

fn unproven(baselines: &Baselines, hours: i64) -> f64 {
    baselines.usual(&ADDRESS, at(hours)).expect("learned").unproven.high
}

#[test]
fn a_week_teaches_the_rhythm_of_the_day() {
    let (mut world, mut watch) = (world(), Watch::new());
    watch.learn_a_week(&mut world, |_| usual());
    for hour in [4, 12, 20, 130] {
        let usual = watch
            .baselines
            .usual(&ADDRESS, at(168 + hour) + SignedDuration::from_mins(30))
            .expect("learned");
        let expected = 1_000.0 * rhythm((hour % 24) as f64 + 0.5);
        let off = (usual.syn.level - expected).abs() / expected;
        assert!(off < 0.05, "at {hour}: {usual:?}, not {expected}");
        assert!(usual.syn.high < 2.5 * expected, "at {hour}: {usual:?}");
        assert!((11.0..=13.0).contains(&usual.segments.expect("learned")), "{usual:?}");
    }
    let baseline = watch.baselines.get(&ADDRESS).expect("learned");
    assert_eq!(baseline.hours, 167, "all but the one that goes on");
    assert!(baseline.left_out_minutes < 1.0, "{}", baseline.left_out_minutes);
    let udp = baseline.crests[1].0;
    assert!((650.0..=700.0).contains(&udp), "the evening's: {udp}");
}

#[test]
fn an_hour_is_kept_once_and_reads_back() {
    let (mut world, mut watch) = (world(), Watch::new());
    for _ in 0..125 {
        watch.feed(&world.tick(60.0, |_| usual()));
    }
    let changed = watch.baselines.take_changed();
    assert_eq!(changed.len(), 1);
    assert!(watch.baselines.take_changed().is_empty(), "taken once");
    let text = serde_json::to_string(&changed[0].1).expect("it is written");
    assert!(text.len() < 12_000, "{} bytes", text.len());
    let read: Baseline = serde_json::from_str(&text).expect("it is read");
    let kept = Baselines::kept([(ADDRESS, read)]);
    assert_eq!(kept.usual(&ADDRESS, at(1)), watch.baselines.usual(&ADDRESS, at(1)));
}

#[test]
fn an_attack_is_not_learned() {
    let (mut world, mut watch) = (world(), Watch::new());
    watch.learn_a_week(&mut world, |_| usual());
    let before = unproven(&watch.baselines, 168 + 5);
    let left_out = watch.baselines.get(&ADDRESS).expect("learned").left_out_minutes;
    for _ in 0..6 * 3_600 {
        watch.feed(&world.tick(1.0, |_| Load {
            flood: 9_000.0,
            udp: 600_000.0,
            ..usual()
        }));
    }
    let baseline = watch.baselines.get(&ADDRESS).expect("learned");
    assert!((unproven(&watch.baselines, 168 + 5) - before).abs() < 1e-9);
    assert!(
        baseline.left_out_minutes > left_out + 350.0,
        "{}",
        baseline.left_out_minutes
    );
    assert!(baseline.crests[1].0 < 800.0, "{:?}", baseline.crests);
}

/// Somebody sends just less than would be told, more each day, for eight weeks.
#[test]
fn who_teaches_slowly_gains_no_more_than_the_threshold_share() {
    let (mut world, mut watch) = (world(), Watch::new());
    watch.learn_a_week(&mut world, |_| usual());
    let mut caught = 0;
    for _ in 0..8 * 7 * 24 * 12 {
        let bars = *watch.detector.bars(&ADDRESS).expect("watched");
        let flood = bars.soft.min(bars.hard) * 0.95;
        let events = watch.feed(&world.tick(300.0, |_| Load { flood, ..usual() }));
        caught += events.len();
    }
    let bars = *watch.detector.bars(&ADDRESS).expect("watched");
    let baseline = watch.baselines.get(&ADDRESS).expect("learned");
    assert!(
        bars.hard <= 20_000.0 && bars.soft <= bars.hard,
        "never over the threshold: {bars:?}"
    );
    assert!(baseline.held_back > 0, "it is shown: {}", baseline.held_back);
    let level = |bin: &agent::detect::baseline::Bin| bin.unproven.level;
    assert!(baseline.bins.iter().map(level).fold(0.0, f32::max) <= 10_000.0);
    // A flood of twice the threshold is told all the same.
    for _ in 0..20 {
        caught += watch
            .feed(&world.tick(TICK, |_| Load {
                flood: 41_000.0,
                ..usual()
            }))
            .len();
    }
    let open = watch.detector.attacks().iter().any(|attack| attack.ended.is_none());
    assert!(open, "{caught} events before");
}

#[test]
fn clocks_that_jump_and_gaps_do_no_harm() {
    let (mut world, mut watch) = (world(), Watch::new());
    watch.learn_a_week(&mut world, |_| usual());
    let before = unproven(&watch.baselines, 12);
    for jump in [3_600 * 50, -3_600 * 90, 86_400 * 400, -86_400 * 800, 7] {
        world.now.wall += SignedDuration::from_secs(jump);
        for _ in 0..100 {
            let events = watch.feed(&world.tick(TICK, |_| usual()));
            // At another time of the day the same customers may be many.
            let harm = events.iter().find(|event| event.what.severity() > Severity::Info);
            assert!(harm.is_none(), "after {jump}: {harm:?}");
        }
        // A tick of a night's sleep, in which nothing was counted, and one that counted all of it at once.
        let asleep = world.tick(30_000.0, |_| Load::default());
        assert!(watch.feed(&asleep).is_empty());
        let crowded = Tick {
            seconds: 0.001,
            ..world.tick(TICK, |_| usual())
        };
        assert!(watch.feed(&crowded).is_empty());
    }
    assert!((unproven(&watch.baselines, 12) - before).abs() < 1e-9);
}

#[test]
fn an_attack_that_was_open_goes_on_after_a_restart() {
    let (mut world, mut watch) = (world(), Watch::new());
    let flood = |_: usize| Load {
        flood: 100_000.0,
        ..usual()
    };
    for _ in 0..20 {
        watch.feed(&world.tick(TICK, flood));
    }
    let open = watch.detector.attacks().to_vec();
    assert_eq!(open.len(), 1);
    watch.detector = Detector::new(1, open.clone());
    for _ in 0..20 {
        assert!(watch.feed(&world.tick(TICK, flood)).is_empty());
    }
    let now = watch.detector.attacks();
    assert_eq!((now.len(), now[0].id, now[0].started), (1, open[0].id, open[0].started));
    assert!(now[0].last_excess > open[0].last_excess);
    // It ends when its address is protected no more.
    world.places.clear();
    let events = watch.feed(&world.tick(TICK, flood));
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0].attack, Some(open[0].id));
}
