//! Notifications against web servers that misbehave and hooks that hang, fork, fail and print: who is told, when, how often,
//! and what is never told. Servers and hooks are real; the kernel under the engine is a fake.

mod alerts;
mod hooks;
mod receiver;
mod secrets;
mod web;

use std::{sync::Arc, time::Duration};

use agent::{
    command::Command,
    config::Config,
    detect::{AttackVector, Event, NumberedEvent, What},
    engine::Engine,
    notify::{Keeper, Notifier},
};
use tokio::sync::broadcast;

use crate::support::{Bench, config, noon, order};

/// An engine and everybody who is told by it.
struct Telling {
    engine: Engine,
    events: broadcast::Sender<Arc<NumberedEvent>>,
    notifier: Notifier,
    _bench: Bench,
}

impl Telling {
    fn start(config: Config) -> Self {
        let bench = Bench::default();
        let engine = bench.start(config, noon()).expect("starts");
        let (notifier, events) = (Notifier::default(), engine.events());
        let keeper = Keeper::new(notifier.clone(), events.subscribe(), engine.snapshots());
        tokio::spawn(keeper.run());
        Self {
            engine,
            events,
            notifier,
            _bench: bench,
        }
    }

    fn tell(&self, event: Event) {
        self.events
            .send(Arc::new(NumberedEvent { id: 1, event }))
            .expect("somebody listens");
    }

    fn reload(&mut self, config: Config) -> Vec<String> {
        let command = Command::Reload(Box::new(config));
        order(&mut self.engine, command, noon()).expect("reloads").changes
    }

    /// Waits until an endpoint stands as is wanted.
    async fn until(&self, name: &str, wanted: impl Fn(&agent::control::api::EndpointView) -> bool) {
        for _ in 0..1_000 {
            let views = self.notifier.views();
            if views.iter().any(|view| view.name == name && wanted(view)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("it stands otherwise: {:?}", self.notifier.views());
    }

    /// What one endpoint answers to a test: whether it took it, and its words.
    async fn test(&self, name: &str) -> (bool, String) {
        let tests = self.notifier.test(Some(name)).await.expect("there is one");
        (tests[0].succeeded, tests[0].answer.clone())
    }

    /// The endpoints are set up by a task: waits for it.
    async fn ready(&self, count: usize) {
        for _ in 0..1_000 {
            if self.notifier.views().len() == count {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("there are {:?}", self.notifier.views());
    }
}

fn section(name: &str, kind: &str, more: &str) -> String {
    format!("[[notify]]\nname = {name:?}\nkind = {kind:?}\n{more}\n")
}

fn web(name: &str, url: &str, more: &str) -> String {
    section(name, "json", &format!("url = {url:?}\n{more}"))
}

fn told_by(sections: &str) -> Telling {
    Telling::start(config(sections))
}

/// An attack with this number begins.
fn attack(number: u64) -> Event {
    Event {
        at: noon().wall,
        subject: Some("203.0.113.7".parse().expect("subject")),
        attack: Some(number),
        what: What::AttackStarted {
            vectors: [AttackVector::Syn].into(),
            syn: 400_000.0,
            packets: 410_000.0,
            delay_ms: 250,
            elsewhere: None,
        },
    }
}

fn ended(number: u64) -> Event {
    Event {
        what: What::AttackEnded { seconds: 60.0 },
        ..attack(number)
    }
}

fn notice(text: &str) -> Event {
    Event {
        at: noon().wall,
        subject: None,
        attack: None,
        what: What::Notice { text: text.to_owned() },
    }
}
