//! The web page over real connections: who is answered, what is shown, what is done.

mod acting;
mod fleet;
mod guard;
mod live;
mod shown;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
};

use agent::{
    command::Message,
    config::{self, Config},
    control::server::Handle,
    page,
};
use reqwest::{Method, RequestBuilder, header, header::HeaderMap, redirect::Policy};
use tokio::sync::mpsc;

use crate::{
    support::{config, host, noon},
    watched::Watched,
};

/// The token of these tests.
const TOKEN: &str = "0123456789abcdef-token";

/// A page over an engine whose counters the test moves.
struct Paged {
    lab: Arc<Mutex<Watched>>,
    address: SocketAddr,
    http: reqwest::Client,
}

/// What came back.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }
}

/// Who has logged in.
struct LoggedIn {
    cookie: String,
    form: String,
}

/// The configuration with a token, and with what else a test wants.
fn with_token(more: &str) -> Config {
    config(&format!(
        "{more}\n[page]\nhosts = [\"levee.example\"]\ntoken = \"{TOKEN}\""
    ))
}

/// As many addresses as an agent has at most by default.
fn many() -> Config {
    let text = "interfaces = [\"eth0\"]\nprotect = [\"198.18.0.0/20\"]\nmode = \"enforce\"\n";
    config::load_text(text, std::path::Path::new("/etc/levee/agent.toml"), &host())
        .unwrap_or_else(|error| panic!("{error}"))
}

impl Paged {
    async fn new() -> Self {
        Self::over(Watched::with(with_token(""))).await
    }

    async fn over(lab: Watched) -> Self {
        Self::beside(lab, mpsc::channel(1).0).await
    }

    /// A page that asks the fleet's task of a test.
    async fn beside(lab: Watched, fleet: mpsc::Sender<agent::fleet::Order>) -> Self {
        let listener = page::listen("127.0.0.1:0".parse().expect("address"))
            .await
            .expect("listens");
        let address = listener.local_addr().expect("bound");
        let (to_engine, messages) = mpsc::channel(8);
        let engine = &lab.engine;
        let handle = Handle {
            engine: to_engine,
            lists: mpsc::channel(1).0,
            snapshots: engine.snapshots(),
            events: engine.events(),
            notifier: agent::notify::Notifier::default(),
            samples: engine.samples(),
            explainer: Arc::new(crate::explain::Judge::default()),
            history: engine.history(),
            fleet,
            socket: None,
            access: agent::control::access::Access::new(None, None).expect("no groups"),
        };
        let lab = Arc::new(Mutex::new(lab));
        tokio::spawn(drive(Arc::clone(&lab), messages));
        tokio::spawn(page::serve(listener, handle));
        let http = agent::tls::without().redirect(Policy::none()).build().expect("client");
        Self { lab, address, http }
    }

    fn lab(&self) -> MutexGuard<'_, Watched> {
        self.lab.lock().expect("no test panics with the lock")
    }

    fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.origin()))
    }

    async fn get(&self, path: &str) -> Answer {
        answer(self.request(Method::GET, path)).await
    }

    /// A form as a browser sends it from one of our pages.
    fn form(&self, path: &str, fields: &[(&str, &str)]) -> RequestBuilder {
        self.form_from("same-origin", path, fields)
    }

    /// The same from another site.
    fn form_from(&self, site: &str, path: &str, fields: &[(&str, &str)]) -> RequestBuilder {
        let body: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("{name}={}", encoded(value)))
            .collect();
        self.request(Method::POST, path)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ORIGIN, self.origin())
            .header("sec-fetch-site", site)
            .body(body.join("&"))
    }

    async fn log_in(&self) -> LoggedIn {
        let answered = answer(self.form("/login", &[("token", TOKEN), ("next", "/lists")])).await;
        assert_eq!(
            (answered.status, answered.header("location")),
            (303, "/lists"),
            "{}",
            answered.text
        );
        let set = answered.header("set-cookie");
        for part in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age="] {
            assert!(set.contains(part), "{set}");
        }
        let cookie = set.split(';').next().expect("a pair").to_owned();
        let lists = answer(self.request(Method::GET, "/lists").header(header::COOKIE, &cookie)).await;
        let form = between(&lists.text, "name=\"form\" value=\"", "\"").to_owned();
        LoggedIn { cookie, form }
    }
}

async fn answer(request: RequestBuilder) -> Answer {
    let response = request.send().await.expect("answers");
    Answer {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        text: response.text().await.expect("text"),
    }
}

async fn drive(lab: Arc<Mutex<Watched>>, mut messages: mpsc::Receiver<Message>) {
    while let Some(message) = messages.recv().await {
        lab.lock()
            .expect("no test panics with the lock")
            .engine
            .answer(message, noon());
    }
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

/// The text between two others.
fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let start = text
        .find(before)
        .unwrap_or_else(|| panic!("{before:?} is not in {text}"))
        + before.len();
    let rest = &text[start..];
    &rest[..rest.find(after).unwrap_or_else(|| panic!("{after:?} is not in {rest}"))]
}
