//! The binary itself: help of every verb, exit codes of bad input, what works without anything running.

use assert_cmd::Command;

const VERBS: &[&[&str]] = &[
    &["run"],
    &["check-config"],
    &["doctor"],
    &["config"],
    &["config", "example"],
    &["status"],
    &["top"],
    &["stats"],
    &["sources"],
    &["samples"],
    &["capture"],
    &["list"],
    &["lists"],
    &["lists", "refresh"],
    &["rung"],
    &["safe"],
    &["upstream"],
    &["fleet"],
    &["fleet", "status"],
    &["fleet", "nodes"],
    &["fleet", "top"],
    &["groups"],
    &["listeners"],
    &["notify"],
    &["notify", "test"],
    &["attacks"],
    &["attacks", "show"],
    &["events"],
    &["report"],
    &["block-ip"],
    &["unblock-ip"],
    &["allow-ip"],
    &["unallow-ip"],
    &["threshold"],
    &["threshold", "get"],
    &["threshold", "set"],
    &["threshold", "unset"],
    &["threshold", "suggest"],
    &["thresholds", "suggest"],
    &["baseline"],
    &["baseline", "show"],
    &["replay"],
    &["explain"],
    &["why"],
    &["mode"],
    &["mode", "get"],
    &["mode", "set"],
    &["reload"],
    &["detach"],
    &["completions"],
];

struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

/// Runs the binary in a place where there is no configuration and no agent.
fn agent(arguments: &[&str]) -> Ran {
    agent_with("/nonexistent/agent.toml", arguments)
}

/// Runs the binary with a configuration.
fn agent_with(config: &str, arguments: &[&str]) -> Ran {
    let output = Command::new(env!("CARGO_BIN_EXE_agent"))
        .args(["--config", config])
        .args(arguments)
        .output()
        .expect("runs");
    Ran {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A configuration of a place where nothing runs.
fn nowhere(directory: &std::path::Path) -> String {
    let path = directory.join("agent.toml");
    let text = format!(
        "interfaces = [\"lo\"]\n[control]\nsocket = \"{0}/agent.sock\"\n[kernel]\nbpffs = \"{0}/bpf\"\n[state]\ndirectory = \"{0}\"\n",
        directory.display()
    );
    std::fs::write(&path, text).expect("writes");
    path.display().to_string()
}

#[test]
fn top_needs_a_terminal_or_json() {
    let ran = agent(&["top"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("standard output is not a terminal"),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stderr.contains("agent status") && ran.stderr.contains("--json"),
        "{}",
        ran.stderr
    );
    let ran = agent(&["--socket", "/nonexistent/agent.sock", "--json", "top"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stderr.contains("no agent answers at"), "{}", ran.stderr);
    assert_eq!(agent(&["top", "--interval", "1ms"]).code, Some(2));
    assert_eq!(agent(&["top", "--no-color", "--color-blind"]).code, Some(2));
}

#[test]
fn every_verb_has_help() {
    for verb in VERBS {
        for flag in ["--help", "-h"] {
            let ran = agent(&[verb, &[flag][..]].concat());
            assert_eq!(ran.code, Some(0), "{verb:?}: {}", ran.stderr);
            assert!(ran.stdout.contains("Usage: agent"), "{verb:?}: {}", ran.stdout);
        }
    }
}

#[test]
fn every_verb_is_listed_here() {
    let help = agent(&["--help"]).stdout;
    let commands = help
        .split("Commands:")
        .nth(1)
        .and_then(|rest| rest.split("Options:").next())
        .expect("a list of commands");
    for line in commands
        .lines()
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
    {
        let verb = line.split_whitespace().next().expect("a verb");
        assert!(
            verb == "help" || VERBS.iter().any(|known| known[0] == verb),
            "{verb} has no test"
        );
    }
}

#[test]
fn the_version_is_told() {
    assert!(agent(&["--version"]).stdout.starts_with("agent 0."));
}

#[test]
fn wrong_usage_is_2_and_says_what_is_right() {
    for (arguments, part) in [
        (&["block-ip"][..], "ADDR|CIDR"),
        (&["block-ip", "10.0.0.1/8"], "write 10.0.0.0/8"),
        (&["block-ip", "example.org"], "neither an address nor a prefix"),
        (&["block-ip", "0.0.0.0/0"], "covers every address"),
        (&["block-ip", "192.0.2.1", "--ttl", "30"], "30s, 15m"),
        (&["block-ip", "192.0.2.1", "--as", "friend"], "source, destination"),
        (&["unblock-ip", "x"], "neither an address nor a prefix"),
        (&["allow-ip", "x"], "neither an address nor a prefix"),
        (&["unallow-ip", "x"], "neither an address nor a prefix"),
        (&["stats", "10.0.0.0/8"], "neither an address nor a prefix"),
        (&["sources", "--limit", "many"], "--limit"),
        (&["threshold", "set", "everything"], "\"source\" for every source"),
        (&["threshold", "set", "source", "--syn-rate", "5kb"], "optional k or M"),
        (
            &["threshold", "set", "source", "--syn-burst", "0"],
            "between 1 and 100M",
        ),
        (&["threshold", "unset"], "<TARGET>"),
        (&["mode", "set", "off"], "monitor, enforce, configured"),
        (&["rung", "203.0.113.7", "top"], "auto, observe, limit, verify, known"),
        (&["rung", "203.0.113.7", "--ttl", "5m"], "<ADDR|CIDR> <RUNG>"),
        (&["rung", "x", "verify"], "neither an address nor a prefix"),
        (&["attacks", "--since", "yesterday"], "2h or 7d"),
        (&["attacks", "show", "x"], "<N>"),
        (&["events", "--follow", "--limit", "5"], "--limit"),
        (&["report", "1", "--format", "pdf"], "md, html, json"),
        (&["report", "1", "--time-zone", "Moon/Crater"], "Europe/Berlin"),
        (&["frobnicate"], "unrecognized subcommand"),
        (&["list", "--frobnicate"], "unexpected argument"),
        (&["check-config"], "agent config example"),
        (&["run"], "agent config example"),
    ] {
        let ran = agent(arguments);
        assert_eq!(ran.code, Some(2), "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(part), "{arguments:?}: {}", ran.stderr);
        assert!(ran.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn without_an_agent_every_question_fails_with_1_and_says_so() {
    let directory = tempfile::tempdir().expect("directory");
    let config = nowhere(directory.path());
    for arguments in [
        &["status"][..],
        &["list"],
        &["stats"],
        &["sources"],
        &["samples"],
        &["block-ip", "192.0.2.1"],
        &["unblock-ip", "192.0.2.1"],
        &["allow-ip", "192.0.2.1"],
        &["unallow-ip", "192.0.2.1"],
        &["threshold", "get"],
        &["threshold", "set", "source", "--syn-rate", "5"],
        &["threshold", "unset", "source"],
        &["rung"],
        &["safe", "203.0.113.7"],
        &["rung", "203.0.113.7", "verify"],
        &["listeners"],
        &["notify"],
        &["attacks"],
        &["attacks", "show", "1"],
        &["events"],
        &["events", "--follow"],
        &["report", "1"],
        &["capture", "192.0.2.1"],
        &["mode", "get"],
        &["mode", "set", "monitor"],
        &["reload"],
        &["detach"],
    ] {
        let ran = agent_with(&config, arguments);
        assert_eq!(ran.code, Some(1), "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("agent run"), "{arguments:?}: {}", ran.stderr);
        let ran = agent_with(&config, &[&["--json"][..], arguments].concat());
        let error: serde_json::Value = serde_json::from_str(&ran.stderr).expect("one JSON object");
        assert!(error["error"].is_string(), "{arguments:?}: {error}");
    }
}

#[test]
fn the_example_passes_its_own_check() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("agent.toml");
    let example = agent(&["config", "example"])
        .stdout
        .replace("\"eth0\"", "\"lo\"")
        .replace("#protect = [\"auto\"]", "protect = [\"203.0.113.7\"]");
    std::fs::write(&path, example).expect("writes");
    let ran = agent(&["check-config", path.to_str().expect("text")]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{}", ran.stdout);
    assert!(
        ran.stdout.contains("is sound: 1 address protected on lo, mode monitor"),
        "{}",
        ran.stdout
    );
    let ran = agent(&["--json", "check-config", path.to_str().expect("text")]);
    let checked: serde_json::Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(checked["protected"], 1);
}

#[test]
fn the_schema_is_json() {
    let schema: serde_json::Value =
        serde_json::from_str(&agent(&["--json", "config", "example"]).stdout).expect("JSON");
    assert!(schema["properties"]["interfaces"]["description"].is_string());
}

/// Before the agent is started for the first time, too, it can be tried who is told.
#[test]
fn notifications_can_be_tested_without_an_agent() {
    let directory = tempfile::tempdir().expect("directory");
    let config = nowhere(directory.path());
    let section = |name: &str, program: &str| {
        format!("[[notify]]\nname = \"{name}\"\nkind = \"exec\"\ncommand = [\"{program}\"]\n")
    };
    let before = std::fs::read_to_string(&config).expect("reads");
    let sections = section("good", "/bin/true") + &section("bad", "/bin/false");
    std::fs::write(&config, before + &sections).expect("writes");
    let ran = agent_with(&config, &["notify", "test", "good"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(
        ran.stdout.contains("ended well") && ran.stderr.contains("the test is made from here"),
        "{}",
        ran.stdout
    );
    let ran = agent_with(&config, &["notify", "test"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stdout);
    assert!(
        ran.stdout.contains("exit status: 1") && ran.stderr.contains("bad did not take the test"),
        "{}",
        ran.stderr
    );
}

#[test]
fn who_asks_for_all_nodes_needs_an_agent_and_says_for_whom_once() {
    let ran = agent(&["block-ip", "198.51.100.23", "--fleet", "--local"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    let ran = agent(&["rung", "203.0.113.7", "--fleet"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("name the rung"), "{}", ran.stderr);
    for verb in [
        &["block-ip", "198.51.100.23", "--fleet"][..],
        &["unblock-ip", "198.51.100.23", "--fleet"],
        &["rung", "203.0.113.7", "verify", "--fleet"],
    ] {
        let ran = agent(verb);
        assert_eq!(ran.code, Some(1), "{verb:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("without --fleet"), "{verb:?}: {}", ran.stderr);
    }
}
