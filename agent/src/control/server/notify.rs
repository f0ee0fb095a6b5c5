//! Answers about who is notified.

use axum::{
    Json,
    extract::{ConnectInfo, State},
};

use super::{Answer, Body, Handle};
use crate::control::{
    api::{EndpointView, TestRequest, TestView},
    peer::Peer,
};

pub(super) async fn endpoints(State(handle): State<Handle>) -> Json<Vec<EndpointView>> {
    Json(handle.notifier.views())
}

pub(super) async fn test(
    State(handle): State<Handle>,
    ConnectInfo(Peer(actor)): ConnectInfo<Peer>,
    Body(request): Body<TestRequest>,
) -> Answer<Vec<TestView>> {
    tracing::info!(
        actor,
        command = "notify test",
        endpoint = request.name,
        "sending a test"
    );
    Ok(Json(handle.notifier.test(request.name.as_deref()).await?))
}
