//! The control socket's path is taken, or the socket removed.

use std::{fs, os::unix::net::UnixListener};

use anyhow::{Result, ensure};
use lab::{
    alone,
    faults::name,
    guarded::until_within,
    siege::{Held, Section, Siege},
};

use crate::{PATIENCE, outcome, try_ask};

#[test]
fn socket_of_the_agent() -> Result<()> {
    let _turn = alone::wait()?;
    let mut siege = Siege::lay(Section::Faults)?;
    let home = siege.home();
    siege.begin(Held::Blocked)?;

    fs::remove_file(home.socket())?;
    until_within(PATIENCE, "the socket is there again", || Ok(home.socket().exists()))?;
    home.ask(&["block-ip", "198.51.100.77", "--as", "source"])?;
    siege.nothing_is_lost()?;
    outcome(&mut siege, name::SOCKET_REMOVED, "all blocks; commands work again")?.held()?;

    siege.kill_agent()?;
    ensure!(home.socket().exists(), "it was killed");
    siege.start_agent()?;
    siege.nothing_is_lost()?;
    outcome(&mut siege, name::SOCKET_STALE, "all blocks; taken over")?.held()?;

    siege.kill_agent()?;
    fs::remove_file(home.socket())?;
    fs::write(home.socket(), "somebody's notes")?;
    refused(&siege, "is no socket")?;
    ensure!(
        fs::read_to_string(home.socket())? == "somebody's notes",
        "it is not ours to remove"
    );
    fs::remove_file(home.socket())?;
    fs::create_dir(home.socket())?;
    refused(&siege, "is no socket")?;
    fs::remove_dir(home.socket())?;
    let living = UnixListener::bind(home.socket())?;
    refused(&siege, "another agent answers")?;
    drop(living);
    siege.start_agent()?;
    siege.nothing_is_lost()?;
    outcome(
        &mut siege,
        name::SOCKET_TAKEN,
        "all blocks; refused, the file untouched",
    )?
    .held()
}

/// An agent that starts now says why it cannot, and takes nothing off.
fn refused(siege: &Siege, words: &str) -> Result<()> {
    let home = siege.home();
    let (code, said) = try_ask(&home, &["run"])?;
    ensure!(code == Some(1) && said.contains(words), "{code:?}: {said}");
    ensure!(said.contains(&home.socket().display().to_string()), "{said}");
    Ok(())
}
