//! What the documents tell people to type, typed during an attack; and what a live agent serves and logs, held against what is
//! written about it.

use std::{collections::BTreeSet, fs, net::IpAddr, path::PathBuf, process::Command};

use agent::export::families::SECTIONS;
use anyhow::{Context as _, Result, ensure};
use lab::{
    alone, command,
    guarded::{self, Guarded, allow_cookies, until},
    levee::Settings,
    server,
    topology::Topology,
};
use serde_json::Value;

/// The address that documents call ours.
const OURS: &str = "203.0.113.7";
/// SYNs per second: six times the address's rate.
const FLOOD_PPS: u32 = 30_000;

/// A block of commands to be run, and what the document says they answer.
#[derive(Debug, Default)]
struct Example {
    commands: Vec<String>,
    answer: Vec<String>,
}

/// Blocks marked `sh lab`, each with the `text` block behind it, if there is one.
fn examples(document: &str) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    let mut lines = document.lines();
    let mut follows = false;
    while let Some(line) = lines.next() {
        let Some(kind) = line.trim_start().strip_prefix("```") else {
            continue;
        };
        let block: Vec<String> = lines
            .by_ref()
            .take_while(|line| !line.trim_start().starts_with("```"))
            .map(str::to_owned)
            .collect();
        match (kind, examples.last_mut()) {
            ("sh lab", _) => {
                let commands = block
                    .iter()
                    .map(|line| line.split(" # ").next().unwrap_or(line).trim().to_owned());
                examples.push(Example {
                    commands: commands.collect(),
                    answer: Vec::new(),
                });
            }
            ("text", Some(last)) if follows => last.answer = block,
            _ => {}
        }
        follows = kind == "sh lab";
    }
    examples
}

/// The words of a command, for the lab's address in place of the document's.
fn words(command: &str, address: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for character in command.chars() {
        match character {
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            other => words.last_mut().expect("a word").push(other),
        }
    }
    words.retain(|word| !word.is_empty());
    words.iter().map(|word| word.replace(OURS, address)).collect()
}

fn run(lab: &Guarded, command: &str, address: &str) -> Result<String> {
    let words = words(command, address);
    let arguments: Vec<&str> = words.iter().skip(1).map(String::as_str).collect();
    let output = lab.home().command(&arguments)?.output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    // `agent safe` answers no by its exit code.
    let no = arguments.first() == Some(&"safe") && output.status.code() == Some(1);
    ensure!(
        output.status.success() || no,
        "`{command}` of the runbook failed: {said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(said)
}

/// Each line of the document's answer begins like a line of the real one.
fn resembles(example: &Example, said: &str) -> Result<()> {
    for line in &example.answer {
        let first = line.split_whitespace().next().unwrap_or_default();
        ensure!(
            said.lines().any(|real| real.split_whitespace().next() == Some(first)),
            "the runbook says that {:?} answer a line that begins with {first:?}; they answered\n{said}",
            example.commands
        );
    }
    Ok(())
}

fn served(lab: &Guarded, accept: &str) -> Result<String> {
    let mut curl = lab.topology().balancer().command("curl");
    curl.args([
        "--silent",
        "--fail",
        "--header",
        &format!("Accept: {accept}"),
        "http://127.0.0.1:9666/metrics",
    ]);
    command::output(&mut curl)
}

fn promtool(text: &str) -> Result<()> {
    command::output_with_input(Command::new("promtool").args(["check", "metrics"]), text).map(drop)
}

/// Every sample that a live agent serves is described, with its labels.
fn described(text: &str) -> Result<usize> {
    let families: Vec<(String, &[&str])> = SECTIONS
        .iter()
        .flat_map(|section| section.families)
        .map(|family| (family.sample(), family.labels))
        .collect();
    let mut seen = BTreeSet::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap_or_default();
        let (name, labels) = families
            .iter()
            .find(|(sample, _)| sample == name)
            .with_context(|| format!("docs/metrics.md has no {name}"))?;
        for label in *labels {
            ensure!(line.contains(&format!("{label}=\"")), "{line}: no label {label}");
        }
        seen.insert(name.as_str());
    }
    Ok(seen.len())
}

#[test]
fn the_runbook_can_be_followed_and_what_is_served_and_logged_is_as_described() -> Result<()> {
    let _turn = alone::wait()?;
    let document = fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/runbook.md"))?;
    let examples = examples(&document);
    ensure!(examples.len() >= 5, "{examples:?}");
    let topology = Topology::routed()?;
    allow_cookies(topology.server())?;
    let _server = server::start(&topology, false)?;
    let usual = guarded::settings();
    let settings = Settings {
        more: format!("{}\n[log]\nformat = \"json\"\n", usual.more),
        ..usual
    };
    let lab = Guarded::start(topology, &settings)?;
    let address: IpAddr = guarded::targets(server::PORT)[0].ip();
    let mut flood = lab.flood(&[address], &["--sources", "spoofed"], FLOOD_PPS, 20)?;
    // Attacks are told at once, what is over a second or ten with the next refreshes.
    until("the attack is in all that status tells", || {
        let status = lab.home().ask_json(&["status"])?;
        let told = |list: &Value| list.as_array().is_some_and(|list| !list.is_empty());
        let everywhere = [
            &status["detection"]["attacks"],
            &status["verifying"],
            &status["busiest"],
        ];
        Ok(everywhere.into_iter().all(told))
    })?;
    for example in &examples {
        let said: Result<Vec<String>> = example
            .commands
            .iter()
            .map(|command| run(&lab, command, &address.to_string()))
            .collect();
        resembles(example, &said?.concat())?;
    }
    let text = served(&lab, "text/plain")?;
    promtool(&text)?;
    let families = described(&text)?;
    ensure!(families > 40, "{families} families in\n{text}");
    let openmetrics = served(&lab, "application/openmetrics-text; version=1.0.0")?;
    ensure!(openmetrics.ends_with("# EOF\n"), "{openmetrics}");
    flood.stop()?;
    flood.flood_report()?;

    let log = fs::read_to_string(lab.home().log())?;
    ensure!(log.lines().count() > 3, "{log}");
    for line in log.lines() {
        let line: Value = serde_json::from_str(line).with_context(|| line.to_owned())?;
        for key in ["timestamp", "level", "target", "fields"] {
            ensure!(line.get(key).is_some(), "{line}");
        }
        ensure!(line["fields"]["message"].is_string(), "{line}");
    }
    ensure!(log.contains("\"what\":\"attack_started\""), "{log}");
    Ok(())
}
