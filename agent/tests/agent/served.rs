//! An engine behind a real control socket.

use std::{path::PathBuf, sync::Arc};

use agent::{
    command::Message,
    config::Config,
    control::{
        access::Access,
        client::{Client, ClientError},
        server::{self, Handle},
        socket,
    },
    decide::refusal::Kind,
    detect::NumberedEvent,
    engine::Engine,
    fleet::Order,
    snapshot::Snapshot,
};
use reqwest::Method;
use tokio::sync::{broadcast, mpsc, watch};

use crate::{
    explain::Judge,
    support::{Bench, noon},
};

/// An engine behind a socket. The engine's clock stands still at noon.
pub(crate) struct Served {
    pub(crate) bench: Bench,
    pub(crate) judge: Arc<Judge>,
    pub(crate) socket: PathBuf,
    pub(crate) events: broadcast::Sender<Arc<NumberedEvent>>,
    pub(crate) to_engine: mpsc::Sender<Message>,
    pub(crate) snapshots: watch::Receiver<Arc<Snapshot>>,
}

impl Served {
    pub(crate) async fn new() -> Self {
        Self::over(Bench::default()).await
    }

    pub(crate) async fn over(bench: Bench) -> Self {
        let engine = bench.engine();
        Self::of(bench, engine, mpsc::channel(1).0).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        let bench = Bench::default();
        let engine = bench.start(config, noon()).expect("starts");
        Self::of(bench, engine, mpsc::channel(1).0).await
    }

    /// With somebody who speaks with the other nodes.
    pub(crate) async fn of(bench: Bench, mut engine: Engine, fleet: mpsc::Sender<Order>) -> Self {
        let path = bench.directory.path().join("run/agent.sock");
        let access = Access::new(None, None).expect("no groups");
        let listener = socket::listen(&path, &access).await.expect("listens");
        let (to_engine, mut messages) = mpsc::channel(8);
        let judge = Arc::new(Judge::default());
        let handle = Handle {
            engine: to_engine,
            lists: mpsc::channel(1).0,
            snapshots: engine.snapshots(),
            events: engine.events(),
            notifier: agent::notify::Notifier::default(),
            samples: engine.samples(),
            explainer: judge.clone(),
            history: engine.history(),
            fleet,
            socket: None,
            access,
        };
        tokio::spawn(async move {
            while let Some(message) = messages.recv().await {
                engine.answer(message, noon());
            }
        });
        let (events, to_engine) = (handle.events.clone(), handle.engine.clone());
        let snapshots = handle.snapshots.clone();
        tokio::spawn(server::serve(listener, handle, std::future::pending()));
        Self {
            bench,
            judge,
            socket: path,
            events,
            to_engine,
            snapshots,
        }
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(&self.socket).await.expect("answers")
    }

    /// What plain HTTP gets: status and body.
    pub(crate) async fn http(&self, method: Method, path: &str, body: &'static str) -> (u16, String) {
        let http = agent::tls::without()
            .unix_socket(self.socket.clone())
            .build()
            .expect("client");
        let response = http
            .request(method, format!("http://x{path}"))
            .body(body)
            .send()
            .await
            .expect("answers");
        (response.status().as_u16(), response.text().await.expect("text"))
    }
}

/// What a refused question was refused with.
pub(crate) fn refusal(error: ClientError) -> (Kind, String) {
    match error {
        ClientError::Refused(refusal) => (refusal.kind, refusal.error),
        other => panic!("no refusal: {other}"),
    }
}
