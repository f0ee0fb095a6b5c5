//! Captures for whoever asks: packets go out line by line as they come.

use std::{convert::Infallible, time::Duration};

use axum::{
    Extension,
    body::Body as Content,
    extract::State,
    http::header::CONTENT_TYPE,
    response::{IntoResponse as _, Response},
};
use tokio::sync::{Semaphore, mpsc};

use super::{Body, Handle};
use crate::{
    capture::{self, MOST_PACKETS, Step, Wish},
    control::{
        api::{CaptureLine, CaptureRequest},
        error::Failure,
        peer::Actor,
    },
    decide::Refusal,
    snapshot::Snapshot,
};

/// Captures at a time.
static FREE: Semaphore = Semaphore::const_new(4);
/// The longest.
const LONGEST: Duration = Duration::from_secs(600);
/// Packets that wait for the caller.
const WAITING: usize = 256;

pub(super) async fn capture(
    State(handle): State<Handle>,
    Extension(Actor(actor)): Extension<Actor>,
    Body(request): Body<CaptureRequest>,
) -> Result<Response, Failure> {
    let wish = wish(&request, &handle.snapshot())?;
    let turn = FREE.try_acquire().map_err(|_| {
        Refusal::conflict(
            "there are as many captures under way as there may be",
            "wait until one of them ends",
        )
    })?;
    tracing::info!(actor, command = "capture", address = %wish.address, count = wish.count, "capturing");
    let (steps, taken) = mpsc::channel(WAITING);
    let capturing = capture::run(wish, handle.snapshots.clone(), handle.samples.subscribe(), steps);
    tokio::spawn(async move {
        capturing.await;
        drop(turn);
    });
    let lines = futures_util::stream::unfold(taken, |mut taken| async {
        let step = taken.recv().await?;
        Some((Ok::<_, Infallible>(line(&step)), taken))
    });
    Ok(([(CONTENT_TYPE, "application/x-ndjson")], Content::from_stream(lines)).into_response())
}

fn wish(request: &CaptureRequest, snapshot: &Snapshot) -> Result<Wish, Refusal> {
    let address = request.address.to_canonical();
    if !snapshot.config.protected.contains_key(&address) {
        return Err(Refusal::not_found(
            format!("{address} is not protected, so nothing that is sent to it is looked at"),
            Some(
                "`agent stats` shows the protected addresses; others are added to `protect` in the configuration"
                    .to_owned(),
            ),
        ));
    }
    if !(1..=MOST_PACKETS).contains(&request.count) {
        return Err(Refusal::invalid(
            format!("a capture of {} packets is out of range", request.count),
            format!("ask for 1 to {MOST_PACKETS}"),
        ));
    }
    if request.time.duration() > LONGEST {
        return Err(Refusal::invalid(
            format!("a capture of {} is too long", request.time),
            "ask for 1s to 10m",
        ));
    }
    Ok(Wish {
        address,
        count: request.count,
        time: request.time.duration(),
        which: request.which,
        payload: request.payload,
    })
}

fn line(step: &Step) -> Vec<u8> {
    let line = match step {
        Step::Packet(packet) => CaptureLine::Packet(packet.into()),
        Step::End(ended) => CaptureLine::End(ended.clone()),
    };
    // Text and numbers alone: always JSON.
    let mut text = serde_json::to_vec(&line).unwrap_or_default();
    text.push(b'\n');
    text
}
