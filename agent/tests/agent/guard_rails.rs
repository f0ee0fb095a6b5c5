//! `block-ip` and its guard rails: what a target means, what is refused, what `--force` does, what is answered.

use crate::support::{Bench, address, allow, block, config, net, noon, order, remove};
use agent::{
    command::Command,
    control::api::{BlockAs, BlockRequest, Done},
    decide::{Refusal, refusal::Kind},
    tables::{ListAction, MonotonicNs},
};

/// A bench whose engine has a configured allowlist, two protected addresses, a gateway and a resolver.
fn ask(request: BlockRequest) -> (Bench, Result<Done, Refusal>) {
    let bench = Bench::default();
    let mut engine = bench
        .start(config("allow = [\"198.51.100.0/24\"]"), noon())
        .expect("starts");
    let answer = order(&mut engine, Command::Block(request), noon());
    (bench, answer)
}

#[test]
fn an_address_of_ours_is_blackholed_and_any_other_is_a_source() {
    let (bench, answer) = ask(block("203.0.113.7"));
    let done = answer.expect("blackholed");
    assert!(
        done.message.starts_with(
            "Blackholed 203.0.113.7, one of our addresses, until 2025-06-01 13:00:00 UTC (1h): nothing new"
        )
    );
    let hole = bench.kernel.lock().addresses[&address("203.0.113.7")]
        .blackhole
        .expect("in the kernel");
    assert_eq!(hole.until, Some(MonotonicNs(7_200_000_000_000)));
    assert!(!hole.all);

    let (bench, answer) = ask(BlockRequest {
        ttl: "30m".parse().ok(),
        ..block("192.0.2.200")
    });
    assert_eq!(
        answer.expect("blocked").message,
        "Blocked 192.0.2.200 as a source until 2025-06-01 12:30:00 UTC (30m)."
    );
    let entry = bench.kernel.lock().entries[&net("192.0.2.200")];
    assert_eq!(
        (entry.action, entry.until),
        (ListAction::Block, Some(MonotonicNs(5_400_000_000_000)))
    );
}

#[test]
fn forever_must_be_said() {
    let (bench, answer) = ask(BlockRequest {
        ttl: "never".parse().ok(),
        ..block("2001:db8:1::/48")
    });
    assert_eq!(
        answer.expect("blocked").message,
        "Blocked 2001:db8:1::/48 as a source until it is taken back."
    );
    assert_eq!(bench.kernel.lock().entries[&net("2001:db8:1::/48")].until, None);
}

#[test]
fn every_guard_rail_refuses_and_force_goes_past_it() {
    let as_source = |target: &str| BlockRequest {
        block_as: Some(BlockAs::Source),
        ..block(target)
    };
    let from_ssh = |target: &str| BlockRequest {
        ssh_peer: Some(address("192.0.2.99")),
        ..block(target)
    };
    for (request, part) in [
        (block("198.51.100.9"), "on the allowlist (198.51.100.0/24)"),
        (block("198.51.100.0/24"), "on the allowlist (198.51.100.0/24)"),
        (as_source("203.0.113.7"), "it is our own address"),
        (as_source("203.0.113.0/24"), "it holds 203.0.113.7, our own address"),
        (block("2001:db8:f::7"), "it is our own address"),
        (block("127.0.0.1"), "it is our own address"),
        (block("192.0.2.1"), "it is the default gateway"),
        (
            block("192.0.2.0/24"),
            "it holds 192.0.2.1, the default gateway, and it holds 192.0.2.53, a resolver",
        ),
        (block("192.0.2.53"), "it is a resolver of this host"),
        (from_ssh("192.0.2.99"), "it is the machine that you are logged in from"),
        (
            from_ssh("192.0.2.64/26"),
            "it holds 192.0.2.99, the machine that you are logged in from",
        ),
        (block("64.0.0.0/7"), "wider than a /8 (IPv6: /20)"),
        (block("2400::/19"), "wider than a /8 (IPv6: /20)"),
    ] {
        let (bench, answer) = ask(request.clone());
        let refusal = answer.expect_err(part);
        assert_eq!(refusal.kind, Kind::Conflict, "{refusal}");
        assert!(refusal.error.contains(part), "{part}: {refusal}");
        assert!(
            refusal.hint.as_deref().is_some_and(|hint| hint.contains("--force")),
            "{refusal}"
        );
        assert_eq!(
            bench.kernel.lock().entries.len(),
            1,
            "only the configured entry is there"
        );
        if request.target != "198.51.100.0/24" {
            let (_, forced) = ask(BlockRequest { force: true, ..request });
            forced.expect("forced");
        }
    }
}

#[test]
fn the_last_address_is_blackholed_only_by_force() {
    let bench = Bench::default();
    let mut engine = bench.engine();
    order(&mut engine, Command::Block(block("203.0.113.7")), noon()).expect("one is left");
    let refusal = order(&mut engine, Command::Block(block("203.0.113.8")), noon()).expect_err("none would be left");
    assert!(
        refusal.error.contains("203.0.113.8 is the last protected address"),
        "{refusal}"
    );
    let forced = BlockRequest {
        force: true,
        ..block("203.0.113.8")
    };
    order(&mut engine, Command::Block(forced), noon()).expect("forced");
}

#[test]
fn a_prefix_with_some_of_ours_asks_what_is_meant() {
    let (_, answer) = ask(block("203.0.113.0/24"));
    let refusal = answer.expect_err("unclear");
    assert_eq!(refusal.kind, Kind::Invalid);
    assert!(
        refusal
            .error
            .contains("holds 2 of our own addresses (203.0.113.7 and 203.0.113.8) and others"),
        "{refusal}"
    );
    let (bench, answer) = ask(BlockRequest {
        block_as: Some(BlockAs::Destination),
        force: true,
        ..block("203.0.113.0/24")
    });
    assert_eq!(
        answer.expect("blackholes").targets,
        [net("203.0.113.7"), net("203.0.113.8")]
    );
    assert!(
        bench
            .kernel
            .lock()
            .addresses
            .values()
            .all(|state| state.blackhole.is_some())
    );
}

#[test]
fn what_is_not_ours_cannot_be_blackholed() {
    let (_, answer) = ask(BlockRequest {
        block_as: Some(BlockAs::Destination),
        ..block("192.0.2.77")
    });
    assert!(
        answer
            .expect_err("not ours")
            .error
            .contains("is not a protected address")
    );
}

#[test]
fn all_belongs_to_blackholes() {
    let (bench, answer) = ask(BlockRequest {
        all: true,
        ..block("203.0.113.7")
    });
    assert!(
        answer
            .expect("blackholed")
            .message
            .contains("not even established connections")
    );
    assert!(
        bench.kernel.lock().addresses[&address("203.0.113.7")]
            .blackhole
            .expect("blackhole")
            .all
    );
    let (_, answer) = ask(BlockRequest {
        all: true,
        ..block("192.0.2.77")
    });
    assert_eq!(answer.expect_err("a source").kind, Kind::Invalid);
}

#[test]
fn reasons_are_one_line_of_plain_text() {
    for reason in ["two\nlines", "\u{1b}[31mred", &"x".repeat(201)] {
        let (_, answer) = ask(BlockRequest {
            reason: Some(reason.to_owned()),
            ..block("192.0.2.77")
        });
        assert_eq!(answer.expect_err(reason).kind, Kind::Invalid);
    }
}

#[test]
fn monitor_mode_is_pointed_out() {
    let bench = Bench::default();
    let mut quiet = config("");
    quiet.mode = agent::tables::Mode::Monitor;
    let mut engine = bench.start(quiet, noon()).expect("starts");
    let done = order(&mut engine, Command::Block(block("192.0.2.77")), noon()).expect("blocked");
    assert!(done.warnings[0].contains("agent mode set enforce"), "{done:?}");
}

#[test]
fn what_was_done_is_undone_and_nothing_else() {
    let bench = Bench::default();
    let mut engine = bench
        .start(config("block = [\"192.0.2.128/25\"]"), noon())
        .expect("starts");
    for target in ["192.0.2.200", "203.0.113.7"] {
        order(&mut engine, Command::Block(block(target)), noon()).expect("blocked");
        order(&mut engine, Command::Unblock(remove(target)), noon()).expect("unblocked");
    }
    assert!(
        bench
            .kernel
            .lock()
            .addresses
            .values()
            .all(|state| state.blackhole.is_none())
    );
    assert_eq!(
        bench.kernel.lock().entries.keys().copied().collect::<Vec<_>>(),
        [net("192.0.2.128/25")]
    );

    let refusal = order(&mut engine, Command::Unblock(remove("192.0.2.200")), noon()).expect_err("not listed itself");
    assert_eq!(refusal.kind, Kind::NotFound);
    assert!(
        refusal
            .hint
            .expect("hint")
            .contains("192.0.2.128/25, which holds it, is")
    );
    let refusal = order(&mut engine, Command::Unblock(remove("192.0.2.128/25")), noon()).expect_err("configured");
    assert!(refusal.error.contains("by the configuration file"), "{refusal}");
}

#[test]
fn an_allow_over_a_block_lasts_as_long_as_it_says_and_then_the_configuration_holds_again() {
    let bench = Bench::default();
    let mut engine = bench
        .start(config("block = [\"192.0.2.128/25\"]"), noon())
        .expect("starts");
    let request = agent::control::api::AllowRequest {
        ttl: "1m".parse().ok(),
        ..allow("192.0.2.128/25")
    };
    let done = order(&mut engine, Command::Allow(request), noon()).expect("allowed");
    assert!(done.warnings[0].contains("replaces the block"), "{done:?}");
    assert_eq!(
        bench.kernel.lock().entries[&net("192.0.2.128/25")].action,
        ListAction::Allow
    );
    engine.tick(crate::support::later(noon(), 61));
    assert_eq!(
        bench.kernel.lock().entries[&net("192.0.2.128/25")].action,
        ListAction::Block
    );
}
