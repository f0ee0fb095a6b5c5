//! A flood that is thin on every node and too much in sum is an attack on all of them; the same at one node alone is none.

use std::{
    cell::RefCell,
    thread,
    time::{Duration, Instant},
};

use agent::detect::Attack;
use anyhow::{Context as _, Result, ensure};
use lab::{
    alone,
    etcd::Settings,
    fleet::{Fleet, Node, PATIENCE, VIP},
    guarded::until_within,
};
use serde_json::Value;

/// SYNs per second that the address may take at each node: from half of that on one node by itself calls it an attack.
const THRESHOLD: f64 = 5_000.0;
/// To each of the nodes: 40 % of it, which is 120 % at all three.
const SHARE_PPS: u32 = 2_000;
/// Attacks are over soon.
const MORE: &str = "\n[thresholds.address]\nsyn_rate = 5000\nsyn_burst = 5000\n\n[detect]\nhold = \"3s\"\n";
/// A node alone is flooded for so long; a fleet's attack is found many times faster.
const ALONE: Duration = Duration::from_secs(5);

/// Attacks that go on at a node.
fn attacks(node: &Node) -> Result<Vec<Attack>> {
    let listed: Vec<Attack> = serde_json::from_value(node.home().ask_json(&["attacks"])?).context("attacks")?;
    Ok(listed.into_iter().filter(|attack| attack.ended.is_none()).collect())
}

/// What `agent fleet top` says of the address at a node; `Null` for nothing.
fn sum(node: &Node) -> Result<Value> {
    let top = node.home().ask_json(&["fleet", "top", "--once"])?;
    let sums = top["sums"].as_array().context("sums")?;
    let ours = sums.iter().find(|sum| sum["address"] == VIP);
    Ok(ours.cloned().unwrap_or_default())
}

/// What `agent safe` answers, whether by yes or by no.
fn safe(node: &Node) -> Result<(Option<i32>, Value)> {
    let output = node.home().command(&["--json", "safe", VIP])?.output()?;
    let answer = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("`agent safe` says {:?}", String::from_utf8_lossy(&output.stderr)))?;
    Ok((output.status.code(), answer))
}

/// How often all nodes together told of a fleet-wide attack.
fn told(fleet: &Fleet) -> Result<usize> {
    let mut count = 0;
    for node in &fleet.nodes {
        let events = node.home().ask_json(&["events"])?;
        let events = events.as_array().context("events")?;
        count += events.iter().filter(|event| event["event"] == "fleet_attack").count();
    }
    Ok(count)
}

fn start() -> Result<Fleet> {
    let mut fleet = Fleet::prepare(3, |_| Ok(Settings::default()))?;
    for node in &mut fleet.nodes {
        node.configure(MORE)?;
        node.start()?;
    }
    fleet.until_all_are_up()?;
    fleet.until_all_are_counted()?;
    Ok(fleet)
}

#[test]
fn what_is_thin_on_every_node_is_an_attack_on_all_and_on_one_alone_none() -> Result<()> {
    let _turn = alone::wait()?;
    let fleet = start()?;
    one_alone_is_not_attacked(&fleet)?;
    until_within(PATIENCE, "nobody reports it any more", || {
        fleet
            .nodes
            .iter()
            .try_fold(true, |none, node| Ok(none && sum(node)?.is_null()))
    })?;
    all_are_attacked(&fleet)?;
    until_within(PATIENCE, "the attack is over everywhere", || {
        fleet
            .nodes
            .iter()
            .try_fold(true, |none, node| Ok(none && attacks(node)?.is_empty()))
    })?;
    // Detection is content with half of the threshold; the word for all comes only over the whole of it, which a flood that is
    // stopped as soon as it was found need not have reached.
    ensure!(told(&fleet)? == 1, "it is told once");
    Ok(())
}

fn one_alone_is_not_attacked(fleet: &Fleet) -> Result<()> {
    let (most, reports) = fleet.flooded(&[1], SHARE_PPS, || {
        let (start, mut most) = (Instant::now(), 0.0f64);
        while start.elapsed() < ALONE {
            for node in &fleet.nodes {
                let found = attacks(node)?;
                ensure!(found.is_empty(), "{}: {found:?}", node.name());
            }
            // Another node sees it by the sums: it is no secret, and still none.
            most = most.max(sum(&fleet.nodes[2])?["unproven_pps"].as_f64().unwrap_or_default());
            thread::sleep(Duration::from_millis(100));
        }
        Ok(most)
    })?;
    println!(
        "alone: {:.0} packets per second, {most:.0} in the sum",
        reports[0].offered_pps()
    );
    ensure!(most > THRESHOLD / 4.0, "so much of it was seen: {most:.0}");
    ensure!(told(fleet)? == 0, "no fleet-wide attack");
    Ok(())
}

fn all_are_attacked(fleet: &Fleet) -> Result<()> {
    let seen = RefCell::new(String::new());
    let is_attacked = |node: &Node| -> Result<bool> {
        let found = attacks(node)?;
        let is_so = found.iter().any(|attack| {
            attack.subject.to_string() == VIP && attack.fleet.is_some_and(|elsewhere| elsewhere.unproven > 0.0)
        });
        let (code, answer) = safe(node)?;
        *seen.borrow_mut() = format!("{found:?}\n{code:?} {answer}\n{}", sum(node)?);
        let why = answer["why"].as_str().unwrap_or_default();
        let is_unsafe = code == Some(1) && why.contains("arrive in the fleet, at this node and 2 others");
        Ok(is_so && is_unsafe && answer["addresses"][0]["rung"] == "verify")
    };
    let (sums, reports) = fleet.flooded(&[0, 1, 2], SHARE_PPS, || {
        for node in &fleet.nodes {
            let what = format!("{} has the fleet's attack, and is in verify", node.name());
            until_within(PATIENCE, &what, || is_attacked(node))
                .with_context(|| seen.take())
                .with_context(|| node.trouble())?;
        }
        fleet.nodes.iter().map(sum).collect::<Result<Vec<Value>>>()
    })?;
    for (sum, report) in sums.iter().zip(&reports) {
        println!("{:.0} packets per second at this node; {sum}", report.offered_pps());
        ensure!(report.offered_pps() < THRESHOLD / 2.0, "it was thin: {report:?}");
        ensure!(sum["nodes"] == 3, "{sum}");
        ensure!(sum["attacked"] == 0, "no node finds it by itself: {sum}");
        let all = sum["unproven_pps"].as_f64().context("a rate")?;
        ensure!(all > THRESHOLD / 2.0, "{sum}");
    }
    Ok(())
}
