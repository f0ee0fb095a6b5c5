//! kill -9 of every part, names that two have, a store that is full, a store that has lost everything.

use agent::tables::ListAction;
use anyhow::{Result, ensure};
use lab::{
    alone,
    etcd::Settings,
    fleet::{Fleet, PATIENCE, PREFIX},
    guarded::until_within,
};

const BLOCK: Option<ListAction> = Some(ListAction::Block);

#[test]
fn whoever_is_killed_comes_back_and_knows_all() -> Result<()> {
    let _turn = alone::wait()?;
    let mut fleet = Fleet::start(3)?;
    fleet.decide("192.0.2.0/24", BLOCK, None)?;
    fleet.until_all_hold("192.0.2.0/24", BLOCK)?;

    fleet.kill_etcd()?;
    for node in &fleet.nodes {
        node.until_warns(&["cut off from etcd", "keeps what it knows"])?;
        ensure!(node.held("192.0.2.0/24")? == BLOCK);
    }
    // An agent that begins while nobody answers does not let go of anything.
    fleet.nodes[1].kill()?;
    fleet.nodes[1].start()?;
    fleet.nodes[1].until_warns(&["cut off from etcd"])?;
    ensure!(fleet.nodes[1].held("192.0.2.0/24")? == BLOCK);
    fleet.restart_etcd()?;
    fleet.until_all_are_up()?;
    fleet.decide("192.0.2.0/24", None, None)?;
    fleet.until_all_hold("192.0.2.0/24", None)?;

    // One that is killed has its name back at once, though its lease still lives.
    fleet.nodes[2].kill()?;
    fleet.decide("198.51.100.0/24", BLOCK, None)?;
    fleet.nodes[0].until_holds("198.51.100.0/24", BLOCK)?;
    fleet.nodes[2].start()?;
    fleet.until_all_hold("198.51.100.0/24", BLOCK)?;
    fleet.until_all_are_up()?;

    // One that is stopped says so; another one adds up then.
    let leader = fleet.etcd.get(&format!("{PREFIX}leader"))?.unwrap_or_default();
    for node in fleet.nodes.iter_mut().filter(|node| node.name() == leader) {
        node.stop()?;
    }
    ensure!(
        fleet.etcd.get(&format!("{PREFIX}nodes/{leader}"))?.is_none(),
        "it is gone at once"
    );
    until_within(PATIENCE, "another one adds up", || {
        Ok(fleet
            .etcd
            .get(&format!("{PREFIX}leader"))?
            .is_some_and(|name| name != leader))
    })
}

#[test]
fn of_two_with_one_name_the_second_one_says_so_and_follows() -> Result<()> {
    let _turn = alone::wait()?;
    let mut fleet = Fleet::prepare(2, |_| Ok(Settings::default()))?;
    fleet.nodes[0].configure("")?;
    fleet.nodes[0].start()?;
    fleet.nodes[0].until_content()?;
    until_within(PATIENCE, "the first is there", || fleet.is_there(&fleet.nodes[0]))?;
    fleet.nodes[1].configure("node = \"lb0\"\n")?;
    fleet.nodes[1].start()?;
    fleet.nodes[1].until_warns(&["another agent is called lb0 too", "fleet.node"])?;
    fleet.decide("192.0.2.0/24", BLOCK, None)?;
    fleet.until_all_hold("192.0.2.0/24", BLOCK)?;
    ensure!(fleet.nodes[0].warnings()?.is_empty());
    // Given a name of its own by a reload, it is content.
    fleet.nodes[1].configure("")?;
    fleet.nodes[1].home().ask(&["reload"])?;
    fleet.until_all_are_up()?;
    // And without a fleet it is alone: what was decided stays in force.
    fleet.nodes[1].configure("endpoints = []\n")?;
    fleet.nodes[1].home().ask(&["reload"])?;
    until_within(PATIENCE, "it has left", || Ok(!fleet.is_there(&fleet.nodes[1])?))?;
    fleet.nodes[1].until_holds("192.0.2.0/24", BLOCK)
}

#[test]
fn a_full_store_is_told_and_survived() -> Result<()> {
    let _turn = alone::wait()?;
    let settings = Settings {
        more: vec!["--quota-backend-bytes=1048576".to_owned()],
        ..Settings::default()
    };
    let mut fleet = Fleet::prepare(1, |_| Ok(settings))?;
    fleet.nodes[0].configure("")?;
    fleet.nodes[0].start()?;
    fleet.until_all_are_up()?;
    fleet.decide("192.0.2.0/24", BLOCK, None)?;
    fleet.until_all_hold("192.0.2.0/24", BLOCK)?;
    let filling = "x".repeat(100_000);
    for number in 0..30 {
        if fleet.etcd.put(&format!("/other/{number}"), filling.as_bytes()).is_err() {
            break;
        }
    }
    ensure!(fleet.etcd.ctl(&["alarm", "list"])?.contains("NOSPACE"));
    // It comes anew, and cannot say that it is there.
    fleet.nodes[0].kill()?;
    fleet.nodes[0].start()?;
    fleet.nodes[0].until_warns(&["cut off from etcd", "store is full"])?;
    fleet.nodes[0].until_holds("192.0.2.0/24", BLOCK)?;

    fleet.etcd.ctl(&["del", "--prefix", "/other/"])?;
    fleet.etcd.compact()?;
    fleet.etcd.ctl(&["defrag"])?;
    fleet.etcd.ctl(&["alarm", "disarm"])?;
    fleet.until_all_are_up()
}
