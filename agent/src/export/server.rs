//! Serves the metrics over HTTP.

use std::{net::SocketAddr, sync::Arc};

use anyhow::Context as _;
use axum::{
    Router,
    http::{HeaderMap, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use prometheus_client::registry::Registry;
use tokio::{net::TcpListener, sync::watch};

use super::{exporter::Exporter, exposition::Form, notify::Notifications, process::Usage};
use crate::{notify::Notifier, snapshot::Snapshot};

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
    axum::serve(listener, router(snapshots, notifier)).await
}

/// What is served: /metrics.
pub fn router(snapshots: watch::Receiver<Arc<Snapshot>>, notifier: Notifier) -> Router {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Exporter::new(snapshots)));
    registry.register_collector(Box::new(Notifications(notifier)));
    registry.register_collector(Box::new(Usage));
    let registry = Arc::new(registry);
    let metrics = move |headers: HeaderMap| std::future::ready(answer(&registry, Form::wanted(&headers)));
    Router::new().route("/metrics", get(metrics))
}

fn answer(registry: &Registry, form: Form) -> Response {
    match encoded(registry) {
        Ok(text) => ([(CONTENT_TYPE, form.content_type())], form.of(text)).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// The metrics of a snapshot, as OpenMetrics.
///
/// # Errors
/// If a metric cannot be written, which would be a mistake in its description.
pub fn text(snapshots: watch::Receiver<Arc<Snapshot>>) -> Result<String, std::fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Exporter::new(snapshots)));
    encoded(&registry)
}

/// The metrics of who is notified, as OpenMetrics.
///
/// # Errors
/// See [`text`].
pub fn notifications(notifier: Notifier) -> Result<String, std::fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Notifications(notifier)));
    encoded(&registry)
}

fn encoded(registry: &Registry) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, registry)?;
    Ok(text)
}
