//! Keeps the endpoints of the configuration, and gives each event to all of them.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use reqwest::Client;
use tokio::{
    sync::{broadcast, watch},
    task::{AbortHandle, JoinSet},
    time::Instant,
};

use super::{
    alert,
    deliver::deliver,
    mailbox::Mailbox,
    message::{Message, Parcel},
    postman, web,
};
use crate::{
    config::notify::{Endpoint, Kind},
    control::api::{EndpointView, TestView},
    decide::Refusal,
    detect::{Event, NumberedEvent, What},
    snapshot::Snapshot,
};

/// How often it is looked whether everything was delivered.
const LOOK: Duration = Duration::from_millis(20);

/// The endpoints, for everybody who asks how they stand.
#[derive(Debug, Clone, Default)]
pub struct Notifier {
    mailboxes: Arc<Mutex<Vec<Arc<Mailbox>>>>,
    client: Arc<OnceLock<Option<Client>>>,
    missed: Arc<AtomicU64>,
}

impl Notifier {
    /// How each endpoint stands, in the order of the configuration.
    #[must_use]
    pub fn views(&self) -> Vec<EndpointView> {
        self.mailboxes().iter().map(|mailbox| mailbox.view()).collect()
    }

    /// Events that came faster than they could be told.
    #[must_use]
    pub fn missed_events(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }

    /// Sends a test to one endpoint or to all, past their queues, and tells what each answered.
    ///
    /// # Errors
    /// If there is no such endpoint.
    pub async fn test(&self, name: Option<&str>) -> Result<Vec<TestView>, Refusal> {
        let endpoints = self
            .mailboxes()
            .iter()
            .map(|mailbox| (*mailbox.endpoint()).clone())
            .collect::<Vec<_>>();
        self.test_each(&endpoints, name).await
    }

    /// Like [`Self::test`], for endpoints that no agent runs with.
    ///
    /// # Errors
    /// If there is no such endpoint.
    pub async fn test_each(&self, endpoints: &[Endpoint], name: Option<&str>) -> Result<Vec<TestView>, Refusal> {
        let wanted: Vec<&Endpoint> = endpoints
            .iter()
            .filter(|one| name.is_none_or(|name| one.name == name))
            .collect();
        if wanted.is_empty() {
            return Err(no_such(name, endpoints));
        }
        let tests = wanted.into_iter().map(|endpoint| test(endpoint, self.client()));
        Ok(futures_util::future::join_all(tests).await)
    }

    /// Waits until everything is delivered, but not longer than this. Tells how many messages are not.
    pub async fn settle(&self, at_most: Duration) -> usize {
        let deadline = Instant::now() + at_most;
        loop {
            let left = self.mailboxes().iter().map(|mailbox| mailbox.undelivered()).sum();
            if left == 0 || Instant::now() >= deadline {
                return left;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    fn mailboxes(&self) -> Vec<Arc<Mailbox>> {
        self.mailboxes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Made when the first endpoint needs it: who has none reads no certificates.
    fn client(&self) -> Option<&Client> {
        let made = self.client.get_or_init(|| {
            web::client()
                .map_err(|error| tracing::error!("endpoints on the web cannot be notified: {error}"))
                .ok()
        });
        made.as_ref()
    }
}

async fn test(endpoint: &Endpoint, client: Option<&Client>) -> TestView {
    let message = Message::test(Timestamp::now(), &hostname());
    let alerts = match endpoint.kind {
        Kind::Alertmanager => vec![alert::test(&message, &endpoint.labels)],
        Kind::Json | Kind::Slack | Kind::Exec => Vec::new(),
    };
    let parcel = Parcel {
        message: Arc::new(message),
        alerts,
        is_reminder: false,
    };
    let begun = Instant::now();
    let outcome = deliver(endpoint, client, &parcel).await;
    let succeeded = outcome.is_ok();
    TestView {
        name: endpoint.name.clone(),
        kind: endpoint.kind,
        to: endpoint.place(),
        succeeded,
        answer: outcome.map_or_else(|failure| failure.why, |delivery| delivery.answer),
        milliseconds: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
    }
}

fn no_such(name: Option<&str>, endpoints: &[Endpoint]) -> Refusal {
    let names: Vec<&str> = endpoints.iter().map(|endpoint| &*endpoint.name).collect();
    match name {
        Some(name) if !names.is_empty() => Refusal::not_found(
            format!("there is no endpoint {name}"),
            Some(format!("there are {}", names.join(", "))),
        ),
        _ => Refusal::not_found(
            "nobody is notified: the configuration has no [[notify]] section",
            Some("see `agent config example`, then `agent reload`".to_owned()),
        ),
    }
}

/// The task.
#[derive(Debug)]
pub struct Keeper {
    notifier: Notifier,
    events: broadcast::Receiver<Arc<NumberedEvent>>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    endpoints: Vec<Endpoint>,
    postmen: JoinSet<()>,
    by_name: HashMap<String, AbortHandle>,
    host: String,
}

impl Keeper {
    /// Gives events to the endpoints of the running configuration.
    #[must_use]
    pub fn new(
        notifier: Notifier,
        events: broadcast::Receiver<Arc<NumberedEvent>>,
        snapshots: watch::Receiver<Arc<Snapshot>>,
    ) -> Self {
        Self {
            notifier,
            events,
            snapshots,
            endpoints: Vec::new(),
            postmen: JoinSet::new(),
            by_name: HashMap::new(),
            host: hostname(),
        }
    }

    /// Works for as long as there is an engine; then the postmen go on with what they have until the task is dropped.
    pub async fn run(mut self) {
        self.configure();
        loop {
            tokio::select! {
                // An event that came with a reload is for the endpoints before it, or for both.
                biased;
                event = self.events.recv() => match event {
                    Ok(event) => self.give(&event.event),
                    Err(broadcast::error::RecvError::Lagged(missed)) => self.missed(missed),
                    Err(broadcast::error::RecvError::Closed) => break,
                },
                changed = self.snapshots.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    self.configure();
                }
            }
        }
        while let Ok(event) = self.events.try_recv() {
            self.give(&event.event);
        }
        while self.postmen.join_next().await.is_some() {}
    }

    fn give(&self, event: &Event) {
        let message = Arc::new(Message::of(event, &self.host));
        for mailbox in self.notifier.mailboxes() {
            mailbox.take(event, &message);
        }
    }

    fn missed(&self, missed: u64) {
        self.notifier.missed.fetch_add(missed, Ordering::Relaxed);
        tracing::error!(
            missed,
            "events came faster than they could be told: nobody is notified of these"
        );
        for mailbox in self.notifier.mailboxes() {
            mailbox.forget_alerts();
            self.go_on_with_alerts(&mailbox);
        }
    }

    /// Attacks that go on were told by an agent before this one, or were missed: an alert must be sent again while its attack
    /// lasts, and to send it once more than needed changes nothing. Nobody else is told twice.
    fn go_on_with_alerts(&self, mailbox: &Mailbox) {
        if mailbox.endpoint().kind != Kind::Alertmanager {
            return;
        }
        let attacks = Arc::clone(&self.snapshots.borrow().detection.attacks);
        for attack in attacks.iter() {
            let event = Event {
                at: attack.started,
                subject: Some(attack.subject),
                attack: Some(attack.id),
                what: What::AttackStarted {
                    vectors: attack.vectors.clone(),
                    syn: attack.peaks.syn,
                    packets: attack.peaks.packets,
                    delay_ms: 0,
                    elsewhere: None,
                },
            };
            mailbox.take(&event, &Arc::new(Message::of(&event, &self.host)));
        }
    }

    /// Goes over to the endpoints of the configuration, if they have changed; who stays keeps what is queued.
    fn configure(&mut self) {
        let config = Arc::clone(&self.snapshots.borrow_and_update().config);
        if config.notify == self.endpoints {
            return;
        }
        self.endpoints.clone_from(&config.notify);
        let before = self.notifier.mailboxes();
        let mut after = Vec::new();
        for endpoint in &self.endpoints {
            let same = |mailbox: &&Arc<Mailbox>| {
                let old = mailbox.endpoint();
                old.name == endpoint.name && old.kind == endpoint.kind
            };
            let mailbox = before.iter().find(same).cloned();
            after.push(mailbox.map_or_else(
                || Arc::new(Mailbox::new(endpoint.clone())),
                |mailbox| {
                    if *mailbox.endpoint() != *endpoint {
                        mailbox.reconfigure(endpoint.clone());
                    }
                    mailbox
                },
            ));
        }
        for gone in before
            .iter()
            .filter(|old| !after.iter().any(|new| Arc::ptr_eq(old, new)))
        {
            self.dismiss(gone);
        }
        for new in after
            .iter()
            .filter(|new| !before.iter().any(|old| Arc::ptr_eq(old, new)))
        {
            let client = self.notifier.client().cloned();
            self.go_on_with_alerts(new);
            let postman = self.postmen.spawn(postman::serve(Arc::clone(new), client));
            self.by_name.insert(new.endpoint().name.clone(), postman);
        }
        *self.notifier.mailboxes.lock().unwrap_or_else(PoisonError::into_inner) = after;
    }

    fn dismiss(&mut self, mailbox: &Mailbox) {
        let (endpoint, lost) = (mailbox.endpoint(), mailbox.undelivered());
        if let Some(postman) = self.by_name.remove(&endpoint.name) {
            postman.abort();
        }
        if lost > 0 {
            let endpoint = &endpoint.name;
            tracing::warn!(
                endpoint,
                lost,
                "is not notified any more: what waited for it is dropped"
            );
        }
    }
}

/// This host's name, for whoever is told by many.
fn hostname() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname");
    name.map_or_else(|_| "unknown".to_owned(), |name| name.trim().to_owned())
}
