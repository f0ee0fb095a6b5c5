//! Up and down the ladder: verify comes and goes by itself and by hand, and where proofs cost too much, who comes again is
//! served, who is known at once.

use std::{
    fs,
    net::{IpAddr, SocketAddr},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use lab::{
    addresses::clients,
    alone,
    guarded::{self, Guarded, allow_cookies, named, proofs, stranger, until, until_within},
    levee::Settings,
    server,
    stacks::client,
    topology::{Shape, Topology},
};
use xdp_common::{Reason, map_name};

/// Both addresses together get so many SYNs per second, and each CPU may answer [`ANSWERS`] of them.
const FLOOD_PPS: u32 = 60_000;
const ANSWERS: u32 = 1_000;

fn settings() -> Settings {
    Settings {
        more: format!("[verify]\nhold = \"3s\"\nanswers_per_second = {ANSWERS}\n"),
        ..guarded::settings()
    }
}

fn customer(is_ipv6: bool, number: usize) -> Result<IpAddr> {
    let mut of_family = clients().into_iter().filter(|client| client.is_ipv6() == is_ipv6);
    of_family.nth(number).context("not so many customers")
}

fn visit(lab: &Guarded, from: IpAddr, target: SocketAddr, patience_s: u64) -> Result<Duration> {
    let options = client::Options {
        patience: Duration::from_secs(patience_s),
        ..client::Options::default()
    };
    let (_, took) = client::connect(lab.topology().client(), SocketAddr::new(from, 0), target, options)?;
    Ok(took)
}

#[test]
fn beyond_the_budget_of_cookies_who_comes_again_is_served() -> Result<()> {
    beyond_the_budget(false)
}

#[test]
fn beyond_the_budget_of_challenges_who_comes_again_is_served() -> Result<()> {
    beyond_the_budget(true)
}

fn beyond_the_budget(forwards: bool) -> Result<()> {
    let _turn = alone::wait()?;
    let topology = Topology::shaped(Shape {
        forwards,
        ..Shape::default()
    })?;
    allow_cookies(topology.server())?;
    let _server = server::start(&topology, false)?;
    let lab = Guarded::start(topology, &settings())?;
    let targets = guarded::targets(server::PORT);
    for target in targets {
        // Where this host terminates it saw the handshake; where it forwards, a challenge has to be passed first.
        lab.set_rung(target.ip(), "verify")?;
        visit(&lab, customer(target.is_ipv6(), 0)?, target, 5)?;
        lab.set_rung(target.ip(), "auto")?;
    }
    let flood = lab.flooded(&targets, FLOOD_PPS, 20)?;
    for target in targets {
        let before = lab.counts(target.ip())?;
        let took = visit(&lab, customer(target.is_ipv6(), 0)?, target, 5)?;
        assert!(
            took < Duration::from_millis(700),
            "{target}: a known customer waited {took:?}"
        );
        let mut waits = Vec::new();
        for _ in 0..3 {
            let took = visit(&lab, stranger(target.is_ipv6()), target, 9)?;
            waits.push(took);
        }
        waits.sort_unstable();
        eprintln!("{target}: strangers waited {waits:?}");
        assert!(
            waits[1] < Duration::from_secs(4),
            "{target}: strangers waited {waits:?}"
        );
        let counts = lab.counts(target.ip())?.since(&before);
        assert!(counts.get(Reason::Known) >= 1, "{target}: {}", named(&counts));
        assert!(
            counts.get(Reason::Retry) > counts.get(Reason::ReplyCookie) + counts.get(Reason::ReplyChallenge),
            "{target}: the flood is within the budget: {}",
            named(&counts)
        );
    }
    guarded::end(flood)
}

#[test]
fn the_rung_known_admits_whom_it_knows() -> Result<()> {
    let turn = alone::wait()?;
    let topology = Topology::routed()?;
    allow_cookies(topology.server())?;
    let _server = server::start(&topology, false)?;
    let lab = Guarded::start(topology, &settings())?;
    // Nothing is measured from here on.
    drop(turn);
    for target in guarded::targets(server::PORT) {
        let (known, unknown) = (customer(target.is_ipv6(), 1)?, stranger(target.is_ipv6()));
        visit(&lab, known, target, 5)?;
        lab.set_rung(target.ip(), "known")?;
        let before = lab.counts(target.ip())?;
        visit(&lab, known, target, 5).context("a known customer")?;
        assert!(
            visit(&lab, unknown, target, 2).is_err(),
            "{target}: a stranger was admitted"
        );
        let counts = lab.counts(target.ip())?.since(&before);
        assert!(
            counts.get(Reason::NotKnown) >= 1 && counts.get(Reason::Known) == 1,
            "{target}: {}",
            named(&counts)
        );
        lab.set_rung(target.ip(), "auto")?;
        visit(&lab, unknown, target, 5).context("taken back")?;
    }
    Ok(())
}

#[test]
fn verify_comes_with_the_flood_and_goes_after_it() -> Result<()> {
    let _turn = alone::wait()?;
    let topology = Topology::routed()?;
    allow_cookies(topology.server())?;
    let _server = server::start(&topology, false)?;
    let lab = Guarded::start(topology, &guarded::settings())?;
    let [target, other] = guarded::targets(server::PORT);
    let (before, before_other) = (lab.counts(target.ip())?, lab.counts(other.ip())?);
    visit(&lab, stranger(false), target, 5)?;
    assert_eq!(
        proofs(&lab.counts(target.ip())?.since(&before)),
        0,
        "below its rate an address changes nothing for anyone"
    );
    let mut flood = lab.flooded(&[target], 40_000, 15)?;
    until("`agent rung` says so", || Ok(rung(&lab, target.ip())? == "verify"))?;
    visit(&lab, stranger(true), other, 5)?;
    assert_eq!(
        proofs(&lab.counts(other.ip())?.since(&before_other)),
        0,
        "the attack is on another address"
    );
    assert_eq!(rung(&lab, other.ip())?, "limit");
    flood.stop()?;
    flood.flood_report()?;
    let ended = Instant::now();
    until_within(Duration::from_secs(10), "the address leaves verify", || {
        Ok(rung(&lab, target.ip())? == "limit")
    })?;
    let left = ended.elapsed();
    assert!(left > Duration::from_secs(2), "it was held for {left:?} and not 3 s");
    let before = lab.counts(target.ip())?;
    visit(&lab, stranger(false), target, 5)?;
    let counts = lab.counts(target.ip())?.since(&before);
    assert!(
        proofs(&counts) == 0 && counts.get(Reason::Syn) == 1,
        "{}",
        named(&counts)
    );
    Ok(())
}

#[test]
fn a_forced_rung_holds_until_its_time_is_up() -> Result<()> {
    let _turn = alone::wait()?;
    let topology = Topology::routed()?;
    allow_cookies(topology.server())?;
    let _server = server::start(&topology, false)?;
    let lab = Guarded::start(topology, &guarded::settings())?;
    let [target, other] = guarded::targets(server::PORT);
    lab.home().ask(&[
        "rung",
        &target.ip().to_string(),
        "verify",
        "--ttl",
        "4s",
        "--reason",
        "test",
    ])?;
    lab.set_rung(other.ip(), "observe")?;
    let begun = Instant::now();
    let before = lab.counts(target.ip())?;
    visit(&lab, stranger(false), target, 5)?;
    assert_eq!(proofs(&lab.counts(target.ip())?.since(&before)), 1, "forced in calm");
    until("`agent rung` says so", || Ok(rung(&lab, target.ip())? == "verify"))?;
    assert!(lab.home().ask(&["rung"])?.contains("verify"));

    // Nothing is dropped of what is only observed.
    let before = lab.counts(other.ip())?;
    let sent = lab.flood(&[other.ip()], &["--sources", "spoofed"], 10_000, 1)?;
    let sent = sent.flood_report()?.packets();
    let counts = lab.counts(other.ip())?.since(&before);
    assert!(
        counts.get(Reason::Syn) * 10 > sent * 9 && proofs(&counts) == 0,
        "{} of {sent}",
        named(&counts)
    );

    thread::sleep(Duration::from_millis(4_200).saturating_sub(begun.elapsed()));
    let before = lab.counts(target.ip())?;
    visit(&lab, stranger(false), target, 5)?;
    assert_eq!(proofs(&lab.counts(target.ip())?.since(&before)), 0, "the time is up");
    until("`agent rung` says so", || Ok(rung(&lab, target.ip())? == "limit"))
}

/// Killed in mid-flood, the agent is not missed; back again, it finds everything as it was.
#[test]
fn verify_goes_on_without_the_agent() -> Result<()> {
    let _turn = alone::wait()?;
    let topology = Topology::routed()?;
    allow_cookies(topology.server())?;
    let _server = server::start(&topology, false)?;
    let mut lab = Guarded::start(topology, &guarded::settings())?;
    let targets = guarded::targets(server::PORT);
    let flood = lab.flooded(&targets, 40_000, 20)?;
    lab.kill_agent()?;
    let before = lab.counts(targets[0].ip())?;
    thread::sleep(Duration::from_secs(2));
    for target in targets {
        visit(&lab, stranger(target.is_ipv6()), target, 5).context("while the agent is dead")?;
        lab.home().ask(&["rung", &target.ip().to_string(), "verify"])?;
    }
    assert!(
        lab.since(targets[0].ip(), &before, Reason::ReplyCookie)? > 10_000,
        "the flood was not answered"
    );
    lab.restart_agent()?;
    let answers = format!("levee/v{}/answers", map_name::PIN_VERSION);
    assert_eq!(
        fs::read_dir(lab.topology().lab().bpf_directory().join(answers))?.count(),
        1,
        "what the program before went on to is let go"
    );
    for target in targets {
        assert_eq!(rung(&lab, target.ip())?, "verify");
        visit(&lab, stranger(target.is_ipv6()), target, 5).context("when the agent is back")?;
    }
    guarded::end(flood)
}

/// The rung in force, as `agent rung` tells it.
fn rung(lab: &Guarded, address: IpAddr) -> Result<String> {
    let listed = lab.home().ask_json(&["rung"])?;
    let text = address.to_string();
    let found = listed
        .as_array()
        .context("`agent rung` lists no addresses")?
        .iter()
        .find(|entry| entry["address"] == text.as_str())
        .with_context(|| format!("`agent rung` does not list {address}: {listed}"))?;
    Ok(found["rung"].as_str().context("an address without a rung")?.to_owned())
}
