//! Commands that hold for all nodes: this node's guard rails decide, the fleet's task tells the others, and the answer says how
//! far it got.

use std::time::Duration;

use axum::{Json, extract::State};
use tokio::sync::oneshot;

use super::{Answer, Handle, stopping};
use crate::{
    command::{Command, Decide, Message},
    config::fleet::Scope,
    control::{
        api::{Done, FleetTopView, FleetView, NodeView, Reached},
        view,
    },
    decide::{Elsewhere, Refusal, changes::Outcome, refusal::Kind, say},
    fleet::{self as others, By, Content, Draft, FleetState, Node, Order, Shared, Target, is_from_fleet},
    host::HostFacts,
    ladder::Rung,
    ledger::JournalEntry,
    overrides::{Change, Origin},
    snapshot::Snapshot,
    tables::ListAction,
};

/// A list of all nodes that takes longer is done without.
const PATIENCE: Duration = Duration::from_secs(2);

/// A command on its way to all nodes.
struct Asked {
    command: Command,
    actor: String,
    by: By,
}

pub(super) async fn fleet(State(handle): State<Handle>) -> Json<FleetView> {
    Json(view::fleet(&handle.snapshot()))
}

pub(super) async fn nodes(State(handle): State<Handle>) -> Answer<Vec<NodeView>> {
    let nodes = handle.nodes().await?;
    Ok(Json(view::nodes(&nodes, &handle.snapshot())))
}

pub(super) async fn top(State(handle): State<Handle>) -> Json<FleetTopView> {
    Json(view::fleet_top(&handle.snapshot()))
}

impl Handle {
    /// Hands a command to the engine, or decides it for all nodes, and waits for the answer.
    ///
    /// # Errors
    /// Why it is refused; then nothing has changed, and the journal has it.
    pub async fn order(&self, command: Command, actor: String) -> Result<Done, Refusal> {
        let Some((asked, automatic)) = command.whom() else {
            return self.order_here(command, actor).await;
        };
        let by = if automatic { By::Machine } else { By::Human };
        let scope = match self.scope(asked) {
            Ok(scope) => scope,
            Err(refusal) => return self.not_done(&command, &actor, refusal).await,
        };
        if scope == Scope::Fleet {
            return self.share(Asked { command, actor, by }, None).await;
        }
        let Some((target, outcome)) = self.held_by_fleet(&command, &actor).await? else {
            return self.order_here(command, actor).await;
        };
        if asked == Some(Scope::Node) {
            let refusal = not_here_alone(target, &self.snapshot());
            return self.not_done(&command, &actor, refusal).await;
        }
        let mut done = self.share(Asked { command, actor, by }, Some(outcome)).await?;
        done.warnings.insert(
            0,
            "this holds for all nodes, so it was taken back on all of them".to_owned(),
        );
        Ok(done)
    }

    /// For whom a command decides.
    ///
    /// # Errors
    /// If it is to decide for a fleet that there is not.
    pub(super) fn scope(&self, asked: Option<Scope>) -> Result<Scope, Refusal> {
        match (&self.snapshot().config.fleet, asked) {
            (Some(policy), asked) => Ok(asked.unwrap_or(policy.section.commands)),
            (None, Some(Scope::Fleet)) => Err(Refusal::invalid(
                "this node is in no fleet, so there is nobody to decide for with --fleet",
                "set up [fleet] in the configuration (docs/fleet.md), or leave --fleet out: this node alone",
            )),
            (None, _) => Ok(Scope::Node),
        }
    }

    /// All nodes, as etcd knows them.
    ///
    /// # Errors
    /// If there is no fleet, or this node is cut off.
    pub async fn nodes(&self) -> Result<Vec<Node>, Refusal> {
        if self.snapshot().config.fleet.is_none() {
            return Err(Refusal::not_found(
                "this node is in no fleet",
                Some("set up [fleet] in the configuration (docs/fleet.md)".to_owned()),
            ));
        }
        let (answer, answered) = oneshot::channel();
        let order = Order::Nodes(answer);
        self.fleet.send(order).await.map_err(|_| stopping())?;
        let late = || Refusal::failed("etcd did not answer in time; `agent fleet status` says how this node stands");
        let answer = tokio::time::timeout(PATIENCE, answered).await.map_err(|_| late())?;
        answer.map_err(|_| stopping())?
    }

    /// What the other nodes protect. Nothing is known of them while this node is cut off.
    pub(super) async fn elsewhere(&self) -> Vec<Elsewhere> {
        let snapshot = self.snapshot();
        if !snapshot.fleet.is_up() {
            return Vec::new();
        }
        let nodes = self.nodes().await.unwrap_or_default();
        let others = nodes
            .into_iter()
            .filter(|node| Some(&node.name) != snapshot.fleet.node.as_ref());
        others
            .flat_map(|node| {
                let of = move |prefix| Elsewhere {
                    node: node.name.clone(),
                    prefix,
                };
                node.info.protects.into_iter().map(of)
            })
            .collect()
    }

    /// Decides a command for all nodes, or takes what was decided already, and tells it.
    async fn share(&self, asked: Asked, decided: Option<(Vec<Change>, Done)>) -> Result<Done, Refusal> {
        let outcome = match decided {
            Some(decided) => Ok(decided),
            None => {
                let outcome = self.decide(&asked.command, &asked.actor, self.elsewhere().await).await;
                outcome.or_else(|refusal| self.taken_back(&asked.command, refusal))
            }
        };
        let told = match outcome {
            Ok((changes, done)) => self.tell(&asked, changes, done).await,
            Err(refusal) => Err(refusal),
        };
        match told {
            Ok(done) => Ok(done),
            Err(refusal) => self.not_done(&asked.command, &asked.actor, refusal).await,
        }
    }

    async fn tell(&self, asked: &Asked, changes: Vec<Change>, mut done: Done) -> Result<Done, Refusal> {
        if asked.by == By::Machine {
            gives_way(&changes, &self.snapshot())?;
        }
        done.warnings.extend(replaced(&changes, &self.snapshot()));
        let (answer, answered) = oneshot::channel();
        let draft = Draft {
            changes,
            actor: asked.actor.clone(),
            reason: asked.command.reason().map(str::to_owned),
            by: asked.by,
            force: asked.command.force(),
        };
        self.fleet
            .send(Order::Share(draft, answer))
            .await
            .map_err(|_| stopping())?;
        match answered.await.map_err(|_| stopping())?? {
            Shared::Told { nodes } => {
                done.fleet = Some(Reached::Nodes(nodes));
                done.message = match nodes {
                    1 => format!(
                        "{} It holds for the fleet, of which only this node is there.",
                        done.message
                    ),
                    nodes => format!("{} It holds on all {nodes} nodes.", done.message),
                };
            }
            Shared::Queued => {
                done.fleet = Some(Reached::Queued(self.snapshot().fleet.queued.len().max(1)));
                done.warnings.insert(
                    0,
                    "this node is cut off from the fleet: it holds here, and the other nodes are told once etcd can be reached \
                     again; `agent fleet status` shows what waits"
                        .to_owned(),
                );
            }
        }
        Ok(done)
    }

    /// What a command changes, by this node's guard rails; nothing is changed by it.
    async fn decide(&self, command: &Command, actor: &str, elsewhere: Vec<Elsewhere>) -> Outcome {
        let host = HostFacts::read()
            .await
            .map_err(|error| Refusal::failed(format!("{error:#}")))?;
        let (answer, answered) = oneshot::channel();
        self.send(Message::Decide(Box::new(Decide {
            command: command.clone(),
            actor: actor.to_owned(),
            host,
            elsewhere,
            answer,
        })))
        .await?;
        answered.await.map_err(|_| stopping())?
    }

    /// What a command for this node would take back although it holds for all nodes.
    async fn held_by_fleet(
        &self,
        command: &Command,
        actor: &str,
    ) -> Result<Option<(Target, (Vec<Change>, Done))>, Refusal> {
        let snapshot = self.snapshot();
        if snapshot.config.fleet.is_none() || !takes_back(command) {
            return Ok(None);
        }
        // What is refused here is refused there in the same words.
        let Ok((changes, done)) = self.decide(command, actor, Vec::new()).await else {
            return Ok(None);
        };
        let removed = changes.iter().filter_map(Target::of).filter(|(_, put)| put.is_none());
        let held = removed
            .map(|(target, _)| target)
            .find(|target| is_of_fleet(*target, &snapshot));
        Ok(held.map(|target| (target, (changes, done))))
    }

    /// What is taken back for all nodes need not hold on this one.
    fn taken_back(&self, command: &Command, refusal: Refusal) -> Outcome {
        let snapshot = self.snapshot();
        if !takes_back(command) || !matches!(refusal.kind, Kind::NotFound | Kind::Invalid) {
            return Err(refusal);
        }
        let targets: Vec<Target> = standing(command, &snapshot.fleet, snapshot.now.wall);
        if targets.is_empty() {
            return Err(refusal);
        }
        let words: Vec<String> = targets.iter().map(Target::words).collect();
        let done = Done {
            message: format!("Took back {}, which did not hold on this node.", words.join(" and ")),
            ..Done::default()
        };
        Ok((targets.iter().map(Target::removal).collect(), done))
    }

    /// Has it in the journal that something was refused, as the engine has of what it refuses itself.
    async fn not_done(&self, command: &Command, actor: &str, refusal: Refusal) -> Result<Done, Refusal> {
        let entry = JournalEntry {
            at: crate::clock::Now::read().wall,
            actor: actor.to_owned(),
            command: format!("{} --fleet", command.describe()),
            reason: command.reason().map(str::to_owned),
            succeeded: false,
            result: refusal.to_string(),
        };
        // The refusal is the answer, whoever writes it down.
        let _ = self.send(Message::NotDone(Box::new(entry))).await;
        Err(refusal)
    }
}

/// Whether a command takes something back.
const fn takes_back(command: &Command) -> bool {
    match command {
        Command::Unblock(_) | Command::Unallow(_) | Command::UnsetThreshold(_) => true,
        Command::SetRung(request) => request.rung.is_none(),
        Command::SetMode(request) => request.mode.is_none(),
        Command::Block(_) | Command::Allow(_) | Command::SetThreshold(_) | Command::Reload(_) | Command::Detach => {
            false
        }
    }
}

/// Whether what holds of a target here came from the fleet, or would come back from it at once.
fn is_of_fleet(target: Target, snapshot: &Snapshot) -> bool {
    let Some(origin) = others::origin_of(&snapshot.overrides, target) else {
        return false;
    };
    let stands = || snapshot.fleet.board.standing(target, snapshot.now.wall);
    let same = |content: &Content| match (target, content) {
        (Target::Entry(prefix), Content::Entry(action)) => {
            let held = snapshot.overrides.list.get(&prefix);
            held.is_some_and(|held| held.action == *action)
        }
        _ => true,
    };
    is_from_fleet(origin) || stands().is_some_and(|(_, decision)| decision.content.as_ref().is_some_and(same))
}

/// What a command that takes back is about, of what stands for all nodes.
fn standing(command: &Command, fleet: &FleetState, now: jiff::Timestamp) -> Vec<Target> {
    let net = |text: &str| crate::config::prefix::parse(text).ok();
    let (about, action): (Vec<Target>, _) = match command {
        Command::Unblock(request) => {
            let net = net(&request.target);
            let hole = net
                .filter(|net| crate::config::prefix::is_single(*net))
                .map(|net| Target::Blackhole(net.addr()));
            let targets = net.map(Target::Entry).into_iter().chain(hole);
            (targets.collect(), Some(ListAction::Block))
        }
        Command::Unallow(request) => {
            let targets = net(&request.target).map(Target::Entry);
            (targets.into_iter().collect(), Some(ListAction::Allow))
        }
        Command::UnsetThreshold(request) => {
            let targets = request.target.parse().ok().map(Target::Threshold);
            (targets.into_iter().collect(), None)
        }
        Command::SetRung(request) => {
            let address = net(&request.target).map(|net| net.addr());
            let targets = address.map(|address| [Target::Rung(address), Target::Ceiling(address)]);
            (targets.into_iter().flatten().collect(), None)
        }
        _ => (Vec::new(), None),
    };
    let holds = |target: &Target| {
        let stands = fleet.board.standing(*target, now);
        let content = stands.and_then(|(_, decision)| decision.content);
        content
            .is_some_and(|content| !matches!((content, action), (Content::Entry(held), Some(wanted)) if held != wanted))
    };
    about.into_iter().filter(holds).collect()
}

/// What others decided a moment ago and may not know to be decided otherwise: two operators at once are told of each other.
fn replaced(changes: &[Change], snapshot: &Snapshot) -> Vec<String> {
    let (fleet, now) = (&snapshot.fleet, snapshot.now.wall);
    let told = |(target, put): (Target, Option<(Content, &Origin)>)| {
        put?;
        let (by, decision) = fleet.board.standing(target, now)?;
        let theirs = by == By::Human && Some(&decision.node) != fleet.node.as_ref() && decision.content.is_some();
        theirs.then(|| {
            let at = say::instant(decision.at);
            format!(
                "this replaces what {} on {} decided about {} at {at}",
                decision.actor,
                decision.node,
                target.words()
            )
        })
    };
    changes.iter().filter_map(Target::of).filter_map(told).collect()
}

/// A machine's decision gives way to a human's.
fn gives_way(changes: &[Change], snapshot: &Snapshot) -> Result<(), Refusal> {
    let board = &snapshot.fleet.board;
    let targets = changes.iter().filter_map(Target::of).map(|(target, _)| target);
    let human = |target| {
        let decision = board.get((target, By::Human))?;
        decision.holds(snapshot.now.wall).then_some((target, decision))
    };
    match targets.into_iter().find_map(human) {
        None => Ok(()),
        Some((target, decision)) => Err(Refusal::conflict(
            format!(
                "{} on {} decided about {} at {}, and a machine's decision gives way to a human's",
                decision.actor,
                decision.node,
                target.words(),
                say::instant(decision.at)
            ),
            "leave --automatic out if you are a human: the newer decision holds",
        )),
    }
}

/// Why what holds for all nodes is not taken back here alone, and what can be done instead.
fn not_here_alone(target: Target, snapshot: &Snapshot) -> Refusal {
    let who = others::origin_of(&snapshot.overrides, target).map_or_else(String::new, |origin| {
        let actor = origin.actor.trim_start_matches(others::FROM_FLEET);
        format!(" ({actor}, {})", say::instant(origin.since))
    });
    let here = match target {
        Target::Entry(net) => {
            let shown = crate::config::prefix::display(net);
            let held = snapshot.overrides.list.get(&net).map(|held| held.action);
            match held {
                Some(ListAction::Allow) => format!(", or block it here alone with `agent block-ip {shown} --local`"),
                _ => format!(", or let it pass here alone with `agent allow-ip {shown} --local`"),
            }
        }
        Target::Rung(address) => format!(
            ", or put it on another rung here alone, such as `agent rung {address} {} --local`",
            Rung::Limit
        ),
        Target::Threshold(_) | Target::Mode => ", or set another one here alone with --local".to_owned(),
        Target::Blackhole(_) | Target::Ceiling(_) => String::new(),
    };
    Refusal::conflict(
        format!(
            "{} holds for all nodes{who}: it is not taken back on this one alone",
            target.words()
        ),
        format!("take it back on all nodes with --fleet{here}"),
    )
}
