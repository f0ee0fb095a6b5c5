//! The rung `upstream` against BIRD 2: the network above gets the route with its communities, and it is gone afterwards, whoever is
//! killed in between and whatever somebody else does to BIRD's configuration.

use std::{fs, net::IpAddr, time::Duration};

use anyhow::{Result, ensure};
use lab::{
    addresses::vips,
    alone,
    guarded::{end, named, until_within},
    server,
    upward::{PATIENCE, Upward},
};
use xdp_common::Action;

/// SYNs per second: six times what the address may have.
const FLOOD_PPS: u32 = 30_000;

fn two() -> [IpAddr; 2] {
    let all = vips();
    let of = |v4: bool| all.iter().copied().find(|vip| vip.is_ipv4() == v4);
    [of(true), of(false)].map(|vip| vip.unwrap_or_else(|| unreachable!("the lab has both families")))
}

#[test]
fn a_route_is_announced_with_its_community_and_taken_back() -> Result<()> {
    let _turn = alone::wait()?;
    let upward = Upward::start("communities = [\"65535:666\", \"64500:666:1\"]")?;
    for address in two() {
        let name = address.to_string();
        let done = upward
            .lab
            .home()
            .ask_json(&["rung", &name, "upstream", "--ttl", "5m", "--reason", "test"])?;
        ensure!(
            done["targets"].as_array().is_some_and(|targets| targets.len() == 1),
            "{done}"
        );
        ensure!(
            upward.state_of(address)? == "announced",
            "success is only said once BIRD announces it"
        );
        let route = upward.until_there(address)?;
        ensure!(
            route.contains("(65535,666)") && route.contains("(64500, 666, 1)"),
            "{route}"
        );
    }
    let ours = upward.above.ask("show route 198.51.100.0/24")?;
    ensure!(
        ours.contains("198.51.100.0/24"),
        "what the operator announces stays: {ours}"
    );
    for address in two() {
        upward.lab.home().ask(&["rung", &address.to_string(), "auto"])?;
        upward.until_gone(address)?;
        ensure!(upward.state_of(address)? == "absent");
    }
    let events = upward.lab.home().ask(&["--json", "events", "--since", "1h"])?;
    for event in ["upstream_announced", "upstream_withdrawn"] {
        ensure!(events.matches(event).count() == 2, "{event}: {events}");
    }
    Ok(())
}

#[test]
fn a_rule_for_syns_is_announced_as_flowspec() -> Result<()> {
    let _turn = alone::wait()?;
    let upward = Upward::start("announce = \"flowspec\"\nflowspec_rate = \"8M/s\"")?;
    for address in two() {
        upward.lab.home().ask(&["rung", &address.to_string(), "upstream"])?;
        let rule = upward.until_there(address)?;
        // 8 Mbit/s in bytes, as a number of IEEE 754 (RFC 8955, section 7.1).
        ensure!(rule.contains("0x49742400") && rule.contains("tcp flags"), "{rule}");
    }
    upward.lab.home().ask(&["detach"])?;
    for address in two() {
        upward.until_gone(address)?;
    }
    Ok(())
}

#[test]
fn whoever_is_killed_no_route_is_lost_and_none_is_stranded() -> Result<()> {
    let _turn = alone::wait()?;
    let mut upward = Upward::start("")?;
    let [address, other] = two();
    upward.lab.home().ask(&["rung", &address.to_string(), "upstream"])?;
    upward
        .lab
        .home()
        .ask(&["rung", &other.to_string(), "upstream", "--ttl", "3s"])?;
    upward.until_there(address)?;

    upward.lab.kill_agent()?;
    ensure!(upward.route(address)?.is_some(), "the route does not need the agent");
    // Meanwhile one of them ends.
    std::thread::sleep(Duration::from_secs(4));
    upward.lab.restart_agent()?;
    upward.until_gone(other)?;
    upward.until_announced(address)?;

    let topology = upward.lab.topology();
    upward.bird.restart(topology)?;
    upward.until_up()?;
    upward.until_there(address)?;
    upward.until_announced(address)?;

    // Somebody takes the agent's file away: it is written anew.
    fs::remove_file(upward.bird.include())?;
    until_within(PATIENCE, "the file is back", || Ok(upward.bird.include().exists()))?;
    upward.until_there(address)?;
    upward.lab.home().ask(&["rung", &address.to_string(), "auto"])?;
    upward.until_gone(address)
}

/// Ends one of the parts, and brings it back.
type Kill = fn(&mut Upward) -> Result<()>;

/// Who is ended while a flood runs.
const PARTS: [(&str, Kill); 3] = [
    ("the agent", |upward| {
        upward.lab.kill_agent()?;
        let [address, _] = two();
        ensure!(upward.route(address)?.is_some(), "the route does not need the agent");
        upward.lab.restart_agent()
    }),
    ("the load balancer's BIRD", |upward| {
        upward.bird.restart(upward.lab.topology())
    }),
    ("the BIRD of the network above", |upward| {
        upward.above.restart(upward.lab.topology())
    }),
];

#[test]
fn whoever_is_killed_under_flood_it_stays_mitigated_and_nothing_is_stranded() -> Result<()> {
    let _turn = alone::wait()?;
    let mut upward = Upward::start("")?;
    let _server = server::start(upward.lab.topology(), false)?;
    let [address, other] = two();
    for (part, kill) in PARTS {
        upward.lab.home().ask(&["rung", &address.to_string(), "upstream"])?;
        upward
            .lab
            .home()
            .ask(&["rung", &other.to_string(), "upstream", "--ttl", "2s"])?;
        upward.until_there(address)?;

        let port = server::PORT.to_string();
        let flood = upward
            .lab
            .flood(&[address], &["--sources", "spoofed", "--port", &port], FLOOD_PPS, 20)?;
        let before = upward.lab.counts(address)?;
        until_within(PATIENCE, "the flood arrives", || {
            Ok(upward.lab.counts(address)?.since(&before).total(Action::Drop) > 1_000)
        })?;
        kill(&mut upward)?;
        upward.until_up()?;
        upward.until_there(address)?;
        upward.until_announced(address)?;
        upward.until_gone(other)?;
        let met = upward.lab.counts(address)?.since(&before);
        end(flood)?;
        ensure!(
            met.total(Action::Pass) == 0 && met.total(Action::Reply) == 0,
            "while {part} was killed the flood met {}",
            named(&met)
        );

        upward.lab.home().ask(&["rung", &address.to_string(), "auto"])?;
        upward.until_gone(address)?;
        let left = upward.bird.ask("show route protocol levee4")?;
        ensure!(!left.contains(&address.to_string()), "stranded: {left}");
    }
    Ok(())
}

#[test]
fn a_configuration_that_somebody_else_broke_is_left_alone() -> Result<()> {
    let _turn = alone::wait()?;
    let upward = Upward::start("")?;
    let [address, _] = two();
    let sound = fs::read_to_string(upward.bird.config())?;
    let before = fs::read_to_string(upward.bird.include())?;
    fs::write(upward.bird.config(), format!("{sound}\nprotocol nonsense {{\n"))?;
    let output = upward
        .lab
        .home()
        .command(&["rung", &address.to_string(), "upstream"])?
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(1), "{said}");
    ensure!(said.contains("BIRD's configuration is not sound"), "{said}");
    ensure!(
        fs::read_to_string(upward.bird.include())? == before,
        "put back as it was"
    );
    ensure!(upward.bird.is_up()?, "nothing else is touched");
    ensure!(upward.upstream()?["problem"].is_string(), "and it is told");

    fs::write(upward.bird.config(), sound)?;
    upward.until_there(address)?;
    upward.until_announced(address)?;
    ensure!(upward.upstream()?["problem"].is_null());
    Ok(())
}
