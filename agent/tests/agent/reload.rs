//! Reload: what changed is told, all of it is applied or none.

use crate::support::{Bench, address, block, config, host, net, noon, order};
use agent::{
    command::Command,
    config::Config,
    control::api::{Done, ModeRequest},
    decide::{Refusal, refusal::Kind, reload::difference},
    engine::Engine,
    tables::{Method, Mode, Rung},
};

fn reload(engine: &mut Engine, config: Config) -> Result<Done, Refusal> {
    order(engine, Command::Reload(Box::new(config)), noon())
}

fn parsed(text: &str) -> Config {
    agent::config::load_text(text, std::path::Path::new("/etc/levee/agent.toml"), &host())
        .unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn every_difference_has_its_line() {
    let old = parsed("interfaces = ['eth0']\nprotect = ['203.0.113.7', '203.0.113.8']\nallow = ['192.0.2.0/24']");
    let new = parsed(
        "interfaces = ['eth1']\nmode = 'enforce'\nprotect = ['203.0.113.7', '203.0.113.9']\nblock = ['198.51.100.7']\nblock_ttl = '2h'
         [thresholds.source]\nsyn_rate = '2k/s'\n[[address]]\naddress = '203.0.113.7'\nsyn_rate = 5\n[log]\nlevel = 'debug'",
    );
    assert_eq!(
        difference(&old, &new).changes,
        [
            "mode: monitor -> enforce",
            "block_ttl: 1h -> 2h",
            "thresholds.source: 1k/s burst 2k -> 2k/s burst 2k",
            "log.level: info -> debug",
            "interfaces: - eth0",
            "interfaces: + eth1",
            "protect: - 203.0.113.8",
            "address 203.0.113.7: thresholds.address -> 5/s burst 100k",
            "protect: + 203.0.113.9",
            "allow: - 192.0.2.0/24",
            "block: + 198.51.100.7",
        ]
    );
    assert!(difference(&old, &old).changes.is_empty());
}

#[test]
fn what_changes_about_verify_is_told_and_applied() {
    let bench = Bench::default();
    let mut engine = bench.engine();
    let new = config(
        "[verify]\nhold = \"1m\"\nanswers_per_second = \"5k\"\nknown_for = \"2h\"
         [[address]]\naddress = \"203.0.113.7\"\nverify = \"challenge\"\nrung = \"limit\"",
    );
    let done = reload(&mut engine, new).expect("reloads");
    assert_eq!(
        done.changes,
        [
            "verify.hold: 10s -> 1m",
            "verify.answers_per_second: 1M/s -> 5k/s",
            "verify.known_for: 1h -> 2h",
            "address 203.0.113.7: verify by verify.method -> challenge",
            "address 203.0.113.7: rung at most verify -> limit",
        ]
    );
    let fake = bench.kernel.lock();
    assert_eq!(
        fake.settings
            .answers_per_second
            .map(agent::config::units::Rate::per_second),
        Some(5_000)
    );
    let ladder = fake.addresses[&address("203.0.113.7")].ladder;
    assert_eq!((ladder.method, ladder.most), (Method::Challenge, Rung::Limit));
    assert_eq!(ladder.hold.as_secs(), 60);
}

#[test]
fn a_reload_moves_everything_at_once() {
    let bench = Bench::default();
    let mut engine = bench.engine();
    order(&mut engine, Command::Block(block("192.0.2.200")), noon()).expect("blocked");
    let new = parsed("interfaces = ['eth1']\nmode = 'monitor'\nprotect = ['203.0.113.9']\nblock = ['198.51.100.7']");
    let done = reload(&mut engine, new).expect("reloads");
    assert_eq!(done.message, "Reloaded: 7 changes.", "{done:?}");
    let fake = bench.kernel.lock();
    assert_eq!(fake.links.keys().collect::<Vec<_>>(), ["eth1"]);
    assert_eq!(
        fake.addresses.keys().copied().collect::<Vec<_>>(),
        [address("203.0.113.9")]
    );
    assert_eq!(
        fake.entries.keys().copied().collect::<Vec<_>>(),
        [net("192.0.2.200"), net("198.51.100.7")]
    );
    assert_eq!(fake.settings.mode, Mode::Monitor);
}

#[test]
fn nothing_new_is_said_so() {
    let bench = Bench::default();
    let mut engine = bench.engine();
    let done = reload(&mut engine, config("")).expect("reloads");
    assert_eq!(
        (done.message.as_str(), done.changes.len()),
        ("Reloaded: nothing in the configuration has changed.", 0)
    );
}

#[test]
fn a_failure_in_the_middle_changes_nothing() {
    let bench = Bench::default();
    let mut engine = bench.engine();
    let addresses = bench.kernel.lock().addresses.clone();
    let links = bench.kernel.lock().links.clone();
    let new = || parsed("interfaces = ['eth1']\nmode = 'monitor'\nprotect = ['203.0.113.9']\nblock = ['198.51.100.7']");
    for offset in 1..=4 {
        let writes = bench.kernel.lock().writes;
        bench.kernel.lock().fail_at = Some(writes + offset);
        assert_eq!(reload(&mut engine, new()).expect_err("fails").kind, Kind::Failed);
        let fake = bench.kernel.lock();
        assert_eq!(
            (&fake.addresses, &fake.links, fake.entries.len()),
            (&addresses, &links, 0),
            "write {offset}"
        );
        assert_eq!(fake.settings.mode, Mode::Enforce);
    }
    bench.kernel.lock().refuse_attach.push("eth1".to_owned());
    reload(&mut engine, new()).expect_err("eth1 refuses");
    assert_eq!(bench.kernel.lock().links, links);
    bench.kernel.lock().refuse_attach.clear();
    reload(&mut engine, new()).expect("now it works");
}

#[test]
fn what_needs_a_restart_is_named_and_nothing_is_applied() {
    let bench = Bench::default();
    let mut engine = bench.engine();
    let new = config("block = ['198.51.100.7']\n[limits]\naddresses = 2048\n[control]\nsocket = '/run/other.sock'");
    let refusal = reload(&mut engine, new).expect_err("needs a restart");
    assert_eq!(refusal.kind, Kind::Conflict);
    assert_eq!(
        refusal.error,
        "nothing was changed: control.socket, limits.addresses cannot change while the agent runs"
    );
    assert!(bench.kernel.lock().entries.is_empty());
}

#[test]
fn what_was_set_at_run_time_stays_and_is_pointed_out() {
    let bench = Bench::default();
    let mut engine = bench.engine();
    let request = ModeRequest {
        mode: Some(Mode::Monitor),
        ttl: None,
        reason: None,
        ..ModeRequest::default()
    };
    order(&mut engine, Command::SetMode(request), noon()).expect("set");
    let done = reload(&mut engine, config("block_ttl = '5m'")).expect("reloads");
    assert_eq!(done.changes, ["block_ttl: 1h -> 5m"]);
    assert!(done.warnings[0].contains("the mode stays monitor"), "{done:?}");
    assert_eq!(bench.kernel.lock().settings.mode, Mode::Monitor);
}
