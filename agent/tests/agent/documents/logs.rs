//! `docs/logs.md`: each line of the JSON log is an object of the promised form, and each field that the agent writes is described.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{self, Write},
    path::Path,
    sync::{Arc, Mutex},
};

use agent::{config::operation::LogFormat, logging};
use serde_json::Value;
use tracing_subscriber::layer::SubscriberExt as _;

use super::{read, root};
use crate::support::{Bench, block, config, noon, order};

/// A log that is kept.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("lock").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is logged meanwhile, as JSON.
fn logged(doing: impl FnOnce()) -> Vec<Value> {
    let kept = Kept::default();
    let writer = kept.clone();
    let layer = logging::lines(LogFormat::Json, move || writer.clone(), false);
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), doing);
    let bytes = kept.0.lock().expect("lock").clone();
    let text = String::from_utf8(bytes).expect("UTF-8");
    let parsed = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    text.lines().map(parsed).collect()
}

fn keys(value: &Value) -> BTreeSet<&str> {
    value
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect()
}

#[test]
fn each_line_is_an_object_of_the_same_form() {
    let lines = logged(|| {
        let bench = Bench::default();
        let mut engine = bench.start(config(""), noon()).expect("starts");
        let request = agent::control::api::BlockRequest {
            reason: Some("ticket 4711".to_owned()),
            ..block("192.0.2.200")
        };
        order(&mut engine, agent::command::Command::Block(request), noon()).expect("blocked");
        order(&mut engine, agent::command::Command::Block(block("0.0.0.0/0")), noon()).expect_err("refused");
        let span = tracing::info_span!("of a library", inside = 1);
        span.in_scope(|| tracing::warn!(list = "\u{1b}[31m\"\n{", "hostile\u{0} \"bytes\"\r\n"));
    });
    assert!(lines.len() >= 4, "{lines:?}");
    for line in &lines {
        assert_eq!(keys(line), ["fields", "level", "target", "timestamp"].into(), "{line}");
        let at = line["timestamp"].as_str().expect("text");
        assert!(at.parse::<jiff::Timestamp>().is_ok() && at.ends_with('Z'), "{at}");
        assert!(["ERROR", "WARN", "INFO", "DEBUG", "TRACE"].contains(&line["level"].as_str().expect("text")));
        assert!(line["fields"]["message"].is_string(), "{line}");
    }
    let blocked = lines
        .iter()
        .find(|line| line["fields"]["reason"] == "ticket 4711")
        .expect("the block");
    assert_eq!(blocked["fields"]["command"], "block-ip 192.0.2.200");
    assert_eq!(blocked["level"], "INFO");
    let refused = lines.iter().find(|line| line["level"] == "WARN").expect("the refusal");
    assert!(
        refused["fields"].get("reason").is_none(),
        "what is not there is left out: {refused}"
    );
    let hostile = lines.last().expect("a line");
    assert_eq!(hostile["fields"]["list"], "\u{1b}[31m\"\n{");
    assert_eq!(hostile["fields"]["message"], "hostile\u{0} \"bytes\"\r\n");
}

/// The arguments of a macro's call whose text begins behind its parenthesis, up to the message.
fn arguments(call: &str) -> Vec<String> {
    let (mut depth, mut quoted, mut escaped) = (1, false, false);
    let mut parts = vec![String::new()];
    for character in call.chars() {
        let part = parts.last_mut().expect("a part");
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => {
                quoted = !quoted;
                part.push('"');
            }
            _ if quoted => {}
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' if depth == 1 => break,
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 1 => parts.push(String::new()),
            other => part.push(other),
        }
    }
    let parts = parts.into_iter().map(|part| part.trim().to_owned());
    parts
        .take_while(|part| !part.starts_with('"'))
        .filter(|part| !part.is_empty())
        .collect()
}

/// The name of a field: `name`, `name = value`, `%name`, `?name`.
fn field(argument: &str) -> &str {
    let name = argument.split('=').next().unwrap_or(argument);
    name.trim().trim_start_matches(['%', '?'])
}

/// Each field that the agent's sources log, with a place.
fn written(directory: &Path, found: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(directory).expect("directory") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            written(&path, found);
            continue;
        }
        let text = fs::read_to_string(&path).expect("text");
        for (at, opening) in text.match_indices("!(") {
            let before = text[..at].rsplit(|c: char| !c.is_alphanumeric() && c != '_');
            let name = before.into_iter().next().unwrap_or_default();
            if !["error", "warn", "info", "debug", "trace"].contains(&name) {
                continue;
            }
            for argument in arguments(&text[at + opening.len()..]) {
                found.insert(field(&argument).to_owned(), path.display().to_string());
            }
        }
    }
}

#[test]
fn each_field_that_is_written_is_described_and_no_other() {
    let mut found = BTreeMap::new();
    written(&root().join("agent/src"), &mut found);
    found.insert("message".to_owned(), "every line".to_owned());
    let document = read("docs/logs.md");
    let (_, table) = document.split_once("| field |").expect("the table of fields");
    let described: BTreeSet<&str> = table
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .filter_map(|line| line.split('`').nth(1))
        .collect();
    let written: BTreeSet<&str> = found.keys().map(String::as_str).collect();
    assert_eq!(
        described, written,
        "docs/logs.md against the calls of tracing: {found:#?}"
    );
}

#[test]
fn fields_are_found_however_they_are_written() {
    assert_eq!(
        arguments("list = name, %mode, ?facts, subject, \"text, {more}\", 5)"),
        ["list = name", "%mode", "?facts", "subject"]
    );
    assert_eq!(
        ["list = name", "%mode", "subject"].map(field),
        ["list", "mode", "subject"]
    );
    assert_eq!(
        arguments("interfaces = names.join(\",\"), mode = %mode, \"protecting\")").len(),
        2
    );
}
