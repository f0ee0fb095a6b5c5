//! Ends what runs, without taking protection off.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::{start::SocketFile, tasks::Running};
use crate::{
    failpoint::{Point, reach},
    fleet, service,
    snapshot::Snapshot,
    upstream,
};

/// Time for what is still to be said when the daemon stops.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Why the daemon ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Protection was taken off.
    Detached,
    /// It was told to stop; protection stays.
    Stopped,
}

/// Says what is still to be said, and gives the socket back.
pub(super) async fn stop(running: Running, end: Option<End>, socket: SocketFile) {
    reach(Point::StopAsked);
    if end == Some(End::Detached) {
        withdraw(running.above).await;
    }
    leave(&running.handle.fleet).await;
    running.stop.send_replace(true);
    // An answer that is under way (to `detach`) still goes out, and so does what people are to be told.
    let server = tokio::time::timeout(LAST_WORDS, running.server);
    let (_, untold) = tokio::join!(server, running.handle.notifier.settle(LAST_WORDS));
    if untold > 0 {
        tracing::warn!(untold, "stopping: not all notifications were taken");
    }
    reach(Point::LastWordsSaid);
    drop(socket);
    reach(Point::SocketGone);
}

pub(super) fn say_what_stays(snapshot: &Snapshot) {
    let interfaces: Vec<&str> = snapshot.links.iter().map(|link| link.interface.as_str()).collect();
    tracing::info!(
        interfaces = interfaces.join(","),
        mode = %snapshot.kernel.settings.mode,
        "stopping: protection stays in place, with what has an end still ending; `agent detach` takes it off"
    );
    service::stopping("stopped; protection stays in place, `agent detach` takes it off");
}

/// Nobody would look after routes that stayed when protection is taken off.
async fn withdraw(above: mpsc::Sender<upstream::Order>) {
    let (answer, answered) = oneshot::channel();
    if above.send(upstream::Order::Withdraw(answer)).await.is_err() {
        return;
    }
    match tokio::time::timeout(LAST_WORDS, answered).await {
        Ok(Ok(Ok(())) | Err(_)) => {}
        Ok(Ok(Err(problem))) => tracing::error!("the network above may still drop what goes to us: {problem}"),
        Err(_) => tracing::error!("the network above may still drop what goes to us: BIRD does not answer"),
    }
}

/// The other nodes see at once that this one is gone. One that does not say so is gone once its lease has ended.
async fn leave(others: &mpsc::Sender<fleet::Order>) {
    let (left, wait) = oneshot::channel();
    if others.send(fleet::Order::Leave(left)).await.is_ok() {
        let _ = tokio::time::timeout(LAST_WORDS, wait).await;
    }
}
