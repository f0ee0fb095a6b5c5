//! The queue of one endpoint, and what is known of it. Bounded: when it is full, the oldest goes, because the newest tells
//! more of what is now.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use tokio::sync::Notify;

use super::{
    alert::Alerts,
    deliver::Failure,
    message::{Message, Parcel},
    said::Said,
};
use crate::{
    config::notify::{Endpoint, Kind},
    control::api::EndpointView,
    detect::Event,
};

/// What has become of messages.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    sent: u64,
    failed: u64,
    attempts_failed: u64,
    dropped: u64,
    repeated: u64,
}

#[derive(Debug)]
struct Inner {
    endpoint: Arc<Endpoint>,
    waiting: VecDeque<Parcel>,
    /// A parcel is in the postman's hands.
    under_way: bool,
    said: Said,
    alerts: Alerts,
    /// When the alerts that last are due again.
    resend_at: Option<Instant>,
    latest: Option<Arc<Message>>,
    counts: Counts,
    last_success: Option<Timestamp>,
    last_failure: Option<Timestamp>,
    /// Why the latest attempt failed, if it did.
    problem: Option<String>,
}

/// The queue of one endpoint.
#[derive(Debug)]
pub struct Mailbox {
    inner: Mutex<Inner>,
    wake: Notify,
    reconfigured: Notify,
}

impl Mailbox {
    /// Of an endpoint, with nothing in it.
    #[must_use]
    pub fn new(endpoint: Endpoint) -> Self {
        let inner = Inner {
            endpoint: Arc::new(endpoint),
            waiting: VecDeque::new(),
            under_way: false,
            said: Said::default(),
            alerts: Alerts::default(),
            resend_at: None,
            latest: None,
            counts: Counts::default(),
            last_success: None,
            last_failure: None,
            problem: None,
        };
        Self {
            inner: Mutex::new(inner),
            wake: Notify::new(),
            reconfigured: Notify::new(),
        }
    }

    /// Whose it is.
    #[must_use]
    pub fn endpoint(&self) -> Arc<Endpoint> {
        Arc::clone(&self.lock().endpoint)
    }

    /// Goes over to another configuration of the same endpoint: what waits is delivered as that says, and at once.
    pub fn reconfigure(&self, endpoint: Endpoint) {
        self.lock().endpoint = Arc::new(endpoint);
        self.reconfigured.notify_one();
        self.wake.notify_one();
    }

    /// Something happened: puts it in if the endpoint wants it. Never waits.
    pub fn take(&self, event: &Event, message: &Arc<Message>) {
        let mut inner = self.lock();
        let endpoint = Arc::clone(&inner.endpoint);
        let wanted = endpoint.wants(&event.what);
        let alerts = if endpoint.kind == Kind::Alertmanager {
            let alerts = inner.alerts.take(event, message, &endpoint.labels, wanted);
            if alerts.is_empty() {
                return;
            }
            alerts
        } else if wanted {
            Vec::new()
        } else {
            return;
        };
        if inner.said.is_again(event, endpoint.repeat_after, Instant::now()) {
            inner.counts.repeated += 1;
            return;
        }
        if inner.resend_at.is_none() && !inner.alerts.is_empty() {
            inner.resend_at = Some(Instant::now() + endpoint.resend);
        }
        inner.latest = Some(Arc::clone(message));
        inner.waiting.push_back(Parcel {
            message: Arc::clone(message),
            alerts,
            is_reminder: false,
        });
        while inner.waiting.len() > endpoint.queue {
            inner.waiting.pop_front();
            inner.counts.dropped += 1;
            // Not once for each: it is a dead endpoint's normal state.
            if inner.counts.dropped.is_power_of_two() {
                let dropped = inner.counts.dropped;
                tracing::warn!(
                    endpoint = endpoint.name,
                    dropped,
                    "its queue is full: the oldest message is dropped"
                );
            }
        }
        drop(inner);
        self.wake.notify_one();
    }

    /// Events were missed, and with them perhaps ends.
    pub fn forget_alerts(&self) {
        self.lock().alerts.forget();
    }

    /// The next parcel, when there is one.
    pub(super) async fn next(&self) -> Parcel {
        loop {
            let due = match self.first() {
                Ok(parcel) => return parcel,
                Err(due) => due,
            };
            let until = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.wake.notified() => {}
                () = until => {}
            }
        }
    }

    /// What is first in the queue, or what is due again; else when something will be.
    fn first(&self) -> Result<Parcel, Option<Instant>> {
        let mut inner = self.lock();
        if let Some(parcel) = inner.waiting.pop_front() {
            inner.under_way = true;
            return Ok(parcel);
        }
        if inner.alerts.is_empty() {
            inner.resend_at = None;
        }
        let now = Instant::now();
        match (inner.resend_at, inner.latest.clone()) {
            (Some(due), Some(message)) if due <= now => {
                inner.resend_at = Some(now + inner.endpoint.resend);
                inner.under_way = true;
                Ok(Parcel {
                    message,
                    alerts: inner.alerts.lasting(),
                    is_reminder: true,
                })
            }
            (due, _) => Err(due),
        }
    }

    /// The parcel was taken.
    pub(super) fn delivered(&self, parcel: &Parcel) {
        let mut inner = self.lock();
        inner.last_success = Some(Timestamp::now());
        if !parcel.is_reminder {
            inner.counts.sent += 1;
        }
        if inner.problem.take().is_some() {
            tracing::info!(endpoint = inner.endpoint.name, "takes notifications again");
        }
    }

    /// An attempt failed; if it was the `last`, the parcel is given up.
    pub(super) fn failed(&self, parcel: &Parcel, failure: &Failure, last: bool) {
        let mut inner = self.lock();
        let (endpoint, why, event) = (inner.endpoint.name.clone(), &failure.why, &parcel.message.event);
        inner.counts.attempts_failed += 1;
        inner.last_failure = Some(Timestamp::now());
        if last && !parcel.is_reminder {
            inner.counts.failed += 1;
            tracing::error!(endpoint, event, "a notification is given up: it {why}");
        } else if inner.problem.is_none() {
            tracing::warn!(endpoint, event, "cannot be notified now, it is tried again: it {why}");
        }
        inner.problem = Some(failure.why.clone());
    }

    /// The postman's hands are empty.
    pub(super) fn put_down(&self) {
        self.lock().under_way = false;
    }

    /// Waits before the next attempt; another configuration may mend what was wrong, and ends the wait.
    pub(super) async fn pause(&self, wait: Duration) {
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = self.reconfigured.notified() => {}
        }
    }

    /// Messages that are not delivered yet.
    #[must_use]
    pub fn undelivered(&self) -> usize {
        let inner = self.lock();
        inner.waiting.len() + usize::from(inner.under_way)
    }

    /// How it stands.
    #[must_use]
    pub fn view(&self) -> EndpointView {
        let inner = self.lock();
        let endpoint = &inner.endpoint;
        EndpointView {
            name: endpoint.name.clone(),
            kind: endpoint.kind,
            to: endpoint.place(),
            severity: endpoint.severity,
            events: endpoint.events.iter().cloned().collect(),
            queued: inner.waiting.len() + usize::from(inner.under_way),
            sent: inner.counts.sent,
            failed: inner.counts.failed,
            failed_attempts: inner.counts.attempts_failed,
            dropped: inner.counts.dropped,
            repeated: inner.counts.repeated,
            last_success: inner.last_success,
            last_failure: inner.last_failure,
            problem: inner.problem.clone(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing here leaves it half done.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
