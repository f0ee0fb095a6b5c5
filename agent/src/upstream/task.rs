//! The task beside the engine that brings BIRD to what is wanted, and looks again and again whether it is so: BIRD or this agent may be
//! restarted, sessions come and go, somebody may break BIRD's configuration.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::IpAddr,
    path::Path,
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, sleep_until},
};

use super::{
    Bird, BirdError, Books, Wanted,
    books::write_whole,
    include,
    plan::{Plan, plan},
    routes,
    state::{Route, RouteState, UpstreamState},
    wanted,
};
use crate::{command::Message, config::upstream::UpstreamPolicy, snapshot::Snapshot};

/// BIRD is looked at so often when nothing has changed ..
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// .. and so often while a route is on its way.
const LOOK_SOON: Duration = Duration::from_millis(200);
/// BIRD runs as a user of its own, and there is no secret in routes.
const READABLE: u32 = 0o644;

/// Something that the task is told to do.
#[derive(Debug)]
pub enum Order {
    /// Withdraw everything: protection is taken off.
    Withdraw(oneshot::Sender<Result<(), String>>),
}

/// The task.
#[derive(Debug)]
pub struct Task {
    snapshots: watch::Receiver<Arc<Snapshot>>,
    engine: mpsc::Sender<Message>,
    orders: mpsc::Receiver<Order>,
    books: Books,
    policy: Option<UpstreamPolicy>,
    /// What the engine was told last.
    told: UpstreamState,
}

impl Task {
    /// Over the state directory of the configuration that runs.
    #[must_use]
    pub fn new(
        snapshots: watch::Receiver<Arc<Snapshot>>,
        engine: mpsc::Sender<Message>,
        orders: mpsc::Receiver<Order>,
    ) -> Self {
        let directory = snapshots.borrow().config.state_directory.clone();
        Self {
            books: Books::open(&directory),
            snapshots,
            engine,
            orders,
            policy: None,
            told: UpstreamState::default(),
        }
    }

    /// Keeps the routes for as long as there is a daemon.
    pub async fn run(mut self) {
        let mut look_at = Instant::now();
        loop {
            let snapshot = Arc::clone(&self.snapshots.borrow_and_update());
            if self.has_work(&snapshot) || Instant::now() >= look_at {
                let state = self.step(&snapshot).await;
                let soon =
                    state.routes.values().any(|route| route.state == RouteState::Asked) && state.problem.is_none();
                look_at = Instant::now() + if soon { LOOK_SOON } else { LOOK_EVERY };
                self.tell(state).await;
            }
            tokio::select! {
                Ok(()) = self.snapshots.changed() => {}
                order = self.orders.recv() => {
                    if let Some(Order::Withdraw(answer)) = order {
                        // A caller that is gone does not need the answer.
                        let _ = answer.send(self.withdraw().await);
                    }
                    return;
                }
                () = sleep_until(look_at) => {}
            }
        }
    }

    /// Somebody wants something else than before.
    fn has_work(&self, snapshot: &Snapshot) -> bool {
        if self.policy != snapshot.config.upstream {
            return true;
        }
        let wanted = wanted(snapshot);
        let known = self.told.routes.iter().map(|(address, route)| (address, &route.wanted));
        self.policy.is_some() && !wanted.iter().eq(known)
    }

    async fn tell(&mut self, state: UpstreamState) {
        if self.told != state {
            self.told = state.clone();
            // An engine that is gone has no use for it; the order to withdraw may still come.
            let _ = self.engine.send(Message::Upstream(Box::new(state))).await;
        }
    }

    /// One look, and whatever there is to be done.
    async fn step(&mut self, snapshot: &Snapshot) -> UpstreamState {
        let policy = snapshot.config.upstream.clone();
        let former = std::mem::replace(&mut self.policy, policy.clone());
        if let Some(former) =
            former.filter(|former| Some(&former.include) != policy.as_ref().map(|policy| &policy.include))
        {
            // Nobody looks after that file any more.
            if let Err(problem) = bring(&former, &BTreeSet::new()).await {
                tracing::error!(
                    "the routes of {} are not withdrawn: {problem}",
                    former.include.display()
                );
            }
        }
        let Some(policy) = policy else {
            return UpstreamState::default();
        };
        let wanted = wanted(snapshot);
        let in_file = match read(&policy.include) {
            Ok(text) => include::announced(&text.unwrap_or_default()),
            Err(error) => return self.stuck(wanted, format!("cannot read {}: {error}", policy.include.display())),
        };
        let now = Timestamp::now();
        let plan = plan(&wanted, &in_file, &self.books, &snapshot.config, now);
        if let Err(error) = self.books.note(plan.new.iter().copied(), now) {
            tracing::error!("announcements of the last hour are not kept: {error}");
        }
        let brought = bring(&policy, &plan.announce).await;
        let seen = see(&policy).await.map_err(|error| error.to_string());
        self.state(wanted, &plan, brought.err(), seen, now)
    }

    fn stuck(&self, wanted: BTreeMap<IpAddr, Wanted>, problem: String) -> UpstreamState {
        let routes = wanted.into_iter().map(|(address, wanted)| {
            let state = RouteState::Asked;
            (address, Route { wanted, state })
        });
        UpstreamState {
            enabled: true,
            routes: routes.collect(),
            problem: Some(problem),
            started: self.books.of_last_hour(Timestamp::now()),
            ..UpstreamState::default()
        }
    }

    fn state(
        &self,
        wanted: BTreeMap<IpAddr, Wanted>,
        plan: &Plan,
        problem: Option<String>,
        seen: Result<Seen, String>,
        now: Timestamp,
    ) -> UpstreamState {
        let (seen, blind) = match seen {
            Ok(seen) => (seen, None),
            Err(problem) => (Seen::default(), Some(problem)),
        };
        let needed = self.policy.as_ref().map_or(&[][..], |policy| &policy.section.sessions);
        let state = |address: IpAddr| {
            if let Some(refused) = plan.refused.get(&address) {
                return RouteState::Refused(refused.to_string());
            }
            let sessions = seen.of(address);
            if sessions.is_empty() || !needed.iter().all(|session| sessions.contains(session)) {
                return RouteState::Asked;
            }
            let before = self.told.routes.get(&address).map(|route| &route.state);
            let since = match before {
                Some(RouteState::Announced { since, .. }) => *since,
                _ => now,
            };
            RouteState::Announced { sessions, since }
        };
        let routes = wanted.into_iter().map(|(address, wanted)| {
            let state = state(address);
            (address, Route { wanted, state })
        });
        UpstreamState {
            enabled: true,
            routes: routes.collect(),
            sessions: seen.exports.into_keys().collect(),
            announced: plan.announce.clone(),
            started: self.books.of_last_hour(now),
            problem: problem.or(blind),
        }
    }

    async fn withdraw(&mut self) -> Result<(), String> {
        match self.policy.take() {
            Some(policy) => bring(&policy, &BTreeSet::new()).await,
            None => Ok(()),
        }
    }
}

/// What BIRD exports of ours, by session.
#[derive(Debug, Default)]
struct Seen {
    exports: BTreeMap<String, BTreeSet<IpAddr>>,
}

impl Seen {
    fn of(&self, address: IpAddr) -> Vec<String> {
        let exports = self
            .exports
            .iter()
            .filter(|(_, addresses)| addresses.contains(&address));
        exports.map(|(session, _)| session.clone()).collect()
    }
}

fn read(path: &Path) -> io::Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Brings the file and BIRD to these addresses. What BIRD does not take is put back as it was, and nothing else is touched.
///
/// # Errors
/// Why it is not so, in a sentence.
pub(super) async fn bring(policy: &UpstreamPolicy, addresses: &BTreeSet<IpAddr>) -> Result<(), String> {
    let shown = policy.include.display();
    let wanted = include::text(addresses, policy);
    let before = read(&policy.include).map_err(|error| format!("cannot read {shown}: {error}"))?;
    let is_new = before.as_ref() != Some(&wanted);
    let put = |text: &str| {
        write_whole(&policy.include, text.as_bytes(), READABLE)
            .map_err(|error| format!("cannot write {shown}: {error}"))
    };
    let mut bird = match Bird::connect(&policy.section.socket).await {
        Ok(bird) => bird,
        Err(error) => {
            // When it begins, it reads what is wanted.
            put(&wanted)?;
            return Err(error.to_string());
        }
    };
    if is_new {
        put(&wanted)?;
    } else {
        match held(&mut bird, policy).await {
            Some(held) if held == *addresses => return Ok(()),
            // It has not read the file since that was written.
            Some(_) => {}
            None => return Err(not_included(policy)),
        }
    }
    if let Err(error) = bird.ask("configure check").await {
        match &before {
            Some(before) => put(before)?,
            None => std::fs::remove_file(&policy.include).map_err(|error| format!("cannot remove {shown}: {error}"))?,
        }
        return Err(format!(
            "BIRD's configuration is not sound, nothing was changed: {error}"
        ));
    }
    bird.ask("configure").await.map_err(|error| error.to_string())?;
    match held(&mut bird, policy).await {
        Some(_) => Ok(()),
        None => Err(not_included(policy)),
    }
}

fn not_included(policy: &UpstreamPolicy) -> String {
    format!(
        "BIRD does not know the protocols of {}: include that file in its configuration (docs/upstream.md)",
        policy.include.display()
    )
}

/// The addresses that BIRD holds for us, announced or not; `None` if it does not know our protocols.
async fn held(bird: &mut Bird, policy: &UpstreamPolicy) -> Option<BTreeSet<IpAddr>> {
    let mut held = BTreeSet::new();
    for protocol in include::protocols(policy) {
        let reply = bird.ask(&format!("show route protocol {protocol}")).await.ok()?;
        held.extend(routes::exported(&reply));
    }
    Some(held)
}

/// Reads back what is exported to every session that is up.
async fn see(policy: &UpstreamPolicy) -> Result<Seen, BirdError> {
    let mut bird = Bird::connect(&policy.section.socket).await?;
    let mut seen = Seen::default();
    for session in routes::sessions(&bird.ask("show protocols").await?) {
        let mut addresses = BTreeSet::new();
        for protocol in include::protocols(policy) {
            // A protocol that BIRD does not know yet, or a table that the session does not have, has nothing of ours.
            if let Ok(reply) = bird
                .ask(&format!("show route protocol {protocol} export {session}"))
                .await
            {
                addresses.extend(routes::exported(&reply));
            }
        }
        seen.exports.insert(session, addresses);
    }
    Ok(seen)
}
