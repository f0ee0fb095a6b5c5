//! Secrets are in what is sent, and nowhere else: not in the log at its loudest, not in what commands answer, not in errors.

use std::{
    io,
    sync::{Arc, Mutex},
};

use tracing::level_filters::LevelFilter;

use super::{
    attack,
    receiver::{Does, Receiver},
    section, told_by, web,
};
use crate::support::config;

const TOKEN: &str = "xoxb-hunter2-token";
const KEY: &str = "hunter2-header-key";
const PATH: &str = "hunter2Path";
const VARIABLE: &str = "hunter2-in-environment";

/// A log in memory.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("lock").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn secrets_are_in_no_log_and_in_no_answer() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);

    let directory = tempfile::tempdir().expect("directory");
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).expect("written");
        format!("file:{}", path.display())
    };
    let echo = Receiver::new([Does::Echo]).await;
    let redirect = Receiver::new([Does::Answer(
        "302 Found",
        format!("Location: http://127.0.0.1:1/{PATH}\r\n"),
        String::new(),
    )])
    .await;
    let secret = |receiver: &Receiver| receiver.url.replace("/hook", &format!("/services/{PATH}?key={KEY}"));
    let more = format!(
        "bearer = {:?}\nheaders = {{ X-Api-Key = {:?} }}",
        file("token", TOKEN),
        file("key", KEY)
    );
    let hook = "command = [\"/bin/sh\", \"-c\", \"cat; echo $SECRET >&2; exit 1\"]\nretries = 0";
    let sections = [
        web("echo", &file("url", &secret(&echo)), &more),
        web("written", &secret(&echo), &format!("bearer = {TOKEN:?}")),
        section("slack", "slack", &format!("url = {:?}", secret(&redirect))),
        web("refused", &format!("http://127.0.0.1:1/{PATH}"), "retries = 0"),
        section(
            "hook",
            "exec",
            &format!("{hook}\nenvironment = {{ SECRET = {:?} }}", file("variable", VARIABLE)),
        ),
    ];
    let config = config(&sections.concat());
    let mut shown = format!("{config:?} {:?}", config.warnings);
    let mut telling = told_by(&sections.concat());
    telling.ready(5).await;
    telling.tell(attack(1));
    for name in ["echo", "written", "slack", "refused", "hook"] {
        telling.until(name, |view| view.failed == 1).await;
        let (succeeded, answer) = telling.test(name).await;
        assert!(!succeeded, "{name}: {answer}");
        shown.push_str(&answer);
    }
    let came = echo.until(2).await;
    let sent: String = came.iter().map(|came| came.head.clone()).collect();
    for secret in [TOKEN, KEY, PATH] {
        assert!(sent.contains(secret), "it is what the endpoint wants: {sent}");
    }
    shown.push_str(&serde_json::to_string(&telling.notifier.views()).expect("JSON"));
    shown.push_str(&agent::export::server::notifications(telling.notifier.clone()).expect("metrics"));
    shown.push_str(
        &telling
            .reload(crate::support::config(&sections[1].replace("written", "other")))
            .concat(),
    );
    let log = String::from_utf8(log.0.lock().expect("lock").clone()).expect("text");
    for wanted in ["is given up", "[secret]"] {
        assert!(log.contains(wanted), "the log was listened to: {log}");
    }
    for (what, text) in [("the log", &log), ("an answer", &shown)] {
        for secret in [TOKEN, KEY, PATH, VARIABLE] {
            assert!(!text.contains(secret), "{secret} is in {what}: {text}");
        }
    }
}

#[test]
fn mistakes_about_secrets_are_told_without_them() {
    let text = |section: &str| format!("interfaces = [\"eth0\"]\n[[notify]]\nname = \"a\"\n{section}\n");
    let host = crate::support::host();
    for (section, part) in [
        (
            "kind = \"json\"\nurl = \"ftp://x/hunter2\"",
            "notify[0].url: is no URL that begins with https://",
        ),
        ("kind = \"json\"", "notify[0].url: is missing"),
        ("kind = \"json\"\nurl = \"file:hunter2\"", "is not the absolute path"),
        (
            "kind = \"json\"\nurl = \"http://x\"\nheaders = { \"X y\" = \"hunter2\" }",
            "is no name of a header",
        ),
        (
            "kind = \"json\"\nurl = \"http://x\"\nheaders = { X = \"hunter2\\nhunter2\" }",
            "not one line",
        ),
        ("kind = \"json\"\nurl = \"http://x\"\nbearer = 5", "bearer"),
        (
            "kind = \"json\"\nurl = \"http://x\"\nlabels = { a = \"b\" }",
            "is for kind = \"alertmanager\" only",
        ),
        (
            "kind = \"alertmanager\"\nurl = \"http://x\"\nlabels = { a-b = \"b\" }",
            "no name of a label",
        ),
        (
            "kind = \"exec\"\nurl = \"http://x/hunter2\"\ncommand = [\"/bin/true\"]",
            "is not for kind = \"exec\"",
        ),
        ("kind = \"exec\"", "notify[0].command: is missing"),
        ("kind = \"exec\"\ncommand = [\"true\"]", "is not an absolute path"),
        (
            "kind = \"json\"\nurl = \"http://x\"\nevents = [\"atack_started\"]",
            "expected one of `attack_started`",
        ),
        (
            "kind = \"json\"\nurl = \"http://x\"\nqueue = 0",
            "write a number from 1 to 10000",
        ),
        (
            "kind = \"json\"\nurl = \"http://x\"\ntimeout = \"1h\"",
            "write a duration from 1s to 5m",
        ),
        (
            "kind = \"json\"\nurl = \"http://x\"\nrepeat = \"1h\"",
            "did you mean `repeat_after`",
        ),
        (
            "kind = \"mail\"\nurl = \"http://x\"",
            "expected one of `json`, `slack`, `alertmanager`, `exec`",
        ),
    ] {
        let path = std::path::Path::new("/etc/levee/agent.toml");
        let error = agent::config::load_text(&text(section), path, &host)
            .expect_err(section)
            .to_string();
        assert!(error.contains(part), "{section}: {error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}
