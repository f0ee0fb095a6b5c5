//! The task beside the engine that keeps the lists: reads them when they are due, makes the table, and hands it over.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use jiff::Timestamp;
use reqwest::Client;
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::{JoinSet, spawn_blocking},
};

use super::{
    fetch::{self, fetch},
    flatten::Flat,
    guard::{self, Told},
    keeper::{Draft, Keeper},
    parse::{Parsed, parse},
    state::ListState,
    store::Store,
};
use crate::{
    clock::Now,
    command::{ListUpdate, Message},
    config::lists::List,
    control::api::Done,
    decide::Refusal,
    host::HostFacts,
    snapshot::Snapshot,
    tables::{ListHead, ListImage},
};

/// Bytes of a list's text for each prefix that there may be: a long JSON line.
const BYTES_PER_PREFIX: usize = 128;
/// Text that any list may have, bytes.
const BYTES_AT_LEAST: usize = 1 << 20;
/// Nothing is due: look again after so long all the same.
const IDLE: Duration = Duration::from_secs(3_600);

/// Somebody wants lists to be read now.
#[derive(Debug)]
pub struct Refresh {
    /// Which; all when left out.
    pub name: Option<String>,
    /// Told when they were.
    pub answer: oneshot::Sender<Result<Done, Refusal>>,
}

/// Somebody who waits for lists.
struct Waiting {
    missing: BTreeSet<String>,
    all: BTreeSet<String>,
    answer: oneshot::Sender<Result<Done, Refusal>>,
}

/// The task.
pub struct Task {
    keeper: Keeper,
    store: Store,
    client: Option<Client>,
    at_most: usize,
    engine: mpsc::Sender<Message>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    orders: mpsc::Receiver<Refresh>,
    lists: Vec<List>,
    readings: JoinSet<(List, Result<Parsed, String>)>,
    waiting: Vec<Waiting>,
    /// What the engine was told last: it is told what is new only, because that makes a new snapshot.
    told: Vec<ListState>,
}

impl std::fmt::Debug for Task {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Task")
            .field("keeper", &self.keeper)
            .finish_non_exhaustive()
    }
}

impl Task {
    /// Over a kernel that holds these lists.
    #[must_use]
    pub fn new(
        installed: Vec<ListHead>,
        snapshots: watch::Receiver<Arc<Snapshot>>,
        engine: mpsc::Sender<Message>,
        orders: mpsc::Receiver<Refresh>,
    ) -> Self {
        let config = Arc::clone(&snapshots.borrow().config);
        let most = config.capacity.list_prefixes as usize;
        let client = fetch::client().map_err(|error| tracing::error!("lists cannot be read from URLs: {error}"));
        Self {
            keeper: Keeper::new(installed, most),
            store: Store::new(&config.state_directory),
            client: client.ok(),
            at_most: BYTES_AT_LEAST + most * BYTES_PER_PREFIX,
            engine,
            snapshots,
            orders,
            lists: Vec::new(),
            readings: JoinSet::new(),
            waiting: Vec::new(),
            told: Vec::new(),
        }
    }

    /// Keeps the lists for as long as there is an engine.
    pub async fn run(mut self) {
        self.configure().await;
        loop {
            if !self.update().await {
                return;
            }
            for list in self.keeper.due(Timestamp::now()) {
                self.read(list);
            }
            let due = self.until_due();
            tokio::select! {
                Some(read) = self.readings.join_next() => match read {
                    Ok((list, reading)) => self.take(&list, reading),
                    Err(error) => tracing::error!("a list could not be read: {error}"),
                },
                Some(order) = self.orders.recv() => self.order(order),
                changed = self.snapshots.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    self.configure().await;
                }
                () = tokio::time::sleep(due) => {}
            }
        }
    }

    /// Goes over to the lists of the configuration, if they have changed.
    async fn configure(&mut self) {
        let config = Arc::clone(&self.snapshots.borrow_and_update().config);
        if config.lists == self.lists {
            return;
        }
        self.lists.clone_from(&config.lists);
        let (store, lists) = (self.store.clone(), self.lists.clone());
        let kept = spawn_blocking(move || {
            let names: Vec<&str> = lists.iter().map(|list| list.name.as_str()).collect();
            store.keep_only(&names);
            lists.iter().map(|list| last_good(&store, list)).collect::<Vec<_>>()
        });
        let kept = kept.await.unwrap_or_default();
        let of = |list: &List| {
            let at = self.lists.iter().position(|other| other == list)?;
            kept.get(at).cloned().flatten()
        };
        self.keeper.configure(&self.lists, of, Timestamp::now());
        for waiting in &mut self.waiting {
            waiting
                .missing
                .retain(|name| self.lists.iter().any(|list| list.name == *name));
        }
    }

    fn read(&mut self, list: List) {
        let (client, at_most) = (self.client.clone(), self.at_most);
        self.readings.spawn(async move {
            let reading = match fetch(&list, client.as_ref(), at_most).await {
                Ok(text) => spawn_blocking(move || parse(&text))
                    .await
                    .unwrap_or_else(|error| Err(format!("cannot be read: {error}"))),
                Err(problem) => Err(problem),
            };
            (list, reading)
        });
    }

    fn take(&mut self, list: &List, reading: Result<Parsed, String>) {
        self.keeper.take(list, reading, Timestamp::now());
        for waiting in &mut self.waiting {
            waiting.missing.remove(&list.name);
        }
    }

    fn order(&mut self, Refresh { name, answer }: Refresh) {
        let names: BTreeSet<String> = self
            .keeper
            .make_due(name.as_deref(), Timestamp::now())
            .into_iter()
            .collect();
        if names.is_empty() {
            // A caller that is gone does not need the answer.
            let _ = answer.send(Err(no_such(name.as_deref(), &self.lists)));
            return;
        }
        self.waiting.push(Waiting {
            missing: names.clone(),
            all: names,
            answer,
        });
    }

    /// Brings the kernel to what is known, tells how the lists stand, and answers who waited for that. False when the engine is
    /// gone.
    async fn update(&mut self) -> bool {
        let mut image = None;
        if let Some(draft) = self.keeper.draft(Now::read()) {
            image = flattened(draft).await;
        }
        let sent = match image {
            Some(flat) => self.install(flat).await,
            None => self.tell_states().await,
        };
        let states = self.keeper.states();
        for waiting in self.waiting.extract_if(.., |waiting| waiting.missing.is_empty()) {
            let _ = waiting.answer.send(outcome(&states, &waiting.all));
        }
        sent
    }

    async fn install(&mut self, flat: Flat) -> bool {
        let image = Arc::new(flat.image);
        let Some(answer) = self.tell(Some(Arc::clone(&image))).await else {
            return false;
        };
        match answer {
            Ok(()) => {
                let guard = self.guard(&image).await;
                let fresh = self.keeper.installed(&image, &flat.conflicts, &guard);
                if !self.tell_states().await {
                    return false;
                }
                let store = self.store.clone();
                // After the kernel has them: a million lines take their time.
                let kept = spawn_blocking(move || {
                    for (list, parsed, read) in fresh {
                        if let Err(error) = store.keep(&list.name, &list.from.to_string(), &parsed, read) {
                            tracing::error!(list = list.name, "cannot be kept for a restart: {error}");
                        }
                    }
                });
                if let Err(error) = kept.await {
                    tracing::error!("lists cannot be kept for a restart: {error}");
                }
            }
            Err(problem) => self.keeper.refused(&problem, Timestamp::now()),
        }
        self.tell_states().await
    }

    /// What the lists block that this host cannot do without.
    async fn guard(&self, image: &ListImage) -> Vec<Told> {
        let snapshot = Arc::clone(&self.snapshots.borrow());
        let protected: Vec<_> = snapshot.config.protected.keys().copied().collect();
        match HostFacts::read().await {
            Ok(host) => guard::told(image, &snapshot.kernel.entries, &host, &protected),
            Err(error) => {
                tracing::warn!("cannot tell whether a list blocks a gateway or a resolver: {error:#}");
                Vec::new()
            }
        }
    }

    async fn tell_states(&mut self) -> bool {
        let states = self.keeper.states();
        if states == self.told {
            return true;
        }
        self.told = states;
        self.tell(None).await.is_some()
    }

    /// Hands a table to the engine, and how the lists stand; `None` when the engine is gone.
    async fn tell(&self, image: Option<Arc<ListImage>>) -> Option<Result<(), String>> {
        let (answer, answered) = oneshot::channel();
        let update = ListUpdate {
            image,
            states: self.keeper.states(),
            answer,
        };
        self.engine.send(Message::Lists(update)).await.ok()?;
        answered.await.ok()
    }

    fn until_due(&self) -> Duration {
        let now = Timestamp::now();
        let next = self.keeper.next(now);
        next.map_or(IDLE, |next| {
            Duration::try_from(next.duration_since(now))
                .unwrap_or_default()
                .min(IDLE)
        })
    }
}

async fn flattened(draft: Draft) -> Option<Flat> {
    let made = spawn_blocking(move || draft.flatten()).await;
    made.map_err(|error| tracing::error!("the table of the lists could not be made: {error}"))
        .ok()
}

fn last_good(store: &Store, list: &List) -> Option<super::store::Kept> {
    store
        .last_good(&list.name, &list.from.to_string())
        .unwrap_or_else(|error| {
            tracing::warn!(list = list.name, "what was kept of it cannot be read: {error}");
            None
        })
}

fn no_such(name: Option<&str>, lists: &[List]) -> Refusal {
    let names: Vec<&str> = lists.iter().map(|list| list.name.as_str()).collect();
    match name {
        Some(name) if !names.is_empty() => Refusal::not_found(
            format!("there is no list {name}"),
            Some(format!("there are {}", names.join(", "))),
        ),
        _ => Refusal::not_found(
            "the configuration has no lists",
            Some("add a [[list]] section and `agent reload`".to_owned()),
        ),
    }
}

/// What reading these lists came to.
fn outcome(states: &[ListState], names: &BTreeSet<String>) -> Result<Done, Refusal> {
    let read = || states.iter().filter(|state| names.contains(&state.name));
    let now = Timestamp::now();
    let problems: Vec<String> = read()
        .filter(|state| state.problem.is_some())
        .filter_map(|state| state.warning(now))
        .collect();
    if !problems.is_empty() {
        return Err(Refusal::failed(problems.join("; ")));
    }
    Ok(Done {
        message: format!(
            "Read {}.",
            names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
        ),
        changes: read()
            .map(|state| {
                let ListState {
                    name,
                    v4,
                    v6,
                    invalid,
                    conflicts,
                    ..
                } = state;
                format!("{name}: {v4} IPv4 and {v6} IPv6 prefixes, {invalid} invalid lines, {conflicts} conflicts")
            })
            .collect(),
        ..Done::default()
    })
}
