//! What is decided for all holds on every node's kernel, once it can.

use agent::tables::ListAction;
use anyhow::{Result, ensure};
use jiff::{SignedDuration, Timestamp};
use lab::{
    alone,
    fleet::{Fleet, PATIENCE, PREFIX},
    guarded::until_within,
};

const BLOCK: Option<ListAction> = Some(ListAction::Block);

#[test]
fn what_all_decided_holds_on_every_node_and_garbage_does_not() -> Result<()> {
    let _turn = alone::wait()?;
    let fleet = Fleet::start(3)?;
    ensure!(fleet.etcd.get(&format!("{PREFIX}format"))?.as_deref() == Some(r#"{"levee":1}"#));
    until_within(PATIENCE, "one of them adds up", || {
        let leader = fleet.etcd.get(&format!("{PREFIX}leader"))?;
        let sums = fleet.etcd.get(&format!("{PREFIX}sums"))?;
        Ok(leader.is_some_and(|name| name.starts_with("lb")) && sums.is_some_and(|sums| sums.contains("\"nodes\":3")))
    })?;

    fleet.decide("192.0.2.0/24", BLOCK, None)?;
    fleet.until_all_hold("192.0.2.0/24", BLOCK)?;
    let soon = Timestamp::now() + SignedDuration::from_secs(3);
    fleet.decide("192.0.2.77/32", BLOCK, Some(soon))?;
    fleet.until_all_hold("192.0.2.77/32", BLOCK)?;

    // A node that has gone mad.
    let decisions = format!("{PREFIX}decisions/human");
    fleet
        .etcd
        .put(&format!("{decisions}/entry/198.51.100.0/24"), b"nonsense")?;
    fleet.etcd.put(&format!("{decisions}/entry/198.51.100.1/24"), b"{}")?;
    fleet
        .etcd
        .put(&format!("{PREFIX}reports/lb9"), b"{\"pressures\":[{}]}")?;
    fleet.etcd.put(&format!("{PREFIX}sums"), b"[1e999]")?;
    fleet.etcd.put(
        &format!("{decisions}/entry/198.51.101.0/24"),
        "x".repeat(100_000).as_bytes(),
    )?;
    for node in &fleet.nodes {
        node.until_warns(&["ignored", "198.51.100.0/24"])?;
        node.until_warns(&["ignored", "198.51.101.0/24"])?;
    }
    let adds_up = fleet.etcd.get(&format!("{PREFIX}leader"))?.unwrap_or_default();
    for node in fleet.nodes.iter().filter(|node| node.name() == adds_up) {
        node.until_warns(&["ignored", "reports/lb9"])?;
    }
    // What is good counts all the same, and what is put right is garbage no more.
    fleet.decide("198.51.100.0/24", BLOCK, None)?;
    fleet.until_all_hold("198.51.100.0/24", BLOCK)?;
    for node in &fleet.nodes {
        until_within(PATIENCE, "it is named no more", || {
            Ok(!node.warnings()?.iter().any(|text| text.contains("198.51.100.0/24")))
        })?;
    }

    fleet.decide("192.0.2.0/24", None, None)?;
    fleet.until_all_hold("192.0.2.0/24", None)?;
    fleet.until_all_hold("192.0.2.77/32", None)?;
    fleet.until_all_hold("198.51.100.0/24", BLOCK)
}

#[test]
fn nothing_is_lost_in_a_partition_whatever_etcd_forgets_meanwhile() -> Result<()> {
    let _turn = alone::wait()?;
    let fleet = Fleet::start(3)?;
    fleet.decide("192.0.2.0/24", BLOCK, None)?;
    fleet.until_all_hold("192.0.2.0/24", BLOCK)?;
    // While everything is seen, forgetting harms nobody.
    fleet.etcd.compact()?;

    fleet.set_link(2, false)?;
    let cut = &fleet.nodes[2];
    cut.until_warns(&["cut off from etcd"])?;
    ensure!(cut.held("192.0.2.0/24")? == BLOCK, "it keeps what it knows");
    for number in 0..20 {
        fleet.decide(&format!("198.51.100.{number}/32"), BLOCK, None)?;
    }
    fleet.decide("192.0.2.0/24", None, None)?;
    fleet.etcd.compact()?;
    fleet.nodes[0].until_holds("192.0.2.0/24", None)?;
    ensure!(cut.held("192.0.2.0/24")? == BLOCK && cut.held("198.51.100.7/32")?.is_none());

    fleet.set_link(2, true)?;
    for number in 0..20 {
        fleet.until_all_hold(&format!("198.51.100.{number}/32"), BLOCK)?;
    }
    fleet.until_all_hold("192.0.2.0/24", None)?;
    cut.until_content()
}

#[test]
fn both_sides_of_a_partition_decide_and_agree_afterwards() -> Result<()> {
    let _turn = alone::wait()?;
    let fleet = Fleet::start(3)?;
    fleet.set_link(2, false)?;
    let [one, _, cut] = &fleet.nodes[..] else {
        anyhow::bail!("three nodes")
    };
    cut.until_warns(&["cut off from etcd"])?;
    one.home().ask(&[
        "block-ip",
        "--fleet",
        "192.0.2.1",
        "--ttl",
        "1h",
        "--reason",
        "one side",
    ])?;
    cut.home().ask(&[
        "block-ip",
        "--fleet",
        "192.0.2.2",
        "--ttl",
        "1h",
        "--reason",
        "other side",
    ])?;
    cut.until_warns(&["the other nodes do not know yet"])?;
    // About the same: the later one holds, on whichever side it was made.
    cut.home().ask(&["block-ip", "--fleet", "192.0.2.3", "--ttl", "1h"])?;
    one.home().ask(&["allow-ip", "--fleet", "192.0.2.3", "--ttl", "1h"])?;
    one.home().ask(&["allow-ip", "--fleet", "192.0.2.4", "--ttl", "1h"])?;
    cut.home().ask(&["block-ip", "--fleet", "192.0.2.4", "--ttl", "1h"])?;
    // What has ended by the time they meet is told to nobody.
    cut.home().ask(&["block-ip", "--fleet", "192.0.2.5", "--ttl", "1s"])?;
    one.until_holds("192.0.2.1/32", BLOCK)?;
    cut.until_holds("192.0.2.2/32", BLOCK)?;
    ensure!(cut.held("192.0.2.1/32")?.is_none() && one.held("192.0.2.2/32")?.is_none());
    std::thread::sleep(std::time::Duration::from_millis(1_200));

    fleet.set_link(2, true)?;
    fleet.until_all_hold("192.0.2.1/32", BLOCK)?;
    fleet.until_all_hold("192.0.2.2/32", BLOCK)?;
    fleet.until_all_hold("192.0.2.3/32", Some(ListAction::Allow))?;
    fleet.until_all_hold("192.0.2.4/32", BLOCK)?;
    fleet.until_all_hold("192.0.2.5/32", None)?;
    cut.until_warns(&["192.0.2.3", "decided later"])?;
    cut.until_warns(&["192.0.2.5", "it has ended"])?;
    let told = fleet.etcd.names(&format!("{PREFIX}decisions/"))?;
    ensure!(told.len() == 4, "{told:?}");
    one.until_content()
}
