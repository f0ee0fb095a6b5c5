//! Requests to the control socket: the first line is the method and the path, the rest is the body. An engine over tables in
//! memory answers them, and must go on answering.

use std::{cell::RefCell, sync::Arc, time::Duration};

use agent::{
    command::Message,
    control::{
        access::Access,
        api::ApiError,
        server::{self, Handle},
        socket,
    },
    notify::Notifier,
    tables::{Explains, Explanation, Result as TableResult, TableError},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    runtime::{Builder, Runtime},
    sync::mpsc,
    task::JoinHandle,
    time::timeout,
};

use super::support::{Bench, noon};

/// No answer takes so long.
const PATIENCE: Duration = Duration::from_secs(20);
/// What they asked for adds up: a new engine after so many.
const REQUESTS: usize = 500;
/// The longest answer that is read.
const LONGEST: usize = 1 << 20;
/// How HTTP/2 begins (RFC 9113, section 3.4). To whom sends that behind a request that is none, hyper says nothing in HTTP/1.
const HTTP_2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// These go on for ever, or for a time that says nothing.
const SLOW: [&str; 3] = ["/v1/events/follow", "/v1/capture", "/v1/sources"];

thread_local! {
    static SERVED: RefCell<Option<Served>> = const { RefCell::new(None) };
}

pub(super) fn run(data: &[u8]) {
    let line = data.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let body = data.get(line.len() + 1..).unwrap_or_default();
    let Ok(line) = std::str::from_utf8(line) else { return };
    let (method, path) = line.split_once(' ').unwrap_or(("GET", line));
    if SLOW.iter().any(|slow| path.starts_with(slow)) || line.contains('\r') {
        return;
    }
    SERVED.with_borrow_mut(|served| {
        if served.as_ref().is_some_and(|served| served.requests >= REQUESTS) {
            *served = None;
        }
        let served = served.get_or_insert_with(Served::new);
        served.requests += 1;
        match served.ask(method, path, body) {
            Some((status, text)) => is_sound(status, &text),
            None => assert!(
                body.windows(HTTP_2.len()).any(|part| part == HTTP_2),
                "{method} {path}: not answered"
            ),
        }
        let answer = served.ask("GET", "/v1/status", b"");
        assert!(matches!(answer, Some((200, _))), "it lives on: {answer:?}");
        assert!(!served.engine.is_finished(), "the engine lives on");
    });
}

fn is_sound(status: u16, text: &str) {
    assert!((200..600).contains(&status), "{status}");
    if (400..600).contains(&status) && text.starts_with('{') {
        let error: ApiError = serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert!(!error.error.is_empty(), "a refusal says why");
    }
}

/// An engine behind a socket.
struct Served {
    runtime: Runtime,
    bench: Bench,
    engine: JoinHandle<()>,
    requests: usize,
}

impl Served {
    fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let bench = Bench::default();
        let mut engine = bench.engine();
        let (to_engine, mut messages) = mpsc::channel::<Message>(8);
        // Whoever fuzzes is the agent's own user, who may do everything.
        let access = Access::new(None, None).expect("no groups");
        let handle = Handle {
            engine: to_engine,
            lists: mpsc::channel(1).0,
            snapshots: engine.snapshots(),
            events: engine.events(),
            notifier: Notifier::default(),
            samples: engine.samples(),
            explainer: Arc::new(Nobody),
            history: engine.history(),
            fleet: mpsc::channel(1).0,
            socket: None,
            access: access.clone(),
        };
        let path = bench.directory.path().join("agent.sock");
        let listener = runtime.block_on(socket::listen(&path, &access)).expect("listens");
        runtime.spawn(server::serve(listener, handle, std::future::pending()));
        let engine = runtime.spawn(async move {
            while let Some(message) = messages.recv().await {
                engine.answer(message, noon());
            }
        });
        Self {
            runtime,
            bench,
            engine,
            requests: 0,
        }
    }

    /// Status and body of an answer; none if the connection was closed without one.
    fn ask(&self, method: &str, path: &str, body: &[u8]) -> Option<(u16, String)> {
        let socket = self.bench.directory.path().join("agent.sock");
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        request.extend(body);
        let asked = async {
            let mut stream = UnixStream::connect(&socket).await.expect("it listens");
            // Who answers before it has read all may close; what it said is there all the same.
            let _ = stream.write_all(&request).await;
            let mut answer = Vec::new();
            let _ = stream.take(LONGEST as u64).read_to_end(&mut answer).await;
            answer
        };
        let answer = self.runtime.block_on(async { timeout(PATIENCE, asked).await });
        let answer = answer.unwrap_or_else(|_| panic!("{method} {path}: not answered in {PATIENCE:?}"));
        if answer.is_empty() {
            return None;
        }
        let text = String::from_utf8_lossy(&answer);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("{method} {path}: no answer in HTTP: {head:?}"));
        Some((status, body.to_owned()))
    }
}

/// Nobody judges here.
#[derive(Debug)]
struct Nobody;

impl Explains for Nobody {
    fn explain(&self, _frame: &[u8]) -> TableResult<Vec<Explanation>> {
        Err(TableError::Kernel("nobody judges here".to_owned()))
    }
}
