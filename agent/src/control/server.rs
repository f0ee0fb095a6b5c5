//! The control socket's server: it reads snapshots, and hands what changes something to the engine.

mod attacks;
mod capture;
mod explain;
mod fleet;
mod notify;
mod overview;
mod routes;
mod upstream;

use std::{path::PathBuf, sync::Arc, time::Duration};

use axum::{
    Extension, Json,
    extract::{FromRequest, FromRequestParts, Query, Request, State, rejection},
    http::request::Parts,
};
use serde::de::DeserializeOwned;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use super::{
    access::Access,
    api::{
        AllowRequest, BlockRequest, Done, GroupView, LargeListView, ListView, ListenersView, ModeRequest, ModeView,
        PrefixesView, RefreshRequest, RemoveRequest, RungRequest, RungView, SafeView, SampleView, SourcesQuery,
        SourcesView, StatsQuery, StatsView, StatusView, TargetQuery, ThresholdRequest, ThresholdView, UnsetRequest,
    },
    error::Failure,
    peer::{Actor, Peer},
    socket::ControlSocket,
    view,
};
use crate::{
    command::{Command, Message, Order},
    config,
    decide::Refusal,
    detect::NumberedEvent,
    feeds::task::Refresh,
    host::HostFacts,
    ledger::History,
    notify::Notifier,
    service::Reloading,
    snapshot::Snapshot,
    tables::{Explains, Sample, SourceUsage},
};

/// Lines of `sources` unless asked for more.
const DEFAULT_SOURCES: usize = 20;
/// Time between the two walks that give the sources' rates.
const SOURCES_SPAN: Duration = Duration::from_millis(300);

/// What a handler has.
#[derive(Debug, Clone)]
pub struct Handle {
    /// To the engine.
    pub engine: mpsc::Sender<Message>,
    /// From the engine.
    pub snapshots: watch::Receiver<Arc<Snapshot>>,
    /// What happens from now on.
    pub events: broadcast::Sender<Arc<NumberedEvent>>,
    /// Who is told what happens.
    pub notifier: Notifier,
    /// Sampled headers from now on.
    pub samples: broadcast::Sender<Arc<Vec<Sample>>>,
    /// What has happened so far.
    pub history: History,
    /// Who can say what would become of a packet.
    pub explainer: Arc<dyn Explains>,
    /// To the keeper of the lists.
    pub lists: mpsc::Sender<Refresh>,
    /// To who speaks with the other nodes.
    pub fleet: mpsc::Sender<crate::fleet::Order>,
    /// The control socket, where the command line named another than the configuration.
    pub socket: Option<PathBuf>,
    /// Who may do what by the control socket.
    pub access: Access,
}

pub(super) type Answer<T> = Result<Json<T>, Failure>;

/// Serves until told to stop; what is being answered then is still answered.
///
/// # Errors
/// If the socket fails as a whole.
pub async fn serve(
    listener: ControlSocket,
    handle: Handle,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let service = routes::router(handle).into_make_service_with_connect_info::<Peer>();
    axum::serve(listener, service).with_graceful_shutdown(stop).await
}

impl Handle {
    /// The latest picture of everything.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshots.borrow())
    }

    /// Hands a command to the engine, for this node, and waits for its answer.
    ///
    /// # Errors
    /// The engine's refusal, or that it is gone.
    async fn order_here(&self, command: Command, actor: String) -> Result<Done, Refusal> {
        let host = HostFacts::read()
            .await
            .map_err(|error| Refusal::failed(format!("{error:#}")))?;
        let (answer, answered) = oneshot::channel();
        self.send(Message::Order(Box::new(Order {
            command,
            actor,
            host,
            answer,
        })))
        .await?;
        answered.await.map_err(|_| stopping())?
    }

    /// Reads the configuration file anew and goes over to it.
    ///
    /// # Errors
    /// What is wrong with the file, or the engine's refusal; then nothing has changed.
    pub async fn reload(&self, actor: String) -> Result<Done, Refusal> {
        let _reloading = Reloading::begin();
        let path = self.snapshot().config.path.clone();
        let host = HostFacts::read()
            .await
            .map_err(|error| Refusal::failed(format!("{error:#}")))?;
        let config = match config::load(&path, &host) {
            Ok(config) => config,
            Err(error) => {
                tracing::warn!(actor, "not reloaded: {error}");
                self.send(Message::NotReloaded).await?;
                return Err(Refusal::invalid(
                    error.to_string(),
                    "nothing was changed: the agent runs on with the configuration it had",
                ));
            }
        };
        let config = config.with_socket(self.socket.as_ref());
        self.order_here(Command::Reload(Box::new(config)), actor).await
    }

    /// Has lists read now, and waits until they were.
    async fn refresh(&self, name: Option<String>, actor: &str) -> Result<Done, Refusal> {
        let (answer, answered) = oneshot::channel();
        tracing::info!(actor, command = "lists refresh", list = name, "reading lists");
        let order = Refresh { name, answer };
        self.lists.send(order).await.map_err(|_| stopping())?;
        answered.await.map_err(|_| stopping())?
    }

    async fn sources(&self) -> Result<Vec<SourceUsage>, Refusal> {
        let (answer, answered) = oneshot::channel();
        self.send(Message::Sources(answer)).await?;
        answered.await.map_err(|_| stopping())?
    }

    async fn send(&self, message: Message) -> Result<(), Refusal> {
        self.engine.send(message).await.map_err(|_| stopping())
    }
}

fn stopping() -> Refusal {
    Refusal::failed("the agent is stopping")
}

async fn status(State(handle): State<Handle>) -> Json<StatusView> {
    Json(view::status(&handle.snapshot()))
}

async fn stats(State(handle): State<Handle>, Asked(query): Asked<StatsQuery>) -> Answer<StatsView> {
    Ok(Json(view::stats(&handle.snapshot(), query.address)?))
}

async fn sources(State(handle): State<Handle>, Asked(query): Asked<SourcesQuery>) -> Answer<SourcesView> {
    let before = tokio::time::Instant::now();
    let earlier = handle.sources().await?;
    tokio::time::sleep(SOURCES_SPAN).await;
    let later = handle.sources().await?;
    let seconds = before.elapsed().as_secs_f64();
    let at_most = query.limit.unwrap_or(DEFAULT_SOURCES);
    Ok(Json(view::sources(
        &earlier,
        &later,
        seconds,
        &handle.snapshot(),
        at_most,
    )))
}

async fn prefixes(State(handle): State<Handle>, Asked(query): Asked<SourcesQuery>) -> Json<PrefixesView> {
    Json(view::prefixes(
        &handle.snapshot(),
        query.limit.unwrap_or(DEFAULT_SOURCES),
    ))
}

async fn samples(State(handle): State<Handle>) -> Json<Vec<SampleView>> {
    Json(view::samples(&handle.snapshot()))
}

async fn list(State(handle): State<Handle>) -> Json<ListView> {
    Json(view::list(&handle.snapshot()))
}

async fn lists(State(handle): State<Handle>) -> Json<Vec<LargeListView>> {
    Json(view::large_lists(&handle.snapshot()))
}

async fn refresh_lists(
    State(handle): State<Handle>,
    Extension(Actor(actor)): Extension<Actor>,
    Body(request): Body<RefreshRequest>,
) -> Answer<Done> {
    Ok(Json(handle.refresh(request.name, &actor).await?))
}

async fn thresholds(State(handle): State<Handle>) -> Json<Vec<ThresholdView>> {
    Json(view::thresholds(&handle.snapshot()))
}

async fn threshold(
    State(handle): State<Handle>,
    axum::extract::Path(target): axum::extract::Path<String>,
) -> Answer<ThresholdView> {
    Ok(Json(view::threshold(&handle.snapshot(), &target)?))
}

async fn rungs(State(handle): State<Handle>) -> Json<Vec<RungView>> {
    Json(view::rungs(&handle.snapshot()))
}

async fn safe(State(handle): State<Handle>, Asked(query): Asked<TargetQuery>) -> Answer<SafeView> {
    Ok(Json(view::safe(&handle.snapshot(), &query.target)?))
}

async fn groups(State(handle): State<Handle>) -> Json<Vec<GroupView>> {
    Json(view::groups(&handle.snapshot()))
}

async fn listeners(State(handle): State<Handle>) -> Json<ListenersView> {
    Json(view::listeners(&handle.snapshot()))
}

async fn mode(State(handle): State<Handle>) -> Json<ModeView> {
    Json(view::mode(&handle.snapshot()))
}

async fn block(
    State(handle): State<Handle>,
    Extension(Actor(actor)): Extension<Actor>,
    Body(request): Body<BlockRequest>,
) -> Answer<Done> {
    Ok(Json(handle.order(Command::Block(request), actor).await?))
}

async fn unblock(
    State(handle): State<Handle>,
    Extension(Actor(actor)): Extension<Actor>,
    Asked(request): Asked<RemoveRequest>,
) -> Answer<Done> {
    Ok(Json(handle.order(Command::Unblock(request), actor).await?))
}

async fn allow(
    State(handle): State<Handle>,
    Extension(Actor(actor)): Extension<Actor>,
    Body(request): Body<AllowRequest>,
) -> Answer<Done> {
    Ok(Json(handle.order(Command::Allow(request), actor).await?))
}

async fn unallow(
    State(handle): State<Handle>,
    Extension(Actor(actor)): Extension<Actor>,
    Asked(request): Asked<RemoveRequest>,
) -> Answer<Done> {
    Ok(Json(handle.order(Command::Unallow(request), actor).await?))
}

async fn set_threshold(
    State(handle): State<Handle>,
    Extension(Actor(actor)): Extension<Actor>,
    Body(request): Body<ThresholdRequest>,
) -> Answer<Done> {
    Ok(Json(handle.order(Command::SetThreshold(request), actor).await?))
}

async fn unset_threshold(
    State(handle): State<Handle>,
    Extension(Actor(actor)): Extension<Actor>,
    Asked(request): Asked<UnsetRequest>,
) -> Answer<Done> {
    Ok(Json(handle.order(Command::UnsetThreshold(request), actor).await?))
}

async fn set_rung(
    State(handle): State<Handle>,
    Extension(Actor(actor)): Extension<Actor>,
    Body(request): Body<RungRequest>,
) -> Answer<Done> {
    let command = Command::SetRung(request);
    Ok(Json(handle.order_until_announced(command, actor).await?))
}

async fn set_mode(
    State(handle): State<Handle>,
    Extension(Actor(actor)): Extension<Actor>,
    Body(request): Body<ModeRequest>,
) -> Answer<Done> {
    Ok(Json(handle.order(Command::SetMode(request), actor).await?))
}

async fn reload(State(handle): State<Handle>, Extension(Actor(actor)): Extension<Actor>) -> Answer<Done> {
    Ok(Json(handle.reload(actor).await?))
}

async fn detach(State(handle): State<Handle>, Extension(Actor(actor)): Extension<Actor>) -> Answer<Done> {
    Ok(Json(handle.order(Command::Detach, actor).await?))
}

/// A JSON body; what is wrong with it is told in our own form.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let bytes = axum::body::Bytes::from_request(request, state)
            .await
            .map_err(|error: rejection::BytesRejection| Refusal::invalid(error.body_text(), "send one JSON object"))?;
        serde_json::from_slice(&bytes).map(Self).map_err(|error| {
            Failure(Refusal::invalid(
                format!("the request is not understood: {error}"),
                "send one JSON object",
            ))
        })
    }
}

/// The query of the URL, likewise.
struct Asked<T>(T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(query)) => Ok(Self(query)),
            Err(error) => Err(Failure(Refusal::invalid(
                format!("the request is not understood: {}", error.body_text()),
                "see `agent help` for what each request takes",
            ))),
        }
    }
}
