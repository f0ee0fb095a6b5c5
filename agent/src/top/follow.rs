//! Listens to what happens, so that an attack is on the screen as soon as it is detected, not with the next look.

use std::{path::PathBuf, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use tokio::{
    sync::{Notify, mpsc},
    time::{sleep, timeout},
};

use super::message::Input;
use crate::control::{
    api::{EventsQuery, FollowLine},
    client::{Client, ClientError},
};

/// What happened before is shown for so long.
const BEFORE: SignedDuration = SignedDuration::from_hours(1);
/// What happened no longer ago than this is news, and worth a look.
const NEWS: SignedDuration = SignedDuration::from_secs(10);
/// Between two tries to reach an agent that has gone.
const AGAIN: Duration = Duration::from_secs(1);
/// An agent that says nothing for so long has gone.
const SILENCE: Duration = Duration::from_secs(45);

/// Follows until nobody listens any more.
pub(super) async fn follow(socket: PathBuf, inputs: mpsc::Sender<Input>, hurry: Arc<Notify>) {
    let mut query = EventsQuery {
        since: Timestamp::now().checked_sub(BEFORE).ok(),
        ..EventsQuery::default()
    };
    while !inputs.is_closed() {
        // That the agent is away is told by who asks it.
        let _ = follow_one(&socket, &mut query, &inputs, &hurry).await;
        sleep(AGAIN).await;
    }
}

async fn follow_one(
    socket: &std::path::Path,
    query: &mut EventsQuery,
    inputs: &mpsc::Sender<Input>,
    hurry: &Notify,
) -> Result<(), ClientError> {
    let agent = Client::connect(socket).await?;
    let mut lines = agent.follow("/v1/events/follow", query).await?;
    loop {
        let Ok(Some(line)) = timeout(SILENCE, lines.next::<FollowLine>()).await.unwrap_or(Ok(None)) else {
            return Ok(());
        };
        let Some(event) = line.event else { continue };
        query.after = Some(event.event.id);
        let is_news = Timestamp::now().duration_since(event.event.at) < NEWS;
        if inputs.send(Input::Happened(Box::new(event))).await.is_err() {
            return Ok(());
        }
        if is_news {
            hurry.notify_one();
        }
    }
}
