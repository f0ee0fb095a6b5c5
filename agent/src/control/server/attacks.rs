//! Attacks, events and reports, out of the ledger; and events as they come.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Json,
    body::Body as Content,
    extract::{Path, State},
    http::header::CONTENT_TYPE,
    response::{IntoResponse as _, Response},
};
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use super::{Answer, Asked, Handle};
use crate::{
    command::Message,
    control::{
        api::{AttackView, AttacksQuery, EventView, EventsQuery, FollowLine},
        error::Failure,
        view,
    },
    decide::Refusal,
    detect::{Attack, NumberedEvent},
    ledger::{History, JournalEntry, LedgerError, Reader, Wanted},
    report::{self, Report},
    snapshot::Snapshot,
};

/// Events that are read at once for who follows.
const PAGE: usize = 500;
/// Lines that wait for who follows.
const WAITING: usize = 64;
/// A follower hears at least so often.
const ALIVE: Duration = Duration::from_secs(15);

pub(super) async fn attacks(State(handle): State<Handle>, Asked(query): Asked<AttacksQuery>) -> Answer<Vec<Attack>> {
    let attacks = ask(&handle.history, move |reader| view::latest_attacks(reader, query)).await?;
    Ok(Json(attacks))
}

pub(super) async fn attack(State(handle): State<Handle>, Path(number): Path<u64>) -> Answer<AttackView> {
    let attack = ask(&handle.history, move |reader| reader.attack(number)).await?;
    let attack = attack.ok_or_else(|| view::no_such_attack(number))?;
    let commands = handle.journal(report::commands_of(&attack)).await?;
    let view = ask(&handle.history, move |reader| view::attack(reader, attack, commands)).await?;
    Ok(Json(view))
}

pub(super) async fn report(State(handle): State<Handle>, Path(number): Path<u64>) -> Answer<Report> {
    Ok(Json(handle.report(number).await?))
}

pub(super) async fn events(State(handle): State<Handle>, Asked(query): Asked<EventsQuery>) -> Answer<Vec<EventView>> {
    let events = ask(&handle.history, move |reader| view::events(reader, query)).await?;
    Ok(Json(events))
}

/// What is wanted of the past first, then what happens, one JSON object a line, until the follower or the agent goes.
pub(super) async fn follow(
    State(handle): State<Handle>,
    Asked(query): Asked<EventsQuery>,
) -> Result<Response, Failure> {
    // Before the past is read, so that nothing falls between.
    let live = handle.events.subscribe();
    let past = query.after.is_some() || query.since.is_some();
    let told = match query.after {
        Some(after) => after,
        None if past => 0,
        None => ask(&handle.history, |reader: &Reader<'_>| reader.latest_event()).await?,
    };
    let (lines, taken) = mpsc::channel(WAITING);
    let follower = Follower {
        history: handle.history.clone(),
        query,
        told,
        lines,
    };
    tokio::spawn(follower.run(live, past, handle.snapshots.clone()));
    let lines = futures_util::stream::unfold(taken, |mut taken| async {
        let line: FollowLine = taken.recv().await?;
        let mut text = serde_json::to_vec(&line).unwrap_or_default();
        text.push(b'\n');
        Some((Ok::<_, Infallible>(text), taken))
    });
    Ok(([(CONTENT_TYPE, "application/x-ndjson")], Content::from_stream(lines)).into_response())
}

/// Somebody who follows.
struct Follower {
    history: History,
    query: EventsQuery,
    /// The number of the latest event that was told, or was not wanted.
    told: u64,
    lines: mpsc::Sender<FollowLine>,
}

/// The follower is gone.
struct Gone;

impl Follower {
    async fn run(
        mut self,
        mut live: broadcast::Receiver<Arc<NumberedEvent>>,
        past: bool,
        mut snapshots: watch::Receiver<Arc<Snapshot>>,
    ) {
        if past && self.catch_up().await.is_err() {
            return;
        }
        loop {
            let outcome = tokio::select! {
                event = live.recv() => match event {
                    Ok(event) => self.tell(&event).await,
                    // Too slow for the queue: the ledger still has them.
                    Err(broadcast::error::RecvError::Lagged(_)) => self.catch_up().await,
                    Err(broadcast::error::RecvError::Closed) => return,
                },
                () = self.lines.closed() => return,
                () = tokio::time::sleep(ALIVE) => self.send(FollowLine::default()).await,
                () = ended(&mut snapshots) => return,
            };
            if outcome.is_err() {
                return;
            }
        }
    }

    /// Tells what the ledger has after what was told, and how many it has no more.
    async fn catch_up(&mut self) -> Result<(), Gone> {
        loop {
            let wanted = Wanted {
                after: self.told,
                ..view::wanted(self.query)
            };
            let Ok(page) = self.history.ask(move |reader| reader.events(wanted, PAGE)).await else {
                return Ok(());
            };
            let whole = page.len() == PAGE;
            let everything = self.query.attack.is_none() && self.query.since.is_none();
            if let Some(first) = page.first().filter(|_| everything && self.told > 0) {
                let missed = first.id.saturating_sub(self.told + 1);
                if missed > 0 {
                    self.send(FollowLine {
                        event: None,
                        missed: Some(missed),
                    })
                    .await?;
                }
            }
            for event in page {
                self.tell(&event).await?;
            }
            if !whole {
                return Ok(());
            }
        }
    }

    async fn tell(&mut self, event: &NumberedEvent) -> Result<(), Gone> {
        if event.id <= self.told {
            return Ok(());
        }
        self.told = event.id;
        let other = self.query.attack.is_some() && event.attack != self.query.attack;
        if other || self.query.since.is_some_and(|since| event.at < since) {
            return Ok(());
        }
        self.send(FollowLine {
            event: Some(event.clone().into()),
            missed: None,
        })
        .await
    }

    async fn send(&self, line: FollowLine) -> Result<(), Gone> {
        self.lines.send(line).await.map_err(|_| Gone)
    }
}

/// Resolves once there is no engine any more.
async fn ended(snapshots: &mut watch::Receiver<Arc<Snapshot>>) {
    while snapshots.changed().await.is_ok() {}
}

pub(super) async fn ask<T: Send + 'static>(
    history: &History,
    question: impl FnOnce(&Reader<'_>) -> Result<T, LedgerError> + Send + 'static,
) -> Result<T, Failure> {
    history
        .ask(question)
        .await
        .map_err(|error| Failure(Refusal::failed(error.to_string())))
}

impl Handle {
    /// The post-mortem of an attack.
    ///
    /// # Errors
    /// If there is no such attack, or the history cannot be read.
    pub async fn report(&self, number: u64) -> Result<Report, Refusal> {
        let told = |error: LedgerError| Refusal::failed(error.to_string());
        let attack = self
            .history
            .ask(move |reader| reader.attack(number))
            .await
            .map_err(told)?;
        let attack = attack.ok_or_else(|| view::no_such_attack(number))?;
        let commands = self.journal(report::commands_of(&attack)).await?;
        let captures = report::captures(&self.snapshot().config.state_directory, &attack);
        let made = self
            .history
            .ask(move |reader| report::gather(reader, attack, commands, captures));
        made.await.map_err(told)
    }

    async fn journal(&self, span: (jiff::Timestamp, jiff::Timestamp)) -> Result<Vec<JournalEntry>, Refusal> {
        let (answer, answered) = oneshot::channel();
        self.send(Message::Journal {
            span,
            at_most: report::MOST_COMMANDS,
            answer,
        })
        .await?;
        answered.await.map_err(|_| super::stopping())?
    }
}
