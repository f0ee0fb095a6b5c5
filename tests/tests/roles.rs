//! Roles at the control socket, tried by processes of other users: the kernel says who they are, the groups of the configuration what
//! they may. Groups are ones that every Debian has.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use anyhow::{Context as _, Result, ensure};
use lab::{
    alone, binary,
    levee::{Agent, Home, Settings},
    topology::Topology,
};

const OPERATORS: &str = "operator";
const VIEWERS: &str = "audio";
/// A user without an entry, whom no group knows.
const STRANGER: &str = "54321";

/// The number of a group.
fn gid(name: &str) -> Result<String> {
    let group = nix::unistd::Group::from_name(name)?;
    let group =
        group.with_context(|| format!("this machine has no group \"{name}\", which Debian's base-passwd makes"))?;
    Ok(group.gid.to_string())
}

/// The agent's command line, where everybody may execute it: a clone may be in somebody's home directory.
fn for_everybody(home: &Home) -> Result<PathBuf> {
    let copy = home.directory().join("agent-for-everybody");
    fs::copy(binary::agent()?, &copy).with_context(|| format!("cannot write {}", copy.display()))?;
    Ok(copy)
}

/// A command of the agent as a stranger with these supplementary groups.
fn as_stranger(home: &Home, program: &Path, groups: &str, arguments: &[&str]) -> Result<Output> {
    let mut command = Command::new("setpriv");
    command.args(["--reuid", STRANGER, "--regid", STRANGER]);
    match groups {
        "" => command.arg("--clear-groups"),
        some => command.args(["--groups", some]),
    };
    command.arg(program).arg("--socket").arg(home.socket()).args(arguments);
    command.output().context("cannot start setpriv (util-linux)")
}

/// Exit code and everything that was said.
fn said(output: &Output) -> (Option<i32>, String) {
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

/// What changes something, or shows packets of customers.
const OPERATING: &[&[&str]] = &[
    &["block-ip", "192.0.2.200", "--ttl", "5m"],
    &["allow-ip", "192.0.2.201"],
    &["rung", "198.51.100.10", "verify"],
    &["threshold", "set", "198.51.100.10", "--syn-rate", "7k/s"],
    &["mode", "set", "monitor"],
    &["notify", "test"],
    &["lists", "refresh"],
    &["capture", "198.51.100.10", "--count", "1", "--time", "1s"],
    &["reload"],
    &["detach"],
];

/// What only looks.
const VIEWING: &[&[&str]] = &[
    &["status"],
    &["stats"],
    &["sources"],
    &["list"],
    &["threshold", "get"],
    &["attacks"],
    &["events"],
    &["mode", "get"],
    &["explain", "192.0.2.9", "198.51.100.10"],
];

#[test]
fn groups_decide_who_looks_and_who_changes() -> Result<()> {
    let _turn = alone::wait()?;
    let topology = Topology::routed()?;
    let home = &Home::of(&topology);
    home.configure(topology.lab(), &Settings::default())?;
    let text = fs::read_to_string(home.config())?;
    let with_groups = format!("[control]\ngroup = \"{OPERATORS}\"\nview_group = \"{VIEWERS}\"\n");
    ensure!(
        text.contains("[control]\n"),
        "the lab's configuration names its socket: {text}"
    );
    fs::write(home.config(), text.replace("[control]\n", &with_groups))?;
    let _agent = Agent::start_as_configured(&topology, false)?;
    let program = for_everybody(home)?;
    let (operators, viewers) = (gid(OPERATORS)?, gid(VIEWERS)?);

    nobody_without_a_role(home, &program)?;
    for arguments in VIEWING {
        let (code, text) = said(&as_stranger(home, &program, &viewers, arguments)?);
        ensure!(code == Some(0), "a viewer may {arguments:?}: {code:?} {text}");
    }
    for arguments in OPERATING {
        let (code, text) = said(&as_stranger(home, &program, &viewers, arguments)?);
        ensure!(
            code == Some(1) && text.contains("role \"operate\"") && text.contains(OPERATORS),
            "a viewer may not {arguments:?}, and is told who may: {code:?} {text}"
        );
    }
    let list = home.ask(&["list"])?;
    ensure!(!list.contains("192.0.2.20"), "nothing was changed: {list}");
    ensure!(home.ask(&["mode", "get"])?.contains("enforce"), "nothing was changed");

    let block = ["block-ip", "192.0.2.200", "--ttl", "5m"];
    let (code, text) = said(&as_stranger(home, &program, &operators, &block)?);
    ensure!(code == Some(0), "an operator may: {code:?} {text}");
    let list = home.ask_json(&["list"])?.to_string();
    ensure!(
        list.contains(&format!("uid={STRANGER} pid=")) && list.contains("role=operate"),
        "the ledger knows who, and in which role: {list}"
    );
    refusals_are_in_the_log(home)
}

fn nobody_without_a_role(home: &Home, program: &Path) -> Result<()> {
    for groups in ["", STRANGER] {
        let (code, text) = said(&as_stranger(home, program, groups, &["status"])?);
        ensure!(
            code == Some(1) && text.contains("no permission") && text.contains("control.view_group"),
            "who is in no group does not even open the socket: {code:?} {text}"
        );
    }
    Ok(())
}

fn refusals_are_in_the_log(home: &Home) -> Result<()> {
    let log = fs::read_to_string(home.log())?;
    let told = |line: &str| line.contains("POST /v1/detach") && line.contains(STRANGER) && line.contains("role=view");
    ensure!(log.lines().any(told), "the log tells who was refused what:\n{log}");
    Ok(())
}

#[test]
fn without_groups_nobody_but_root_may_anything() -> Result<()> {
    let _turn = alone::wait()?;
    let topology = Topology::routed()?;
    let agent = Agent::start(&topology, &Settings::default(), false)?;
    let home = agent.home();
    let program = for_everybody(home)?;
    for groups in ["", &gid(OPERATORS)?] {
        let (code, text) = said(&as_stranger(home, &program, groups, &["status"])?);
        ensure!(code == Some(1) && text.contains("no permission"), "{code:?} {text}");
    }
    // The group of the socket's file opens it, and that is all.
    let (code, text) = said(&as_stranger(home, &program, "0", &["status"])?);
    ensure!(
        code == Some(1) && text.contains("role \"view\"") && text.contains("root"),
        "{code:?} {text}"
    );
    Ok(())
}
