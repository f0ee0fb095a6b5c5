//! The control socket over a real Unix socket: what the client asks and what curl may ask.

use std::{os::unix::fs::PermissionsExt as _, sync::Arc};

use agent::{
    command::Command,
    control::{
        access::Access,
        api::{
            ApiError, AttackView, AttacksQuery, BlockRequest, Done, EventsQuery, FollowLine, ListView, ListenersView,
            ModeRequest, ModeView, RemoveRequest, RungRequest, RungView, SourcesQuery, SourcesView, StatsQuery,
            StatsView, StatusView, ThresholdRequest, ThresholdView, UnsetRequest,
        },
        client::{Client, ClientError, Lines},
        socket,
    },
    decide::refusal::Kind,
    detect::{Attack, NumberedEvent, What},
    ledger::Ledger,
    report::Report,
    tables::{Mode, Rung, SourceUsage},
};
use reqwest::Method;

use crate::{
    served::{Served, refusal},
    support::{Bench, address, block, later, net, noon},
};

#[tokio::test]
async fn blocks_come_and_go() {
    let served = Served::new().await;
    let client = served.client().await;
    let request = BlockRequest {
        reason: Some("T1".to_owned()),
        ..block("192.0.2.200")
    };
    let done: Done = client
        .send_json(Method::POST, "/v1/blocks", &request)
        .await
        .expect("blocked");
    assert_eq!(done.until, Some(later(noon(), 3600).wall));
    let list: ListView = client.get("/v1/list", &()).await.expect("lists");
    assert_eq!(list.sources[0].prefix, net("192.0.2.200"));
    assert!(
        list.sources[0].origin.actor.starts_with("uid="),
        "the kernel says who asks: {list:?}"
    );
    assert!(
        list.sources[0]
            .origin
            .actor
            .contains(&format!("pid={}", std::process::id())),
        "{list:?}"
    );
    let gone = RemoveRequest {
        target: "192.0.2.200".to_owned(),
        block_as: None,
        ..RemoveRequest::default()
    };
    let _: Done = client.delete("/v1/blocks", &gone).await.expect("unblocked");
    let again = client.delete::<Done>("/v1/blocks", &gone).await.expect_err("gone");
    assert_eq!(refusal(again).0, Kind::NotFound);
}

#[tokio::test]
async fn rungs_are_forced_and_listeners_told() {
    let served = Served::new().await;
    let client = served.client().await;
    let request = RungRequest {
        target: "203.0.113.7".to_owned(),
        rung: Some(Rung::Verify),
        ttl: "5m".parse().ok(),
        reason: None,
        force: false,
        ..RungRequest::default()
    };
    let done: Done = client
        .send_json(Method::PUT, "/v1/rungs", &request)
        .await
        .expect("forced");
    assert_eq!(done.until, Some(later(noon(), 300).wall));
    let rungs: Vec<RungView> = client.get("/v1/rungs", &()).await.expect("tells");
    let summary: Vec<_> = rungs
        .iter()
        .map(|view| (view.address, view.rung.as_str(), view.forced.is_some()))
        .collect();
    assert_eq!(
        summary,
        [
            (address("203.0.113.7"), "verify", true),
            (address("203.0.113.8"), "limit", false)
        ]
    );
    let listeners: ListenersView = client.get("/v1/listeners", &()).await.expect("tells");
    assert_eq!(listeners.listeners[0].port, 80);
    let (status, body) = served
        .http(Method::PUT, "/v1/rungs", r#"{"target":"203.0.113.7","rung":"top"}"#)
        .await;
    assert_eq!(status, 400);
    assert!(body.contains("expected one of"), "{body}");
}

#[tokio::test]
async fn refusals_keep_their_sort_and_their_hint() {
    let served = Served::new().await;
    let error = served
        .client()
        .await
        .send_json::<Done>(Method::POST, "/v1/blocks", &block("203.0.113.0/24"))
        .await;
    assert_eq!(refusal(error.expect_err("unclear")).0, Kind::Invalid);
    let (status, body) = served
        .http(Method::POST, "/v1/blocks", r#"{"target":"203.0.113.7","as":"source"}"#)
        .await;
    assert_eq!(status, 409);
    let error: ApiError = serde_json::from_str(&body).expect("JSON");
    assert!(error.error.contains("our own address") && error.hint.expect("hint").contains("--force"));
}

#[tokio::test]
async fn nonsense_is_answered_in_json() {
    let served = Served::new().await;
    for (method, path, body, wanted) in [
        (Method::GET, "/v2/status", "", 404),
        (Method::POST, "/v1/blocks", "", 400),
        (Method::POST, "/v1/blocks", "{", 400),
        (Method::POST, "/v1/blocks", r#"{"target":"192.0.2.9","tll":"5m"}"#, 400),
        (
            Method::POST,
            "/v1/blocks",
            r#"{"target":"192.0.2.9","ttl":"5 parsecs"}"#,
            400,
        ),
        (Method::POST, "/v1/blocks", r#"{"target":"not an address"}"#, 400),
        (Method::DELETE, "/v1/blocks", "", 400),
        (Method::GET, "/v1/stats?address=192.0.2.9", "", 404),
        (Method::GET, "/v1/stats?adress=192.0.2.9", "", 400),
        (Method::PUT, "/v1/mode", r#"{"mode":"off"}"#, 400),
        (
            Method::PUT,
            "/v1/thresholds",
            r#"{"target":"source","syn_rate":0}"#,
            400,
        ),
        (Method::GET, "/v1/thresholds/192.0.2.9", "", 404),
    ] {
        let (status, text) = served.http(method, path, body).await;
        assert_eq!(status, wanted, "{path} {body}: {text}");
        let error: ApiError =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path} {body}: {text}: {error}"));
        assert!(!error.error.is_empty());
    }
}

#[tokio::test]
async fn thresholds_and_modes() {
    let served = Served::new().await;
    let client = served.client().await;
    let request = ThresholdRequest {
        vectors: agent::vectors::VectorsOverride::default(),
        target: "203.0.113.7".to_owned(),
        syn_rate: "5k/s".parse().ok(),
        syn_burst: None,
        ttl: None,
        reason: None,
        ..ThresholdRequest::default()
    };
    let _: Done = client
        .send_json(Method::PUT, "/v1/thresholds", &request)
        .await
        .expect("set");
    let view: ThresholdView = client.get("/v1/thresholds/203.0.113.7", &()).await.expect("reads");
    assert_eq!(
        [view.limit, view.configured].map(|limit| limit.map(|limit| limit.syn_rate.per_second())),
        [Some(5_000), Some(100_000)]
    );
    let all: Vec<ThresholdView> = client.get("/v1/thresholds", &()).await.expect("reads");
    assert_eq!(
        all.iter().map(|view| view.target.as_str()).collect::<Vec<_>>(),
        ["source", "address", "203.0.113.7"]
    );
    let query = UnsetRequest {
        target: "203.0.113.7".to_owned(),
        ..UnsetRequest::default()
    };
    let _: Done = client.delete("/v1/thresholds", &query).await.expect("unset");

    let request = ModeRequest {
        mode: Some(Mode::Monitor),
        ttl: None,
        reason: None,
        ..ModeRequest::default()
    };
    let _: Done = client.send_json(Method::PUT, "/v1/mode", &request).await.expect("set");
    let view: ModeView = client.get("/v1/mode", &()).await.expect("reads");
    assert_eq!((view.mode, view.configured), (Mode::Monitor, Some(Mode::Enforce)));
    let _: Done = client
        .send_json(
            Method::PUT,
            "/v1/mode",
            &ModeRequest {
                mode: None,
                ttl: None,
                reason: None,
                ..ModeRequest::default()
            },
        )
        .await
        .expect("unset");
    assert_eq!(served.bench.kernel.lock().settings.mode, Mode::Enforce);
}

#[tokio::test]
async fn status_stats_and_sources() {
    let served = Served::new().await;
    let usage = |source: &str, over| SourceUsage {
        source: net(source),
        syns_within: 10,
        syns_over: over,
        since: noon().mono,
        last: noon().mono,
    };
    served.bench.kernel.lock().sources = vec![
        usage("192.0.2.7", 5),
        usage("192.0.2.8", 50),
        usage("2001:db8:1::/64", 7),
    ];
    let client = served.client().await;
    let status: StatusView = client.get("/v1/status", &()).await.expect("reads");
    assert_eq!((status.protected, status.interfaces.len()), (2, 1));
    assert!(status.daemon.expect("runs").ledger.healthy);
    let stats: StatsView = client.get("/v1/stats", &StatsQuery::default()).await.expect("reads");
    assert_eq!(stats.mode, Mode::Enforce);
    let sources: SourcesView = client
        .get("/v1/sources", &SourcesQuery { limit: Some(2) })
        .await
        .expect("reads");
    let order: Vec<_> = sources.sources.iter().map(|view| view.source).collect();
    assert_eq!(
        (sources.recorded, order),
        (3, vec![net("192.0.2.8"), net("2001:db8:1::/64")])
    );
}

#[tokio::test]
async fn the_socket_is_for_root_and_the_group_only() {
    let served = Served::new().await;
    let mode = std::fs::metadata(&served.socket).expect("socket").permissions().mode() & 0o777;
    assert_eq!(mode, 0o660);
}

/// Nobody but root and who runs the test.
fn nobody_else() -> Access {
    Access::new(None, None).expect("no groups")
}

#[tokio::test]
async fn a_second_daemon_is_refused_and_a_stale_socket_is_not() {
    let served = Served::new().await;
    let refused = socket::listen(&served.socket, &nobody_else())
        .await
        .expect_err("somebody answers")
        .to_string();
    assert!(refused.contains("another agent answers"), "{refused}");
    let stale = served.bench.directory.path().join("stale.sock");
    drop(std::os::unix::net::UnixListener::bind(&stale).expect("binds"));
    socket::listen(&stale, &nobody_else())
        .await
        .expect("takes over what nobody listens to");
}

#[tokio::test]
async fn nobody_at_the_socket_is_told_apart() {
    let directory = tempfile::tempdir().expect("directory");
    let error = Client::connect(&directory.path().join("none.sock"))
        .await
        .expect_err("nobody");
    assert!(matches!(error, ClientError::NotRunning(_)), "{error}");
}

#[tokio::test]
async fn metrics_follow_the_conventions() {
    let bench = Bench::default();
    let mut engine = bench.engine();
    let mut counts = agent::tables::Counts::default();
    counts.add(xdp_common::Reason::SourceRate, 42);
    let reading = agent::tables::AddressCounts {
        address: Some(address("203.0.113.7")),
        counts,
        ..agent::tables::AddressCounts::default()
    };
    bench.kernel.lock().counts = vec![reading];
    engine.tick(later(noon(), 1));
    let (answer, _) = tokio::sync::oneshot::channel();
    let mut order = agent::command::Order {
        command: Command::Block(block("192.0.2.200")),
        actor: "test".to_owned(),
        host: crate::support::host(),
        answer,
    };
    engine.carry_out(&mut order, noon()).expect("blocked");
    let text = agent::export::server::text(engine.snapshots()).expect("encodes");
    for line in [
        "levee_packets_total{address=\"203.0.113.7\",reason=\"source_rate\",action=\"drop\"} 42",
        "levee_mode{mode=\"enforce\"} 1.0",
        "levee_list_entries{action=\"block\"} 1.0",
        "levee_address_threshold_syns_per_second{address=\"203.0.113.7\"} 100000.0",
        "levee_program_run_time_seconds_total{program=\"levee\"} 1.5",
        "levee_map_capacity_entries{map=\"SOURCE_LIST\"} 10.0",
        "levee_ledger_healthy 1.0",
        "# EOF",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    assert!(
        text.lines()
            .filter(|line| !line.starts_with('#'))
            .all(|line| line.starts_with("levee_"))
    );
}

/// A bench whose ledger has so many notices already, from number 1 on.
fn with_notices(count: u64) -> Bench {
    let bench = Bench::default();
    let (mut ledger, _) = Ledger::open(bench.directory.path(), noon().wall);
    for number in 1..=count {
        ledger.record_event(notice(number).event);
    }
    bench
}

fn notice(number: u64) -> NumberedEvent {
    let text = format!("notice {number}");
    NumberedEvent {
        id: number,
        event: crate::history::event(noon().wall, None, What::Notice { text }),
    }
}

/// The next line that says something: an event's number and sentence, or how many were missed.
async fn next(lines: &mut Lines) -> (Option<(u64, String)>, Option<u64>) {
    let line: FollowLine = tokio::time::timeout(std::time::Duration::from_secs(60), lines.next())
        .await
        .expect("in time")
        .expect("a line")
        .expect("not the end");
    (line.event.map(|event| (event.event.id, event.sentence)), line.missed)
}

fn told(number: u64) -> (Option<(u64, String)>, Option<u64>) {
    (Some((number, format!("notice {number}"))), None)
}

#[tokio::test]
async fn who_follows_gets_what_was_missed_and_then_what_happens() {
    let served = Served::over(with_notices(3)).await;
    let client = served.client().await;
    let query = EventsQuery {
        after: Some(1),
        ..EventsQuery::default()
    };
    let mut lines = client.follow("/v1/events/follow", &query).await.expect("follows");
    assert_eq!(next(&mut lines).await, told(2));
    assert_eq!(next(&mut lines).await, told(3));
    served.events.send(Arc::new(notice(3))).expect("somebody follows");
    served.events.send(Arc::new(notice(4))).expect("somebody follows");
    assert_eq!(next(&mut lines).await, told(4), "and none twice");
}

#[tokio::test]
async fn who_follows_from_now_on_is_not_told_the_past() {
    let served = Served::over(with_notices(3)).await;
    let client = served.client().await;
    let query = EventsQuery::default();
    let mut lines = client.follow("/v1/events/follow", &query).await.expect("follows");
    served.events.send(Arc::new(notice(4))).expect("somebody follows");
    assert_eq!(next(&mut lines).await, told(4));
}

#[tokio::test]
async fn who_follows_is_told_how_much_is_gone() {
    let bench = with_notices(5);
    let connection = rusqlite::Connection::open(bench.directory.path().join("history.db")).expect("opens");
    connection
        .execute("DELETE FROM events WHERE id <= 3", [])
        .expect("deletes");
    drop(connection);
    let served = Served::over(bench).await;
    let query = EventsQuery {
        after: Some(1),
        ..EventsQuery::default()
    };
    let client = served.client().await;
    let mut lines = client.follow("/v1/events/follow", &query).await.expect("follows");
    assert_eq!(next(&mut lines).await, (None, Some(2)));
    assert_eq!(next(&mut lines).await, told(4));
}

#[tokio::test]
async fn attacks_and_their_reports_are_told() {
    let bench = Bench::default();
    let attack = Attack {
        ended: Some(noon().wall),
        ..crate::history::attack(1, noon().wall - jiff::SignedDuration::from_secs(90))
    };
    let (mut ledger, _) = Ledger::open(bench.directory.path(), noon().wall);
    ledger.put_attack(&attack);
    drop(ledger);
    let served = Served::over(bench).await;
    let client = served.client().await;
    let _: Done = client
        .send_json(Method::POST, "/v1/blocks", &block("192.0.2.200"))
        .await
        .expect("blocked");
    let all: Vec<Attack> = client.get("/v1/attacks", &()).await.expect("lists");
    assert_eq!(all, std::slice::from_ref(&attack));
    let since = AttacksQuery {
        since: Some(later(noon(), 1).wall),
        limit: None,
    };
    assert_eq!(
        client.get::<Vec<Attack>>("/v1/attacks", &since).await.expect("lists"),
        []
    );
    let one: AttackView = client.get("/v1/attacks/1", &()).await.expect("is there");
    assert_eq!(one.attack, attack);
    assert_eq!(one.commands.len(), 1, "what was done meanwhile: {:?}", one.commands);
    let report: Report = client.get("/v1/attacks/1/report", &()).await.expect("is made");
    assert_eq!(report.timeline.len(), 1);
    let refused = client.get::<AttackView>("/v1/attacks/2", &()).await.expect_err("none");
    assert_eq!(refusal(refused).0, Kind::NotFound);
}
