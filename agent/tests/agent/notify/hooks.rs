//! Hooks that do as they should, hang, fork, fail and print.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use super::{attack, section, told_by};

/// A hook in a directory of its own: a shell script that finds the directory in `$1`.
struct Hook {
    directory: tempfile::TempDir,
}

impl Hook {
    fn new(script: &str) -> Self {
        let directory = tempfile::tempdir().expect("directory");
        std::fs::write(directory.path().join("hook.sh"), script).expect("written");
        Self { directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn section(&self, more: &str) -> String {
        let (script, directory) = (self.path("hook.sh"), self.directory.path());
        section(
            "hook",
            "exec",
            &format!("command = [\"/bin/sh\", {script:?}, {directory:?}]\n{more}"),
        )
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// Whether a process runs; one that is dead and not yet reaped does not.
fn runs(pid: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/status", pid.trim())).unwrap_or_default();
    status.contains("State:") && !status.contains("State:\tZ")
}

fn ends(pid: &str) -> bool {
    (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(20));
        !runs(pid)
    })
}

#[tokio::test]
async fn a_hook_reads_the_message_and_has_an_environment_of_its_own() {
    let hook = Hook::new("cat > $1/input\nenv > $1/environment\npwd > $1/place\n");
    let telling = told_by(&hook.section("environment = { POOL = \"blue\" }"));
    telling.ready(1).await;
    telling.tell(attack(9));
    telling.until("hook", |view| view.sent == 1).await;
    let input: serde_json::Value = serde_json::from_str(&read(&hook.path("input"))).expect("JSON");
    assert_eq!(
        (&input["event"], &input["attack"]),
        (&"attack_started".into(), &9.into())
    );
    let environment = read(&hook.path("environment"));
    // What the shell sets by itself.
    let own = |line: &&str| {
        !["PWD=", "OLDPWD=", "SHLVL=", "_="]
            .iter()
            .any(|name| line.starts_with(name))
    };
    let mut lines: Vec<&str> = environment.lines().filter(own).collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "LEVEE_ATTACK=9",
            "LEVEE_EVENT=attack_started",
            "LEVEE_SUBJECT=203.0.113.7",
            "LEVEE_TEST=",
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "POOL=blue",
        ]
    );
    assert_eq!(read(&hook.path("place")), "/\n");
}

#[tokio::test]
async fn a_hook_that_fails_is_run_again_and_its_last_words_are_kept() {
    let hook =
        Hook::new("echo x >> $1/runs\nif [ $(wc -l < $1/runs) -lt 2 ]; then echo pool is locked >&2; exit 3; fi\n");
    let telling = told_by(&hook.section(""));
    telling.ready(1).await;
    telling.tell(attack(1));
    telling
        .until("hook", |view| {
            view.problem
                .as_ref()
                .is_some_and(|it| it.contains("exit status: 3: pool is locked"))
        })
        .await;
    telling
        .until("hook", |view| {
            view.sent == 1 && view.failed_attempts == 1 && view.problem.is_none()
        })
        .await;
}

#[tokio::test]
async fn a_hook_that_hangs_is_killed_with_all_that_it_started() {
    let hook = Hook::new("sleep 600 & echo $! > $1/child; echo $$ > $1/parent; echo waiting >&2; trap '' TERM; wait\n");
    let telling = told_by(&hook.section("timeout = \"2s\""));
    telling.ready(1).await;
    let begun = Instant::now();
    let (succeeded, answer) = telling.test("hook").await;
    assert!(
        !succeeded && answer == "did not end within 2s and was killed: waiting",
        "{answer}"
    );
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    for name in ["parent", "child"] {
        assert!(ends(&read(&hook.path(name))), "{name} is still there");
    }
}

#[tokio::test]
async fn what_a_hook_leaves_behind_does_not_hold_anybody_up() {
    // The child holds the pipes; the second one has left the group and cannot be killed with it.
    let hook = Hook::new(
        "sleep 600 & echo $! > $1/child\nsetsid sh -c 'echo $$ > $0/escaped; exec sleep 20' $1 &\nwhile [ ! -s $1/escaped ]; do sleep 0.05; done\necho done\n",
    );
    let telling = told_by(&hook.section("timeout = \"15s\""));
    telling.ready(1).await;
    let begun = Instant::now();
    assert_eq!(telling.test("hook").await, (true, "ended well: done".to_owned()));
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert!(ends(&read(&hook.path("child"))), "the group goes with its leader");
    let escaped = read(&hook.path("escaped"));
    assert!(runs(&escaped), "a session of its own is the way to stay");
    let pid = nix::unistd::Pid::from_raw(escaped.trim().parse().expect("a number"));
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).expect("it is ours");
}

#[tokio::test]
async fn a_hook_may_print_what_it_likes() {
    let hook = Hook::new(
        "head -c 50000000 /dev/zero | tr '\\0' x\necho\nhead -c 50000000 /dev/zero >&2\nprintf 'last \\033[2J words\\n' >&2\n",
    );
    let telling = told_by(&hook.section("timeout = \"5m\""));
    telling.ready(1).await;
    let (succeeded, answer) = telling.test("hook").await;
    assert!(succeeded && answer.len() < 20_000, "{} bytes", answer.len());
    assert!(
        answer.ends_with("last \u{fffd}[2J words"),
        "nothing a terminal would obey: {answer}"
    );
}

#[tokio::test]
async fn a_hook_that_reads_nothing_or_is_not_there_is_told() {
    let hook = Hook::new("exec 0<&-\nexit 0\n");
    let missing = section("missing", "exec", "command = [\"/nowhere/hook\"]");
    let telling = told_by(&format!("{}{missing}", hook.section("")));
    telling.ready(2).await;
    assert!(telling.test("hook").await.0);
    let (succeeded, answer) = telling.test("missing").await;
    assert!(
        !succeeded && answer.contains("/nowhere/hook cannot be started"),
        "{answer}"
    );
}
