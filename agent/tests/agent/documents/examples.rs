//! Every example in the documents: configuration is loaded by the real loader, commands are read by the real command line.

use std::path::Path;

use agent::{cli, config};

use super::{blocks, documents};
use crate::support::host;

/// Whatever the examples call their interfaces.
fn host_of_the_examples() -> agent::host::HostFacts {
    let mut host = host();
    for name in ["eth2", "bond0", "ens5", "ens5f0", "ens5f1", "lo"] {
        if !host.interfaces.iter().any(|interface| interface.name == name) {
            let like = host.interfaces[2].clone();
            host.interfaces.push(agent::host::Interface {
                name: name.to_owned(),
                ..like
            });
        }
    }
    host
}

/// What an example leaves out because it is about something else.
fn completed(text: &str) -> String {
    let mut text = text.to_owned();
    let top = |text: &str, key: &str| text.lines().any(|line| line.starts_with(key));
    if !top(&text, "protect") {
        text = format!("protect = ['203.0.113.0/28', '2001:db8::7']\n{text}");
    }
    if !top(&text, "interfaces") {
        text = format!("interfaces = ['eth0']\n{text}");
    }
    text
}

#[test]
fn every_configuration_in_the_documents_can_be_loaded() {
    let host = host_of_the_examples();
    let mut seen = 0;
    for block in blocks().into_iter().filter(|block| block.info == "toml") {
        let text = completed(&block.text);
        if let Err(error) = config::load_text(&text, Path::new("/etc/levee/agent.toml"), &host) {
            panic!("{}: {error}\n{text}", block.place);
        }
        seen += 1;
    }
    assert!(seen > 10, "{seen} examples");
}

/// The commands of a block: lines of `sh`, and lines behind a prompt in `console`.
fn commands(info: &str, text: &str) -> Vec<String> {
    let console = match info.split(' ').next() {
        Some("sh") => false,
        Some("console") => true,
        _ => return Vec::new(),
    };
    let whole = text.replace("\\\n", " ");
    let lines = whole.lines().map(str::trim);
    lines
        .filter_map(|line| {
            let line = if console {
                line.strip_prefix("# ").or_else(|| line.strip_prefix("$ "))?
            } else {
                line
            };
            let line = line.strip_prefix("sudo ").unwrap_or(line);
            line.starts_with("agent ").then(|| line.to_owned())
        })
        .collect()
}

/// Whether the command line understands it.
fn understood(words: &[String]) -> Result<(), String> {
    use clap::error::ErrorKind::{DisplayHelp, DisplayVersion};
    match cli::command().try_get_matches_from(words) {
        Ok(_) => Ok(()),
        Err(error) if matches!(error.kind(), DisplayHelp | DisplayVersion) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

/// The words of a command up to a pipe, a redirection or a comment.
fn words(command: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for character in command.chars() {
        match (quote, character) {
            (Some(open), _) if open == character => quote = None,
            (None, '\'' | '"') => quote = Some(character),
            (None, ' ') => {
                if words.last().is_some_and(|word| !word.is_empty()) {
                    words.push(String::new());
                }
            }
            (None, '|' | '>' | ';' | '&' | '<') => break,
            (None, '#') if words.last().is_some_and(String::is_empty) => break,
            (Some(_) | None, other) => words.last_mut().expect("a word").push(other),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[test]
fn every_command_in_the_documents_is_understood() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for block in blocks() {
        for command in commands(&block.info, &block.text) {
            seen += 1;
            if let Err(error) = understood(&words(&command)) {
                wrong.push(format!("{}: {command}\n{error}", block.place));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 40, "{seen} commands");
}

/// Commands in the midst of a sentence: `agent verb ..`.
#[test]
fn every_verb_named_in_the_documents_is_there() {
    let mut wrong = Vec::new();
    for (path, text) in documents() {
        for (at, code) in text.split('`').enumerate().filter(|(at, _)| at % 2 == 1) {
            let Some(verb) = code
                .strip_prefix("agent ")
                .and_then(|rest| rest.split_whitespace().next())
            else {
                continue;
            };
            if !verb.starts_with('-') && cli::command().find_subcommand(verb).is_none() {
                wrong.push(format!("{path}: `{code}` ({at})"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn words_of_a_command_are_those_of_a_shell() {
    assert_eq!(words("agent list --json | jq '.[]' # all"), ["agent", "list", "--json"]);
    assert_eq!(
        words("agent block-ip 192.0.2.1 --reason 'ticket 1; botnet' > /dev/null"),
        ["agent", "block-ip", "192.0.2.1", "--reason", "ticket 1; botnet"]
    );
    assert_eq!(
        commands("console", "# agent status\nall is well\n$ agent list\n"),
        ["agent status", "agent list"]
    );
    assert!(understood(&words("agent blok-ip 192.0.2.1")).is_err());
    assert!(understood(&words("agent stats --help")).is_ok());
}
