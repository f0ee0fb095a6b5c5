//! Detection from end to end: floods and crowds in the lab, and what the agent calls them.

use std::{
    net::IpAddr,
    thread,
    time::{Duration, Instant},
};

use agent::detect::{Attack, AttackVector};
use anyhow::{Context as _, Result};
use lab::{
    actor::Actor,
    alone,
    guarded::{self, Guarded, allow_cookies, until},
    levee::Settings,
    server,
    topology::Topology,
};

/// UDP packets per second that an address takes.
const UDP: &str = "[thresholds.udp]\npackets = \"2000/s\"\nbits = \"100M/s\"\n";
/// Attacks are over soon.
const DETECT: &str = "[detect]\nhold = \"3s\"\n";

fn start(settings: Settings) -> Result<Guarded> {
    let topology = Topology::routed()?;
    allow_cookies(topology.server())?;
    let more = format!("{}{UDP}{DETECT}", settings.more);
    Guarded::start(topology, &Settings { more, ..settings })
}

/// Attacks that go on, as `agent status` tells them.
fn attacks(lab: &Guarded) -> Result<Vec<Attack>> {
    let status = lab.home().ask_json(&["status"])?;
    serde_json::from_value(status["detection"]["attacks"].clone())
        .with_context(|| format!("`agent status` tells no attacks: {status}"))
}

/// Waits for the one attack there is to be made of a vector.
fn attack_with(lab: &Guarded, target: IpAddr, vector: AttackVector) -> Result<Attack> {
    let mut found = None;
    until(&format!("{vector} at {target} is an attack"), || {
        let attacks = attacks(lab)?;
        found = attacks.into_iter().find(|attack| attack.vectors.contains(&vector));
        Ok(found.is_some())
    })?;
    let found = found.context("an attack")?;
    assert_eq!(found.subject.to_string(), target.to_string());
    Ok(found)
}

fn has_ended(lab: &Guarded) -> Result<()> {
    until("the attack is over", || Ok(attacks(lab)?.is_empty()))
}

/// The metric of an attack that goes on, and the text that people see.
fn is_shown(lab: &Guarded, target: IpAddr, vector: &str) -> Result<()> {
    let text = lab.home().ask(&["status"])?;
    let line = text
        .lines()
        .find(|line| line.starts_with("Attack"))
        .context("no line of attacks")?;
    assert!(line.contains(&target.to_string()) && line.contains(vector), "{line}");
    Ok(())
}

#[test]
fn a_syn_flood_that_turns_into_udp_is_one_attack_which_ends() -> Result<()> {
    let _turn = alone::wait()?;
    let lab = start(guarded::settings())?;
    let _server = server::start(lab.topology(), false)?;
    let target = guarded::targets(server::PORT)[0].ip();
    assert_eq!(attacks(&lab)?, []);
    assert!(lab.home().ask(&["status"])?.contains("none"));

    let mut flood = lab.flood(&[target], &["--sources", "spoofed", "--port", "80"], 40_000, 15)?;
    let syn = attack_with(&lab, target, AttackVector::Syn)?;
    is_shown(&lab, target, "syn")?;
    flood.stop()?;
    flood.flood_report()?;

    let mut flood = lab.flood(&[target], &["--sources", "spoofed", "--udp", "--port", "0"], 40_000, 15)?;
    let udp = attack_with(&lab, target, AttackVector::Udp)?;
    assert_eq!(
        (udp.id, udp.started),
        (syn.id, syn.started),
        "it changed its method, and is the same attack"
    );
    flood.stop()?;
    flood.flood_report()?;
    has_ended(&lab)
}

#[test]
fn in_monitor_mode_a_flood_is_detected_too() -> Result<()> {
    let _turn = alone::wait()?;
    let lab = start(Settings {
        mode: "monitor",
        ..guarded::settings()
    })?;
    let target = guarded::targets(server::PORT)[1].ip();
    let mut flood = lab.flood(&[target], &["--sources", "spoofed", "--port", "80"], 40_000, 15)?;
    attack_with(&lab, target, AttackVector::Syn)?;
    flood.stop()?;
    flood.flood_report()?;
    has_ended(&lab)
}

/// Ten times as many customers as before, up to what the addresses are allowed: all of them are real.
#[test]
fn a_crowd_of_customers_is_no_attack() -> Result<()> {
    let _turn = alone::wait()?;
    let target = guarded::targets(server::PORT)[0].ip();
    let lab = start(Settings {
        address_syn_rate: 1_500,
        address_syn_burst: 1_500,
        ..guarded::settings()
    })?;
    let _server = server::start(lab.topology(), false)?;
    let to = target.to_string();
    let crowd = |rate: &'static str, seconds: &'static str| {
        Actor::load(lab.topology(), &["--open", rate, "--seconds", seconds, "--target", &to])
    };
    crowd("100", "3")?.load_report()?;
    let busy = crowd("1200", "8")?;
    let since = Instant::now();
    while since.elapsed() < Duration::from_secs(8) {
        assert_eq!(attacks(&lab)?, []);
        thread::sleep(Duration::from_millis(200));
    }
    let report = busy.load_report()?;
    assert!(report.success_ratio > 0.99, "{report:?}");
    Ok(())
}
