//! The task beside the engine that keeps a node and its fleet of one mind: it follows what all decide, tells what this node decides,
//! and goes on by itself while there is no way to etcd.

use std::{pin::pin, sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::MissedTickBehavior,
};

use super::{
    FleetState, Link, Order, Shared,
    backoff::Backoff,
    client::Failure,
    desk::Desk,
    mirror::Mirror,
    publish::{Basis, info},
    queue::Entry,
    session::{Heard, Session, Untold},
    stores,
};
use crate::{command::Message, config::fleet::FleetPolicy, decide::Refusal, snapshot::Snapshot};

/// Signs of life, both ways.
const BEAT: Duration = Duration::from_secs(1);
/// Reports and sums that had to wait are looked at so often.
const LOOK: Duration = Duration::from_millis(250);
/// The engine is that fast, or is gone.
const ENGINE: Duration = Duration::from_secs(5);

/// The task.
#[derive(Debug)]
pub struct Task {
    snapshots: watch::Receiver<Arc<Snapshot>>,
    engine: mpsc::Sender<Message>,
    orders: mpsc::Receiver<Order>,
    desk: Desk,
    link: Link,
    /// What the engine was told last.
    told: FleetState,
    /// The lease of the last session.
    lease: Option<i64>,
}

/// How something ended.
enum Step<T> {
    /// By itself.
    Done(T),
    /// The configuration has changed.
    Changed,
    /// Nobody needs this task any more; whoever said so waits.
    End(Option<oneshot::Sender<()>>),
}

impl Task {
    /// Over the state directory of the configuration that runs.
    #[must_use]
    pub fn new(
        snapshots: watch::Receiver<Arc<Snapshot>>,
        engine: mpsc::Sender<Message>,
        orders: mpsc::Receiver<Order>,
    ) -> Self {
        let desk = Desk::open(&snapshots.borrow());
        Self {
            snapshots,
            engine,
            orders,
            desk,
            link: Link::Off,
            told: FleetState::default(),
            lease: None,
        }
    }

    /// Follows the fleet for as long as there is a daemon.
    pub async fn run(mut self) {
        loop {
            let policy = self.snapshots.borrow_and_update().config.fleet.clone();
            let step = match policy {
                Some(policy) => self.follow(&policy).await,
                None => self.be_alone().await,
            };
            if let Step::End(left) = step {
                if let Some(left) = left {
                    // Whoever does not wait any more does not need it.
                    let _ = left.send(());
                }
                return;
            }
        }
    }

    async fn be_alone(&mut self) -> Step<()> {
        self.link = Link::Off;
        self.lease = None;
        self.send(FleetState::default(), None).await;
        self.meanwhile(None, std::future::pending()).await
    }

    /// Tries to reach etcd again and again, one endpoint after the other, beginning with any.
    async fn follow(&mut self, policy: &FleetPolicy) -> Step<()> {
        self.desk.follow(policy);
        self.desk.merge(Timestamp::now());
        self.link = Link::Connecting;
        self.tell(policy, None).await;
        let endpoints = &policy.section.endpoints;
        let mut turn = chance() as usize;
        let mut backoff = Backoff::default();
        loop {
            let endpoint = &endpoints[turn % endpoints.len()];
            turn = turn.wrapping_add(1);
            let found = async {
                (
                    stores::addresses(endpoints).await,
                    Session::open(policy, endpoint).await,
                )
            };
            let opened = match self.meanwhile(Some(policy), found).await {
                Step::Done((stores, opened)) => {
                    if !stores.is_empty() {
                        self.desk.stores = stores;
                    }
                    opened
                }
                Step::Changed => return Step::Changed,
                Step::End(left) => return Step::End(left),
            };
            let failure = match opened {
                Ok((session, everything)) => {
                    let now = Timestamp::now();
                    let node = &policy.node;
                    self.desk.mirror = Mirror::read(session.keys.clone(), node, everything.puts(), now);
                    drop(everything);
                    match self.live(session, policy, &mut backoff).await {
                        Step::Done(failure) => failure,
                        Step::Changed => return Step::Changed,
                        Step::End(left) => return Step::End(left),
                    }
                }
                Err(failure) => failure,
            };
            self.cut_off(&failure, policy).await;
            let wait = backoff.wait(failure.is_passing, self.desk.mirror.sums().nodes, chance());
            match self.meanwhile(Some(policy), tokio::time::sleep(wait)).await {
                Step::Done(()) => {}
                Step::Changed => return Step::Changed,
                Step::End(left) => return Step::End(left),
            }
        }
    }

    async fn cut_off(&mut self, failure: &Failure, policy: &FleetPolicy) {
        self.go_down(failure);
        self.desk.merge(Timestamp::now());
        self.tell(policy, None).await;
    }

    fn go_down(&mut self, failure: &Failure) {
        self.desk.clocks.clear();
        let why = failure.why.clone();
        let since = match &self.link {
            Link::Down { since, .. } => *since,
            Link::Off | Link::Connecting | Link::Up { .. } => {
                tracing::warn!("fleet: cut off from etcd: {why}; this node keeps what it knows");
                Timestamp::now()
            }
        };
        self.link = Link::Down { since, why };
    }

    /// Does what can be done without etcd while something else is under way.
    async fn meanwhile<T>(&mut self, policy: Option<&FleetPolicy>, task: impl Future<Output = T>) -> Step<T> {
        let mut task = pin!(task);
        loop {
            tokio::select! {
                done = &mut task => return Step::Done(done),
                order = self.orders.recv() => match order {
                    Some(Order::Leave(left)) => return Step::End(Some(left)),
                    Some(order) => self.answer_alone(order, policy).await,
                    None => return Step::End(None),
                },
                Ok(()) = self.snapshots.changed() => {
                    if self.snapshots.borrow_and_update().config.fleet.as_ref() != policy {
                        return Step::Changed;
                    }
                    self.desk.keep();
                }
            }
        }
    }

    async fn answer_alone(&mut self, order: Order, policy: Option<&FleetPolicy>) {
        // Callers that are gone do not need the answer.
        match (order, policy) {
            (Order::Share(draft, answer), Some(policy)) => {
                let made = draft.decisions(&policy.node, self.desk.board(), Timestamp::now());
                let outcome = match made {
                    Ok(entries) => self.hold_here(entries, policy).await,
                    Err(refusal) => Err(refusal),
                };
                let _ = answer.send(outcome);
            }
            (Order::Nodes(answer), Some(_)) => {
                let why = match &self.link {
                    Link::Down { why, .. } => why.as_str(),
                    Link::Off | Link::Connecting | Link::Up { .. } => "the way to etcd is not there yet",
                };
                let _ = answer.send(Err(Refusal::failed(format!(
                    "this node is cut off from its fleet: {why}"
                ))));
            }
            (Order::Share(_, answer), None) => drop(answer.send(Err(no_fleet()))),
            (Order::Nodes(answer), None) => drop(answer.send(Err(no_fleet()))),
            (Order::Leave(left), _) => drop(left.send(())),
        }
    }

    /// Queues decisions, and brings them about on this node.
    async fn hold_here(&mut self, entries: Vec<Entry>, policy: &FleetPolicy) -> Result<Shared, Refusal> {
        let has_room = self.desk.queue_all(entries);
        self.desk.merge(Timestamp::now());
        self.tell_and_wait(policy).await;
        if !has_room {
            return Err(Refusal::failed(
                "too many decisions wait for the way to etcd: not all of these are kept; decide for this node alone with --local",
            ));
        }
        Ok(Shared::Queued)
    }

    /// From the reading of everything until something goes wrong.
    async fn live(&mut self, mut session: Session, policy: &FleetPolicy, backoff: &mut Backoff) -> Step<Failure> {
        let failure = match self.begin(&mut session, policy).await {
            Ok(basis) => {
                backoff.reset();
                match self.go_on(&mut session, policy, basis).await {
                    Ok(step) => {
                        session.leave().await;
                        self.lease = None;
                        return step;
                    }
                    Err(failure) => failure,
                }
            }
            Err(failure) => failure,
        };
        self.lease = session.lease_id().or(self.lease);
        Step::Done(failure)
    }

    /// Agrees with the others again.
    async fn begin(&mut self, session: &mut Session, policy: &FleetPolicy) -> Result<Basis, Failure> {
        // What they decided holds here before anything is written: a full store keeps nobody from following.
        self.desk.merge(Timestamp::now());
        self.tell(policy, None).await;
        let told = session.tell_queue(&mut self.desk).await;
        self.desk.merge(Timestamp::now());
        told?;
        let snapshot = Arc::clone(&self.snapshots.borrow());
        let own = info(&snapshot, policy, &self.desk.instance);
        session.settle(self.lease.take(), own, &mut self.desk).await?;
        session.lead(&mut self.desk).await?;
        if !matches!(self.link, Link::Connecting) {
            tracing::info!("fleet: etcd can be reached again");
        }
        self.link = Link::Up {
            since: Timestamp::now(),
        };
        self.tell(policy, None).await;
        Ok(Basis::of(&snapshot))
    }

    async fn go_on(
        &mut self,
        session: &mut Session,
        policy: &FleetPolicy,
        mut basis: Basis,
    ) -> Result<Step<Failure>, Failure> {
        let mut beat = tokio::time::interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                heard = session.hear() => self.hear(heard?, session).await?,
                order = self.orders.recv() => match order {
                    Some(Order::Leave(left)) => return Ok(Step::End(Some(left))),
                    Some(order) => self.answer(order, session, policy).await?,
                    None => return Ok(Step::End(None)),
                },
                Ok(()) = self.snapshots.changed() => {
                    let snapshot = Arc::clone(&self.snapshots.borrow_and_update());
                    if snapshot.config.fleet.as_ref() != Some(policy) {
                        return Ok(Step::Changed);
                    }
                    if !basis.is_of(&snapshot) {
                        basis = Basis::of(&snapshot);
                        let own = info(&snapshot, policy, &self.desk.instance);
                        if session.is_news(&own) {
                            session.claim(own, &mut self.desk).await?;
                        }
                    }
                }
                _ = beat.tick() => self.beat(session, policy).await?,
                _ = look.tick() => {}
            }
            let report = Arc::clone(&self.snapshots.borrow().report);
            session.report(&report, &mut self.desk).await?;
            session.add_up(&self.desk).await?;
            self.desk.ignored = session
                .leading
                .as_ref()
                .map_or_else(Vec::new, super::leader::Leading::garbage);
            self.desk.clocks = session
                .leading
                .as_ref()
                .map_or_else(Vec::new, super::leader::Leading::clocks);
            self.desk.merge(Timestamp::now());
            self.tell(policy, None).await;
        }
    }

    async fn hear(&mut self, heard: Heard, session: &mut Session) -> Result<(), Failure> {
        match heard {
            Heard::Watched(watched) => {
                session.take(&watched, &mut self.desk, Timestamp::now())?;
                if !self.desk.mirror.has_format() {
                    session.connection.mark().await?;
                }
            }
            Heard::Kept(kept) if kept.ttl() <= 0 => {
                // It ended, as after a long pause of this process: everything that hung on it is gone.
                session.lease = None;
            }
            Heard::Kept(_) => {}
        }
        Ok(())
    }

    /// What is due each second.
    async fn beat(&mut self, session: &mut Session, policy: &FleetPolicy) -> Result<(), Failure> {
        session.beat(self.desk.mirror.sums().nodes).await?;
        if session.lease.is_none() || !session.is_published(&self.desk) {
            let snapshot = Arc::clone(&self.snapshots.borrow());
            let own = info(&snapshot, policy, &self.desk.instance);
            match session.lease_id() {
                Some(_) => session.claim(own, &mut self.desk).await?,
                None => session.settle(None, own, &mut self.desk).await?,
            }
        }
        session.lead(&mut self.desk).await
    }

    async fn answer(&mut self, order: Order, session: &mut Session, policy: &FleetPolicy) -> Result<(), Failure> {
        match order {
            Order::Share(draft, answer) => {
                let (outcome, failure) = match draft.decisions(&policy.node, self.desk.board(), Timestamp::now()) {
                    Ok(entries) => self.share(entries, session, policy).await,
                    Err(refusal) => (Err(refusal), None),
                };
                // A caller that is gone does not need the answer.
                let _ = answer.send(outcome);
                failure.map_or(Ok(()), Err)
            }
            Order::Nodes(answer) => {
                let nodes = session.nodes().await;
                let failure = nodes.as_ref().err().cloned();
                let _ = answer.send(nodes.map_err(|failure| Refusal::failed(failure.why)));
                failure.map_or(Ok(()), Err)
            }
            Order::Leave(left) => {
                let _ = left.send(());
                Ok(())
            }
        }
    }

    /// Tells the others, and then does here what they do.
    async fn share(
        &mut self,
        entries: Vec<Entry>,
        session: &mut Session,
        policy: &FleetPolicy,
    ) -> (Result<Shared, Refusal>, Option<Failure>) {
        match session.share(entries, &mut self.desk).await {
            Ok(nodes) => {
                self.desk.merge(Timestamp::now());
                self.tell_and_wait(policy).await;
                (Ok(Shared::Told { nodes }), None)
            }
            Err(Untold::Beaten(refusal)) => (Err(refusal), None),
            // Perhaps it was told: telling it again changes nothing then.
            Err(Untold::Lost(failure, rest)) => {
                self.go_down(&failure);
                (self.hold_here(rest, policy).await, Some(failure))
            }
        }
    }

    async fn tell(&mut self, policy: &FleetPolicy, done: Option<oneshot::Sender<()>>) {
        let state = self.desk.state(&policy.node, self.link.clone(), Timestamp::now());
        self.send(state, done).await;
    }

    async fn tell_and_wait(&mut self, policy: &FleetPolicy) {
        let (done, wait) = oneshot::channel();
        self.tell(policy, Some(done)).await;
        // An engine that is gone does nothing any more.
        let _ = tokio::time::timeout(ENGINE, wait).await;
    }

    async fn send(&mut self, state: FleetState, done: Option<oneshot::Sender<()>>) {
        if done.is_none() && self.told == state {
            return;
        }
        self.told = state.clone();
        // An engine that is gone has no use for it; the order to leave may still come.
        let _ = self.engine.send(Message::Fleet(Box::new(state), done)).await;
    }
}

fn no_fleet() -> Refusal {
    Refusal::invalid(
        "this node has no fleet",
        "write fleet.endpoints into the configuration, or decide for this node alone with --local",
    )
}

/// Any number: without one, nodes may come back or write in step.
pub(super) fn chance() -> u32 {
    getrandom::u32().unwrap_or_default()
}
