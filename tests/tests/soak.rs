//! A short form of the soak: whatever the machine is like, nothing that operators do is refused, attacks are found, nothing is left
//! behind, and no file descriptor or thread is. `lab soak` does an hour of it, and tells what grew.

use anyhow::{Context as _, Result, ensure};
use lab::{
    alone,
    soak::{self, Plan},
};

#[test]
fn a_minute_of_everything_leaves_nothing_behind() -> Result<()> {
    let _turn = alone::wait()?;
    let plan = Plan {
        minutes: 2,
        ..Plan::default()
    };
    let outcome = soak::run(&plan, |_| ())?;
    ensure!(outcome.refused.is_empty(), "refused: {:#?}", outcome.refused);
    ensure!(outcome.left_behind == 0, "{} blocks are left", outcome.left_behind);
    ensure!(outcome.attacks >= 2, "only {} attacks were found", outcome.attacks);
    ensure!(outcome.commands > 40, "only {} commands were given", outcome.commands);
    ensure!(outcome.samples.len() == 6, "{} looks", outcome.samples.len());
    let [_, first, .., last] = &outcome.samples[..] else {
        anyhow::bail!("fewer than three looks")
    };
    for sample in &outcome.samples {
        ensure!(sample.served_ratio > 0.5, "customers were not served: {sample:?}");
    }
    let list = last.fill.iter().find(|(map, _)| map.contains("LIST"));
    let (map, used) = list.context("no map of lists is looked at")?;
    eprintln!("{map}: {used} entries");
    // The first flood's operator has asked `agent explain`, whose program stays loaded. What waits for an answer at that moment has one
    // more; a leak has one for each command.
    ensure!(
        last.descriptors <= first.descriptors + 5,
        "from {} to {} file descriptors",
        first.descriptors,
        last.descriptors
    );
    Ok(())
}
