//! A short form of the simulated fleet against a real etcd: what must hold whatever the machine is like. Its figures are for
//! docs/scale.md, from `lab fleet-sim`.

use anyhow::{Context as _, Result, ensure};
use lab::{
    alone,
    fleet_sim::{self, Outcome, Phase, Plan},
};

const NODES: u32 = 20;
const BLOCKS: u32 = 10;

fn phase<'a>(outcome: &'a Outcome, name: &str) -> Result<&'a Phase> {
    let found = outcome.phases.iter().find(|phase| phase.name == name);
    found.with_context(|| format!("no phase is called {name}"))
}

/// Everybody who was to know of something knew it.
fn is_known(phase: &Phase, wanted: u64) -> Result<()> {
    let known = phase.known.as_ref().context("nothing was to be known")?;
    ensure!(
        known.wanted == wanted && known.times == wanted,
        "{}: known {} of {} times, {wanted} were wanted",
        phase.name,
        known.times,
        known.wanted
    );
    Ok(())
}

#[test]
fn a_small_fleet_hears_everything_and_writes_nothing_in_calm() -> Result<()> {
    let _turn = alone::wait()?;
    let plan = Plan {
        nodes: NODES,
        addresses: 1_000,
        phase_secs: 5,
        blocks: BLOCKS,
        ..Plan::default()
    };
    let outcome = fleet_sim::run(&plan)?;
    let nodes = u64::from(NODES);
    for calm in ["calm", "calm again"] {
        let calm = phase(&outcome, calm)?;
        ensure!(
            calm.writes == 0 && calm.events == 0 && calm.broken == 0 && calm.keep_alives >= nodes,
            "calm costs keep-alives alone: {calm:?}"
        );
    }
    let blocks = phase(&outcome, "blocks")?;
    is_known(blocks, nodes * u64::from(BLOCKS))?;
    ensure!(
        blocks.writes == i64::from(BLOCKS) && blocks.events == nodes * u64::from(BLOCKS),
        "one write, and one event for each node: {blocks:?}"
    );
    for (attack, addresses) in [("attack", 1), ("carpet", 64)] {
        let attack = phase(&outcome, attack)?;
        is_known(attack, nodes * addresses)?;
        // Who had to begin again tells again who it is and what it sees.
        let again = 3 * attack.broken as i64;
        let most = i64::from(NODES) * 2 + 2 * attack.seconds.ceil() as i64 + again;
        ensure!(
            (i64::from(NODES) * 2..=most).contains(&attack.writes),
            "each node reports once and takes it back, and sums come twice a second at most: {attack:?}"
        );
    }
    let pulsing = phase(&outcome, "pulsing attack")?;
    let most = (i64::from(NODES) + 2) * pulsing.seconds.ceil() as i64;
    ensure!(pulsing.writes <= most, "once a second at most: {pulsing:?}");
    is_known(phase(&outcome, "back")?, nodes / 2)?;
    ensure!(
        outcome.left_behind.is_empty(),
        "left behind: {}",
        outcome.left_behind.join(", ")
    );
    Ok(())
}
