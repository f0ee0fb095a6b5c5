//! `agent top` in a terminal, against an agent under flood: what stands on the screen, and what keys do.

use std::net::IpAddr;

use anyhow::{Context as _, Result};
use lab::{
    alone,
    command::describe,
    guarded::{self, Guarded, allow_cookies, until},
    levee::Settings,
    server,
    terminal::{PROMPT, Terminal},
    topology::Topology,
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// SYNs per second: six times the address's rate.
const FLOOD_PPS: u32 = 30_000;

fn start() -> Result<Guarded> {
    let topology = Topology::routed()?;
    allow_cookies(topology.server())?;
    let usual = guarded::settings();
    let more = format!("{}[detect]\nhold = \"3s\"\n", usual.more);
    Guarded::start(topology, &Settings { more, ..usual })
}

/// Opens a terminal and has `agent top` shown in it.
fn show(lab: &Guarded, columns: u16, rows: u16) -> Result<Terminal> {
    let terminal = Terminal::open(lab.topology().lab(), columns, rows)?;
    // A word before it clears what was typed off the screen.
    terminal.run(&format!(
        "clear; {}; echo \"code=$?\"",
        describe(&lab.home().command(&["top"])?)
    ))?;
    terminal.wait_for("No attack on any of")?;
    Ok(terminal)
}

/// The first line of the list.
fn first_row(screen: &str) -> &str {
    let mut lines = screen.lines().skip_while(|line| !line.contains("ADDRESS "));
    lines.nth(1).unwrap_or_default()
}

/// Who put the address on its rung, as `agent rung` tells it.
fn forced(lab: &Guarded, address: IpAddr) -> Result<Option<String>> {
    let rungs = lab.home().ask_json(&["rung", &address.to_string()])?;
    let forced = &rungs[0]["forced"];
    Ok((!forced.is_null()).then(|| format!("{} {}", rungs[0]["rung"], forced["reason"])))
}

#[test]
fn an_attack_is_seen_looked_at_and_acted_on() -> Result<()> {
    let _turn = alone::wait()?;
    let lab = start()?;
    let _server = server::start(lab.topology(), false)?;
    let address = guarded::targets(server::PORT)[0].ip();
    let name = address.to_string();
    let terminal = show(&lab, 80, 24)?;

    let mut flood = lab.flood(&[address], &["--sources", "spoofed", "--port", "80"], FLOOD_PPS, 20)?;
    let screen = terminal.wait_until("the attack is at the top", |screen| {
        let row = first_row(screen);
        screen.contains(" ATTACK 1 ") && row.contains(&name) && row.contains("ATTACK") && row.contains("verify")
    })?;
    assert!(
        screen
            .lines()
            .any(|line| line.contains(&name) && line.contains("since") && line.contains("by syn")),
        "{screen}"
    );

    terminal.press(&["Down", "Enter"])?;
    let screen = terminal.wait_for("Put back?")?;
    assert!(screen.contains("NO "), "{screen}");
    terminal.press(&["Escape"])?;
    terminal.wait_for("by pressure")?;
    flood.stop()?;
    flood.flood_report()?;

    filter_and_sort(&terminal, &name)?;
    set_and_take_back(&lab, &terminal, address)
}

fn filter_and_sort(terminal: &Terminal, name: &str) -> Result<()> {
    terminal.press(&["/"])?;
    terminal.type_text(name)?;
    terminal.press(&["Enter"])?;
    let screen = terminal.wait_for("1-1 of 1")?;
    assert!(first_row(&screen).contains(name), "{screen}");
    terminal.press(&["Escape"])?;
    terminal.wait_until("all are shown again", |screen| screen.contains("of 16, by pressure"))?;
    terminal.press(&["S"])?;
    let screen = terminal.wait_for("of 16, by address")?;
    let rows: Vec<&str> = screen
        .lines()
        .filter_map(|line| line.split_whitespace().find(|word| word.starts_with("198.51.100.")))
        .collect();
    assert!(rows.is_sorted(), "{screen}");
    terminal.press(&["s"])?;
    terminal.wait_for("by pressure").map(drop)
}

fn set_and_take_back(lab: &Guarded, terminal: &Terminal, address: IpAddr) -> Result<()> {
    let name = address.to_string();
    // The cursor has stayed with the address all the time.
    terminal.press(&["r"])?;
    terminal.wait_for(&format!("Put {name} on a rung"))?;
    terminal.press(&["k", "Tab"])?;
    terminal.type_text("5m")?;
    terminal.press(&["Tab"])?;
    terminal.type_text("ticket 4711")?;
    terminal.press(&["Tab"])?;
    let screen = terminal.wait_for("Reaches  1 address")?;
    assert!(screen.contains("Type known and Enter"), "{screen}");
    assert_eq!(forced(lab, address)?, None, "nothing is done yet");
    terminal.press(&["Enter"])?;
    terminal.wait_for("type the word known")?;
    terminal.type_text("known")?;
    terminal.press(&["Enter"])?;
    terminal.wait_for("DONE")?;
    assert_eq!(forced(lab, address)?.as_deref(), Some("\"known\" \"ticket 4711\""));
    terminal.press(&["Enter"])?;
    terminal.wait_until("its rung is shown", |screen| {
        screen
            .lines()
            .any(|line| line.contains(&name) && line.contains("known*"))
    })?;

    terminal.press(&["r"])?;
    terminal.wait_for("on a rung")?;
    terminal.press(&["a", "Tab", "Tab"])?;
    terminal.wait_for("Reaches  1 address")?;
    terminal.type_text("auto")?;
    terminal.press(&["Enter"])?;
    terminal.wait_for("DONE")?;
    until("its rung is its own again", || Ok(forced(lab, address)?.is_none()))
}

#[test]
fn it_outlives_the_agent_any_size_and_gives_the_terminal_back() -> Result<()> {
    let _turn = alone::wait()?;
    let mut lab = start()?;
    let terminal = show(&lab, 80, 24)?;
    assert!(terminal.colored()?.contains("\u{1b}["), "it has colours");

    lab.kill_agent()?;
    let screen = terminal.wait_for("NOT ANSWERING")?;
    assert!(screen.contains("protection stays in the kernel"), "{screen}");
    terminal.press(&["?"])?;
    terminal.wait_for("Help: ?")?;
    terminal.press(&["Escape"])?;
    lab.restart_agent()?;
    terminal.wait_until("the agent is back", |screen| {
        !screen.contains("NOT ANSWERING") && screen.contains("No attack")
    })?;

    terminal.resize(60, 10)?;
    terminal.wait_for("60 columns and 10 rows")?;
    terminal.resize(120, 40)?;
    terminal.wait_for("What happened")?;
    terminal.press(&["q"])?;
    terminal.wait_for("code=0")?;
    echoes(&terminal)?;

    let command = describe(&lab.home().command(&["top"])?);
    terminal.run(&format!("clear; {command}; echo \"code=$?\""))?;
    terminal.wait_for("No attack on any of")?;
    kill(Pid::from_raw(terminal.foreground()?), Signal::SIGTERM).context("ending it")?;
    terminal.wait_for("code=143")?;
    echoes(&terminal)
}

/// The terminal is the shell's again: it shows what is typed, line by line.
fn echoes(terminal: &Terminal) -> Result<()> {
    terminal.wait_for(PROMPT)?;
    terminal.run("clear; stty -a")?;
    let screen = terminal.wait_until("stty has answered", |screen| screen.contains("icanon"))?;
    let words: Vec<&str> = screen.split([' ', '\n', ';']).collect();
    assert!(words.contains(&"icanon") && words.contains(&"echo"), "{screen}");
    Ok(())
}
