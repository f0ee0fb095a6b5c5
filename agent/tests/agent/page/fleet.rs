//! The page of a fleet, and what the others say of it.

use std::sync::Arc;

use agent::{
    command::Message,
    fleet::{Board, By, Content, FleetState, Link, Node, Order, Queued, Sum, Sums},
    ladder::Rung,
    tables::ListAction,
};
use reqwest::Method;
use tokio::sync::mpsc;

use super::{Paged, live::event, with_token};
use crate::{
    fleet::fake::{FLEET, decision, node, state},
    support::{address, noon},
    watched::{VICTIM, Watched},
};

const HOSTILE: &str = "<img src=x onerror=alert(1)> \u{202e}desrever</bdi><script>alert(2)</script>";

/// Nodes of a fleet, as a task beside the engine would name them.
fn task(nodes: Vec<Node>) -> mpsc::Sender<Order> {
    let (to_task, mut orders) = mpsc::channel(8);
    tokio::spawn(async move {
        while let Some(order) = orders.recv().await {
            if let Order::Nodes(answer) = order {
                let _ = answer.send(Ok(nodes.clone()));
            }
        }
    });
    to_task
}

/// A state in which one source is blocked for all, and one address gets SYNs at two nodes.
fn known(reason: &str) -> FleetState {
    let mut board = Board::default();
    let mut decided = decision("lb2", noon().wall, Some(Content::Entry(ListAction::Block)));
    decided.reason = Some(reason.to_owned());
    let key = ("entry/198.51.100.23/32".parse().expect("target"), By::Human);
    board.put(key, decided, noon().wall).expect("sound");
    let sum = Sum {
        address: address(VICTIM),
        unproven: 31_000.0,
        syn: 32_500.0,
        threshold: 20_000.0,
        nodes: 2,
        attacked: 1,
        rung: Rung::Verify,
    };
    let sums = Sums {
        nodes: 3,
        sums: vec![sum],
        ..Sums::default()
    };
    FleetState {
        sums: Arc::new(sums),
        leader: Some("lb3".to_owned()),
        ..state(&board)
    }
}

async fn paged(state: FleetState, nodes: Vec<Node>) -> Paged {
    let mut lab = Watched::with(with_token(FLEET));
    lab.engine.answer(Message::Fleet(Box::new(state), None), noon());
    Paged::beside(lab, task(nodes)).await
}

#[tokio::test]
async fn a_fleet_has_a_page_with_how_it_stands_what_holds_what_arrives_and_who_is_there() {
    let mut other = node("lb2", &["203.0.113.7/32"]);
    other.info.version = "0.2.7".to_owned();
    let paged = paged(known("T4711"), vec![node("lb1", &[]), other, node("lb3", &[])]).await;
    let page = paged.get("/fleet").await;
    assert_eq!(page.status, 200, "{}", page.text);
    for part in [
        "aria-current=\"page\">Fleet</a>",
        "connected",
        "198.51.100.23",
        "on <bdi>lb2</bdi>",
        "“<bdi>T4711</bdi>”",
        "(human)",
        "until it is taken back",
        "holds here",
        "href=\"/address/203.0.113.7\"",
        "31.0k",
        "32.5k",
        "20.0k",
        "verify",
        "0.2.7",
        "this one",
        "adds up",
        "<caption",
        "scope=\"col\"",
        "data-live=\"/live/fleet\"",
    ] {
        assert!(page.text.contains(part), "{part} is not on it: {}", page.text);
    }
    assert!(!page.text.contains("cut off"), "{}", page.text);
    assert!(!page.header("content-security-policy").is_empty());
    assert_eq!(
        paged.get("/live/fleet?page=-1").await.status,
        400,
        "what is followed is the page"
    );
}

#[tokio::test]
async fn an_open_page_is_told_when_the_way_to_etcd_is_gone() {
    let paged = paged(known("T4711"), vec![node("lb2", &[])]).await;
    let mut stream = paged.request(Method::GET, "/live/fleet").send().await.expect("answers");
    let mut text = String::new();
    let first = event(&mut stream, &mut text).await;
    let part = |news: &serde_json::Value, name: &str| news["parts"][name].as_str().unwrap_or_default().to_owned();
    assert!(part(&first, "standing").contains("connected"), "{first}");
    assert!(part(&first, "decisions").contains("198.51.100.23"), "{first}");
    assert!(part(&first, "sums").contains("31.0k"), "{first}");
    assert!(part(&first, "nodes").contains("lb2"), "{first}");
    let why = "connection refused".to_owned();
    let since = noon().wall;
    let down = FleetState {
        link: Link::Down { since, why },
        ..known("T4711")
    };
    paged.lab().engine.answer(Message::Fleet(Box::new(down), None), noon());
    let second = event(&mut stream, &mut text).await;
    assert!(part(&second, "standing").contains("cut off"), "{second}");
    assert!(part(&second, "nodes").contains("Not known"), "{second}");
}

#[tokio::test]
async fn what_arrives_elsewhere_is_said_where_there_is_a_fleet() {
    let paged = paged(known("T4711"), Vec::new()).await;
    let overview = paged.get("/").await.text;
    assert!(
        overview.contains("Elsewhere/s") && overview.contains("31.0k") && overview.contains("href=\"/fleet\""),
        "{overview}"
    );
    let closely = paged.get("/address/203.0.113.7").await.text;
    assert!(
        closely.contains("Unproven elsewhere/s") && closely.contains("31.0k"),
        "{closely}"
    );
}

#[tokio::test]
async fn a_node_that_is_cut_off_says_so_instead_of_naming_the_others() {
    let target = "entry/198.51.100.23/32".parse().expect("target");
    let state = FleetState {
        link: Link::Down {
            since: noon().wall,
            why: "connection refused".to_owned(),
        },
        queued: vec![Queued {
            target,
            by: By::Human,
            at: noon().wall,
        }],
        garbage: vec!["/levee/decisions/x: no such target".to_owned()],
        ..known("T4711")
    };
    let paged = paged(state, vec![node("lb2", &[])]).await;
    let page = paged.get("/fleet").await;
    assert_eq!(page.status, 200, "{}", page.text);
    for part in [
        "cut off from the fleet",
        "connection refused",
        "Waits",
        "decided by a human",
        "no such target",
        "198.51.100.23",
        "last known",
        "Not known while this node is not connected",
    ] {
        assert!(page.text.contains(part), "{part} is not on it: {}", page.text);
    }
    assert!(!page.text.contains("Nodes of the fleet"), "{}", page.text);
    assert!(!paged.get("/").await.text.contains("31.0k"), "old sums are not used");
}

#[tokio::test]
async fn without_a_fleet_there_is_no_such_page_and_nothing_leads_to_it() {
    let paged = Paged::new().await;
    let page = paged.get("/fleet").await;
    assert!(
        page.status == 404 && page.text.contains("this node is in no fleet"),
        "{}",
        page.text
    );
    for path in ["/", "/address/203.0.113.7", "/lists"] {
        let page = paged.get(path).await.text;
        assert!(
            !page.contains("href=\"/fleet\"") && !page.to_lowercase().contains("elsewhere/s"),
            "{path}: {page}"
        );
    }
}

#[tokio::test]
async fn nothing_that_another_node_writes_becomes_a_part_of_the_page() {
    let mut evil = node(HOSTILE, &[]);
    evil.info.site = HOSTILE.to_owned();
    evil.info.version = HOSTILE.to_owned();
    let state = FleetState {
        leader: Some(HOSTILE.to_owned()),
        garbage: vec![HOSTILE.to_owned()],
        problems: vec![HOSTILE.to_owned()],
        ..known(HOSTILE)
    };
    let page = paged(state, vec![evil]).await.get("/fleet").await;
    assert_eq!(page.status, 200, "{}", page.text);
    for part in ["<img", "<script>", "\u{202e}", "</bdi><script"] {
        assert!(!page.text.contains(part), "{part:?}: {}", page.text);
    }
    let shown = page.text.matches("&lt;img src=x onerror=alert(1)&gt; ⟨U+202E⟩").count();
    assert!(
        shown >= 7,
        "all of it is there to be seen, {shown} times: {}",
        page.text
    );
}
