//! The kernel's tables are full: what does not fit is refused by a word that names the setting, and nothing is half done.

use anyhow::{Context as _, Result, ensure};
use lab::{
    actor::Actor,
    alone,
    faults::name,
    levee::Settings,
    siege::{Held, Section, Siege},
};

use crate::{outcome, restart, try_ask};

fn small() -> Settings {
    Settings {
        address_syn_rate: 2_000,
        address_syn_burst: 2_000,
        more: "[limits]\naddresses = 20\nlist_entries = 16\nsources = 1024\nknown_sources = 1024\n".to_owned(),
        ..Settings::default()
    }
}

#[test]
fn tables_full() -> Result<()> {
    let _turn = alone::wait()?;
    let mut siege = Siege::lay_with(Section::Faults, &small())?;
    let home = siege.home();
    siege.begin(Held::Blocked)?;

    let refused = (0..20).find_map(|number| {
        let prefix = format!("198.19.{number}.0/24");
        let outcome = try_ask(&home, &["block-ip", &prefix, "--ttl", "1h"]);
        outcome
            .map(|(code, said)| (code != Some(0)).then_some((prefix, said)))
            .transpose()
    });
    let (prefix, said) = refused.context("nothing was refused")??;
    ensure!(said.contains("full") && said.contains("limits.list_entries"), "{said}");
    let list = home.ask(&["list"])?;
    ensure!(!list.contains(&prefix), "refused, and there: {list}");
    siege.nothing_is_lost()?;
    let text = std::fs::read_to_string(home.config())?;
    let block: Vec<String> = (0..64).map(|number| format!("\"198.19.128.{number}\"")).collect();
    std::fs::write(home.config(), format!("block = [{}]\n{text}", block.join(", ")))?;
    let (code, said) = try_ask(&home, &["reload"])?;
    ensure!(
        code != Some(0) && said.contains("limits.list_entries"),
        "{code:?}: {said}"
    );
    ensure!(
        home.ask(&["list"])? == list,
        "a reload that does not fit changes nothing"
    );
    // As full as it can be, over a restart.
    std::fs::write(home.config(), &text)?;
    restart(&mut siege)?;
    siege.nothing_is_lost()?;
    home.ask(&["unblock-ip", "198.19.0.0/24"])?;
    home.ask(&["block-ip", &prefix, "--ttl", "1h"])?;
    outcome(
        &mut siege,
        name::LIST_FULL,
        "all blocks; what does not fit refused, with limits.list_entries",
    )?
    .held()?;

    siege.begin(Held::Blocked)?;
    let more: Vec<String> = (1..=9).map(|number| format!("203.0.113.{}", 230 + number)).collect();
    let crowded = siege.with_list(&Settings {
        protect_also: more,
        ..small()
    });
    home.configure(siege.topology().lab(), &crowded)?;
    let (code, said) = try_ask(&home, &["reload"])?;
    ensure!(code != Some(0) && said.contains("limits.addresses"), "{code:?}: {said}");
    ensure!(
        home.ask_json(&["status"])?["protected"] == 16,
        "{}",
        home.ask(&["status"])?
    );
    std::fs::write(home.config(), &text)?;
    home.ask(&["reload"])?;
    outcome(
        &mut siege,
        name::ADDRESSES_FULL,
        "all addresses; the reload refused as a whole, with limits.addresses",
    )?
    .held()?;

    // Two floods do not go out by one interface.
    siege.end_flood()?;
    // Each of them is heavy, and there are twice as many as have room.
    let flood = [
        "--rate",
        "100000",
        "--seconds",
        "4",
        "--bots-v4",
        "2000",
        "--bots-v6",
        "64",
    ];
    Actor::flood(siege.topology(), &flood)?.flood_report()?;
    siege.begin(Held::Blocked)?;
    siege.nothing_is_lost()?;
    outcome(
        &mut siege,
        name::SOURCES_FULL,
        "all blocks; who is heavy goes on being known",
    )?
    .held()
}
