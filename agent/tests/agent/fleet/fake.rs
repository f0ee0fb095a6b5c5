//! A fleet without etcd: what the task beside the engine would do, in memory.

use std::sync::{Arc, Mutex};

use agent::{
    command::Message,
    decide::Refusal,
    fleet::{Board, By, Decision, Draft, FleetState, Link, Node, NodeInfo, Order, Queued, Report, Shared, Target},
    tables::Mode,
};
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};

use crate::{
    served::Served,
    support::{Bench, config, later, noon},
};

pub(crate) const FLEET: &str = "[fleet]\nendpoints = [\"http://127.0.0.1:2379\"]\nnode = \"lb1\"\n";

/// How the task answers.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// Cut off from etcd.
    pub(super) cut_off: bool,
    /// Somebody else decided at the same moment.
    pub(super) conflict: Option<Refusal>,
    /// What was asked to be shared: by whom, forced, for each target.
    pub(super) shared: Vec<(Target, By, bool)>,
    /// What all nodes know.
    pub(super) board: Board,
    queued: Vec<Queued>,
}

/// An agent behind its socket, in a fleet of three nodes: lb2 protects 203.0.113.9 besides.
pub(super) struct Fleet {
    pub(super) served: Served,
    pub(super) answers: Arc<Mutex<Answers>>,
}

pub(crate) fn node(name: &str, protects: &[&str]) -> Node {
    let protects: Vec<_> = protects.iter().map(|net| net.parse().expect("prefix")).collect();
    Node {
        name: name.to_owned(),
        info: NodeInfo {
            instance: name.to_owned(),
            site: "fra1".to_owned(),
            version: "0.1.0".to_owned(),
            started: noon().wall,
            clock: noon().wall,
            mode: Mode::Enforce,
            addresses: protects.len(),
            protects,
            lists: Vec::new(),
        },
        report: Report::default(),
    }
}

pub(crate) fn decision(node: &str, at: Timestamp, content: Option<agent::fleet::Content>) -> Decision {
    Decision {
        content,
        actor: "uid=0 (root)".to_owned(),
        node: node.to_owned(),
        reason: Some("T1".to_owned()),
        at,
        until: None,
        force: false,
    }
}

/// How a node stands that is not cut off.
pub(crate) fn state(board: &Board) -> FleetState {
    FleetState {
        node: Some("lb1".to_owned()),
        link: Link::Up { since: noon().wall },
        board: Arc::new(board.clone()),
        ..FleetState::default()
    }
}

impl Answers {
    fn state(&self) -> FleetState {
        let link = if self.cut_off {
            Link::Down {
                since: noon().wall,
                why: "connection refused".to_owned(),
            }
        } else {
            Link::Up { since: noon().wall }
        };
        FleetState {
            link,
            queued: self.queued.clone(),
            ..state(&self.board)
        }
    }
}

impl Fleet {
    pub(super) async fn new() -> Self {
        Self::with(FLEET).await
    }

    pub(super) async fn with(section: &str) -> Self {
        let bench = Bench::default();
        let engine = bench.start(config(section), noon()).expect("starts");
        let (to_task, orders) = mpsc::channel(8);
        let served = Served::of(bench, engine, to_task).await;
        let answers = Arc::new(Mutex::new(Answers::default()));
        tokio::spawn(answer(orders, Arc::clone(&answers), served.to_engine.clone()));
        let fleet = Self { served, answers };
        fleet.tell().await;
        fleet
    }

    /// The engine is told how things stand, and has done what follows when this returns.
    pub(super) async fn tell(&self) {
        let state = self.lock().state();
        tell(&self.served.to_engine, state).await;
    }

    pub(super) fn lock(&self) -> std::sync::MutexGuard<'_, Answers> {
        self.answers.lock().expect("no test panics with the lock")
    }

    /// Another node decides.
    pub(super) async fn decided(&self, target: &str, by: By, decision: Decision) {
        let target: Target = target.parse().expect("target");
        let board = &mut self.lock().board.clone();
        board.put((target, by), decision, noon().wall).expect("sound");
        self.lock().board = board.clone();
        self.tell().await;
    }

    /// Commands in the journal: who, what, whether it was done, and the result.
    pub(super) async fn journal(&self) -> Vec<(String, String, bool, String)> {
        let (answer, answered) = oneshot::channel();
        let hour = jiff::SignedDuration::from_hours(24 * 365 * 10);
        let message = Message::Journal {
            span: (noon().wall - hour, noon().wall + hour),
            at_most: 100,
            answer,
        };
        self.served.to_engine.send(message).await.expect("runs");
        let entries = answered.await.expect("answers").expect("readable");
        let line = |entry: agent::ledger::JournalEntry| (entry.actor, entry.command, entry.succeeded, entry.result);
        entries.into_iter().map(line).collect()
    }
}

async fn tell(engine: &mpsc::Sender<Message>, state: FleetState) {
    let (done, is_done) = oneshot::channel();
    let message = Message::Fleet(Box::new(state), Some(done));
    engine.send(message).await.expect("runs");
    is_done.await.expect("done");
}

async fn answer(mut orders: mpsc::Receiver<Order>, answers: Arc<Mutex<Answers>>, engine: mpsc::Sender<Message>) {
    while let Some(order) = orders.recv().await {
        match order {
            Order::Share(draft, answer) => {
                let Draft {
                    changes,
                    actor,
                    reason,
                    by,
                    force,
                } = draft;
                let conflict = answers.lock().expect("lock").conflict.take();
                if let Some(refusal) = conflict {
                    let _ = answer.send(Err(refusal));
                    continue;
                }
                let (state, shared) = {
                    let mut answers = answers.lock().expect("lock");
                    for change in &changes {
                        let Some((target, put)) = Target::of(change) else {
                            continue;
                        };
                        answers.shared.push((target, by, force));
                        let at = answers.board.stamp(target, later(noon(), 1).wall);
                        let decision = Decision {
                            content: put.as_ref().map(|(content, _)| *content),
                            actor: actor.clone(),
                            node: "lb1".to_owned(),
                            reason: reason.clone(),
                            at,
                            until: put.and_then(|(_, origin)| Some(origin.until?.wall)),
                            force,
                        };
                        answers.board.put((target, by), decision, noon().wall).expect("sound");
                        if answers.cut_off {
                            answers.queued.push(Queued { target, by, at });
                        }
                    }
                    let shared = if answers.cut_off {
                        Shared::Queued
                    } else {
                        Shared::Told { nodes: 3 }
                    };
                    (answers.state(), shared)
                };
                tell(&engine, state).await;
                let _ = answer.send(Ok(shared));
            }
            Order::Nodes(answer) => {
                let nodes = vec![
                    node("lb1", &["203.0.113.7/32", "203.0.113.8/32"]),
                    node("lb2", &["203.0.113.7/32", "203.0.113.8/31"]),
                    node("lb3", &["203.0.113.7/32"]),
                ];
                let _ = answer.send(Ok(nodes));
            }
            Order::Leave(left) => drop(left.send(())),
        }
    }
}
