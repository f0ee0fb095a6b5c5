//! The web page: what is attacked, since when, by what, what is done about it and whether it is safe to put back. Rendered here, live by
//! server-sent events, and without a script still whole. It only reads snapshots; what changes something goes to the engine as a command,
//! and only from who knows the token.
//!
//! - `view` says which page a path is and renders it, in parts that `live` sends again each second;
//! - `guard` is in front of everything: whose requests are answered, and the headers of every answer;
//! - `login`, `session`, `attempts`: who may act; `action`: what they may do, after a confirmation that shows whom it reaches.

mod action;
mod address;
mod answer;
mod assets;
mod attack;
mod attacks;
mod attempts;
mod banner;
mod confirm;
mod connection;
mod fleet;
mod guard;
mod host;
mod layout;
mod lists;
mod live;
mod login;
mod overview;
mod rows;
mod session;
mod sources;
mod spark;
mod view;
mod viewer;
mod words;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Instant,
};

use anyhow::Context as _;
use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware,
    routing::{get, post},
};
use tokio::{net::TcpListener, sync::Semaphore};

pub use connection::serve;

use crate::{config::page::Page, control::server::Handle, snapshot::Snapshot};

/// A form is smaller, bytes.
const MOST_BODY: usize = 16 * 1024;
/// Pages that follow at once.
const MOST_LIVE: usize = 24;

/// What every request has.
#[derive(Debug, Clone)]
struct Site {
    handle: Handle,
    sessions: Arc<session::Sessions>,
    attempts: Arc<Mutex<attempts::Attempts>>,
    live: Arc<Semaphore>,
}

impl Site {
    fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.handle.snapshots.borrow())
    }

    /// How the page is configured now: all but where it listens may change while it is served.
    fn config(&self) -> Page {
        self.handle.snapshots.borrow().config.page.clone()
    }
}

/// Both ends of the connection by which a request came.
#[derive(Debug, Clone, Copy)]
struct Ends {
    remote: SocketAddr,
    local: SocketAddr,
}

/// Takes the port.
///
/// # Errors
/// If it is taken, or the address is not ours.
pub async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("page.listen: cannot listen on {address}; name another address and port, or \"off\""))
}

/// Everything that is served.
fn router(handle: Handle) -> Router {
    let site = Site {
        handle,
        sessions: Arc::default(),
        attempts: Arc::new(Mutex::new(attempts::Attempts::new(Instant::now()))),
        live: Arc::new(Semaphore::new(MOST_LIVE)),
    };
    Router::new()
        .route("/login", get(login::form).post(login::log_in))
        .route("/logout", post(login::log_out))
        .route("/confirm", post(action::confirm))
        .route("/act", post(action::act))
        .route("/assets/{name}", get(assets::get))
        .route("/live", get(live::follow))
        .route("/live/{*path}", get(live::follow))
        .fallback(view::show)
        .layer(DefaultBodyLimit::max(MOST_BODY))
        .layer(middleware::from_fn_with_state(site.clone(), guard::guard))
        .with_state(site)
}
