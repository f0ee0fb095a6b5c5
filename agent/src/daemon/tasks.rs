//! What runs beside the engine: those who look for it, those who speak for it, those who answer callers.

use std::{path::PathBuf, sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};

use super::{
    drive::{drive, ticker},
    start::{Doors, Ready},
};
use crate::{
    allocator, capture,
    command::Message,
    config::units::Interval,
    connected,
    control::{self, server::Handle},
    export,
    feeds::task::Task,
    fleet,
    host::{HostFacts, Looker, interfaces},
    notify::{Keeper, Notifier},
    page, service,
    snapshot::Snapshot,
    upstream,
};

/// Commands that wait for the engine at most; more callers wait at the socket.
const QUEUE: usize = 64;
/// Between two looks at the host's routes.
const AROUND: Duration = Duration::from_secs(300);
/// Between two times that freed memory is given back.
const TRIM: Duration = Duration::from_secs(60);

/// What runs, as far as whoever stops it must know.
pub(super) struct Running {
    pub(super) engine: JoinHandle<()>,
    pub(super) server: JoinHandle<std::io::Result<()>>,
    /// Tells the server to take no more callers.
    pub(super) stop: watch::Sender<bool>,
    pub(super) above: mpsc::Sender<upstream::Order>,
    pub(super) handle: Handle,
}

/// Everything begins to run.
pub(super) fn spawn(ready: Ready, socket: Option<PathBuf>) -> Running {
    let Ready {
        engine,
        looker,
        explainer,
        access,
        doors,
    } = ready;
    let (to_engine, messages) = mpsc::channel(QUEUE);
    let (to_lists, list_orders) = mpsc::channel(QUEUE);
    let (to_above, orders_above) = mpsc::channel(1);
    let (to_fleet, fleet_orders) = mpsc::channel(QUEUE);
    let notifier = Notifier::default();
    let handle = Handle {
        engine: to_engine,
        lists: to_lists,
        fleet: to_fleet,
        snapshots: engine.snapshots(),
        events: engine.events(),
        notifier: notifier.clone(),
        samples: engine.samples(),
        explainer,
        history: engine.history(),
        socket,
        access,
    };
    let lists = Task::new(
        engine.list_heads(),
        engine.snapshots(),
        handle.engine.clone(),
        list_orders,
    );
    let above = upstream::Task::new(engine.snapshots(), handle.engine.clone(), orders_above);
    let others = fleet::Task::new(engine.snapshots(), handle.engine.clone(), fleet_orders);
    let notify_of = Keeper::new(notifier.clone(), engine.events().subscribe(), engine.snapshots());
    let captures = capture::Keeper::new(
        engine.snapshots(),
        engine.events().subscribe(),
        handle.samples.subscribe(),
    );
    let engine = tokio::spawn(drive(engine, messages));
    tokio::spawn(look(looker, handle.engine.clone()));
    tokio::spawn(look_around(handle.snapshots.clone(), handle.engine.clone()));
    tokio::spawn(interfaces::watch(handle.snapshots.clone(), handle.engine.clone()));
    tokio::spawn(connected::keep_known(handle.snapshots.clone(), handle.engine.clone()));
    tokio::spawn(lists.run());
    tokio::spawn(above.run());
    tokio::spawn(others.run());
    tokio::spawn(notify_of.run());
    tokio::spawn(captures.run());
    tokio::spawn(service::keep_status(handle.snapshots.clone()));
    tokio::spawn(keep_small());
    let (stop, stopped) = watch::channel(false);
    Running {
        engine,
        server: open(doors, &handle, notifier, stopped),
        stop,
        above: to_above,
        handle,
    }
}

/// Callers are answered from here on.
fn open(
    doors: Doors,
    handle: &Handle,
    notifier: Notifier,
    stopped: watch::Receiver<bool>,
) -> JoinHandle<std::io::Result<()>> {
    if let Some(listener) = doors.metrics {
        tokio::spawn(export::server::serve(listener, handle.snapshots.clone(), notifier));
    }
    if let Some(listener) = doors.page {
        tokio::spawn(page::serve(listener, handle.clone()));
    }
    tokio::spawn(control::server::serve(doors.control, handle.clone(), until(stopped)))
}

/// Resolves when the daemon is to stop.
async fn until(mut stopped: watch::Receiver<bool>) {
    // A sender that is gone means the same.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// Gives freed memory back, as long as the daemon runs.
async fn keep_small() {
    let mut ticker = tokio::time::interval(TRIM);
    loop {
        ticker.tick().await;
        allocator::give_back();
    }
}

/// Looks at the host's TCP each second, as long as there is an engine to be told.
async fn look(mut looker: Looker, engine: mpsc::Sender<Message>) {
    let mut ticker = ticker(Interval::SECOND);
    loop {
        ticker.tick().await;
        let looked = looker.look().await;
        let looked = looked.map(Box::new).map_err(|error| format!("{error:#}"));
        if engine.send(Message::Host(looked)).await.is_err() {
            return;
        }
    }
}

/// Looks now and then, where other nodes decide, at what must not be cut off here: a gateway may have changed. Routes can be many,
/// so not more often.
async fn look_around(snapshots: watch::Receiver<Arc<Snapshot>>, engine: mpsc::Sender<Message>) {
    let mut ticker = tokio::time::interval(AROUND);
    loop {
        ticker.tick().await;
        if snapshots.borrow().config.fleet.is_none() {
            continue;
        }
        match HostFacts::read().await {
            Ok(host) => {
                if engine.send(Message::Surroundings(Box::new(host))).await.is_err() {
                    return;
                }
            }
            Err(error) => tracing::warn!("cannot look at the host's gateways and resolvers: {error:#}"),
        }
    }
}
