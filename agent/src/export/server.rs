//! Serves the metrics over HTTP.

use std::{net::SocketAddr, sync::Arc};

use anyhow::Context as _;
use axum::{
    Router,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use prometheus_client::registry::Registry;
use tokio::{net::TcpListener, sync::watch};

use super::{metrics::Exporter, notify::Notifications};
use crate::{notify::Notifier, snapshot::Snapshot};

/// The content type of OpenMetrics 1.0.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Takes the port.
///
/// # Errors
/// If it is taken, or the address is not ours.
pub async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!("metrics.listen: cannot listen on {address}; name another address and port, or \"off\"")
    })
}

/// Serves until the task is dropped.
///
/// # Errors
/// If the socket fails as a whole.
pub async fn serve(
    listener: TcpListener,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    notifier: Notifier,
) -> std::io::Result<()> {
    let mut registry = registry(snapshots);
    registry.register_collector(Box::new(Notifications(notifier)));
    let registry = Arc::new(registry);
    let router = Router::new().route("/metrics", get(move || std::future::ready(answer(&registry))));
    axum::serve(listener, router).await
}

fn answer(registry: &Registry) -> Response {
    match encoded(registry) {
        Ok(text) => ([(CONTENT_TYPE, OPENMETRICS)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// The metrics as they are served.
///
/// # Errors
/// If a metric cannot be written, which would be a mistake in its description.
pub fn text(snapshots: watch::Receiver<Arc<Snapshot>>) -> Result<String, std::fmt::Error> {
    encoded(&registry(snapshots))
}

/// The metrics of who is notified, as they are served.
///
/// # Errors
/// See [`text`].
pub fn notifications(notifier: Notifier) -> Result<String, std::fmt::Error> {
    let mut registry = Registry::with_prefix("levee");
    registry.register_collector(Box::new(Notifications(notifier)));
    encoded(&registry)
}

fn registry(snapshots: watch::Receiver<Arc<Snapshot>>) -> Registry {
    let mut registry = Registry::with_prefix("levee");
    registry.register_collector(Box::new(Exporter::new(snapshots)));
    registry
}

fn encoded(registry: &Registry) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, registry)?;
    Ok(text)
}
