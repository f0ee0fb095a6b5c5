//! Files in the state directory, whatever became of them: the first byte says which, the others are what is in it.

use std::{fs, path::Path};

use agent::{
    feeds::{parse::parse, store::Store},
    ledger::Ledger,
    overrides::{Change, ListOverride, Origin},
    tables::ListAction,
};

use super::support::{net, noon};

const LIST: &str = "fuzzed";
const FROM: &str = "https://lists.example/bad";

pub(super) fn run(data: &[u8]) {
    let Some((which, bytes)) = data.split_first() else {
        return;
    };
    let directory = tempfile::tempdir().expect("a directory");
    match which % 3 {
        0 => list(directory.path(), bytes),
        1 => ledger(directory.path(), "ledger.db", bytes),
        _ => ledger(directory.path(), "history.db", bytes),
    }
}

/// The last good version of a list: whole, or none.
fn list(directory: &Path, bytes: &[u8]) {
    let lists = directory.join("lists");
    fs::create_dir(&lists).expect("a directory");
    fs::write(lists.join(format!("{LIST}.list")), bytes).expect("a file");
    let store = Store::new(directory);
    let Ok(Some(kept)) = store.last_good(LIST, FROM) else {
        return;
    };
    store.keep(LIST, FROM, &kept.parsed, kept.read).expect("kept");
    let again = store.last_good(LIST, FROM).expect("read").expect("there");
    assert_eq!(again.parsed.prefixes, kept.parsed.prefixes, "written and read");
    assert_eq!((again.parsed.invalid, again.read), (kept.parsed.invalid, kept.read));
    assert!(parse(std::str::from_utf8(bytes).expect("it was read")).is_ok());
}

/// A database: used, or kept aside with a word; what is recorded next is there either way.
fn ledger(directory: &Path, file: &str, bytes: &[u8]) {
    fs::write(directory.join(file), bytes).expect("a file");
    let now = noon();
    let (mut ledger, warnings) = Ledger::open(directory, now.wall);
    assert!(warnings.iter().all(|warning| !warning.is_empty()));
    if ledger.overrides(now).is_err() {
        return;
    }
    let origin = Origin {
        actor: "fuzz".to_owned(),
        reason: None,
        since: now.wall,
        until: None,
    };
    let entry = ListOverride {
        action: ListAction::Block,
        origin,
    };
    let prefix = net("192.0.2.0/24");
    if ledger.keep(&[Change::PutEntry(prefix, entry.clone())]).is_ok() {
        let (overrides, _) = ledger.overrides(now).expect("what was just written");
        assert_eq!(overrides.list.get(&prefix), Some(&entry), "written and read");
    }
}
