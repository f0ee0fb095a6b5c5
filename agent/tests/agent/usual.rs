//! What the command line tells of what is usual, and what it makes of it: while no agent runs, out of the state directory.

use agent::{
    detect::{
        Subject,
        baseline::{Bin, Estimate},
    },
    ledger::Ledger,
};
use assert_cmd::Command;
use jiff::Timestamp;
use tempfile::TempDir;

struct Place(TempDir);

impl Place {
    /// A state directory where an agent has learned for some hours.
    fn learned(hours: u32) -> Self {
        let place = Self(tempfile::tempdir().expect("a directory"));
        let bin = Bin {
            visits: 5,
            syn: Estimate {
                level: 1_000.0,
                spread: 50.0,
            },
            ..Bin::default()
        };
        let baseline = serde_json::json!({
            "bins": vec![bin; 48],
            "hours": hours,
            "left_out_minutes": 12.0,
            "held_back": 3,
            "learned": Timestamp::UNIX_EPOCH,
        });
        let subject: Subject = "203.0.113.7".parse().expect("subject");
        let text = serde_json::to_vec(&baseline).expect("it is written");
        let (mut ledger, warnings) = Ledger::open(place.0.path(), Timestamp::now());
        assert!(warnings.is_empty(), "{warnings:?}");
        ledger.put_baselines(Timestamp::now(), vec![(subject, text)]);
        drop(ledger);
        place
    }

    fn run(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let config = self.0.path().join("agent.toml");
        let directory = self.0.path().display();
        let text = format!(
            "interfaces = [\"lo\"]\nprotect = [\"203.0.113.7\", \"203.0.113.8\"]\n[control]\nsocket = \"{directory}/agent.sock\"\n\
             [kernel]\nbpffs = \"{directory}/bpf\"\n[state]\ndirectory = \"{directory}\"\n"
        );
        std::fs::write(&config, text).expect("writes");
        let output = Command::new(env!("CARGO_BIN_EXE_agent"))
            .args(["--config", &config.to_string_lossy()])
            .args(arguments)
            .output()
            .expect("runs");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }
}

#[test]
fn what_is_usual_is_shown_for_all_and_hour_by_hour() {
    let place = Place::learned(100);
    let (code, all, error) = place.run(&["baseline", "show"]);
    assert_eq!(code, Some(0), "{error}");
    let row = all.lines().nth(1).expect("a row");
    for part in ["203.0.113.7", "100", "1.0k", "12 min", "3"] {
        assert!(row.contains(part), "{part} in {all}");
    }
    let (code, one, error) = place.run(&["baseline", "show", "203.0.113.7"]);
    assert_eq!(code, Some(0), "{error}");
    assert_eq!(one.lines().filter(|line| line.contains("5x")).count(), 24, "{one}");
    let (code, _, error) = place.run(&["baseline", "show", "203.0.113.8"]);
    assert!(code == Some(1) && error.contains("203.0.113.8"), "{error}");
    let (code, json, _) = place.run(&["--json", "baseline", "show"]);
    let read: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!((code, &read["203.0.113.7"]["hours"]), (Some(0), &100.into()));
}

#[test]
fn without_a_history_it_says_where_it_looked() {
    let place = Place(tempfile::tempdir().expect("a directory"));
    let (code, _, error) = place.run(&["baseline", "show"]);
    assert!(code == Some(1) && error.contains("history"), "{error}");
}

#[test]
fn what_is_suggested_can_be_put_into_the_configuration() {
    let place = Place::learned(100);
    let (code, fragment, error) = place.run(&["thresholds", "suggest"]);
    assert_eq!(code, Some(0), "{error}");
    assert!(fragment.contains("203.0.113.8: 0 of 24 hours learned"), "{fragment}");
    let config = std::fs::read_to_string(place.0.path().join("agent.toml")).expect("the configuration");
    let proposed = place.0.path().join("new.toml");
    std::fs::write(&proposed, format!("{config}\n{fragment}")).expect("writes");
    let (code, told, error) = place.run(&["check-config", &proposed.to_string_lossy()]);
    assert_eq!(code, Some(0), "{told} {error} {fragment}");
}

#[test]
fn too_little_is_known_for_a_suggestion_at_first() {
    let (code, fragment, error) = Place::learned(23).run(&["threshold", "suggest", "203.0.113.7"]);
    assert_eq!(code, Some(0), "{error}");
    assert!(
        fragment.contains("23 of 24 hours") && !fragment.contains("[["),
        "{fragment}"
    );
}

#[test]
fn a_replay_of_nothing_says_so_and_a_wrong_proposal_is_2() {
    let place = Place::learned(100);
    let (code, told, error) = place.run(&["replay", "--since", "2h"]);
    assert_eq!(code, Some(0), "{error}");
    assert!(told.contains("Nothing was recorded"), "{told}");
    let (code, json, _) = place.run(&["--json", "replay"]);
    let read: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert!(
        code == Some(0) && read["from"].is_null() && read["missing_seconds"].as_f64() > Some(6e5),
        "{json}"
    );
    let wrong = place.0.path().join("wrong.toml");
    std::fs::write(&wrong, "interfaces = [\"lo\"]\ntypo = 1\n").expect("writes");
    let ran = Command::new(env!("CARGO_BIN_EXE_agent"))
        .args(["replay", "--config", &wrong.to_string_lossy()])
        .output()
        .expect("runs");
    assert_eq!(ran.status.code(), Some(2));
}
