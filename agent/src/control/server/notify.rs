//! Answers about who is notified.

use axum::{Extension, Json, extract::State};

use super::{Answer, Body, Handle};
use crate::control::{
    api::{EndpointView, TestRequest, TestView},
    peer::Actor,
};

pub(super) async fn endpoints(State(handle): State<Handle>) -> Json<Vec<EndpointView>> {
    Json(handle.notifier.views())
}

pub(super) async fn test(
    State(handle): State<Handle>,
    Extension(Actor(actor)): Extension<Actor>,
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
