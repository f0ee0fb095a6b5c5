//! What can be asked at the control socket, and which role it takes.

use axum::{
    Router,
    extract::{ConnectInfo, Request},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
    routing::{get, post, put},
};

use super::{
    Handle, allow, attacks, block, capture, detach, explain, fleet, groups, list, listeners, lists, mode, notify,
    overview, prefixes, refresh_lists, reload, rungs, safe, samples, set_mode, set_rung, set_threshold, sources, stats,
    status, threshold, thresholds, unallow, unblock, unset_threshold, upstream,
};
use crate::{
    control::{
        access::{Access, Role},
        error::Failure,
        peer::{Actor, Peer},
    },
    decide::Refusal,
};

/// Everything that is answered. Which of the two parts a route is in says who may use it.
pub(super) fn router(handle: Handle) -> Router {
    let may = |role| {
        let access = handle.access.clone();
        middleware::from_fn(move |request: Request, next: Next| {
            let access = access.clone();
            async move { admitted(&access, role, request, next).await }
        })
    };
    let viewing = viewing().layer(may(Role::View));
    let operating = operating().route_layer(may(Role::Operate));
    viewing.merge(operating).with_state(handle)
}

/// What changes nothing, and shows nothing that was sent to our customers' connections.
fn viewing() -> Router<Handle> {
    Router::new()
        .route("/v1/status", get(status))
        .route("/v1/overview", get(overview::overview))
        .route("/v1/addresses/{address}", get(overview::address))
        .route("/v1/stats", get(stats))
        .route("/v1/sources", get(sources))
        .route("/v1/prefixes", get(prefixes))
        .route("/v1/samples", get(samples))
        .route("/v1/list", get(list))
        .route("/v1/lists", get(lists))
        .route("/v1/thresholds", get(thresholds))
        .route("/v1/thresholds/{*target}", get(threshold))
        .route("/v1/rungs", get(rungs))
        .route("/v1/upstream", get(upstream::upstream))
        .route("/v1/fleet", get(fleet::fleet))
        .route("/v1/fleet/nodes", get(fleet::nodes))
        .route("/v1/fleet/top", get(fleet::top))
        .route("/v1/groups", get(groups))
        .route("/v1/safe", get(safe))
        .route("/v1/listeners", get(listeners))
        .route("/v1/explain", post(explain::explain))
        .route("/v1/notify", get(notify::endpoints))
        .route("/v1/attacks", get(attacks::attacks))
        .route("/v1/attacks/{number}", get(attacks::attack))
        .route("/v1/attacks/{number}/report", get(attacks::report))
        .route("/v1/events", get(attacks::events))
        .route("/v1/events/follow", get(attacks::follow))
        .route("/v1/mode", get(mode))
        .fallback(no_such_path)
}

/// What changes something; what begins a change (so that nobody is refused at its end); what shows the packets of customers.
fn operating() -> Router<Handle> {
    Router::new()
        .route("/v1/preview", post(overview::preview))
        .route("/v1/lists/refresh", post(refresh_lists))
        .route("/v1/blocks", post(block).delete(unblock))
        .route("/v1/allows", post(allow).delete(unallow))
        .route("/v1/thresholds", put(set_threshold).delete(unset_threshold))
        .route("/v1/rungs", put(set_rung))
        .route("/v1/capture", post(capture::capture))
        .route("/v1/notify/test", post(notify::test))
        .route("/v1/mode", put(set_mode))
        .route("/v1/reload", post(reload))
        .route("/v1/detach", post(detach))
}

/// Lets a request go on whose sender has the role, and names the sender to who answers it.
async fn admitted(access: &Access, needed: Role, mut request: Request, next: Next) -> Response {
    let Some(ConnectInfo(peer)) = request.extensions().get::<ConnectInfo<Peer>>().cloned() else {
        return Failure(Refusal::failed("it is not known who asks")).into_response();
    };
    let role = access.role(&peer);
    let Actor(actor) = peer.actor(role);
    if role.is_none_or(|role| role < needed) {
        let (method, path) = (request.method(), request.uri().path());
        tracing::warn!(actor, command = %format_args!("{method} {path}"), "refused: this needs the role {}", needed.name());
        return Failure(access.refusal(needed, role)).into_response();
    }
    request.extensions_mut().insert(Actor(actor));
    next.run(request).await
}

async fn no_such_path(uri: axum::http::Uri) -> Failure {
    Failure(Refusal::not_found(
        format!("there is no {}", uri.path()),
        Some(
            "there are /v1/status, overview, addresses, preview, stats, sources, prefixes, samples, list, lists, blocks, allows, thresholds, rungs, upstream, fleet, groups, safe, \
             listeners, attacks, events, capture, explain, notify, mode, reload and \
             detach"
                .to_owned(),
        ),
    ))
}
