//! Faults of the environment, each under a flood with real customers: what they met, whether protection lapsed, what was lost.
//!
//! The flood's packets are counted behind XDP (`lab::siege`): the right number is 0, except where there is nothing that could
//! protect. Names of faults are in `lab::faults`, what came of each in docs/reliability.md.

mod clock;
mod interface;
mod maps;
mod meddling;
mod process;
mod socket;
mod state;
mod table;

use std::{process::Output, time::Duration};

use anyhow::{Context as _, Result, ensure};
use lab::{
    levee::{Home, Settings},
    siege::{Held, Outcome, Siege},
};
use serde_json::Value;

/// How long things may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// What root takes away (a mounted file system, the state directory) takes root's rights to put back: an agent that gave them up
/// tells, and does it at its next start.
fn with_all_rights() -> Settings {
    Settings {
        more: "[privileges]\ndrop = false\n".to_owned(),
        ..Settings::default()
    }
}

/// Ends the agent as `kill -9` does and starts the next one, under a flood that lasts until then.
fn restart(siege: &mut Siege) -> Result<()> {
    siege.begin(Held::Blocked)?;
    siege.kill_agent()?;
    siege.start_agent()
}

/// What came of a fault. Where a slow machine took longer than the flood, another one shows that protection still holds; what passed
/// in between counts as ever.
fn outcome(siege: &mut Siege, fault: &str, kept: &str) -> Result<Outcome> {
    if siege.time_left() < Duration::from_secs(1) {
        siege.begin(Held::Blocked)?;
    }
    siege.outcome(fault, kept)
}

/// Whether a warning of `agent status`, or the state of its ledger, says this.
fn status_says(home: &Home, words: &str) -> Result<bool> {
    let status = home.ask_json(&["status"])?;
    Ok(format!("{} {}", status["warnings"], status["daemon"]["ledger"]["problem"]).contains(words))
}

/// Runs a command of the agent whatever its exit code.
fn try_ask(home: &Home, arguments: &[&str]) -> Result<(Option<i32>, String)> {
    let Output { status, stdout, stderr } = home.command(arguments)?.output()?;
    let said = String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr);
    Ok((status.code(), said))
}

/// Events of this kind, oldest first.
fn events(home: &Home, kind: &str) -> Result<Vec<Value>> {
    let told = home.ask_json(&["events", "--since", "10m"])?;
    let events = told["events"].as_array().or(told.as_array());
    let mut found: Vec<Value> = events.cloned().context("`agent events` lists none")?;
    found.retain(|event| event["event"] == kind);
    Ok(found)
}

/// The value of a metric of this agent, by the beginning of its line.
fn metric(siege: &Siege, line: &str) -> Result<f64> {
    let mut curl = siege.topology().balancer().command("curl");
    let text = lab::command::output(curl.args(["--silent", "http://127.0.0.1:9666/metrics"]))?;
    let found = text.lines().find(|found| found.starts_with(line));
    ensure!(found.is_some(), "no metric {line} in {text}");
    let value = found.and_then(|line| line.rsplit(' ').next()).unwrap_or_default();
    Ok(value.parse()?)
}
