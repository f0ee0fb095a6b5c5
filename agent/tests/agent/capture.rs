//! Captures over the control socket and by themselves: what is taken, what is refused, how much there may be. The kernel is a
//! fake; what passes the program is looked at in the lab.

use std::{path::PathBuf, sync::Arc, time::Duration};

use agent::{
    capture::{self, Which},
    clock::Now,
    control::{
        access::Access,
        api::{CaptureLine, CaptureRequest, EndpointView, TestRequest, TestView},
        client::{Client, ClientError},
        server::{self, Handle},
        socket,
    },
    decide::refusal::Kind,
    detect::{AttackVector, Event, NumberedEvent, What},
    engine::Engine,
    notify::Notifier,
    tables::{MonotonicNs, Sample},
};
use etherparse::PacketBuilder;
use pcap_file::pcapng::{Block, PcapNgReader};
use reqwest::Method;
use tokio::sync::{broadcast, mpsc};

use crate::support::{Bench, address, config, net};

/// A sample of a packet to 203.0.113.x with a payload.
fn sample(last: u8, at: MonotonicNs) -> Sample {
    let builder = PacketBuilder::ethernet2([2; 6], [3; 6])
        .ipv4([198, 51, 100, 7], [203, 0, 113, last], 64)
        .udp(53, 9);
    let mut header = Vec::new();
    builder.write(&mut header, b"payload").expect("memory");
    Sample {
        at,
        reason: xdp_common::Reason::UdpRate,
        ifindex: 1,
        header,
        frame_len: 900,
    }
}

/// An agent behind a socket, whose samples come from the test.
struct Served {
    bench: Bench,
    socket: PathBuf,
    engine: Engine,
    samples: broadcast::Sender<Arc<Vec<Sample>>>,
}

impl Served {
    async fn new(more: &str) -> Self {
        let bench = Bench::default();
        let state = format!("[state]\ndirectory = {:?}\n{more}", bench.directory.path());
        let engine = bench.start(config(&state), Now::read()).expect("starts");
        let socket = bench.directory.path().join("agent.sock");
        let listener = socket::listen(&socket, &Access::new(None, None).expect("no groups"))
            .await
            .expect("listens");
        let notifier = Notifier::default();
        let keeper = agent::notify::Keeper::new(notifier.clone(), engine.events().subscribe(), engine.snapshots());
        tokio::spawn(keeper.run());
        let samples = engine.samples();
        let handle = Handle {
            engine: mpsc::channel(1).0,
            lists: mpsc::channel(1).0,
            snapshots: engine.snapshots(),
            events: engine.events(),
            notifier,
            samples: samples.clone(),
            explainer: crate::explain::nobody(),
            history: engine.history(),
            fleet: mpsc::channel(1).0,
            socket: None,
            access: Access::new(None, None).expect("no groups"),
        };
        tokio::spawn(server::serve(listener, handle, std::future::pending()));
        Self {
            bench,
            socket,
            engine,
            samples,
        }
    }

    async fn client(&self) -> Client {
        Client::connect(&self.socket).await.expect("answers")
    }

    fn sampled(&self, last: u8, count: usize) {
        let now = Now::read().mono;
        self.samples
            .send(Arc::new(vec![sample(last, now); count]))
            .expect("somebody follows");
    }

    /// Waits until so many follow the samples.
    async fn followed(&self, by: usize) {
        while self.samples.receiver_count() < by {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

fn request(of: &str, count: u32) -> CaptureRequest {
    CaptureRequest {
        address: address(of),
        count,
        time: "1m".parse().expect("a span"),
        which: Which::Dropped,
        payload: false,
    }
}

#[tokio::test]
async fn a_capture_has_the_headers_of_its_address_alone() {
    let served = Served::new("").await;
    let client = served.client().await;
    let wanted = request("203.0.113.7", 3);
    let capturing = client.lines(Method::POST, "/v1/capture", &wanted);
    let sampling = async {
        served.followed(1).await;
        served.sampled(8, 5);
        served.sampled(7, 2);
        served.sampled(7, 2);
    };
    let (lines, ()) = tokio::join!(capturing, sampling);
    let mut lines = lines.expect("captures");
    let mut packets = Vec::new();
    let end = loop {
        match lines.next().await.expect("a line").expect("not the end") {
            CaptureLine::Packet(packet) => packets.push(packet),
            CaptureLine::End(end) => break end,
        }
    };
    assert_eq!(
        (packets.len(), end.dropped, end.passed, end.timed_out),
        (3, 3, 0, false)
    );
    assert!(
        end.gaps[0].contains("samples.per_second"),
        "what it does not show is told: {end:?}"
    );
    for packet in &packets {
        assert_eq!(packet.packet, "198.51.100.7:53 > 203.0.113.7:9 UDP");
        let captured = packet.captured().expect("bytes");
        assert_eq!(
            (captured.bytes.len(), captured.frame_bytes),
            (14 + 20 + 8, 900),
            "headers only"
        );
        assert_eq!(captured.fate.words(), "dropped: udp_rate");
        assert_eq!(captured.interface, "lo");
    }
    assert!(lines.next::<CaptureLine>().await.expect("ends").is_none());
}

#[tokio::test]
async fn a_capture_ends_when_its_time_is_up() {
    let served = Served::new("[samples]\nper_second = 0\n").await;
    let wanted = CaptureRequest {
        time: "1s".parse().expect("a span"),
        ..request("203.0.113.7", 3)
    };
    let lines = served.client().await.lines(Method::POST, "/v1/capture", &wanted).await;
    let end = lines.expect("captures").next().await.expect("a line");
    let Some(CaptureLine::End(end)) = end else {
        panic!("no packet came: {end:?}")
    };
    assert!(
        end.timed_out && end.gaps == ["nothing that was dropped is here: samples.per_second is 0"],
        "{end:?}"
    );
}

#[tokio::test]
async fn what_cannot_be_captured_is_refused_with_the_way_out() {
    let served = Served::new("").await;
    let long = CaptureRequest {
        time: "1h".parse().expect("a span"),
        ..request("203.0.113.7", 3)
    };
    for (wanted, kind, part) in [
        (
            request("192.0.2.1", 3),
            Kind::NotFound,
            "`agent stats` shows the protected",
        ),
        (request("203.0.113.7", 0), Kind::Invalid, "1 to 100000"),
        (request("203.0.113.7", 100_001), Kind::Invalid, "1 to 100000"),
        (long, Kind::Invalid, "1s to 10m"),
    ] {
        match served.client().await.lines(Method::POST, "/v1/capture", &wanted).await {
            Err(ClientError::Refused(refusal)) => {
                assert_eq!(refusal.kind, kind, "{refusal}");
                assert!(refusal.to_string().contains(part), "{refusal}");
            }
            other => panic!("no refusal: {other:?}"),
        }
    }
}

#[tokio::test]
async fn who_is_notified_is_told_over_the_socket() {
    let web = "[[notify]]\nname = \"nobody\"\nkind = \"json\"\nurl = \"http://127.0.0.1:1/x\"\n";
    let served = Served::new(web).await;
    let client = served.client().await;
    let mut views: Vec<EndpointView> = Vec::new();
    while views.is_empty() {
        views = client.get("/v1/notify", &()).await.expect("answers");
    }
    assert_eq!(
        (&*views[0].name, &*views[0].to, views[0].sent),
        ("nobody", "http://127.0.0.1:1", 0)
    );
    let request = TestRequest::default();
    let tests: Vec<TestView> = client
        .send_json(Method::POST, "/v1/notify/test", &request)
        .await
        .expect("answers");
    assert!(!tests[0].succeeded && tests[0].answer.contains("refused"), "{tests:?}");
}

fn event(attack: u64, what: What) -> Arc<NumberedEvent> {
    let event = Event {
        at: Now::read().wall,
        subject: Some(agent::detect::Subject::Group(net("203.0.113.0/28"))),
        attack: Some(attack),
        what,
    };
    Arc::new(NumberedEvent { id: 1, event })
}

fn started(attack: u64) -> Arc<NumberedEvent> {
    let what = What::AttackStarted {
        vectors: [AttackVector::Udp].into(),
        syn: 0.0,
        packets: 80_000.0,
        delay_ms: 200,
        elsewhere: None,
    };
    event(attack, what)
}

/// Packets in a file.
fn packets(path: &std::path::Path) -> usize {
    let bytes = std::fs::read(path).expect("reads");
    let mut reader = PcapNgReader::new(&bytes[..]).expect("pcapng");
    let mut count = 0;
    while let Some(block) = reader.next_block() {
        count += usize::from(matches!(block.expect("a sound block"), Block::EnhancedPacket(_)));
    }
    count
}

#[tokio::test]
async fn the_first_samples_of_an_attack_are_kept() {
    let mut served = Served::new("[captures]\nheaders = 20\n").await;
    let events = served.engine.events();
    // What came just before is in the snapshot when the attack is told.
    let now = Now::read();
    served.bench.kernel.lock().samples = vec![sample(7, now.mono); 5];
    served.engine.tick(crate::support::later(now, 1));
    let keeper = capture::Keeper::new(
        served.engine.snapshots(),
        events.subscribe(),
        served.samples.subscribe(),
    );
    tokio::spawn(keeper.run());
    let state = served.bench.directory.path().to_owned();
    let file = |attack| capture::of_attack(&state, attack);
    events.send(started(1)).expect("somebody follows");
    tokio::time::sleep(Duration::from_millis(100)).await;
    // And on its way, too.
    let again = Arc::new(vec![sample(7, now.mono); 5]);
    served.samples.send(again).expect("somebody follows");
    served.sampled(200, 5);
    served.sampled(8, 4);
    while file(1).is_none_or(|path| packets(&path) < 9) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(
        packets(&file(1).expect("there")),
        9,
        "five before, four then, none of another address"
    );
    served.sampled(8, 100);
    while packets(&file(1).expect("there")) < 20 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    events
        .send(event(1, What::AttackEnded { seconds: 1.0 }))
        .expect("somebody follows");
    served.sampled(8, 100);
    events.send(started(2)).expect("somebody follows");
    while file(2).is_none() {
        served.sampled(9, 1);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(packets(&file(1).expect("there")), 20, "captures.headers is the most");
}
