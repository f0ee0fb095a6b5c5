//! `docs/metrics.md` and the metrics as they are served: over HTTP, in both forms, from an engine in which everything happens at once.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use agent::{
    command::Command,
    detect::{Attack, AttackVector, Peaks, Talker, TrafficRates},
    export::{document, families::SECTIONS, family::Kind, server},
    feeds::state::ListState,
    fleet::{Board, By, Content, Decision, FleetState, Link, Sum, Sums},
    ladder::Rung,
    notify::{Keeper, Notifier},
    snapshot::Snapshot,
    tables::{AddressCounts, Counts, GroupReading, ListAction, ListHead, ListPackets},
    upstream::{Route, RouteState, UpstreamState, Wanted},
};
use tokio::sync::watch;
use xdp_common::Reason;

use super::{assert_current, promtool};
use crate::support::{Bench, address, config, later, net, noon, order};

const EVERYTHING: &str = "\
[thresholds.udp]\npackets = '100k'\nbits = '1G'\n\
[[group]]\nprefix = '203.0.113.0/24'\nsyn_rate = '50k'\nudp = { packets = '20k', bits = '1G' }\n\
[upstream]\ninclude = '/etc/bird/levee/routes.conf'\n\
[fleet]\nendpoints = ['http://127.0.0.1:2379']\nnode = 'lb1'\n\
[[notify]]\nname = 'on-call'\nkind = 'exec'\ncommand = ['/bin/true']\n";

/// What an agent knows to which everything happens at once.
fn everything() -> Snapshot {
    let bench = Bench::default();
    let mut engine = bench.start(config(EVERYTHING), noon()).expect("starts");
    let mut counts = Counts::default();
    for (at, reason) in (1..).zip(Reason::ALL) {
        counts.add(*reason, at);
    }
    bench.kernel.lock().counts = vec![
        AddressCounts {
            address: Some(address("203.0.113.7")),
            counts,
            handshakes: 7,
            ..AddressCounts::default()
        },
        AddressCounts::default(),
    ];
    bench.kernel.lock().group_readings = vec![GroupReading {
        prefix: net("203.0.113.0/24"),
        verify: None,
    }];
    engine.tick(later(noon(), 1));
    let mut snapshot = (**engine.snapshots().borrow()).clone();
    snapshot.detection.attacks = Arc::new(vec![attack()]);
    snapshot.detection.happened = [("attack_started", 1)].into();
    snapshot.talkers = Arc::new(agent::detect::Talkers {
        total: rates(1_000.0),
        prefixes: vec![talker("198.51.100.0/24", 900.0), talker("192.0.2.0/24", 9.0)],
        distinct_sources: Some(2.0),
        ..agent::detect::Talkers::default()
    });
    snapshot.upstream = Arc::new(upstream());
    snapshot.fleet = Arc::new(fleet());
    snapshot.lists = Arc::new(vec![list()]);
    snapshot.list_packets = Arc::new(vec![ListPackets {
        head: head(),
        packets: 5,
    }]);
    snapshot
}

fn attack() -> Attack {
    Attack {
        id: 1,
        subject: "203.0.113.7".parse().expect("subject"),
        started: noon().wall,
        detected: noon().wall,
        last_excess: noon().wall,
        ended: None,
        vectors: [AttackVector::Syn].into(),
        rungs: BTreeSet::new(),
        peaks: Peaks::default(),
        impact_seconds: 3.5,
        fleet: None,
    }
}

fn fleet() -> FleetState {
    let mut board = Board::default();
    let decision = Decision {
        content: Some(Content::Entry(ListAction::Block)),
        actor: "root".to_owned(),
        node: "lb2".to_owned(),
        reason: None,
        at: noon().wall,
        until: None,
        force: false,
    };
    let key = ("entry/192.0.2.0/24".parse().expect("target"), By::Human);
    board.put(key, decision, noon().wall).expect("sound");
    let sum = Sum {
        address: address("203.0.113.7"),
        unproven: 1_500.0,
        syn: 2_000.0,
        threshold: 1_000.0,
        nodes: 3,
        attacked: 0,
        rung: Rung::Limit,
    };
    FleetState {
        node: Some("lb1".to_owned()),
        link: Link::Up { since: noon().wall },
        board: Arc::new(board),
        sums: Arc::new(Sums {
            nodes: 3,
            sums: vec![sum],
            ..Sums::default()
        }),
        ..FleetState::default()
    }
}

fn upstream() -> UpstreamState {
    let route = |state| Route {
        wanted: Wanted {
            actor: "ladder".to_owned(),
            reason: None,
            since: noon().wall,
            until: None,
            by_hand: false,
        },
        state,
    };
    let announced = RouteState::Announced {
        sessions: vec!["provider1".to_owned()],
        since: noon().wall,
    };
    UpstreamState {
        enabled: true,
        sessions: vec!["provider1".to_owned()],
        routes: [
            (address("203.0.113.7"), route(announced)),
            (
                address("203.0.113.8"),
                route(RouteState::Refused("4 are announced already".to_owned())),
            ),
        ]
        .into(),
        ..UpstreamState::default()
    }
}

fn rates(packets_pps: f64) -> TrafficRates {
    TrafficRates {
        packets_pps,
        bits_per_s: 800.0,
        ..TrafficRates::default()
    }
}

fn talker(prefix: &str, packets_pps: f64) -> Talker {
    Talker {
        prefix: net(prefix),
        rates: rates(packets_pps),
        share: packets_pps / 1_000.0,
        since: noon().mono,
        last: noon().mono,
    }
}

fn list() -> ListState {
    ListState {
        name: "drop".to_owned(),
        action: ListAction::Block,
        from: "/etc/levee/drop".to_owned(),
        v4: 3,
        v6: 1,
        digest: String::new(),
        invalid: 0,
        told: Vec::new(),
        conflicts: 0,
        read: Some(noon().wall),
        problem: None,
        guard: Vec::new(),
        next: noon().wall,
        until: None,
    }
}

fn head() -> ListHead {
    ListHead {
        number: 1,
        name: "drop".to_owned(),
        action: ListAction::Block,
        until: None,
        read_at: 0,
        v4: 3,
        v6: 1,
    }
}

/// What the agent serves of that, with its content type.
async fn served(accept: &str) -> (String, String) {
    let (sender, snapshots) = watch::channel(Arc::new(everything()));
    let notifier = Notifier::default();
    let (events, _) = tokio::sync::broadcast::channel(1);
    tokio::spawn(Keeper::new(notifier.clone(), events.subscribe(), snapshots.clone()).run());
    while notifier.views().is_empty() {
        tokio::task::yield_now().await;
    }
    let test = notifier.test(None).await.expect("there is one endpoint");
    assert!(test[0].succeeded);
    let listener = server::listen(([127, 0, 0, 1], 0).into()).await.expect("a free port");
    let url = format!("http://{}/metrics", listener.local_addr().expect("address"));
    let serving = tokio::spawn(server::serve(listener, snapshots, notifier));
    let request = reqwest::Client::new().get(url).header("accept", accept);
    let answer = request.send().await.expect("an answer");
    let kind = answer.headers()["content-type"].to_str().expect("text").to_owned();
    let text = answer.text().await.expect("text");
    serving.abort();
    drop((sender, events));
    (kind, text)
}

/// Each sample's name with the names of its labels, of a text in either form.
pub(super) fn samples(text: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let end = line.find(['{', ' ']).expect("a sample");
        let labels = found.entry(line[..end].to_owned()).or_default();
        if let Some((inside, _)) = line[end..].strip_prefix('{').and_then(|rest| rest.rsplit_once('}')) {
            labels.extend(
                inside
                    .split("\",")
                    .filter_map(|label| Some(label.split_once('=')?.0.to_owned())),
            );
        }
    }
    found
}

/// Names and labels of everything that the agent serves.
pub(super) async fn exported() -> BTreeMap<String, BTreeSet<String>> {
    let mut found = samples(&served("*/*").await.1);
    // The fake host's endpoint was only tested, which is no delivery.
    let endpoint = ["endpoint".to_owned()].into();
    found.insert("levee_notify_last_success_timestamp_seconds".to_owned(), endpoint);
    found
}

#[test]
fn the_document_says_what_the_exporter_writes_by() {
    assert_current("docs/metrics.md", &document::document());
}

#[tokio::test]
async fn every_family_is_served_with_its_labels_and_no_other() {
    let served = exported().await;
    let described: BTreeMap<String, BTreeSet<String>> = SECTIONS
        .iter()
        .flat_map(|section| section.families)
        .map(|family| {
            let labels = family.labels.iter().map(|label| (*label).to_owned());
            (family.sample(), labels.collect())
        })
        .collect();
    assert_eq!(served, described);
}

#[tokio::test]
async fn each_reader_gets_the_form_that_it_asks_for() {
    let (kind, text) = served("application/openmetrics-text;version=1.0.0,text/plain;q=0.5").await;
    assert_eq!(kind, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert!(
        text.ends_with("# EOF\n") && text.contains("# TYPE levee_packets counter\n"),
        "{text}"
    );
    assert!(text.contains("# UNIT process_cpu_seconds seconds\n"), "{text}");
    let (kind, text) = served("*/*").await;
    assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8");
    assert!(
        !text.contains("# EOF") && text.contains("# TYPE levee_packets_total counter\n"),
        "{text}"
    );
}

/// OpenMetrics as its specification has it: a family's lines together, each described once, counters in `_total`, an end.
#[tokio::test]
async fn openmetrics_is_whole() {
    let (_, text) = served("application/openmetrics-text").await;
    let mut family = String::new();
    let (mut seen, mut kinds) = (BTreeSet::new(), BTreeMap::new());
    let (lines, end) = text.split_at(text.len() - "# EOF\n".len());
    assert_eq!(end, "# EOF\n");
    for line in lines.lines() {
        if let Some(described) = line.strip_prefix("# HELP ") {
            let (name, help) = described.split_once(' ').expect("a help");
            assert!(seen.insert(name.to_owned()), "{name} is there twice");
            assert!(!help.contains(['"', '\\']), "{help}");
            name.clone_into(&mut family);
        } else if let Some(typed) = line.strip_prefix("# TYPE ") {
            let (name, kind) = typed.split_once(' ').expect("a kind");
            assert_eq!(name, family);
            kinds.insert(name.to_owned(), kind.to_owned());
        } else if let Some(unit) = line.strip_prefix("# UNIT ") {
            let (name, unit) = unit.split_once(' ').expect("a unit");
            assert!(name == family && name.ends_with(&format!("_{unit}")), "{line}");
        } else {
            let name = line.split(['{', ' ']).next().expect("a name");
            let suffix = if kinds[&family] == "counter" { "_total" } else { "" };
            assert_eq!(name, format!("{family}{suffix}"));
        }
    }
}

#[tokio::test]
async fn promtool_finds_nothing_to_say_of_them() {
    let (_, text) = served("text/plain").await;
    promtool::check_metrics(&text);
}

#[test]
fn prometheus_names_are_sound() {
    for family in SECTIONS.iter().flat_map(|section| section.families) {
        assert!(!family.name.ends_with("_total"), "{}: the encoder adds it", family.name);
        assert!(
            family.name.starts_with("levee_") || family.name.starts_with("process_"),
            "{}",
            family.name
        );
        let is_time = family.name.ends_with("_seconds");
        assert_eq!(family.unit == "seconds", is_time, "{}: {}", family.name, family.unit);
        assert!(
            family.question.len() > 5 && !family.help.ends_with('.'),
            "{}",
            family.name
        );
        assert!(matches!(family.kind, Kind::Counter | Kind::Gauge));
    }
}

/// A flood of forged sources has other heaviest prefixes each second: no series for those.
#[tokio::test]
async fn only_prefixes_that_weigh_something_are_series() {
    let (_, text) = served("text/plain").await;
    assert!(
        text.contains("levee_top_prefix_bytes_per_second{prefix=\"198.51.100.0/24\"} 100.0\n"),
        "{text}"
    );
    assert!(!text.contains("192.0.2.0/24"), "{text}");
}

/// What docs/metrics.md says of the number of series, with as many addresses as there can be by default.
#[test]
fn each_of_4096_addresses_has_six_series() {
    let bench = Bench::default();
    let more = "protect = ['10.64.0.0/20']\nmode = 'enforce'\n";
    let text = format!("interfaces = ['eth0']\n{more}");
    let config = agent::config::load_text(
        &text,
        std::path::Path::new("/etc/levee/agent.toml"),
        &crate::support::host(),
    )
    .expect("sound");
    let counts = config.protected.keys().map(|address| AddressCounts {
        address: Some(*address),
        ..AddressCounts::default()
    });
    bench.kernel.lock().counts = counts.collect();
    let mut engine = bench.start(config, noon()).expect("starts");
    engine.tick(later(noon(), 1));
    let text = server::text(engine.snapshots()).expect("encodes");
    let of_addresses = text.lines().filter(|line| line.contains("address=\"10.64.")).count();
    assert_eq!(of_addresses, 6 * 4_096);
    let others = text.lines().filter(|line| !line.starts_with('#')).count() - of_addresses;
    assert!(others < 100, "{others} series besides");
    assert!(text.len() < 2_500_000, "{} bytes", text.len());
}

#[test]
fn a_reload_that_was_refused_is_told_until_one_succeeds() {
    let bench = Bench::default();
    let mut engine = bench.engine();
    let told = |engine: &agent::engine::Engine| {
        let text = server::text(engine.snapshots()).expect("encodes");
        let warned = engine
            .snapshots()
            .borrow()
            .warnings
            .iter()
            .any(|text| text.contains("last reload was refused"));
        (text.contains("levee_config_last_reload_successful 1.0\n"), warned)
    };
    assert_eq!(told(&engine), (true, false));
    engine.not_reloaded(later(noon(), 5));
    assert_eq!(told(&engine), (false, true));
    let again = Command::Reload(Box::new(config("block_ttl = '2h'\n")));
    order(&mut engine, again, later(noon(), 9)).expect("reloads");
    assert_eq!(told(&engine), (true, false));
    // What only a restart can change is refused by the engine itself.
    let refused = Command::Reload(Box::new(config("[metrics]\nlisten = 'off'\n")));
    order(&mut engine, refused, later(noon(), 10)).expect_err("needs a restart");
    assert_eq!(told(&engine), (false, true));
    let loaded = engine.snapshots().borrow().reload.loaded;
    assert_eq!(loaded, later(noon(), 9).wall);
}
