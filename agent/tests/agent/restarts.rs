//! The engine over its lives: restarts, reboots, changes made without it, starts that fail.

use crate::support::{Bench, address, allow, block, config, later, net, noon, order};
use agent::{
    clock::Now,
    command::Command,
    control::{
        api::{BlockRequest, ModeRequest},
        view,
    },
    tables::{AddressState, Blackhole, ListAction, ListEntry, Mode, MonotonicNs},
};

#[test]
fn a_start_fills_the_tables_and_attaches() {
    let bench = Bench::default();
    bench.engine();
    let fake = bench.kernel.lock();
    assert_eq!(fake.settings.mode, Mode::Enforce);
    assert_eq!(fake.settings.source_limit.syn_rate.per_second(), 1_000);
    assert_eq!(fake.links.keys().collect::<Vec<_>>(), ["eth0"]);
    assert!(fake.addresses[&address("203.0.113.7")].local, "eth0 has it");
    assert!(
        !fake.addresses[&address("203.0.113.8")].local,
        "this host forwards for it"
    );
}

#[test]
fn a_restart_changes_nothing_that_is_in_force() {
    let bench = Bench::default();
    let mut engine = bench.engine();
    order(&mut engine, Command::Block(block("192.0.2.200")), noon()).expect("blocked");
    order(&mut engine, Command::Block(block("203.0.113.7")), noon()).expect("blackholed");
    order(&mut engine, Command::Allow(allow("192.0.2.201")), noon()).expect("allowed");
    drop(engine);
    let writes = bench.kernel.lock().writes;
    let engine = bench.start(config(""), later(noon(), 10)).expect("starts");
    assert_eq!(bench.kernel.lock().writes, writes, "not one write");
    let list = view::list(&engine.snapshots().borrow());
    assert_eq!(list.sources.len(), 2);
    assert!(
        list.sources
            .iter()
            .all(|entry| entry.origin.actor == "uid=0 (root) pid=1"),
        "{list:?}"
    );
}

#[test]
fn after_a_reboot_everything_is_put_back_with_the_time_it_has_left() {
    let bench = Bench::default();
    let mut engine = bench.engine();
    order(&mut engine, Command::Block(block("192.0.2.200")), noon()).expect("blocked for an hour");
    order(
        &mut engine,
        Command::Block(BlockRequest {
            ttl: "5m".parse().ok(),
            ..block("192.0.2.201")
        }),
        noon(),
    )
    .expect("blocked");
    order(
        &mut engine,
        Command::SetMode(ModeRequest {
            mode: Some(Mode::Monitor),
            ttl: None,
            reason: None,
            ..ModeRequest::default()
        }),
        noon(),
    )
    .expect("set");
    drop(engine);
    *bench.kernel.lock() = crate::support::Fake {
        generation: 2,
        ..crate::support::Fake::default()
    };
    let rebooted = Now {
        wall: later(noon(), 600).wall,
        mono: MonotonicNs(20_000_000_000),
    };
    bench.start(config(""), rebooted).expect("starts");
    let fake = bench.kernel.lock();
    assert_eq!(fake.entries.len(), 1, "the five minutes are over");
    assert_eq!(
        fake.entries[&net("192.0.2.200")].until,
        Some(MonotonicNs(20_000_000_000 + 3_000_000_000_000))
    );
    assert_eq!(fake.settings.mode, Mode::Monitor);
}

#[test]
fn what_was_changed_without_a_daemon_is_taken_over() {
    let bench = Bench::default();
    let mut engine = bench.engine();
    order(&mut engine, Command::Block(block("192.0.2.200")), noon()).expect("blocked");
    order(&mut engine, Command::Block(block("203.0.113.7")), noon()).expect("blackholed");
    drop(engine);
    {
        let mut fake = bench.kernel.lock();
        fake.entries.remove(&net("192.0.2.200"));
        let until = Some(later(noon(), 900).mono);
        fake.entries.insert(
            net("192.0.2.202"),
            ListEntry {
                prefix: net("192.0.2.202"),
                action: ListAction::Block,
                until,
            },
        );
        fake.addresses
            .get_mut(&address("203.0.113.7"))
            .expect("protected")
            .blackhole = None;
        let other = fake.addresses.get_mut(&address("203.0.113.8")).expect("protected");
        *other = AddressState {
            blackhole: Some(Blackhole { until: None, all: true }),
            ..*other
        };
    }
    let engine = bench.start(config(""), later(noon(), 10)).expect("starts");
    let list = view::list(&engine.snapshots().borrow());
    let sources: Vec<_> = list
        .sources
        .iter()
        .map(|entry| (entry.prefix, entry.origin.actor.as_str()))
        .collect();
    assert_eq!(sources, [(net("192.0.2.202"), "adopted")]);
    assert_eq!(list.sources[0].origin.until, Some(later(noon(), 900).wall));
    let holes: Vec<_> = list.blackholes.iter().map(|hole| (hole.address, hole.all)).collect();
    assert_eq!(holes, [(address("203.0.113.8"), true)]);
    drop(engine);
    // And the ledger knows: after a reboot the adopted ones come back, the removed ones do not.
    *bench.kernel.lock() = crate::support::Fake {
        generation: 9,
        ..crate::support::Fake::default()
    };
    bench
        .start(
            config(""),
            Now {
                wall: later(noon(), 60).wall,
                mono: MonotonicNs(1),
            },
        )
        .expect("starts");
    assert_eq!(
        bench.kernel.lock().entries.keys().copied().collect::<Vec<_>>(),
        [net("192.0.2.202")]
    );
}

#[test]
fn a_new_end_given_without_a_daemon_keeps_who_asked_first() {
    let bench = Bench::default();
    let mut engine = bench.engine();
    order(&mut engine, Command::Block(block("192.0.2.200")), noon()).expect("blocked");
    drop(engine);
    bench
        .kernel
        .lock()
        .entries
        .get_mut(&net("192.0.2.200"))
        .expect("there")
        .until = None;
    let engine = bench.start(config(""), later(noon(), 1)).expect("starts");
    let list = view::list(&engine.snapshots().borrow());
    assert_eq!(list.sources[0].origin.until, None);
    assert_eq!(list.sources[0].origin.actor, "uid=0 (root) pid=1");
}

#[test]
fn what_the_configuration_no_longer_says_is_not_mistaken_for_somebodys_wish() {
    let bench = Bench::default();
    drop(
        bench
            .start(
                config("allow = [\"198.51.100.0/24\"]\nblock = [\"192.0.2.128/25\"]"),
                noon(),
            )
            .expect("starts"),
    );
    bench
        .start(config("block = [\"192.0.2.128/25\"]"), noon())
        .expect("starts");
    assert_eq!(
        bench.kernel.lock().entries.keys().copied().collect::<Vec<_>>(),
        [net("192.0.2.128/25")]
    );
}

#[test]
fn a_start_that_was_cut_short_does_not_pass_for_removals() {
    let bench = Bench::default();
    let mut engine = bench.engine();
    order(&mut engine, Command::Block(block("192.0.2.200")), noon()).expect("blocked");
    drop(engine);
    *bench.kernel.lock() = crate::support::Fake {
        generation: 2,
        fail_at: Some(1),
        ..crate::support::Fake::default()
    };
    bench
        .start(config(""), later(noon(), 5))
        .expect_err("the first write fails");
    bench.start(config(""), later(noon(), 6)).expect("starts");
    assert!(bench.kernel.lock().entries.contains_key(&net("192.0.2.200")));
}

#[test]
fn detach_takes_everything_off_and_the_next_run_puts_it_back() {
    let bench = Bench::default();
    let mut engine = bench.engine();
    order(&mut engine, Command::Block(block("192.0.2.200")), noon()).expect("blocked");
    let done = order(&mut engine, Command::Detach, noon()).expect("detached");
    assert!(done.message.contains("eth0"), "{done:?}");
    assert!(engine.is_detached() && bench.kernel.lock().links.is_empty() && bench.kernel.lock().entries.is_empty());
    order(&mut engine, Command::Block(block("192.0.2.201")), noon()).expect_err("nothing to block with");
    drop(engine);
    bench.start(config(""), later(noon(), 1)).expect("starts");
    assert!(bench.kernel.lock().entries.contains_key(&net("192.0.2.200")));
}

#[test]
fn a_start_that_cannot_attach_anywhere_leaves_nothing_pinned() {
    let bench = Bench::default();
    bench.kernel.lock().refuse_attach.push("eth0".to_owned());
    let refusal = bench.start(config(""), noon()).expect_err("refused");
    assert!(refusal.error.contains("cannot attach to eth0"), "{refusal}");
    assert!(bench.kernel.lock().addresses.is_empty());
}
