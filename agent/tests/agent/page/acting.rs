//! What who knows the token may do, and nobody else.

use agent::{control::view, tables::Rung};
use reqwest::{Method, header};

use super::{Answer, LoggedIn, Paged, TOKEN, answer, between, with_token};
use crate::{
    support::net,
    watched::{VICTIM, Watched},
};

impl Paged {
    /// A form of who has logged in.
    async fn sent(&self, who: &LoggedIn, path: &str, fields: &[(&str, &str)]) -> Answer {
        let fields: Vec<(&str, &str)> = [("form", who.form.as_str())]
            .into_iter()
            .chain(fields.iter().copied())
            .collect();
        answer(self.form(path, &fields).header(header::COOKIE, &who.cookie)).await
    }

    /// A page as who has logged in sees it.
    async fn seen(&self, who: &LoggedIn, path: &str) -> String {
        answer(self.request(Method::GET, path).header(header::COOKIE, &who.cookie))
            .await
            .text
    }
}

const BLOCK: [(&str, &str); 5] = [
    ("what", "block"),
    ("target", "192.0.2.200"),
    ("ttl", "never"),
    ("reason", "T4711"),
    ("back", "/lists"),
];

#[tokio::test]
async fn a_block_is_shown_then_confirmed_then_done_once() {
    let paged = Paged::new().await;
    let who = paged.log_in().await;
    let shown = paged.sent(&who, "/confirm", &BLOCK).await;
    assert_eq!(shown.status, 200, "{}", shown.text);
    assert!(
        shown.text.contains("block-ip 192.0.2.200") && shown.text.contains("Open connections"),
        "{}",
        shown.text
    );
    assert!(
        !paged.seen(&who, "/lists").await.contains(">192.0.2.200<"),
        "nothing was done yet"
    );

    let number = between(&shown.text, "name=\"number\" value=\"", "\"");
    let done = paged.sent(&who, "/act", &[("number", number)]).await;
    assert_eq!((done.status, done.header("location")), (303, "/lists"), "{}", done.text);
    let lists = paged.seen(&who, "/lists").await;
    assert!(
        lists.contains("class=\"done\"") && lists.contains(">192.0.2.200<"),
        "{lists}"
    );
    assert!(
        !paged.seen(&who, "/lists").await.contains("class=\"done\""),
        "said once"
    );
    let list = view::list(&paged.lab().engine.snapshots().borrow());
    assert_eq!(list.sources[0].prefix, net("192.0.2.200"));
    let origin = &list.sources[0].origin;
    assert_eq!(origin.reason.as_deref(), Some("T4711"));
    assert!(origin.actor.starts_with("page peer=127.0.0.1:"), "{origin:?}");

    let again = paged.sent(&who, "/act", &[("number", number)]).await;
    assert_eq!(again.status, 409, "a confirmation holds once: {}", again.text);

    let unblock = [
        ("what", "unblock"),
        ("target", "192.0.2.200"),
        ("as", "source"),
        ("back", "/lists"),
    ];
    let shown = paged.sent(&who, "/confirm", &unblock).await;
    let number = between(&shown.text, "name=\"number\" value=\"", "\"");
    assert_eq!(paged.sent(&who, "/act", &[("number", number)]).await.status, 303);
    assert_eq!(view::list(&paged.lab().engine.snapshots().borrow()).sources, []);
}

#[tokio::test]
async fn a_rung_is_forced_from_the_page_of_an_address() {
    let paged = Paged::new().await;
    let who = paged.log_in().await;
    let path = format!("/address/{VICTIM}");
    assert!(paged.seen(&who, &path).await.contains("Put on a rung"));
    let fields = [
        ("what", "rung"),
        ("target", VICTIM),
        ("rung", "known"),
        ("back", &*path),
    ];
    let shown = paged.sent(&who, "/confirm", &fields).await;
    let number = between(&shown.text, "name=\"number\" value=\"", "\"");
    let done = paged.sent(&who, "/act", &[("number", number)]).await;
    assert_eq!(done.header("location"), path);
    let page = paged.seen(&who, &path).await;
    assert!(
        page.contains("by hand") && page.contains("page peer=127.0.0.1"),
        "{page}"
    );
    let rungs = view::rungs(&paged.lab().engine.snapshots().borrow());
    let forced = rungs
        .iter()
        .find(|rung| rung.address.to_string() == VICTIM)
        .expect("protected");
    assert_eq!(forced.rung, Rung::Known.name());
}

#[tokio::test]
async fn the_network_above_is_offered_where_it_can_be_asked_and_its_reach_is_shown() {
    const OFFER: &str = "value=\"upstream\"";
    let path = format!("/address/{VICTIM}");
    let alone = Paged::new().await;
    let who = alone.log_in().await;
    assert!(!alone.seen(&who, &path).await.contains(OFFER));
    let fields = [
        ("what", "rung"),
        ("target", VICTIM),
        ("rung", "upstream"),
        ("back", &*path),
    ];
    let refused = alone.sent(&who, "/confirm", &fields).await;
    assert!(
        (400..500).contains(&refused.status) && refused.text.contains("does not speak with the network above"),
        "{}",
        refused.text
    );

    let config = with_token("[upstream]\ninclude = \"/etc/bird/levee.conf\"\n");
    let paged = Paged::over(Watched::with(config)).await;
    let who = paged.log_in().await;
    assert!(paged.seen(&who, &path).await.contains(OFFER));
    let shown = paged.sent(&who, "/confirm", &fields).await;
    assert!(
        shown.text.contains("The network above drops all that goes there") && shown.text.contains("Open connections"),
        "{}",
        shown.text
    );
}

#[tokio::test]
async fn what_is_refused_is_refused_before_it_is_confirmed() {
    let paged = Paged::new().await;
    let who = paged.log_in().await;
    for (fields, part) in [
        (
            vec![("what", "rung"), ("target", "198.51.100.1"), ("rung", "verify")],
            "not a protected address",
        ),
        (
            vec![("what", "rung"), ("target", VICTIM), ("rung", "roof")],
            "no such rung",
        ),
        (vec![("what", "block"), ("target", "192.0.2.1")], "gateway"),
        (
            vec![("what", "block"), ("target", "192.0.2.200"), ("ttl", "soon")],
            "soon",
        ),
        (vec![("what", "block"), ("target", " ")], "no target"),
        (vec![("what", "detach"), ("target", VICTIM)], "no such action"),
    ] {
        let refused = paged.sent(&who, "/confirm", &fields).await;
        assert!(
            (400..500).contains(&refused.status) && refused.text.contains(part),
            "{fields:?}: {}",
            refused.text
        );
    }
}

#[tokio::test]
async fn without_session_or_form_nothing_is_done() {
    let paged = Paged::new().await;
    let who = paged.log_in().await;
    let mut fields = BLOCK.to_vec();
    fields.push(("form", &who.form));
    let anonymous = answer(paged.form("/confirm", &fields)).await;
    assert_eq!(anonymous.status, 401, "{}", anonymous.text);
    let guessed = answer(paged.form("/confirm", &fields).header(header::COOKIE, "levee-page=00")).await;
    assert_eq!(guessed.status, 401);
    let forged = LoggedIn {
        cookie: who.cookie.clone(),
        form: "0".repeat(64),
    };
    assert_eq!(paged.sent(&forged, "/confirm", &BLOCK).await.status, 403);
    assert_eq!(paged.sent(&forged, "/act", &[("number", "1")]).await.status, 403);
    let elsewhere = paged
        .form_from("same-site", "/confirm", &fields)
        .header(header::COOKIE, &who.cookie);
    assert_eq!(answer(elsewhere).await.status, 403, "a form of a neighbour");
}

#[tokio::test]
async fn logging_out_ends_the_session() {
    let paged = Paged::new().await;
    let who = paged.log_in().await;
    let out = paged.sent(&who, "/logout", &[]).await;
    assert!(
        out.status == 303 && out.header("set-cookie").contains("Max-Age=0"),
        "{out:?}"
    );
    assert_eq!(paged.sent(&who, "/confirm", &BLOCK).await.status, 401);
}

#[tokio::test]
async fn wrong_tokens_wait_and_are_never_shown() {
    let paged = Paged::new().await;
    for _ in 0..5 {
        let wrong = answer(paged.form("/login", &[("token", "hunter2hunter2hunter2")])).await;
        assert_eq!(wrong.status, 401);
        assert!(
            !wrong.text.contains("hunter2") && wrong.header("set-cookie").is_empty(),
            "{}",
            wrong.text
        );
    }
    for token in ["hunter2hunter2hunter2", TOKEN] {
        let waits = answer(paged.form("/login", &[("token", token)])).await;
        assert_eq!(
            waits.status, 429,
            "the right one waits too, or it could be told from the others"
        );
        assert!(
            waits
                .header("retry-after")
                .parse::<u64>()
                .is_ok_and(|seconds| (1..=10).contains(&seconds)),
            "{waits:?}"
        );
        assert!(waits.text.contains("too many wrong tokens"), "{}", waits.text);
    }
    assert_eq!(paged.get("/").await.status, 200, "who only looks does not wait");
}
