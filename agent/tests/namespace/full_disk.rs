//! The ledger on a disk that is full, and then is not any more: a small tmpfs in a mount namespace of its own.

use std::{
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use agent::{
    detect::{Event, What},
    ledger::{JournalEntry, Ledger},
};
use jiff::Timestamp;
use nix::{
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
};

/// Longer than the history waits before it tries again.
const PATIENCE: Duration = Duration::from_secs(30);

fn in_namespace(test: impl FnOnce(&Path) + Send + 'static) {
    let inside = move || {
        unshare(CloneFlags::CLONE_NEWNS).expect("a namespace of its own: this test needs root");
        mount(
            None::<&str>,
            "/",
            None::<&str>,
            MsFlags::MS_REC | MsFlags::MS_PRIVATE,
            None::<&str>,
        )
        .expect("private");
        let directory = tempfile::tempdir().expect("directory");
        mount_tmpfs(directory.path(), "size=1m", false);
        test(directory.path());
        nix::mount::umount2(directory.path(), nix::mount::MntFlags::MNT_DETACH).expect("unmounts");
    };
    if let Err(panic) = thread::spawn(inside).join() {
        std::panic::resume_unwind(panic);
    }
}

fn mount_tmpfs(at: &Path, options: &str, again: bool) {
    let flags = if again { MsFlags::MS_REMOUNT } else { MsFlags::empty() };
    mount(Some("tmpfs"), at, Some("tmpfs"), flags, Some(options)).expect("mounts");
}

fn notice(number: usize) -> Event {
    Event {
        at: Timestamp::UNIX_EPOCH,
        subject: None,
        attack: None,
        what: What::Notice {
            text: format!("{number} {}", "x".repeat(1_000)),
        },
    }
}

fn command() -> JournalEntry {
    JournalEntry {
        at: Timestamp::UNIX_EPOCH,
        actor: "test".to_owned(),
        command: "block-ip".to_owned(),
        reason: None,
        succeeded: true,
        result: "x".repeat(200_000),
    }
}

/// Waits until the history says this of itself.
fn wait(ledger: &Ledger, what: &str, is_so: impl Fn(Option<&str>) -> bool) {
    let begin = Instant::now();
    while !is_so(ledger.history().problem().as_deref()) {
        assert!(begin.elapsed() < PATIENCE, "{what}: {:?}", ledger.history().problem());
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_full_disk_is_told_and_nothing_is_lost_when_there_is_room_again() {
    in_namespace(|directory| {
        let (mut ledger, warnings) = Ledger::open(directory, Timestamp::UNIX_EPOCH);
        assert_eq!(warnings, [""; 0]);
        let begin = Instant::now();
        for number in 0..3_000 {
            ledger.record_event(notice(number));
        }
        assert!(begin.elapsed() < PATIENCE, "nobody waits for the disk");
        wait(&ledger, "told", |problem| {
            problem.is_some_and(|problem| problem.contains("cannot be written"))
        });
        let refused = (0..20).find_map(|_| ledger.record(&[], &command()).err());
        let refused = refused.expect("a command that cannot be recorded is refused at once");
        assert!(refused.to_string().contains("full"), "{refused}");
        mount_tmpfs(directory, "size=64m", true);
        wait(&ledger, "over", |problem| problem.is_none());
        let journal = ledger.journal(100).expect("reads").len();
        ledger.catch_up(Timestamp::UNIX_EPOCH);
        assert_eq!(
            ledger.journal(100).expect("reads").len(),
            journal + 1,
            "what was refused is recorded now"
        );
        ledger.record(&[], &command()).expect("records again");
        assert_eq!(ledger.last_error(), None);
        let events = ledger.events(0, usize::MAX).expect("reads");
        assert_eq!(events.len(), 3_000, "all of them are there");
        drop(ledger);
        let (ledger, warnings) = Ledger::open(directory, Timestamp::UNIX_EPOCH);
        assert_eq!(warnings, [""; 0], "the files are sound");
        assert_eq!(ledger.events(0, usize::MAX).expect("reads").len(), 3_000);
    });
}

#[test]
fn an_agent_that_starts_on_a_full_disk_runs_on_and_says_so() {
    in_namespace(|directory| {
        let filled = Command::new("dd")
            .args(["if=/dev/zero", "bs=4k", "status=none"])
            .arg(format!("of={}", directory.join("filler").display()))
            .status()
            .expect("dd");
        assert!(!filled.success(), "the disk is full now");
        let (mut ledger, warnings) = Ledger::open(directory, Timestamp::UNIX_EPOCH);
        assert!(ledger.is_in_memory());
        assert!(
            warnings.iter().any(|warning| warning.contains("without a ledger")),
            "{warnings:?}"
        );
        assert!(
            warnings.iter().any(|warning| warning.contains("without a history")),
            "{warnings:?}"
        );
        let told = ledger.record_event(notice(1));
        assert_eq!(ledger.events(0, 10).expect("memory works"), [told]);
    });
}
