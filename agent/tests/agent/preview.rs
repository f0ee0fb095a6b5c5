//! What a command would do is told, and nothing is done.

use std::net::{TcpListener, TcpStream};

use agent::{
    control::api::{BlockAs, BlockRequest, ListView, PreviewRequest, PreviewView, RemoveRequest, RungRequest},
    control::client::{Client, ClientError},
    decide::refusal::Kind,
    tables::Rung,
};
use reqwest::Method;

use crate::{
    served::{Served, refusal},
    support::{block, config},
};

async fn preview(client: &Client, request: PreviewRequest) -> Result<PreviewView, ClientError> {
    client.send_json(Method::POST, "/v1/preview", &request).await
}

#[tokio::test]
async fn a_blackhole_is_shown_and_not_made() {
    let served = Served::new().await;
    let client = served.client().await;
    let writes = served.bench.kernel.lock().writes;
    let shown = preview(&client, PreviewRequest::Block(block("203.0.113.7")))
        .await
        .expect("shown");
    assert_eq!(shown.command, "block-ip 203.0.113.7");
    assert!(shown.done.message.contains("Blackholed 203.0.113.7"), "{shown:?}");
    assert_eq!(shown.reach.addresses, 1);
    assert!(
        shown.reach.rates.is_some() && shown.reach.source_pps.is_none(),
        "{shown:?}"
    );
    assert!(
        shown.reach.consequence.contains("New customers are shut out"),
        "{shown:?}"
    );
    let list: ListView = client.get("/v1/list", &()).await.expect("lists");
    assert_eq!(list.blackholes, [], "nothing was done");
    assert_eq!(served.bench.kernel.lock().writes, writes, "nothing was written");
}

#[tokio::test]
async fn open_connections_of_a_source_are_counted() {
    let served = Served::new().await;
    let client = served.client().await;
    // Connections of this very host: from an address that nobody else talks from.
    let listener = TcpListener::bind("127.73.11.5:0").expect("listens");
    let held: Vec<TcpStream> = (0..3)
        .map(|_| TcpStream::connect(listener.local_addr().expect("bound")).expect("connects"))
        .collect();
    let request = BlockRequest {
        block_as: Some(BlockAs::Source),
        force: true,
        ..block("127.73.11.5")
    };
    let shown = preview(&client, PreviewRequest::Block(request)).await.expect("shown");
    assert_eq!(shown.reach.connections, held.len() as u64);
    assert_eq!(shown.reach.source_pps, Some(0.0));
    assert!(shown.reach.consequence.contains("3 open connections"), "{shown:?}");
}

#[tokio::test]
async fn what_would_be_refused_is_refused_in_the_same_words() {
    let served = Served::new().await;
    let client = served.client().await;
    let gone = RemoveRequest {
        target: "192.0.2.200".to_owned(),
        block_as: None,
        ..RemoveRequest::default()
    };
    let shown = preview(&client, PreviewRequest::Unblock(gone.clone()))
        .await
        .expect_err("nothing there");
    let done = client
        .delete::<agent::control::api::Done>("/v1/blocks", &gone)
        .await
        .expect_err("nothing there");
    assert_eq!(refusal(shown), refusal(done));
    let rung = RungRequest {
        target: "198.51.100.1".to_owned(),
        rung: Some(Rung::Verify),
        ttl: None,
        reason: None,
        force: false,
        ..RungRequest::default()
    };
    let shown = preview(&client, PreviewRequest::Rung(rung))
        .await
        .expect_err("not ours");
    assert_eq!(refusal(shown).0, Kind::Invalid);
}

#[tokio::test]
async fn what_the_network_above_breaks_is_told() {
    for (announce, part) in [
        ("blackhole", "what is open breaks"),
        (
            "flowspec",
            "drops SYNs to it: new customers are shut out; what is open goes on",
        ),
    ] {
        let more = format!("[upstream]\ninclude = \"/etc/bird/levee.conf\"\nannounce = \"{announce}\"\n");
        let served = Served::with(config(&more)).await;
        let shown = preview(&served.client().await, above()).await.expect("shown");
        assert!(shown.reach.consequence.contains(part), "{shown:?}");
        assert_eq!(shown.reach.addresses, 1);
    }
    let alone = Served::new().await;
    let refused = preview(&alone.client().await, above())
        .await
        .expect_err("nobody can be asked");
    assert!(refusal(refused).1.contains("does not speak with the network above"));
}

fn above() -> PreviewRequest {
    PreviewRequest::Rung(RungRequest {
        target: "203.0.113.7".to_owned(),
        rung: Some(Rung::Upstream),
        ttl: None,
        reason: None,
        force: false,
        ..RungRequest::default()
    })
}
