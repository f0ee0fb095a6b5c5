//! Server-sent events.

use std::time::Duration;

use reqwest::{Method, Response};
use serde_json::Value;
use xdp_common::Reason;

use super::{Paged, TOKEN, answer};

/// The next event of a stream.
pub(super) async fn event(stream: &mut Response, text: &mut String) -> Value {
    loop {
        if let Some((event, rest)) = text
            .split_once("\n\n")
            .map(|(event, rest)| (event.to_owned(), rest.to_owned()))
        {
            *text = rest;
            assert!(event.contains("retry:"), "{event}");
            let data = event.lines().find_map(|line| line.strip_prefix("data:")).expect("data");
            return serde_json::from_str(data.trim()).expect("JSON");
        }
        let read = tokio::time::timeout(Duration::from_secs(20), stream.chunk());
        let chunk = read
            .await
            .expect("in time")
            .expect("reads")
            .expect("the stream goes on");
        text.push_str(&String::from_utf8_lossy(&chunk));
    }
}

#[tokio::test]
async fn an_open_page_is_told_what_has_changed_and_nothing_else() {
    let paged = Paged::new().await;
    let mut stream = paged
        .request(Method::GET, "/live?sort=syn")
        .send()
        .await
        .expect("answers");
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    let mut text = String::new();
    let first = event(&mut stream, &mut text).await;
    for part in ["rows", "figures", "alarms", "clock", "mode"] {
        assert!(first["parts"][part].is_string(), "{part}: {first}");
    }
    assert_eq!(first["attacks"], "{}");
    paged.lab().go_on(3, Reason::AddressRate, 400_000);
    let second = event(&mut stream, &mut text).await;
    let rows = second["parts"]["rows"].as_str().expect("rows have changed");
    assert!(rows.contains("400.0k"), "{rows}");
    assert!(second["parts"].get("mode").is_none(), "the mode has not: {second}");
    let attacks = second["attacks"].as_str().expect("text");
    assert!(attacks.contains("Attack 1 on 203.0.113.7"), "{attacks}");
    assert!(
        second["parts"]["alarms"]
            .as_str()
            .expect("an alarm")
            .contains("Under attack")
    );
    assert!(!format!("{first}{second}").contains(TOKEN));
}

#[tokio::test]
async fn who_follows_too_much_is_told_to_wait_and_a_place_comes_back() {
    let paged = Paged::new().await;
    let mut streams = Vec::new();
    let full = loop {
        let response = paged
            .request(Method::GET, "/live/sources")
            .send()
            .await
            .expect("answers");
        if response.status() != 200 {
            break response;
        }
        streams.push(response);
        assert!(streams.len() < 100, "streams are bounded");
    };
    assert_eq!(full.status(), 503);
    assert!(full.headers().contains_key("retry-after"));
    assert_eq!(
        paged.get("/sources").await.status,
        200,
        "the page itself is still shown"
    );
    drop(streams);
    for _ in 0..200 {
        if paged
            .request(Method::GET, "/live/sources")
            .send()
            .await
            .expect("answers")
            .status()
            == 200
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the places of those who went were not given back");
}

#[tokio::test]
async fn only_pages_can_be_followed() {
    let paged = Paged::new().await;
    for path in ["/live/nothing", "/live/attacks/x", "/live?page=x"] {
        let refused = answer(paged.request(Method::GET, path)).await;
        assert!((400..500).contains(&refused.status), "{path}: {}", refused.status);
    }
}
