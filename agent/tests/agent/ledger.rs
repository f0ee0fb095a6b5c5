//! The ledger over restarts, reboots, corruption and versions: nothing is lost, nothing is overwritten.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, time::Duration};

use agent::{
    clock::Now,
    config::units::{Burst, Rate},
    ledger::{Installed, JournalEntry, Ledger},
    overrides::{
        BlackholeOverride, Change, ListOverride, ModeOverride, Origin, Overrides, RungOverride, ThresholdOverride,
        ThresholdTarget,
    },
    tables::{ListAction, Mode, MonotonicNs, Rung},
};
use jiff::Timestamp;

fn now() -> Now {
    Now {
        wall: "2025-06-01T12:00:00Z".parse().expect("timestamp"),
        mono: MonotonicNs(1_000_000_000_000),
    }
}

fn origin(ttl_secs: Option<u64>) -> Origin {
    Origin {
        actor: "uid=0 (root) pid=1".to_owned(),
        reason: Some("SYN flood, ticket 4711".to_owned()),
        since: now().wall,
        until: ttl_secs.map(|secs| now().plus(Duration::from_secs(secs))),
    }
}

fn entry() -> JournalEntry {
    JournalEntry {
        at: now().wall,
        actor: "uid=0 (root) pid=1".to_owned(),
        command: "block-ip 192.0.2.0/24".to_owned(),
        reason: None,
        succeeded: true,
        result: "Blocked.".to_owned(),
    }
}

fn some_of_everything() -> Vec<Change> {
    let net = |text: &str| text.parse().expect("prefix");
    vec![
        Change::PutEntry(
            net("192.0.2.0/24"),
            ListOverride {
                action: ListAction::Block,
                origin: origin(Some(3600)),
            },
        ),
        Change::PutEntry(
            net("2001:db8::/32"),
            ListOverride {
                action: ListAction::Allow,
                origin: origin(None),
            },
        ),
        Change::PutBlackhole(
            "203.0.113.7".parse().expect("address"),
            BlackholeOverride {
                all: true,
                origin: origin(Some(60)),
            },
        ),
        Change::PutThreshold(
            ThresholdTarget::Source,
            ThresholdOverride {
                vectors: agent::vectors::VectorsOverride::default(),
                syn_rate: Rate::new(500),
                syn_burst: None,
                origin: origin(None),
            },
        ),
        Change::PutThreshold(
            ThresholdTarget::Address("203.0.113.8".parse().expect("address")),
            ThresholdOverride {
                vectors: agent::vectors::VectorsOverride {
                    udp: agent::vectors::VectorOverride {
                        packets: "20k".parse().ok(),
                        bits: "unlimited".parse().ok(),
                    },
                    ..agent::vectors::VectorsOverride::default()
                },
                syn_rate: None,
                syn_burst: Burst::new(9),
                origin: origin(None),
            },
        ),
        Change::PutRung(
            "203.0.113.8".parse().expect("address"),
            RungOverride {
                rung: Rung::Known,
                origin: origin(Some(3600)),
            },
        ),
        Change::SetMode(Some(ModeOverride {
            mode: Mode::Enforce,
            origin: origin(None),
        })),
    ]
}

fn open(directory: &Path) -> Ledger {
    let (ledger, warnings) = Ledger::open(directory, now().wall);
    assert_eq!(warnings, [""; 0]);
    ledger
}

#[test]
fn everything_survives_a_restart() {
    let directory = tempfile::tempdir().expect("directory");
    let changes = some_of_everything();
    open(directory.path()).record(&changes, &entry()).expect("records");
    let mut reopened = open(directory.path());
    let (overrides, unclear) = reopened.overrides(now()).expect("reads");
    assert_eq!(unclear, [""; 0]);
    assert_eq!(overrides, Overrides::default().with(&changes));
    assert_eq!(reopened.journal(10).expect("reads"), [entry()]);
    let mode = fs::metadata(reopened.path()).expect("file").permissions().mode() & 0o777;
    assert_eq!(mode, 0o640);
}

#[test]
fn after_a_reboot_the_time_that_is_left_is_what_counts() {
    let directory = tempfile::tempdir().expect("directory");
    open(directory.path())
        .record(&some_of_everything(), &entry())
        .expect("records");
    // Half an hour later, on a clock that began anew: the 60 s blackhole is over, half of the 1 h block is left.
    let later = Now {
        wall: "2025-06-01T12:30:00Z".parse().expect("timestamp"),
        mono: MonotonicNs(5_000_000_000),
    };
    let (overrides, _) = open(directory.path()).overrides(later).expect("reads");
    assert!(overrides.blackholes.is_empty());
    let until = overrides.list[&"192.0.2.0/24".parse().expect("prefix")]
        .origin
        .until
        .expect("it ends");
    assert_eq!(until.mono, MonotonicNs(1_805_000_000_000));
    assert_eq!(overrides.list.len(), 2);
}

#[test]
fn what_is_removed_stays_removed() {
    let directory = tempfile::tempdir().expect("directory");
    let mut ledger = open(directory.path());
    ledger.record(&some_of_everything(), &entry()).expect("records");
    let (overrides, _) = ledger.overrides(now()).expect("reads");
    let mut removals: Vec<Change> = overrides
        .list
        .keys()
        .map(|prefix| Change::RemoveEntry(*prefix))
        .collect();
    removals.extend(
        overrides
            .blackholes
            .keys()
            .map(|address| Change::RemoveBlackhole(*address)),
    );
    removals.extend(
        overrides
            .thresholds
            .keys()
            .map(|target| Change::RemoveThreshold(*target)),
    );
    removals.extend(overrides.rungs.keys().map(|address| Change::RemoveRung(*address)));
    removals.push(Change::SetMode(None));
    ledger.record(&removals, &entry()).expect("records");
    drop(ledger);
    assert_eq!(
        open(directory.path()).overrides(now()).expect("reads").0,
        Overrides::default()
    );
}

#[test]
fn an_unreadable_file_is_kept_aside_byte_for_byte() {
    let directory = tempfile::tempdir().expect("directory");
    let garbage = b"this is not a database, and somebody may still want it".repeat(100);
    fs::write(directory.path().join("ledger.db"), &garbage).expect("writes");
    let (mut ledger, warnings) = Ledger::open(directory.path(), now().wall);
    let kept = directory.path().join("ledger.db.unreadable-20250601T120000Z");
    assert_eq!(fs::read(&kept).expect("kept"), garbage);
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].contains(kept.to_str().expect("text")), "{warnings:?}");
    assert!(!ledger.is_in_memory());
    ledger
        .record(&some_of_everything(), &entry())
        .expect("the new one works");
}

#[test]
fn a_second_unreadable_file_in_the_same_second_does_not_replace_the_first() {
    let directory = tempfile::tempdir().expect("directory");
    for content in [
        "first, long enough to be no database at all",
        "second, long enough to be no database at all",
    ] {
        fs::write(directory.path().join("ledger.db"), content.repeat(50)).expect("writes");
        let _ = Ledger::open(directory.path(), now().wall);
        fs::remove_file(directory.path().join("ledger.db")).expect("the new one is there");
    }
    let kept = fs::read_dir(directory.path()).expect("lists").filter_map(Result::ok);
    assert_eq!(
        kept.filter(|file| file.file_name().to_string_lossy().contains("unreadable"))
            .count(),
        2
    );
}

#[test]
fn a_page_of_a_good_file_gone_bad_is_noticed() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("ledger.db");
    let mut ledger = open(directory.path());
    for _ in 0..50 {
        ledger.record(&some_of_everything(), &entry()).expect("records");
    }
    drop(ledger);
    let mut bytes = fs::read(&path).expect("reads");
    let half = bytes.len() / 2;
    bytes[half..].fill(0x5a);
    fs::write(&path, &bytes).expect("writes");
    let (_, warnings) = Ledger::open(directory.path(), now().wall);
    assert!(
        warnings.iter().any(|warning| warning.contains("unreadable-")),
        "{warnings:?}"
    );
}

#[test]
fn a_newer_file_is_refused_and_left_as_it_is() {
    let directory = tempfile::tempdir().expect("directory");
    drop(open(directory.path()));
    let connection = rusqlite::Connection::open(directory.path().join("ledger.db")).expect("opens");
    assert!(Ledger::refuse_newer(directory.path()).is_ok());
    connection.pragma_update(None, "user_version", 99).expect("writes");
    drop(connection);
    let bytes = || fs::read(directory.path().join("ledger.db")).expect("reads");
    let before = bytes();
    let refused = Ledger::refuse_newer(directory.path()).expect_err("newer").to_string();
    assert!(
        refused.contains("ledger.db was written by a newer agent (version 99")
            && refused.contains("start that agent again"),
        "{refused}"
    );
    // Commands that work without an agent do not lose it either.
    let (ledger, warnings) = Ledger::open(directory.path(), now().wall);
    assert!(warnings[0].contains("newer agent (version 99"), "{warnings:?}");
    assert!(ledger.is_in_memory());
    drop(ledger);
    assert_eq!(bytes(), before);
}

#[test]
fn without_a_place_to_write_the_agent_runs_on_in_memory() {
    let directory = tempfile::tempdir().expect("directory");
    let blocked = directory.path().join("file");
    fs::write(&blocked, "in the way").expect("writes");
    let (mut ledger, warnings) = Ledger::open(&blocked.join("state"), now().wall);
    assert!(ledger.is_in_memory());
    assert!(
        warnings
            .iter()
            .any(|warning| warning.contains("lost with the next restart")),
        "{warnings:?}"
    );
    ledger.record(&some_of_everything(), &entry()).expect("memory works");
    assert_eq!(ledger.overrides(now()).expect("reads").0.list.len(), 2);
}

#[test]
fn rows_that_nobody_understands_are_named_and_left() {
    let directory = tempfile::tempdir().expect("directory");
    let mut ledger = open(directory.path());
    ledger.record(&some_of_everything(), &entry()).expect("records");
    let connection = rusqlite::Connection::open(ledger.path()).expect("opens");
    connection
        .execute(
            "UPDATE list_entries SET action = 'bless' WHERE prefix = '192.0.2.0/24'",
            [],
        )
        .expect("writes");
    let (overrides, unclear) = ledger.overrides(now()).expect("reads");
    assert_eq!(overrides.list.len(), 1);
    assert!(unclear[0].contains("192.0.2.0/24"), "{unclear:?}");
}

#[test]
fn the_journal_forgets_what_is_old() {
    let directory = tempfile::tempdir().expect("directory");
    let mut ledger = open(directory.path());
    let old = JournalEntry {
        at: Timestamp::UNIX_EPOCH,
        ..entry()
    };
    ledger.record(&[], &old).expect("records");
    for _ in 0..99 {
        ledger.record(&[], &entry()).expect("records");
    }
    assert_eq!(
        ledger.journal(1_000).expect("reads").last(),
        Some(&old),
        "the latest stay: a clock may be wrong"
    );
    ledger.record(&[], &entry()).expect("records");
    assert_eq!(ledger.journal(1_000).expect("reads"), vec![entry(); 100]);
}

#[test]
fn what_is_installed_is_remembered() {
    let directory = tempfile::tempdir().expect("directory");
    let installed = Installed {
        tables: "boot/17".to_owned(),
        config_list: "192.0.2.0/24 block".to_owned(),
    };
    let mut ledger = open(directory.path());
    assert_eq!(ledger.installed().expect("reads"), Installed::default());
    ledger.set_installed(&installed).expect("writes");
    assert_eq!(open(directory.path()).installed().expect("reads"), installed);
}

#[test]
fn a_ledger_that_somebody_removes_is_put_back_with_all_that_it_held() {
    let directory = tempfile::tempdir().expect("directory");
    let state = directory.path().join("state");
    let (mut ledger, warnings) = Ledger::open(&state, now().wall);
    assert_eq!(warnings, [""; 0]);
    ledger.record(&some_of_everything(), &entry()).expect("records");
    let (before, _) = ledger.overrides(now()).expect("reads");
    for what in ["everything", "the file", "the file, for another one"] {
        match what {
            "everything" => fs::remove_dir_all(&state).expect("removes"),
            "the file" => fs::remove_file(state.join("ledger.db")).expect("removes"),
            _ => {
                fs::write(state.join("other"), "somebody's").expect("writes");
                fs::rename(state.join("other"), state.join("ledger.db")).expect("renames");
            }
        }
        ledger.catch_up(now().wall);
        assert_eq!(ledger.last_error(), None, "{what}");
        ledger.record(&[], &entry()).expect("records again");
        let (mut read, _) = Ledger::open(&state, now().wall);
        assert_eq!(read.overrides(now()).expect("reads").0, before, "{what}");
    }
    let kept = fs::read_dir(&state).expect("lists").flatten();
    let kept = kept.filter_map(|file| fs::read_to_string(file.path()).ok());
    assert_eq!(kept.filter(|text| text == "somebody's").count(), 1, "never overwritten");
}
