//! Commands for all nodes, through the control socket: told, queued, refused, and written down.

use agent::{
    config::fleet::Scope,
    control::{
        api::{
            BlockAs, BlockRequest, Done, FleetView, LinkView, ListView, ModeRequest, NodeView, OverviewView,
            PreviewRequest, PreviewView, Reached, RemoveRequest, RungRequest, StatusView,
        },
        client::ClientError,
    },
    decide::{Refusal, refusal::Kind},
    fleet::{By, Content},
    tables::{ListAction, Mode, Rung},
};
use reqwest::Method;
use serde::Serialize;

use super::fake::{FLEET, Fleet, decision};
use crate::{
    served::{Served, refusal},
    support::{allow, block, noon, remove},
};

const STRANGER: &str = "198.51.100.23";

fn for_all(target: &str) -> BlockRequest {
    BlockRequest {
        scope: Some(Scope::Fleet),
        ..block(target)
    }
}

async fn send(served: &Served, method: Method, path: &str, body: &impl Serialize) -> Result<Done, ClientError> {
    served.client().await.send_json(method, path, body).await
}

async fn block_it(fleet: &Fleet, request: &BlockRequest) -> Result<Done, ClientError> {
    send(&fleet.served, Method::POST, "/v1/blocks", request).await
}

async fn unblock_it(fleet: &Fleet, request: &RemoveRequest) -> Result<Done, ClientError> {
    fleet.served.client().await.delete("/v1/blocks", request).await
}

fn is_blocked(fleet: &Fleet, target: &str) -> bool {
    let prefix = format!("{target}/32").parse().expect("prefix");
    fleet.served.bench.kernel.lock().entries.contains_key(&prefix)
}

#[tokio::test]
async fn without_a_fleet_there_is_nobody_to_decide_for() {
    let served = Served::new().await;
    let error = send(&served, Method::POST, "/v1/blocks", &for_all(STRANGER)).await;
    let ClientError::Refused(refusal) = error.expect_err("refused") else {
        panic!("no refusal");
    };
    assert_eq!(refusal.kind, Kind::Invalid);
    assert!(refusal.to_string().contains("[fleet]"), "{refusal}");
    let here = BlockRequest {
        scope: Some(Scope::Node),
        automatic: true,
        ..block(STRANGER)
    };
    send(&served, Method::POST, "/v1/blocks", &here)
        .await
        .expect("this node alone");
}

#[tokio::test]
async fn what_all_nodes_were_told_holds_here_and_the_journal_has_who() {
    let fleet = Fleet::new().await;
    let request = BlockRequest {
        reason: Some("T4711".to_owned()),
        ..for_all(STRANGER)
    };
    let done = block_it(&fleet, &request).await.expect("told");
    assert_eq!(done.fleet, Some(Reached::Nodes(3)));
    assert!(done.message.ends_with("It holds on all 3 nodes."), "{done:?}");
    assert!(done.until.is_some() && done.targets.len() == 1, "{done:?}");
    assert!(is_blocked(&fleet, STRANGER));
    let list: ListView = fleet.served.client().await.get("/v1/list", &()).await.expect("list");
    let origin = &list.sources[0].origin;
    assert!(
        origin.actor.starts_with("fleet: uid=") && origin.actor.ends_with(" on lb1"),
        "{origin:?}"
    );
    assert_eq!(origin.reason.as_deref(), Some("T4711"));
    let journal = fleet.journal().await;
    assert_eq!(journal.len(), 1, "{journal:?}");
    assert!(journal[0].0.starts_with("fleet: uid=") && journal[0].2, "{journal:?}");
}

#[tokio::test]
async fn the_configuration_says_for_whom_commands_are() {
    let fleet = Fleet::with(&format!("{FLEET}commands = \"fleet\"\n")).await;
    let done = block_it(&fleet, &block(STRANGER)).await.expect("told");
    assert_eq!(done.fleet, Some(Reached::Nodes(3)));
    let here = BlockRequest {
        scope: Some(Scope::Node),
        ..block("198.51.100.24")
    };
    assert_eq!(block_it(&fleet, &here).await.expect("done").fleet, None);
    assert_eq!(fleet.lock().shared.len(), 1);

    let fleet = Fleet::new().await;
    assert_eq!(block_it(&fleet, &block(STRANGER)).await.expect("done").fleet, None);
    assert_eq!(fleet.lock().shared.len(), 0);
}

#[tokio::test]
async fn cut_off_it_holds_here_and_waits_and_says_so() {
    let fleet = Fleet::new().await;
    fleet.lock().cut_off = true;
    let done = block_it(&fleet, &for_all(STRANGER)).await.expect("queued");
    assert_eq!(done.fleet, Some(Reached::Queued(1)));
    assert!(done.warnings[0].contains("cut off"), "{done:?}");
    assert!(!done.message.contains("nodes"), "{done:?}");
    assert!(is_blocked(&fleet, STRANGER));
}

#[tokio::test]
async fn who_comes_second_is_told_who_was_first_and_nothing_changes() {
    let fleet = Fleet::new().await;
    let other = "uid=1000 (eve) on lb2 decided at the same moment";
    fleet.lock().conflict = Some(Refusal::conflict(other, "look at it, and decide again"));
    let (kind, error) = refusal(block_it(&fleet, &for_all(STRANGER)).await.expect_err("refused"));
    assert_eq!((kind, error.as_str()), (Kind::Conflict, other));
    assert!(!is_blocked(&fleet, STRANGER));
    let journal = fleet.journal().await;
    assert!(
        journal
            .iter()
            .any(|(actor, command, done, result)| actor.starts_with("uid=")
                && command == "block-ip 198.51.100.23 --fleet"
                && !done
                && result.contains(other)),
        "{journal:?}"
    );
}

#[tokio::test]
async fn the_guard_rails_of_this_node_come_first() {
    let fleet = Fleet::new().await;
    let (kind, error) = refusal(block_it(&fleet, &for_all("203.0.113.0/24")).await.expect_err("ours"));
    assert_eq!(kind, Kind::Invalid, "{error}");
    let as_source = BlockRequest {
        block_as: Some(BlockAs::Source),
        ..for_all("203.0.113.9")
    };
    let (kind, error) = refusal(block_it(&fleet, &as_source).await.expect_err("another node's address"));
    assert_eq!(kind, Kind::Conflict, "{error}");
    assert!(error.contains("lb2"), "{error}");
    assert_eq!(fleet.lock().shared, []);
    let forced = BlockRequest {
        force: true,
        ..as_source
    };
    block_it(&fleet, &forced).await.expect("forced");
    assert!(fleet.lock().shared[0].2, "each node is told that it was forced");
}

#[tokio::test]
async fn an_address_of_another_node_must_be_said_what_it_is() {
    let fleet = Fleet::new().await;
    let error = block_it(&fleet, &for_all("203.0.113.9")).await.expect_err("which?");
    let ClientError::Refused(refused) = error else {
        panic!("no refusal");
    };
    assert_eq!(refused.kind, Kind::Invalid);
    assert!(refused.error.contains("protected by lb2"), "{refused}");
    assert!(
        refused
            .hint
            .as_deref()
            .is_some_and(|hint| hint.contains("--as destination")),
        "{refused}"
    );
    let told = BlockRequest {
        block_as: Some(BlockAs::Destination),
        ..for_all("203.0.113.9")
    };
    let done = block_it(&fleet, &told).await.expect("blackholed there");
    assert!(done.message.starts_with("Blackholed 203.0.113.9"), "{done:?}");
    let rung = RungRequest {
        target: "203.0.113.9".to_owned(),
        rung: Some(Rung::Verify),
        scope: Some(Scope::Fleet),
        ..RungRequest::default()
    };
    send(&fleet.served, Method::PUT, "/v1/rungs", &rung)
        .await
        .expect("there");
    let gone = RemoveRequest {
        scope: Some(Scope::Fleet),
        ..remove("203.0.113.9")
    };
    unblock_it(&fleet, &gone).await.expect("taken back there");
    let targets: Vec<String> = fleet
        .lock()
        .shared
        .iter()
        .map(|(target, ..)| target.to_string())
        .collect();
    assert_eq!(targets[..2], ["blackhole/203.0.113.9", "rung/203.0.113.9"]);
    assert!(
        targets[2..].contains(&"blackhole/203.0.113.9".to_owned()),
        "{targets:?}"
    );
    // For this node alone it is a source like any other.
    block_it(&fleet, &block("203.0.113.9")).await.expect("as a source");
}

#[tokio::test]
async fn what_all_nodes_hold_is_taken_back_on_all_of_them() {
    let fleet = Fleet::new().await;
    block_it(&fleet, &for_all(STRANGER)).await.expect("told");
    let here = RemoveRequest {
        scope: Some(Scope::Node),
        ..remove(STRANGER)
    };
    let error = unblock_it(&fleet, &here).await.expect_err("not here alone");
    let ClientError::Refused(refused) = error else {
        panic!("no refusal");
    };
    assert_eq!(refused.kind, Kind::Conflict);
    assert!(refused.error.contains("holds for all nodes (uid="), "{refused}");
    let hint = refused.hint.expect("a way out");
    assert!(
        hint.contains("--fleet") && hint.contains("agent allow-ip 198.51.100.23 --local"),
        "{hint}"
    );
    assert!(is_blocked(&fleet, STRANGER));
    let done = unblock_it(&fleet, &remove(STRANGER)).await.expect("on all");
    assert_eq!(done.fleet, Some(Reached::Nodes(3)));
    assert!(done.warnings[0].contains("on all of them"), "{done:?}");
    assert!(!is_blocked(&fleet, STRANGER));
}

#[tokio::test]
async fn a_block_of_this_node_over_the_same_of_all_does_not_hide_it() {
    let fleet = Fleet::new().await;
    let block_of_all = decision(
        "lb2",
        noon().wall - jiff::SignedDuration::from_secs(60),
        Some(Content::Entry(ListAction::Block)),
    );
    block_it(&fleet, &block(STRANGER)).await.expect("here");
    fleet.decided("entry/198.51.100.23/32", By::Human, block_of_all).await;
    let done = unblock_it(&fleet, &remove(STRANGER)).await.expect("on all");
    assert_eq!(done.fleet, Some(Reached::Nodes(3)), "or it would be back at once");
    assert!(!is_blocked(&fleet, STRANGER));
    // What this node allows over a block of all is its own to take back.
    let block_of_all = decision("lb2", noon().wall, Some(Content::Entry(ListAction::Block)));
    fleet.decided("entry/198.51.100.24/32", By::Human, block_of_all).await;
    send(&fleet.served, Method::POST, "/v1/allows", &allow("198.51.100.24"))
        .await
        .expect("here");
    let done: Done = fleet
        .served
        .client()
        .await
        .delete("/v1/allows", &remove("198.51.100.24"))
        .await
        .expect("here");
    assert_eq!(done.fleet, None);
}

#[tokio::test]
async fn what_does_not_hold_here_can_be_taken_back_for_all() {
    let fleet = Fleet::new().await;
    let of_lb2 = decision("lb2", noon().wall, Some(Content::Blackhole { all: false }));
    fleet.decided("blackhole/192.0.2.77", By::Human, of_lb2).await;
    let gone = RemoveRequest {
        scope: Some(Scope::Fleet),
        ..remove("192.0.2.77")
    };
    let done = unblock_it(&fleet, &gone).await.expect("taken back");
    assert!(done.message.contains("the blackhole of 192.0.2.77"), "{done:?}");
    let (kind, _) = refusal(unblock_it(&fleet, &gone).await.expect_err("nothing is left"));
    assert_eq!(kind, Kind::NotFound);
}

#[tokio::test]
async fn a_machine_gives_way_to_a_human() {
    let fleet = Fleet::new().await;
    let blocked = decision("lb2", noon().wall, Some(Content::Entry(ListAction::Block)));
    fleet.decided("entry/198.51.100.23/32", By::Human, blocked).await;
    let machine = RemoveRequest {
        automatic: true,
        ..remove(STRANGER)
    };
    let (kind, error) = refusal(unblock_it(&fleet, &machine).await.expect_err("a human said otherwise"));
    assert_eq!(kind, Kind::Conflict);
    assert!(
        error.contains("uid=0 (root) on lb2") && error.contains("gives way"),
        "{error}"
    );
    let elsewhere = BlockRequest {
        automatic: true,
        ..for_all("198.51.100.24")
    };
    block_it(&fleet, &elsewhere).await.expect("nobody said otherwise");
    assert_eq!(fleet.lock().shared[0].1, By::Machine);
    let human = RemoveRequest {
        automatic: false,
        ..machine
    };
    unblock_it(&fleet, &human).await.expect("a human");
    assert!(!is_blocked(&fleet, STRANGER));
}

#[tokio::test]
async fn the_mode_of_all_nodes_is_set_and_given_back() {
    let fleet = Fleet::new().await;
    let set = ModeRequest {
        mode: Some(Mode::Monitor),
        scope: Some(Scope::Fleet),
        ..ModeRequest::default()
    };
    let done = send(&fleet.served, Method::PUT, "/v1/mode", &set).await.expect("told");
    assert_eq!(done.fleet, Some(Reached::Nodes(3)));
    assert_eq!(fleet.served.snapshots.borrow().kernel.settings.mode, Mode::Monitor);
    let back = ModeRequest::default();
    send(&fleet.served, Method::PUT, "/v1/mode", &back)
        .await
        .expect("given back");
    assert_eq!(fleet.served.snapshots.borrow().kernel.settings.mode, Mode::Enforce);
}

#[tokio::test]
async fn a_preview_says_that_it_is_for_all_and_tells_nobody() {
    let fleet = Fleet::new().await;
    let request = PreviewRequest::Block(for_all(STRANGER));
    let client = fleet.served.client().await;
    let view: PreviewView = client
        .send_json(Method::POST, "/v1/preview", &request)
        .await
        .expect("previewed");
    assert!(view.done.warnings[0].contains("all nodes"), "{view:?}");
    assert_eq!(fleet.lock().shared, []);
}

#[tokio::test]
async fn bad_words_are_refused() {
    let fleet = Fleet::new().await;
    for body in [
        r#"{"target":"198.51.100.23","scope":"galaxy"}"#,
        r#"{"target":"198.51.100.23","automatic":"yes"}"#,
        r#"{"target":"198.51.100.23","fleet":true}"#,
    ] {
        let (status, text) = fleet.served.http(Method::POST, "/v1/blocks", body).await;
        assert_eq!(status, 400, "{text}");
    }
    assert_eq!(fleet.lock().shared, []);
}

#[tokio::test]
async fn any_node_tells_of_all_and_how_it_stands_itself() {
    let fleet = Fleet::new().await;
    let client = fleet.served.client().await;
    let nodes: Vec<NodeView> = client.get("/v1/fleet/nodes", &()).await.expect("nodes");
    let names: Vec<(&str, bool)> = nodes.iter().map(|node| (node.node.as_str(), node.this)).collect();
    assert_eq!(names, [("lb1", true), ("lb2", false), ("lb3", false)]);
    let view: FleetView = client.get("/v1/fleet", &()).await.expect("told");
    assert_eq!((view.link, view.node.as_deref()), (LinkView::Up, Some("lb1")));
    fleet.lock().cut_off = true;
    block_it(&fleet, &for_all(STRANGER)).await.expect("queued");
    let view: FleetView = client.get("/v1/fleet", &()).await.expect("told");
    assert_eq!(view.link, LinkView::Down);
    assert_eq!(view.why.as_deref(), Some("connection refused"));
    assert_eq!(view.queued[0].about, "the source list entry 198.51.100.23");
    assert!(view.decisions[0].here, "{view:?}");
    let status: StatusView = client.get("/v1/status", &()).await.expect("status");
    assert!(
        status
            .warnings
            .iter()
            .any(|warning| warning.contains("cut off from etcd")),
        "{status:?}"
    );
    assert_eq!(status.fleet.expect("a fleet").link, LinkView::Down);
    let overview: OverviewView = client.get("/v1/overview", &()).await.expect("overview");
    assert_eq!(overview.fleet, Some(LinkView::Down));

    let alone = Served::new().await;
    let client = alone.client().await;
    let view: FleetView = client.get("/v1/fleet", &()).await.expect("told");
    assert_eq!((view.link, view.node), (LinkView::Off, None));
    let (kind, _) = refusal(
        client
            .get::<Vec<NodeView>>("/v1/fleet/nodes", &())
            .await
            .expect_err("no fleet"),
    );
    assert_eq!(kind, Kind::NotFound);
}
