//! A web server that takes notifications, or does with them whatever else web servers do.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::Instant,
};

/// What it does with a request.
#[derive(Debug, Clone)]
pub(crate) enum Does {
    /// Answers with this status and header lines and body.
    Answer(&'static str, String, String),
    /// Says what it was sent: request line, headers and all.
    Echo,
    /// Reads, and says nothing.
    Hang,
    /// Reads, and resets the connection.
    Reset,
    /// Takes it, and answers without end.
    Huge,
    /// Takes it, and answers one byte now and then.
    Slow,
    /// Speaks something else.
    Garbage,
}

impl Does {
    pub(crate) fn status(status: &'static str) -> Self {
        Self::Answer(status, String::new(), String::new())
    }

    pub(crate) fn take() -> Self {
        Self::Answer("200 OK", String::new(), "ok".to_owned())
    }
}

/// A request that came.
#[derive(Debug, Clone)]
pub(crate) struct Came {
    pub(crate) at: Instant,
    /// Request line and headers.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Came {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("the body is JSON")
    }
}

/// The server.
#[derive(Debug, Clone)]
pub(crate) struct Receiver {
    pub(crate) url: String,
    does: Arc<Mutex<Vec<Does>>>,
    came: Arc<Mutex<Vec<Came>>>,
}

impl Receiver {
    /// Does these, one for each request, and the last of them for ever.
    pub(crate) async fn new(does: impl Into<Vec<Does>>) -> Self {
        let (listener, receiver) = Self::listen("http", does).await;
        let this = receiver.clone();
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(this.clone().serve(connection));
            }
        });
        receiver
    }

    /// Behind TLS with a certificate that nobody vouches for.
    pub(crate) async fn with_own_certificate() -> Self {
        let (listener, receiver) = Self::listen("https", [Does::take()]).await;
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("certificate");
        let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("protocols")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .expect("server");
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let this = receiver.clone();
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                if let Ok(connection) = acceptor.accept(connection).await {
                    tokio::spawn(this.clone().exchange(connection));
                }
            }
        });
        receiver
    }

    async fn listen(scheme: &str, does: impl Into<Vec<Does>>) -> (TcpListener, Self) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens");
        let url = format!("{scheme}://{}/hook", listener.local_addr().expect("address"));
        let receiver = Self {
            url,
            does: Arc::new(Mutex::new(does.into())),
            came: Arc::default(),
        };
        (listener, receiver)
    }

    pub(crate) fn now(&self, does: Does) {
        *self.does.lock().expect("lock") = vec![does];
    }

    pub(crate) fn came(&self) -> Vec<Came> {
        self.came.lock().expect("lock").clone()
    }

    /// Waits until so many requests have come.
    pub(crate) async fn until(&self, count: usize) -> Vec<Came> {
        for _ in 0..1_000 {
            let came = self.came();
            if came.len() >= count {
                return came;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{count} requests were to come, and there are {:?}", self.came());
    }

    async fn serve(self, connection: TcpStream) {
        let first = self.does.lock().expect("lock").first().cloned();
        if matches!(first, Some(Does::Garbage)) {
            let mut connection = connection;
            let _ = connection.write_all(b"SSH-2.0-OpenSSH_9.2\r\n").await;
            return;
        }
        let raw = socket2::SockRef::from(&connection).try_clone().expect("socket");
        if self.exchange(connection).await {
            raw.set_linger(Some(Duration::ZERO)).expect("linger");
        }
    }

    /// One request and its answer; true if the connection is to be reset.
    async fn exchange(self, mut connection: impl AsyncRead + AsyncWrite + Unpin) -> bool {
        let Some((head, body)) = read(&mut connection).await else {
            return false;
        };
        let does = {
            let mut does = self.does.lock().expect("lock");
            if does.len() > 1 {
                does.remove(0)
            } else {
                does[0].clone()
            }
        };
        let at = Instant::now();
        let came = Came { at, head, body };
        let echo = format!("{}{}", came.head, came.body);
        self.came.lock().expect("lock").push(came);
        let whole = |status: &str, headers: &str, body: &str| {
            let length = body.len();
            format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n{body}")
        };
        let endless = "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n".to_owned();
        let (head, pause) = match does {
            Does::Answer(status, headers, body) => (whole(status, &headers, &body), None),
            Does::Echo => (whole("404 Not Found", "", &echo), None),
            Does::Hang => {
                tokio::time::sleep(Duration::from_secs(600)).await;
                return false;
            }
            Does::Reset | Does::Garbage => return true,
            Does::Huge => (endless, Some((Duration::ZERO, 65_536))),
            Does::Slow => (endless, Some((Duration::from_millis(200), 1))),
        };
        let _ = connection.write_all(head.as_bytes()).await;
        if let Some((pause, bytes)) = pause {
            while connection.write_all(&vec![b'x'; bytes]).await.is_ok() {
                tokio::time::sleep(pause).await;
            }
        }
        let _ = connection.shutdown().await;
        false
    }
}

/// A whole request: its head and its body.
async fn read(connection: &mut (impl AsyncRead + Unpin)) -> Option<(String, String)> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4_096];
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return Some((format!("{head}\r\n\r\n"), body.to_owned()));
            }
        }
        let count = connection.read(&mut buffer).await.ok()?;
        if count == 0 {
            return None;
        }
        bytes.extend_from_slice(&buffer[..count]);
    }
}
