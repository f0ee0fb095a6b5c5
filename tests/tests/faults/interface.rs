//! The interface is renamed, goes down, is made anew, gets another MTU and other queues.

use std::{fs, thread, time::Duration};

use anyhow::{Context as _, Result, ensure};
use lab::{
    alone,
    command::output,
    faults::name,
    guarded::until_within,
    siege::{Held, Section, Siege},
    topology::{BALANCER_INTERFACE, NewLink, WIRE_INTERFACE},
};

use crate::{PATIENCE, events, metric, outcome, status_says};

/// The interface's other name.
const RENAMED: &str = "edge0";

fn ip(siege: &Siege, lines: &str) -> Result<()> {
    siege.topology().balancer().ip(lines)
}

/// The XDP program's id on an interface of the load balancer.
fn program_on(siege: &Siege, interface: &str) -> Result<Option<String>> {
    let mut ip = siege.topology().balancer().command("ip");
    let text = output(ip.args(["-details", "link", "show", "dev", interface]))?;
    let id = text.split("prog/xdp id ").nth(1);
    Ok(id
        .and_then(|rest| rest.split_whitespace().next())
        .map(ToOwned::to_owned))
}

#[test]
fn renamed_down_and_up() -> Result<()> {
    let _turn = alone::wait()?;
    let mut siege = Siege::lay(Section::Faults)?;
    let home = siege.home();
    siege.begin(Held::Blocked)?;

    ip(&siege, &format!("link set {BALANCER_INTERFACE} name {RENAMED}\n"))?;
    until_within(PATIENCE, "the new name is told", || status_says(&home, RENAMED))?;
    ensure!(program_on(&siege, RENAMED)?.is_some());
    let config = fs::read_to_string(home.config())?;
    let named = |interface: &str| format!("interfaces = [\"{interface}\"]");
    let renamed = config.replace(&named(BALANCER_INTERFACE), &named(RENAMED));
    ensure!(renamed != config);
    fs::write(home.config(), &renamed)?;
    home.ask(&["reload"])?;
    until_within(PATIENCE, "the new name is the right one", || {
        Ok(!status_says(&home, RENAMED)?)
    })?;
    outcome(&mut siege, name::RENAMED, "all blocks; the link taken along")?.held()?;

    siege.kill_agent()?;
    ip(&siege, &format!("link set {RENAMED} name {BALANCER_INTERFACE}\n"))?;
    fs::write(home.config(), &config)?;
    siege.start_agent()?;
    siege.nothing_is_lost()?;
    outcome(&mut siege, name::RENAMED_MEANWHILE, "all blocks; the link taken over")?.held()?;

    let before = program_on(&siege, BALANCER_INTERFACE)?;
    siege.begin(Held::Blocked)?;
    ip(&siege, &format!("link set {BALANCER_INTERFACE} down\n"))?;
    thread::sleep(Duration::from_millis(500));
    siege.topology().up_again()?;
    ensure!(program_on(&siege, BALANCER_INTERFACE)? == before && before.is_some());
    thread::sleep(Duration::from_secs(1));
    siege.nothing_is_lost()?;
    ensure!(events(&home, "interface_lost")?.is_empty());
    outcome(&mut siege, name::DOWN, "all blocks; the program stayed on it")?.protected()
}

#[test]
fn removed_and_made_anew() -> Result<()> {
    let _turn = alone::wait()?;
    let mut siege = Siege::lay(Section::Faults)?;
    let home = siege.home();
    for (fault, like) in [
        (name::MADE_ANEW, NewLink::default()),
        (name::OTHER_SHAPE, NewLink { mtu: 3_000, queues: 4 }),
    ] {
        siege.begin(Held::Blocked)?;
        siege.topology().remove_link()?;
        until_within(PATIENCE, "the loss is told", || status_says(&home, "not protected"))?;
        ensure!(metric(&siege, "levee_interface_unprotected{")? > 0.5);
        siege.topology().make_link(like)?;
        siege.wire_is_new();
        ensure!(
            siege.time_left() > Duration::from_millis(500),
            "the machine is too slow: the flood was over before"
        );
        until_within(PATIENCE, "it is protected again", || {
            Ok(!status_says(&home, "not protected")?)
        })?;
        ensure!(metric(&siege, "levee_interface_unprotected{")? < 0.5);
        let back = events(&home, "interface_back")?;
        let seconds = back
            .last()
            .and_then(|event| event["seconds"].as_f64())
            .context("told")?;
        ensure!(metric(&siege, "levee_interface_unprotected_seconds_total{")? + 0.001 > seconds);
        thread::sleep(Duration::from_millis(500));
        siege.nothing_is_lost()?;
        let kept = format!("all blocks; attached again by itself, {seconds:.2} s after the old interface went");
        outcome(&mut siege, fault, &kept)?.protected()?;
    }

    // What the zeros above are worth: where no agent runs, the flood gets in by the new interface, and is seen.
    siege.begin(Held::Blocked)?;
    siege.kill_agent()?;
    siege.topology().remove_link()?;
    siege.topology().make_link(NewLink { mtu: 1_500, queues: 4 })?;
    siege.wire_is_new();
    thread::sleep(Duration::from_millis(500));
    siege.start_agent()?;
    siege.nothing_is_lost()?;
    let came = outcome(&mut siege, name::NOBODY_THERE, "all blocks, once an agent ran")?;
    ensure!(
        came.unprotected > 0,
        "nobody protected it, and the gauge saw nothing: {came}"
    );
    shapes(&mut siege)
}

/// Other sizes and queues of the interface that has four.
fn shapes(siege: &mut Siege) -> Result<()> {
    let home = siege.home();
    let lost = events(&home, "interface_lost")?.len();
    siege.begin(Held::Blocked)?;
    for mtu in [1_280, 3_000, 1_500] {
        ip(siege, &format!("link set {BALANCER_INTERFACE} mtu {mtu}\n"))?;
        thread::sleep(Duration::from_millis(300));
    }
    siege.nothing_is_lost()?;
    outcome(siege, name::MTU, "all blocks; the program stayed on it")?.held()?;
    // A veth that has an XDP program needs a queue for each of those that its other end sends by (drivers/net/veth.c).
    let mut ethtool = siege.topology().wire().command("ethtool");
    output(ethtool.args(["-L", WIRE_INTERFACE, "tx", "1"]))?;
    for queues in ["2", "1", "4"] {
        let mut ethtool = siege.topology().balancer().command("ethtool");
        output(ethtool.args(["-L", BALANCER_INTERFACE, "rx", queues, "tx", "1"]))?;
        thread::sleep(Duration::from_millis(300));
    }
    siege.nothing_is_lost()?;
    ensure!(
        events(&home, "interface_lost")?.len() == lost,
        "none of this takes it off"
    );
    outcome(siege, name::QUEUES, "all blocks; the program stayed on it")?.protected()
}
