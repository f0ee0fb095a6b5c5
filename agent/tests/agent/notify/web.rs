//! Webhooks: what arrives, what is tried again, what a dead one costs the others.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    attack, ended, notice,
    receiver::{Does, Receiver},
    section, told_by, web,
};
use crate::support::config;

/// The promise is one second.
const AT_ONCE: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_message_arrives_within_a_second_of_its_event() {
    let good = Receiver::new([Does::take()]).await;
    let slack = Receiver::new([Does::take()]).await;
    let telling = told_by(&format!(
        "{}{}",
        web("good", &good.url, ""),
        section("chat", "slack", &format!("url = {:?}", slack.url))
    ));
    telling.ready(2).await;
    let begun = Instant::now();
    telling.tell(notice("too soft"));
    telling.tell(attack(7));
    telling.tell(ended(7));
    let came = good.until(2).await;
    assert!(came[1].at - begun < AT_ONCE, "{:?}", came[1].at - begun);
    assert!(came[0].head.starts_with("POST /hook HTTP/1.1\r\n") && came[0].head.contains("application/json"));
    let (first, second) = (came[0].json(), came[1].json());
    assert_eq!(
        (&first["event"], &first["severity"], &first["subject"], &first["attack"]),
        (
            &"attack_started".into(),
            &"critical".into(),
            &"203.0.113.7".into(),
            &7.into()
        )
    );
    assert_eq!(first["details"]["syn"], 400_000.0);
    assert_eq!(
        second["event"], "attack_ended",
        "who was told of the begin is told of the end"
    );
    let posted = slack.until(2).await[0].json();
    assert!(
        posted["text"].as_str().expect("text").contains("203.0.113.7"),
        "{posted}"
    );
    telling
        .until("good", |view| {
            view.sent == 2 && view.queued == 0 && view.last_success.is_some()
        })
        .await;
}

#[tokio::test]
async fn what_servers_do_is_told_as_it_is() {
    let server = Receiver::new([Does::take()]).await;
    let own = Receiver::with_own_certificate().await;
    let tls_of_plain = server.url.replace("http:", "https:");
    let nobody = "http://127.0.0.1:1/hook";
    let telling = told_by(&format!(
        "{}{}{}{}",
        web("server", &server.url, "timeout = \"1s\""),
        web("own", &own.url, ""),
        web("plain", &tls_of_plain, ""),
        web("nobody", nobody, "")
    ));
    telling.ready(4).await;
    let redirect = |to: &str| Does::Answer("308 Permanent Redirect", format!("Location: {to}\r\n"), String::new());
    for (does, succeeds, wanted) in [
        (Does::take(), true, "answered 200 OK: ok"),
        (Does::Huge, true, "answered 200 OK: xxx"),
        (Does::Slow, true, "answered 200 OK: x"),
        (Does::Hang, false, "did not answer within 1s"),
        (Does::Reset, false, "error sending request"),
        (Does::Garbage, false, "error sending request"),
        (Does::status("500 Internal Server Error"), false, "answered 500"),
        (Does::status("404 Not Found"), false, "answered 404"),
        (redirect("file:///etc/passwd"), false, "sends elsewhere"),
        (
            redirect("http://127.0.0.1:1/x"),
            false,
            "sends elsewhere to http://127.0.0.1:1:",
        ),
        (redirect("/hook2"), false, "to another path"),
    ] {
        server.now(does.clone());
        let begun = Instant::now();
        let (succeeded, answer) = telling.test("server").await;
        assert_eq!(succeeded, succeeds, "{does:?}: {answer}");
        assert!(answer.contains(wanted), "{does:?}: {answer}");
        assert!(answer.chars().count() < 400, "{does:?}: an answer is cut: {answer}");
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "{does:?} took {:?}",
            begun.elapsed()
        );
    }
    // A server that waits for a request in plain text would be waited for.
    server.now(Does::Garbage);
    for (name, wanted) in [
        ("own", "certificate"),
        ("plain", "error sending request"),
        ("nobody", "refused"),
    ] {
        let (succeeded, answer) = telling.test(name).await;
        assert!(!succeeded && answer.contains(wanted), "{name}: {answer}");
    }
    assert!(
        own.came().is_empty(),
        "nothing is sent to who cannot prove who they are"
    );
}

#[tokio::test]
async fn what_failed_is_tried_again_in_order() {
    let server = Receiver::new([Does::status("500 Internal Server Error"), Does::Reset, Does::take()]).await;
    let telling = told_by(&web("server", &server.url, ""));
    telling.ready(1).await;
    telling.tell(attack(1));
    telling.tell(attack(2));
    let came = server.until(4).await;
    let of: Vec<_> = came.iter().map(|came| came.json()["attack"].as_u64()).collect();
    assert_eq!(of, [Some(1), Some(1), Some(1), Some(2)]);
    assert_eq!(
        came[0].json()["id"],
        came[2].json()["id"],
        "the same message has the same identifier"
    );
    assert_ne!(came[2].json()["id"], came[3].json()["id"]);
    telling
        .until("server", |view| {
            view.sent == 2 && view.failed_attempts == 2 && view.failed == 0 && view.problem.is_none()
        })
        .await;
}

#[tokio::test]
async fn an_endpoint_is_given_the_time_that_it_asks_for() {
    let busy = Does::Answer("429 Too Many Requests", "Retry-After: 3\r\n".to_owned(), String::new());
    let server = Receiver::new([busy, Does::take()]).await;
    let telling = told_by(&web("server", &server.url, ""));
    telling.ready(1).await;
    telling.tell(attack(1));
    let came = server.until(2).await;
    assert!(
        came[1].at - came[0].at >= Duration::from_millis(2_900),
        "{:?}",
        came[1].at - came[0].at
    );
}

#[tokio::test]
async fn what_is_refused_for_good_is_given_up() {
    let server = Receiver::new([Does::status("403 Forbidden"), Does::take()]).await;
    let telling = told_by(&web("server", &server.url, ""));
    telling.ready(1).await;
    telling.tell(attack(1));
    telling.tell(attack(2));
    let came = server.until(2).await;
    assert_eq!(came[1].json()["attack"], 2);
    telling.until("server", |view| view.failed == 1 && view.sent == 1).await;
}

#[tokio::test]
async fn a_dead_endpoint_keeps_nobody_waiting() {
    let good = Receiver::new([Does::take()]).await;
    let dead = Receiver::new([Does::Hang]).await;
    let telling = told_by(&format!(
        "{}{}",
        web("dead", &dead.url, "queue = 4\ntimeout = \"5m\""),
        web("good", &good.url, "")
    ));
    telling.ready(2).await;
    let mut latest = Duration::ZERO;
    for number in 0..20 {
        let begun = Instant::now();
        telling.tell(attack(number));
        let came = good.until(usize::try_from(number).expect("small") + 1).await;
        latest = latest.max(came.last().expect("came").at - begun);
    }
    assert!(latest < AT_ONCE, "{latest:?}");
    // One is on its way for ever, four wait, and these are the newest.
    telling
        .until("dead", |view| view.dropped == 15 && view.queued == 5 && view.sent == 0)
        .await;
    telling.until("good", |view| view.sent == 20 && view.dropped == 0).await;
    let left = telling.notifier.settle(Duration::from_millis(50)).await;
    assert_eq!(left, 5, "a stop does not wait for ever, and tells what is lost");
}

#[tokio::test]
async fn what_was_said_is_not_said_again() {
    let good = Receiver::new([Does::take()]).await;
    let telling = told_by(&web("good", &good.url, "severity = \"info\"\nrepeat_after = \"1h\""));
    telling.ready(1).await;
    for event in [
        attack(1),
        attack(1),
        notice("a"),
        notice("a"),
        notice("b"),
        ended(1),
        ended(1),
    ] {
        telling.tell(event);
    }
    let came = good.until(4).await;
    let of: Vec<String> = came.iter().map(|came| came.json()["event"].to_string()).collect();
    assert_eq!(
        of,
        ["\"attack_started\"", "\"notice\"", "\"notice\"", "\"attack_ended\""]
    );
    telling.until("good", |view| view.repeated == 3 && view.sent == 4).await;
}

#[tokio::test]
async fn a_reload_keeps_what_waits_for_those_that_stay() {
    let dead = Receiver::new([Does::status("503 Service Unavailable")]).await;
    let good = Receiver::new([Does::take()]).await;
    let mut telling = told_by(&format!(
        "{}{}",
        web("stays", &dead.url, ""),
        web("goes", &dead.url, "")
    ));
    telling.ready(2).await;
    for number in 1..=3 {
        telling.tell(attack(number));
    }
    telling
        .until("stays", |view| view.queued == 3 && view.failed_attempts > 0)
        .await;
    let changes = telling.reload(config(&format!(
        "{}{}",
        web("stays", &good.url, ""),
        web("comes", &good.url, "")
    )));
    assert_eq!(changes.len(), 3, "{changes:?}");
    assert!(
        changes[0] == "notify: - goes" && changes[1] == "notify stays: changed",
        "{changes:?}"
    );
    let came = good.until(3).await;
    let of: Vec<_> = came.iter().map(|came| came.json()["attack"].as_u64()).collect();
    assert_eq!(of, [Some(1), Some(2), Some(3)]);
    telling.tell(attack(4));
    good.until(5).await;
    telling.until("comes", |view| view.sent == 1).await;
    assert_eq!(telling.notifier.views().len(), 2);
}

#[tokio::test]
async fn a_test_of_nobody_is_refused_with_the_names() {
    let telling = told_by(&web("good", "http://127.0.0.1:1", ""));
    telling.ready(1).await;
    let refusal = telling.notifier.test(Some("god")).await.expect_err("no such endpoint");
    assert!(refusal.to_string().contains("there are good"), "{refusal}");
}
