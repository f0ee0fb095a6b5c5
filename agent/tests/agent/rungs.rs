//! Rungs that people force: put into force, recorded, ended, found again after restarts and reboots.

use crate::support::{Bench, address, block, config, later, noon, order};
use agent::{
    clock::Now,
    command::Command,
    control::{
        api::{RungRequest, RungView},
        view,
    },
    engine::Engine,
    tables::{AddressCounts, ForcedRung, InVerify, Method, Mode, MonotonicNs, Rung},
};

fn request(target: &str, rung: Option<Rung>) -> RungRequest {
    RungRequest {
        target: target.to_owned(),
        rung,
        ttl: None,
        reason: Some("T4711".to_owned()),
        force: false,
        ..RungRequest::default()
    }
}

fn view_of(engine: &Engine, of: &str) -> RungView {
    let views = view::rungs(&engine.snapshots().borrow());
    views
        .into_iter()
        .find(|view| view.address == address(of))
        .expect("protected")
}

#[test]
fn a_forced_rung_holds_until_it_is_taken_back() {
    let bench = Bench::default();
    let mut engine = bench.engine();
    let done = order(
        &mut engine,
        Command::SetRung(request("203.0.113.7", Some(Rung::Verify))),
        noon(),
    )
    .expect("forced");
    assert!(
        done.message.starts_with("Put 203.0.113.7 on the rung verify until"),
        "{done:?}"
    );
    assert_eq!(
        bench.kernel.lock().addresses[&address("203.0.113.7")].rung,
        Some(ForcedRung {
            rung: Rung::Verify,
            until: Some(later(noon(), 3_600).mono),
        }),
        "for block_ttl"
    );
    let view = view_of(&engine, "203.0.113.7");
    assert_eq!((view.rung.as_str(), view.method), ("verify", Method::Cookie));
    assert_eq!(view.since, Some(noon().wall));
    let forced = view.forced.expect("forced");
    assert_eq!(
        (forced.actor.as_str(), forced.reason.as_deref()),
        ("uid=0 (root) pid=1", Some("T4711"))
    );
    let status = view::status(&engine.snapshots().borrow());
    assert_eq!(status.verifying, [address("203.0.113.7")]);

    order(&mut engine, Command::SetRung(request("203.0.113.7", None)), noon()).expect("taken back");
    assert_eq!(bench.kernel.lock().addresses[&address("203.0.113.7")].rung, None);
    assert_eq!(view_of(&engine, "203.0.113.7").rung, "limit");
    let again = order(&mut engine, Command::SetRung(request("203.0.113.7", None)), noon()).expect_err("nothing there");
    assert!(again.error.contains("is not forced"), "{again}");
}

#[test]
fn every_protected_address_of_a_prefix_is_meant() {
    let bench = Bench::default();
    let mut engine = bench.engine();
    let done = order(
        &mut engine,
        Command::SetRung(request("203.0.113.0/24", Some(Rung::Known))),
        noon(),
    )
    .expect("forced");
    assert_eq!(done.targets.len(), 2);
    assert!(bench.kernel.lock().addresses.values().all(|state| state.rung.is_some()));
}

#[test]
fn what_makes_no_sense_is_refused() {
    let bench = Bench::default();
    let mut engine = bench.engine();
    for (request, part) in [
        (
            request("198.51.100.1", Some(Rung::Verify)),
            "is not a protected address",
        ),
        (
            request("example.org", Some(Rung::Verify)),
            "neither an address nor a prefix",
        ),
        (
            RungRequest {
                ttl: "5m".parse().ok(),
                ..request("203.0.113.7", None)
            },
            "a lifetime belongs to a rung that is forced",
        ),
        (
            request("203.0.113.7", Some(Rung::Blackhole)),
            "blackhole has a command of its own",
        ),
        (
            request("203.0.113.7", Some(Rung::Upstream)),
            "does not speak with the network above",
        ),
    ] {
        let refusal = order(&mut engine, Command::SetRung(request), noon()).expect_err(part);
        assert!(refusal.error.contains(part), "{refusal}");
    }
}

#[test]
fn without_effect_it_says_so() {
    let bench = Bench::default();
    let mut engine = bench
        .start(config("[verify]\nmethod = \"drop\"").clone(), noon())
        .expect("starts");
    let done = order(
        &mut engine,
        Command::SetRung(request("203.0.113.7", Some(Rung::Verify))),
        noon(),
    )
    .expect("forced");
    assert!(done.warnings[0].contains("verify = \"drop\""), "{done:?}");
    let set = agent::control::api::ModeRequest {
        mode: Some(Mode::Monitor),
        ttl: None,
        reason: None,
        ..agent::control::api::ModeRequest::default()
    };
    order(&mut engine, Command::SetMode(set), noon()).expect("set");
    let done = order(
        &mut engine,
        Command::SetRung(request("203.0.113.7", Some(Rung::Known))),
        noon(),
    )
    .expect("forced");
    assert!(done.warnings[0].contains("the mode is monitor"), "{done:?}");
}

#[test]
fn an_end_is_an_end() {
    let bench = Bench::default();
    let mut engine = bench.engine();
    let short = RungRequest {
        ttl: "5m".parse().ok(),
        ..request("203.0.113.7", Some(Rung::Known))
    };
    order(&mut engine, Command::SetRung(short), noon()).expect("forced");
    engine.tick(later(noon(), 299));
    assert_eq!(view_of(&engine, "203.0.113.7").rung, "known");
    engine.tick(later(noon(), 300));
    assert_eq!(bench.kernel.lock().addresses[&address("203.0.113.7")].rung, None);
    let view = view_of(&engine, "203.0.113.7");
    assert_eq!((view.rung.as_str(), view.forced), ("limit", None));
}

#[test]
fn it_survives_restarts_and_reboots() {
    let bench = Bench::default();
    let mut engine = bench.engine();
    order(
        &mut engine,
        Command::SetRung(request("203.0.113.7", Some(Rung::Known))),
        noon(),
    )
    .expect("forced");
    drop(engine);
    let writes = bench.kernel.lock().writes;
    drop(bench.start(config(""), later(noon(), 10)).expect("starts"));
    assert_eq!(bench.kernel.lock().writes, writes, "not one write");
    *bench.kernel.lock() = crate::support::Fake {
        generation: 2,
        ..crate::support::Fake::default()
    };
    let rebooted = Now {
        wall: later(noon(), 600).wall,
        mono: MonotonicNs(20_000_000_000),
    };
    let engine = bench.start(config(""), rebooted).expect("starts");
    let forced = bench.kernel.lock().addresses[&address("203.0.113.7")]
        .rung
        .expect("forced");
    assert_eq!(forced.until, Some(MonotonicNs(20_000_000_000 + 3_000_000_000_000)));
    assert_eq!(
        view_of(&engine, "203.0.113.7").forced.expect("forced").actor,
        "uid=0 (root) pid=1"
    );
}

#[test]
fn what_was_forced_without_a_daemon_is_taken_over() {
    let bench = Bench::default();
    let mut engine = bench.engine();
    order(
        &mut engine,
        Command::SetRung(request("203.0.113.7", Some(Rung::Known))),
        noon(),
    )
    .expect("forced");
    drop(engine);
    {
        let mut fake = bench.kernel.lock();
        fake.addresses.get_mut(&address("203.0.113.7")).expect("protected").rung = None;
        fake.addresses.get_mut(&address("203.0.113.8")).expect("protected").rung = Some(ForcedRung {
            rung: Rung::Observe,
            until: None,
        });
    }
    let engine = bench.start(config(""), later(noon(), 10)).expect("starts");
    assert_eq!(view_of(&engine, "203.0.113.7").forced, None);
    let view = view_of(&engine, "203.0.113.8");
    assert_eq!(view.rung, "observe");
    assert_eq!(view.forced.expect("forced").actor, "adopted");
}

#[test]
fn the_rung_in_force_is_the_kernels_unless_somebody_said_otherwise() {
    let bench = Bench::default();
    let mut engine = bench
        .start(
            config("[[address]]\naddress = \"203.0.113.8\"\nrung = \"limit\""),
            noon(),
        )
        .expect("starts");
    let in_verify = |of: &str| AddressCounts {
        address: Some(address(of)),
        verify: Some(InVerify {
            since: noon().mono,
            until: later(noon(), 15).mono,
        }),
        handshakes: 40,
        ..AddressCounts::default()
    };
    bench.kernel.lock().counts = vec![in_verify("203.0.113.7"), in_verify("203.0.113.8")];
    engine.tick(later(noon(), 2));
    let view = view_of(&engine, "203.0.113.7");
    assert_eq!((view.rung.as_str(), view.since), ("verify", Some(noon().wall)));
    assert_eq!(view.handshakes_pps, Some(0.0), "the first reading has no rate");
    let other = view_of(&engine, "203.0.113.8");
    assert_eq!((other.rung.as_str(), other.highest), ("limit", Rung::Limit));
    assert_eq!(other.handshakes_pps, None, "this host forwards for it");

    order(
        &mut engine,
        Command::SetRung(request("203.0.113.7", Some(Rung::Limit))),
        later(noon(), 3),
    )
    .expect("forced");
    assert_eq!(view_of(&engine, "203.0.113.7").rung, "limit");
    order(&mut engine, Command::Block(block("203.0.113.7")), later(noon(), 3)).expect("blackholed");
    assert_eq!(view_of(&engine, "203.0.113.7").rung, "blackhole");
    engine.tick(later(noon(), 15));
    let status = view::status(&engine.snapshots().borrow());
    assert!(status.verifying.is_empty(), "it is over: {:?}", status.verifying);
}
