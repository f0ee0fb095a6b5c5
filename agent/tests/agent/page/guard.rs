//! Whose requests are answered, and how every answer binds the browser.

use agent::{config::page::PageSection, page};
use reqwest::{Method, header};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{Paged, TOKEN, answer};
use crate::{support::config, watched::Watched};

/// An address of every sort of answer.
const PATHS: [&str; 9] = [
    "/",
    "/address/203.0.113.7",
    "/address/nothing",
    "/attacks",
    "/attacks/99",
    "/sources",
    "/lists",
    "/login",
    "/nothing",
];

#[tokio::test]
async fn every_answer_binds_the_browser() {
    let paged = Paged::new().await;
    let mut answers = Vec::new();
    for path in PATHS {
        answers.push(paged.get(path).await);
    }
    let page = answers[0].text.clone();
    for asset in ["href=\"/assets/page-", "src=\"/assets/page-", "href=\"/assets/icon-"] {
        let at = page.find(asset).expect("an asset") + asset.find('/').expect("a path");
        let path = page[at..].split('"').next().expect("a path");
        let asset = paged.get(path).await;
        assert_eq!(asset.status, 200, "{path}");
        assert!(asset.header("cache-control").contains("immutable"));
        answers.push(asset);
    }
    answers.push(paged.get("/assets/none.css").await);
    answers.push(answer(paged.request(Method::GET, "/").header(header::HOST, "evil.example")).await);
    answers.push(answer(paged.request(Method::POST, "/login")).await);
    answers.push(answer(paged.request(Method::DELETE, "/")).await);
    answers.push(answer(paged.form("/login", &[("token", "wrong")])).await);
    answers.push(answer(paged.form("/act", &[])).await);
    answers.push(answer(paged.request(Method::POST, "/login").body("x".repeat(100_000))).await);
    for answer in &answers {
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none';"), "{answer:?}");
        assert!(
            !policy.contains("unsafe") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(answer.header(name), value, "{answer:?}");
        }
        // What a policy forbids is not there, either.
        for inline in ["<style", " style=", "<script>", " onclick", "javascript:"] {
            assert!(
                answer.header("content-type").contains("css") || !answer.text.contains(inline),
                "{inline} in {}",
                answer.text
            );
        }
    }
}

#[tokio::test]
async fn a_name_that_is_not_ours_is_told_how_it_could_be() {
    let paged = Paged::new().await;
    let by = |host: &'static str| answer(paged.request(Method::GET, "/").header(header::HOST, host));
    for host in [
        "localhost:9667",
        "127.0.0.1",
        "[::1]:1",
        "levee.example",
        "Levee.Example:443",
    ] {
        assert_eq!(by(host).await.status, 200, "{host}");
    }
    for host in ["evil.example", "localhost.evil.example", "192.0.2.1"] {
        let refused = by(host).await;
        assert_eq!(refused.status, 421, "{host}");
        assert!(refused.text.contains("page.hosts"), "{}", refused.text);
        assert!(
            !refused.text.contains("203.0.113"),
            "it tells nothing of this host: {}",
            refused.text
        );
    }
}

#[tokio::test]
async fn other_sites_neither_send_forms_nor_take_parts() {
    let paged = Paged::new().await;
    let forged = answer(paged.form_from("cross-site", "/login", &[("token", TOKEN)])).await;
    assert_eq!(forged.status, 403);
    let twice = paged
        .form("/login", &[("token", TOKEN)])
        .header("sec-fetch-site", "cross-site");
    assert_eq!(answer(twice).await.status, 403, "no browser says two things");
    let silent = paged.request(Method::POST, "/login").body("token=x");
    assert_eq!(answer(silent).await.status, 403);
    let part = paged.request(Method::GET, "/live");
    let part = part
        .header("sec-fetch-site", "cross-site")
        .header("sec-fetch-mode", "cors");
    assert_eq!(answer(part).await.status, 403);
    let link = paged.request(Method::GET, "/");
    let link = link
        .header("sec-fetch-site", "cross-site")
        .header("sec-fetch-mode", "navigate");
    assert_eq!(answer(link).await.status, 200, "somebody may follow a link");
}

#[tokio::test]
async fn heads_and_bodies_are_bounded() {
    let paged = Paged::new().await;
    let long = paged.request(Method::GET, "/").header("x-long", "x".repeat(60_000));
    assert_eq!(answer(long).await.status, 431);
    let large = paged.form("/login", &[("token", &"x".repeat(40_000))]);
    assert_eq!(answer(large).await.status, 413);
    let mut many = paged.request(Method::GET, "/");
    for number in 0..100 {
        many = many.header(format!("x-{number}"), "1");
    }
    assert_eq!(answer(many).await.status, 431);
}

#[tokio::test]
async fn who_says_no_name_or_two_is_not_answered() {
    let paged = Paged::new().await;
    for head in [
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(paged.address).await.expect("connects");
        stream.write_all(head.as_bytes()).await.expect("sent");
        let mut text = vec![0; 200];
        let read = stream.read(&mut text).await.expect("answers");
        let text = String::from_utf8_lossy(&text[..read]).into_owned();
        assert!(text.contains("421") || text.contains("400"), "{head:?}: {text}");
    }
}

#[tokio::test]
async fn a_port_in_use_is_told_by_its_key() {
    let paged = Paged::new().await;
    let error = page::listen(paged.address).await.expect_err("the port is taken");
    assert!(format!("{error:#}").contains("page.listen"), "{error:#}");
    assert_eq!(PageSection::default().listen, "127.0.0.1:9667");
}

#[tokio::test]
async fn without_a_token_nobody_logs_in() {
    let paged = Paged::over(Watched::with(config(""))).await;
    let page = paged.get("/login").await;
    assert!(page.status == 200 && page.text.contains("only shows"), "{}", page.text);
    let refused = answer(paged.form("/login", &[("token", "")])).await;
    assert_eq!(refused.status, 409);
    assert!(refused.text.contains("page.token"), "{}", refused.text);
    assert!(
        !paged.get("/lists").await.text.contains("method=\"post\""),
        "there is nothing to send"
    );
}
