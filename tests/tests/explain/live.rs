//! The command against a running agent, on the wire, under a flood, and with the agent dead.

use std::net::SocketAddr;

use agent::tables::Counts;
use anyhow::{Context as _, Result, ensure};
use lab::{
    alone,
    guarded::{self, Guarded, allow_cookies, ghost, named, until},
    interface,
    raw::Raw,
    segment::Segment,
    server,
    topology::{BALANCER_INTERFACE, Topology, WIRE_INTERFACE},
};
use serde_json::Value;
use xdp_common::Reason;

/// What the command says of a SYN, and that asking moved none of the address's counters for connections.
fn explain(lab: &Guarded, from: SocketAddr, to: SocketAddr) -> Result<Value> {
    let port = to.port().to_string();
    let arguments = ["explain", &from.ip().to_string(), &to.ip().to_string(), "--port", &port];
    lab.home().ask_json(&arguments)
}

/// A SYN is explained, then sent: it meets what was said, and the question moved no counter.
fn explained_and_met(lab: &Guarded, raw: &Raw, from: SocketAddr, to: SocketAddr, reason: Reason) -> Result<Value> {
    let before = lab.counts(to.ip())?;
    let told = explain(lab, from, to)?;
    ensure!(told["reason"] == reason.name(), "{to}: {told:#}");
    ensure!(
        syns(&lab.counts(to.ip())?) == syns(&before),
        "{to}: the question moved a counter of SYNs"
    );
    raw.send(&Segment::syn(from, to).frame())?;
    until(&format!("a SYN to {to} meets {}", reason.name()), || {
        Ok(lab.since(to.ip(), &before, reason)? == 1)
    })
    .with_context(|| match lab.counts(to.ip()) {
        Ok(counts) => format!("it met {}", named(&counts.since(&before))),
        Err(error) => format!("{error:#}"),
    })?;
    Ok(told)
}

/// Everything that a SYN can meet; neighbour discovery goes on meanwhile.
fn syns(counts: &Counts) -> Counts {
    let mut syns = Counts::default();
    for (reason, packets) in counts.nonzero().filter(|(reason, _)| *reason != Reason::Icmp) {
        syns.add(reason, packets);
    }
    syns
}

/// Interfaces with the program, as the agent tells them, and its id there, as the kernel does.
fn attached(lab: &Guarded) -> Result<(Value, String)> {
    let mut show = lab.topology().balancer().command("ip");
    show.args(["-details", "link", "show", "dev", BALANCER_INTERFACE]);
    let shown = lab::command::output(&mut show)?;
    let program = shown
        .split("prog/xdp")
        .nth(1)
        .map(|rest| rest.lines().next().unwrap_or_default().to_owned());
    Ok((
        lab.home().ask_json(&["status"])?["interfaces"].clone(),
        program.unwrap_or_default(),
    ))
}

fn started() -> Result<(Guarded, Raw)> {
    let topology = Topology::routed()?;
    allow_cookies(topology.server())?;
    interface::compute_checksums(topology.balancer(), BALANCER_INTERFACE)?;
    let raw = Raw::open(topology.wire(), WIRE_INTERFACE)?;
    let lab = Guarded::start(topology, &guarded::settings())?;
    Ok((lab, raw))
}

#[test]
fn the_command_says_what_a_packet_on_the_wire_meets() -> Result<()> {
    let turn = alone::wait()?;
    let (mut lab, raw) = started()?;
    let _server = server::start(lab.topology(), false)?;
    drop(turn);
    // Before the agent has seen the server, cookies promise it no options.
    until("the program knows the server's listeners", || {
        let told = lab.home().ask_json(&["listeners"])?;
        let listeners = told["listeners"].as_array().context("no listeners")?;
        let knows = |to: &SocketAddr| {
            let address = to.ip().to_string();
            listeners
                .iter()
                .any(|listener| listener["address"] == *address && listener["port"] == to.port())
        };
        Ok(guarded::targets(server::PORT).iter().all(knows))
    })?;
    let before = attached(&lab)?;
    for to in guarded::targets(server::PORT) {
        let from = || SocketAddr::new(ghost(to.is_ipv6()), 50_000);
        let (address, source) = (to.ip().to_string(), from());
        let told = explained_and_met(&lab, &raw, from(), to, Reason::Syn)?;
        ensure!(told["carried_out"] == true && told["action"] == "pass", "{told:#}");
        lab.home()
            .ask(&["block-ip", &source.ip().to_string(), "--reason", "T4711"])?;
        // Sources on a list count for nobody's address: only what is told is looked at.
        let told = explain(&lab, source, to)?;
        ensure!(
            told["reason"] == "blocked" && told.to_string().contains("T4711"),
            "{told:#}"
        );
        lab.home().ask(&["unblock-ip", &source.ip().to_string()])?;
        lab.set_rung(to.ip(), "verify")?;
        explained_and_met(&lab, &raw, from(), to, Reason::ReplyCookie)?;
        let closed = SocketAddr::new(to.ip(), 9);
        explained_and_met(&lab, &raw, from(), closed, Reason::NoListener)?;
        lab.set_rung(to.ip(), "known")?;
        explained_and_met(&lab, &raw, from(), to, Reason::NotKnown)?;
        lab.set_rung(to.ip(), "auto")?;
        lab.home().ask(&["block-ip", &address])?;
        explained_and_met(&lab, &raw, from(), to, Reason::Blackhole)?;
        lab.home().ask(&["unblock-ip", &address])?;
        lab.home().ask(&["mode", "set", "monitor"])?;
        lab.set_rung(to.ip(), "known")?;
        let told = explained_and_met(&lab, &raw, from(), to, Reason::NotKnown)?;
        ensure!(
            told["carried_out"] == false && told.to_string().contains("monitor"),
            "{told:#}"
        );
        lab.home().ask(&["mode", "set", "enforce"])?;
    }
    ensure!(attached(&lab)? == before, "asking attached something");
    lab.kill_agent()?;
    for to in guarded::targets(server::PORT) {
        let from = SocketAddr::new(ghost(to.is_ipv6()), 50_000);
        explained_and_met(&lab, &raw, from, to, Reason::NotKnown).context("with the agent dead")?;
    }
    refusals(&lab)
}

/// Wrong questions have exit code 2, with and without an agent.
fn refusals(lab: &Guarded) -> Result<()> {
    let address = &guarded::targets(server::PORT)[0].ip().to_string();
    for arguments in [
        vec!["2001:db8::9", address],
        vec![address, "192.0.2.9"],
        vec!["192.0.2.9", "224.0.0.1"],
        vec!["192.0.2.9", address, "--port", "0"],
        vec!["192.0.2.9", address, "--proto", "gre"],
        vec!["192.0.2.9", address, "--proto", "icmp", "--port", "80"],
        vec!["192.0.2.9", address, "--interface", "lo"],
    ] {
        let output = lab.home().command(&[&["explain"], &arguments[..]].concat())?.output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.code() == Some(2) && said.contains("error:"),
            "{arguments:?}: {said}"
        );
    }
    Ok(())
}

#[test]
fn it_answers_while_a_flood_runs() -> Result<()> {
    let _turn = alone::wait()?;
    let (lab, _raw) = started()?;
    let _server = server::start(lab.topology(), false)?;
    let targets = guarded::targets(server::PORT);
    let flood = lab.flooded(&targets, 6 * guarded::ADDRESS_SYN_RATE, 20)?;
    for to in targets {
        let stranger = SocketAddr::new(ghost(to.is_ipv6()), 50_000);
        let told = explain(&lab, stranger, to)?;
        let reason = told["reason"].as_str().unwrap_or_default();
        ensure!(["cookie", "retry"].contains(&reason), "{told:#}");
        ensure!(
            told.to_string().contains("because the address was over its rate"),
            "{told:#}"
        );
        let text = lab
            .home()
            .ask(&["explain", &stranger.ip().to_string(), &to.ip().to_string()])?;
        ensure!(text.contains("rung verify") && text.contains("SYN/s now"), "{text}");
    }
    guarded::end(flood)
}
