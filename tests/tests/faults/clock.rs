//! Somebody sets the wall clock, and the agent runs in a time namespace: what has an end ends when it was to.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use lab::{
    alone, customer,
    faults::name,
    guarded::until_within,
    siege::{Held, Section, Siege},
};

use crate::{PATIENCE, outcome};

const VIP: &str = "198.51.100.10";

/// Somebody who is blocked for a while, and none of the siege's customers.
const BLOCKED: &str = "10.127.0.1";

/// How long: several commands, and an answer that does not come, must fit.
const TTL: Duration = Duration::from_secs(9);

/// The library that lies about the wall clock alone (Debian's package faketime).
fn library() -> Result<String> {
    let triples = fs::read_dir("/usr/lib")?.flatten();
    let found = triples
        .map(|triple| triple.path().join("faketime/libfaketime.so.1"))
        .find(|path| path.exists());
    let found = found.context("there is no libfaketime: `cargo xtask setup` installs it (Debian package faketime)")?;
    Ok(found.display().to_string())
}

fn is_blocked(siege: &Siege) -> Result<bool> {
    Ok(!customer::is_served(siege.topology(), BLOCKED, VIP)?)
}

/// Blocks somebody, has `jump` happen, and holds the block's end against the clock of this process.
fn ends_in_time(siege: &Siege, jump: impl FnOnce() -> Result<()>) -> Result<()> {
    let ttl = format!("{}s", TTL.as_secs());
    let since = Instant::now();
    siege.home().ask(&["block-ip", BLOCKED, "--ttl", &ttl])?;
    jump()?;
    ensure!(is_blocked(siege)?, "it ended early");
    ensure!(
        since.elapsed() < TTL,
        "the machine is too slow for this test: {:?}",
        since.elapsed()
    );
    let listed = siege.home().ask(&["list"])?;
    ensure!(listed.contains(BLOCKED), "the agent took it out early: {listed}");
    thread::sleep((TTL + Duration::from_secs(1)).saturating_sub(since.elapsed()));
    ensure!(!is_blocked(siege)?, "it lives on");
    until_within(PATIENCE, "the agent takes it out", || {
        Ok(!siege.home().ask(&["list"])?.contains(BLOCKED))
    })
}

#[test]
fn wall_clock() -> Result<()> {
    let _turn = alone::wait()?;
    let mut siege = Siege::lay(Section::Faults)?;
    let file = siege.topology().lab().path("faketime");
    let set = |offset: &str| fs::write(&file, offset).with_context(|| format!("cannot write {}", file.display()));
    set("+0")?;
    let wrapper = [
        "env".to_owned(),
        format!("LD_PRELOAD={}", library()?),
        format!("FAKETIME_TIMESTAMP_FILE={}", file.display()),
        "FAKETIME_NO_CACHE=1".to_owned(),
        "FAKETIME_DONT_FAKE_MONOTONIC=1".to_owned(),
    ];
    let wrapper: Vec<&str> = wrapper.iter().map(String::as_str).collect();
    let now = i32::from(jiff::Zoned::now().year());
    for (fault, offset, year) in [
        (name::WALL_FORWARD, "+365d", now + 1),
        (name::WALL_BACK, "-365d", now - 1),
    ] {
        set("+0")?;
        siege.kill_agent()?;
        siege.start_agent_within(&wrapper)?;
        siege.begin(Held::Blocked)?;
        ends_in_time(&siege, || set(offset))?;
        let (log, stamp) = (siege.home().log(), format!("{year}-"));
        until_within(PATIENCE, "the agent's clock has jumped", || {
            Ok(fs::read_to_string(&log)?.lines().any(|line| line.starts_with(&stamp)))
        })?;
        siege.begin(Held::Blocked)?;
        siege.kill_agent()?;
        siege.start_agent_within(&wrapper)?;
        siege.nothing_is_lost()?;
        outcome(&mut siege, fault, "all blocks, over a restart; ends in time")?.held()?;
    }
    Ok(())
}

#[test]
fn time_namespace() -> Result<()> {
    let _turn = alone::wait()?;
    let mut siege = Siege::lay(Section::Faults)?;
    siege.kill_agent()?;
    siege.start_agent_within(&["unshare", "--time", "--monotonic", "86400"])?;
    let pid = siege.agent()?.process().pid();
    let theirs = fs::read_link(format!("/proc/{pid}/ns/time"))?;
    ensure!(
        theirs != fs::read_link("/proc/self/ns/time")?,
        "it is in no time namespace of its own"
    );
    siege.begin(Held::Blocked)?;
    ends_in_time(&siege, || Ok(()))?;
    siege.nothing_is_lost()?;
    outcome(&mut siege, name::TIME_NAMESPACE, "all blocks; ends in time")?.held()
}
