//! The rung `upstream`: who may take it, what it is in the kernel, and how little of ours it may take away.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use agent::{
    command::Command,
    config::Config,
    control::{
        api::{RungRequest, SafeView},
        view,
    },
    decide::refusal::Kind,
    engine::Engine,
    tables::{Blackhole, Rung},
    upstream::{Books, Plan, Refused, Wanted, plan, wanted},
};
use jiff::{SignedDuration, Timestamp};

use crate::support::{Bench, address, config, later, noon, order, remove};

const VICTIM: &str = "203.0.113.7";
const OTHER: &str = "203.0.113.8";
const UPSTREAM: &str = "[upstream]\ninclude = \"/etc/bird/levee.conf\"\n";

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

fn put(engine: &mut Engine, target: &str) -> Result<agent::control::api::Done, agent::decide::Refusal> {
    order(engine, Command::SetRung(request(target, Some(Rung::Upstream))), noon())
}

fn rung_of(engine: &Engine, of: &str) -> String {
    let views = view::rungs(&engine.snapshots().borrow());
    let found = views.into_iter().find(|view| view.address == address(of));
    found.expect("protected").rung
}

fn blackhole_of(bench: &Bench, of: &str) -> Option<Blackhole> {
    bench.kernel.lock().addresses[&address(of)].blackhole
}

#[test]
fn nothing_new_gets_in_here_either_and_auto_takes_it_back() {
    let bench = Bench::default();
    let mut engine = bench.start(config(UPSTREAM), noon()).expect("starts");
    let done = put(&mut engine, VICTIM).expect("taken");
    assert!(done.message.contains("on the rung upstream until"), "{done:?}");
    let hole = blackhole_of(&bench, VICTIM).expect("blackholed");
    assert!(!hole.all && hole.until.is_some(), "{hole:?}");
    assert_eq!(rung_of(&engine, VICTIM), "upstream");
    let asked = wanted(&engine.snapshots().borrow());
    assert_eq!(asked.keys().collect::<Vec<_>>(), [&address(VICTIM)]);
    assert!(asked[&address(VICTIM)].by_hand && asked[&address(VICTIM)].reason.as_deref() == Some("T4711"));
    let safe: SafeView = view::safe(&engine.snapshots().borrow(), VICTIM).expect("protected");
    assert!(!safe.safe, "what is dropped above is not seen here: {safe:?}");
    order(&mut engine, Command::SetRung(request(VICTIM, None)), noon()).expect("taken back");
    assert_eq!(blackhole_of(&bench, VICTIM), None);
    assert!(wanted(&engine.snapshots().borrow()).is_empty());
}

#[test]
fn unblocking_takes_it_back_too() {
    let bench = Bench::default();
    let mut engine = bench.start(config(UPSTREAM), noon()).expect("starts");
    put(&mut engine, VICTIM).expect("taken");
    order(&mut engine, Command::Unblock(remove(VICTIM)), noon()).expect("unblocked");
    assert_eq!(
        (blackhole_of(&bench, VICTIM), rung_of(&engine, VICTIM)),
        (None, "limit".to_owned())
    );
    assert!(wanted(&engine.snapshots().borrow()).is_empty());
}

#[test]
fn a_restart_goes_on_with_it_and_its_end_is_its_end() {
    let bench = Bench::default();
    let mut engine = bench.start(config(UPSTREAM), noon()).expect("starts");
    put(&mut engine, VICTIM).expect("taken");
    drop(engine);
    let writes = bench.kernel.lock().writes;
    let mut engine = bench.start(config(UPSTREAM), later(noon(), 10)).expect("starts");
    assert_eq!(bench.kernel.lock().writes, writes, "not one write");
    assert_eq!(rung_of(&engine, VICTIM), "upstream");
    assert_eq!(wanted(&engine.snapshots().borrow()).len(), 1);
    engine.tick(later(noon(), 3_601));
    assert!(wanted(&engine.snapshots().borrow()).is_empty(), "block_ttl is over");
    assert_eq!(blackhole_of(&bench, VICTIM), None);
}

#[test]
fn in_monitor_nobody_is_asked() {
    let bench = Bench::default();
    let mut engine = bench.start(config(UPSTREAM), noon()).expect("starts");
    let monitor = agent::control::api::ModeRequest {
        mode: Some(agent::tables::Mode::Monitor),
        ttl: None,
        reason: None,
        ..agent::control::api::ModeRequest::default()
    };
    order(&mut engine, Command::SetMode(monitor), noon()).expect("set");
    put(&mut engine, VICTIM).expect("taken");
    assert!(wanted(&engine.snapshots().borrow()).is_empty());
}

#[test]
fn guard_rails_are_named_and_forced_past() {
    let bench = Bench::default();
    let mut engine = bench.start(config(""), noon()).expect("starts");
    let refusal = put(&mut engine, VICTIM).expect_err("nobody above");
    assert_eq!(refusal.kind, Kind::Invalid);
    assert!(
        refusal.to_string().contains("does not speak with the network above"),
        "{refusal}"
    );

    let bench = Bench::default();
    let mut engine = bench.start(config(UPSTREAM), noon()).expect("starts");
    let refusal = put(&mut engine, "203.0.113.0/24").expect_err("all of ours");
    assert!(refusal.error.contains("last protected address"), "{refusal}");
    let forced = RungRequest {
        force: true,
        ..request("203.0.113.0/24", Some(Rung::Upstream))
    };
    let done = order(&mut engine, Command::SetRung(forced), noon()).expect("forced");
    assert_eq!(done.targets.len(), 2);
}

/// Ten addresses, of which two are a group.
fn ten() -> Config {
    let ten: Vec<String> = (0..8).map(|last| format!("\"198.51.100.{last}\"")).collect();
    let text = format!(
        "interfaces = [\"eth0\"]\nprotect = [\"{VICTIM}\", \"{OTHER}\", {}]\nmode = \"enforce\"\n\
         [upstream]\ninclude = \"/etc/bird/levee.conf\"\nat_once = 3\nper_hour = 4\n\
         [[group]]\nprefix = \"203.0.113.0/24\"\nsyn_rate = \"50k\"\n",
        ten.join(", ")
    );
    agent::config::load_text(
        &text,
        std::path::Path::new("/etc/levee/agent.toml"),
        &crate::support::host(),
    )
    .unwrap_or_else(|error| panic!("{error}"))
}

fn by(by_hand: bool, since: Timestamp) -> Wanted {
    Wanted {
        actor: if by_hand { "root" } else { "ladder" }.to_owned(),
        reason: None,
        since,
        until: None,
        by_hand,
    }
}

fn planned(wants: &[(&str, bool)], announced: &[&str], books: &Books) -> Plan {
    let wanted: BTreeMap<IpAddr, Wanted> = wants
        .iter()
        .zip(0..)
        .map(|((text, by_hand), n)| (address(text), by(*by_hand, noon().wall + SignedDuration::from_secs(n))))
        .collect();
    let announced: BTreeSet<IpAddr> = announced.iter().map(|text| address(text)).collect();
    plan(&wanted, &announced, books, &ten(), noon().wall)
}

#[test]
fn who_climbs_never_goes_past_the_budget_and_people_did_already() {
    let books = Books::default();
    let four = [
        ("198.51.100.3", false),
        ("198.51.100.1", false),
        ("198.51.100.2", false),
        ("198.51.100.0", false),
    ];
    let plan = planned(&four, &[], &books);
    assert_eq!(plan.announce.len(), 3);
    assert_eq!(
        plan.refused,
        [(address("198.51.100.0"), Refused::AtOnce(3))].into(),
        "who waits longest goes first"
    );
    let by_hand = four.map(|(text, _)| (text, true));
    assert_eq!(planned(&by_hand, &[], &books).announce.len(), 4);
}

#[test]
fn what_is_announced_stays_without_a_new_look_at_the_budget() {
    let directory = tempfile::tempdir().expect("directory");
    let mut books = Books::open(directory.path());
    books.note([address("198.51.100.0"); 4], noon().wall).expect("kept");
    let plan = planned(
        &[("198.51.100.0", false), ("198.51.100.1", false)],
        &["198.51.100.0"],
        &books,
    );
    assert_eq!(plan.announce, [address("198.51.100.0")].into());
    assert!(plan.new.is_empty());
    assert_eq!(plan.refused, [(address("198.51.100.1"), Refused::PerHour(4))].into());
}

#[test]
fn never_all_of_a_group_and_never_what_is_not_ours() {
    let books = Books::default();
    let plan = planned(
        &[(VICTIM, false), (OTHER, false), ("192.0.2.1", true)],
        &["192.0.2.1"],
        &books,
    );
    assert_eq!(plan.announce, [address(VICTIM)].into());
    let group = "203.0.113.0/24".parse().expect("prefix");
    let refused = [
        (address(OTHER), Refused::WholeGroup(group)),
        (address("192.0.2.1"), Refused::NotOurs),
    ];
    assert_eq!(
        plan.refused,
        refused.into(),
        "even where the file holds it, and whoever asks"
    );
}
