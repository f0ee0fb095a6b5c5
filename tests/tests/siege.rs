//! The siege, and what was done to the agent in its middle.

use std::{thread, time::Duration};

use anyhow::Result;
use lab::{
    alone,
    guarded::until,
    siege::{Held, Section, Siege},
};

/// Long enough for a few thousand packets of the flood, had anything let them by.
const MEANWHILE: Duration = Duration::from_millis(500);

#[test]
fn killed_in_mid_flood_and_started_again_no_packet_passes() -> Result<()> {
    let _turn = alone::wait()?;
    let mut siege = Siege::lay(Section::Killed)?;
    for held in [Held::Blocked, Held::Blackholed] {
        siege.begin(held)?;
        siege.kill_agent()?;
        thread::sleep(MEANWHILE);
        siege.start_agent()?;
        siege.nothing_is_lost()?;
        thread::sleep(MEANWHILE);
        let fault = format!("killed in mid flood, started again ({held})");
        siege.outcome(&fault, "list, blocks, blackholes")?.held()?;
    }
    Ok(())
}

#[test]
fn the_gauge_counts_what_is_not_protected() -> Result<()> {
    let _turn = alone::wait()?;
    let mut siege = Siege::lay(Section::Own)?;
    for held in [Held::Blocked, Held::Blackholed] {
        siege.begin(held)?;
        siege.home().ask(&["detach"])?;
        until("the gauge counts", || Ok(siege.unprotected_so_far()? > 100))?;
        let outcome = siege.outcome(&format!("protection taken off ({held})"), "nothing")?;
        assert!(outcome.unprotected > 100, "a gauge that cannot fail: {outcome}");
        assert!(outcome.held().is_err() && outcome.protected().is_err());
        siege.start_agent()?;
        siege.nothing_is_lost()?;
    }
    Ok(())
}
