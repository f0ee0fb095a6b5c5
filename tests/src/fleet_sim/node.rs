//! One node that is not there: it does with etcd what an agent does.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use agent::{
    clock::Now,
    fleet::{Backoff, Board, Key, NodeInfo, Pressure, Publisher, Report, Sums, pace},
    ladder::Rung,
    tables::Mode,
};
use anyhow::{Context as _, Result, bail};
use jiff::Timestamp;
use tokio::{
    sync::watch,
    time::{Interval, MissedTickBehavior, interval_at, sleep},
};

use super::{
    World,
    leader::Leader,
    load::{self, Dice, Load, THRESHOLD},
    session::{self, Session, Told},
};

/// So often a node looks at what arrives.
const LOOK: Duration = Duration::from_millis(250);
/// A lease is kept alive so often, and signs of life are asked for.
const KEEP: Duration = Duration::from_secs(3);
const BEAT: Duration = Duration::from_secs(1);

/// A node.
#[derive(Debug)]
pub(super) struct Node {
    world: Arc<World>,
    number: u32,
    name: String,
    endpoint: String,
    load: watch::Receiver<Option<Load>>,
    board: Board,
    sums: Sums,
    dice: Dice,
    lease: Duration,
}

impl Node {
    /// With this number. It lives while there is a load.
    pub(super) fn new(world: &Arc<World>, number: u32, endpoint: String, load: watch::Receiver<Option<Load>>) -> Self {
        Self {
            world: Arc::clone(world),
            number,
            name: format!("lb{number}"),
            endpoint,
            load,
            board: Board::default(),
            sums: Sums::default(),
            dice: Dice::new(u64::from(number)),
            lease: Duration::from_secs(world.plan.lease_secs.unsigned_abs()),
        }
    }

    /// Lives: a session that breaks is opened again.
    pub(super) async fn live(mut self) {
        let mut backoff = Backoff::default();
        while self.load.borrow().is_some() {
            let begin = Instant::now();
            let Err(error) = self.session().await else { break };
            if begin.elapsed() > self.lease {
                backoff.reset();
            }
            self.world.tally.broken.add(1);
            self.world.tally.trouble(format!("{}: {error:#}", self.name));
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "any number")]
            let chance = (self.dice.roll() * f64::from(u32::MAX)) as u32;
            sleep(backoff.wait(true, self.world.plan.nodes, chance)).await;
        }
        self.world.tally.gone.add(1);
    }

    async fn session(&mut self) -> Result<()> {
        let keys = self.world.keys.clone();
        let lease = self.world.plan.lease_secs;
        let opened = Session::open(&self.endpoint, &keys, &self.name, lease, self.info().write()).await;
        let (mut session, held) = opened?;
        let is_led = !held.iter().any(|told| matches!(told, Told::NoLeader));
        for told in held {
            self.take(told);
        }
        let leader = if is_led { None } else { self.lead(&mut session).await? };
        self.world.tally.following.add(1);
        let ended = self.follow(&mut session, leader).await;
        self.world.tally.following.subtract(1);
        ended?;
        session.close().await
    }

    async fn follow(&mut self, session: &mut Session, mut leader: Option<Leader>) -> Result<()> {
        let keys = self.world.keys.clone();
        // Nodes that began at once do not look at once for ever.
        let mut look = self.every(LOOK);
        let mut keep = self.every(KEEP);
        let answers = pace::slower(self.world.plan.nodes) == 1 && self.world.plan.proxies == 0;
        let mut beat = self.every(BEAT);
        let mut publisher = Publisher::default();
        let mut kept = Instant::now();
        loop {
            tokio::select! {
                _ = look.tick() => {
                    if kept.elapsed() > self.lease {
                        bail!("the lease ran out");
                    }
                    let Some(report) = self.report() else { return Ok(()) };
                    let now = Now::read().mono;
                    if let Some(write) = publisher.due(&Arc::new(report), now) {
                        publisher.wrote(session.report(&keys, &self.name, &write).await?);
                    }
                    if let Some(sums) = leader.as_mut().and_then(|leader| leader.due(&self.sums, now)) {
                        session.write(keys.name(&Key::Sums), sums.write()).await?;
                    }
                }
                _ = keep.tick() => session.keep().await?,
                _ = beat.tick() => session.beat(answers).await?,
                ack = session.acks.message() => {
                    let ack = ack?.context("the lease is not kept alive any more")?;
                    if ack.ttl() <= 0 {
                        bail!("the lease is gone");
                    }
                    kept = Instant::now();
                    session.heard = kept;
                    self.world.tally.keep_alives.add(1);
                }
                change = session.watch.message() => {
                    let change = change?.context("the watch has ended")?;
                    session.heard = Instant::now();
                    self.world.tally.events.add(change.events().len() as u64);
                    for told in session::told(&keys, &change)? {
                        if matches!(told, Told::NoLeader) {
                            leader = self.lead(session).await?;
                        }
                        self.take(told);
                    }
                }
                added = Leader::follow(&mut leader) => self.world.tally.events.add(added?),
            }
        }
    }

    fn every(&mut self, period: Duration) -> Interval {
        let first = tokio::time::Instant::now() + period.mul_f64(self.dice.roll());
        let mut ticks = interval_at(first, period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks
    }

    async fn lead(&self, session: &mut Session) -> Result<Option<Leader>> {
        if !session.lead(&self.world.keys, &self.name).await? {
            return Ok(None);
        }
        Ok(Some(Leader::begin(session, &self.world.keys, &self.sums).await?))
    }

    fn take(&mut self, told: Told) {
        match told {
            Told::Decision(key, decision) => {
                let name = key.0.to_string();
                if matches!(self.board.put(key, *decision, Timestamp::now()), Ok(true)) {
                    self.world.tally.knows(&name, self.number);
                }
            }
            Told::Sums(sums) => {
                let over = sums.sums.iter().filter(|sum| sum.unproven >= THRESHOLD);
                for sum in over {
                    self.world.tally.knows(&sum.address.to_string(), self.number);
                }
                self.sums = sums;
            }
            Told::NoLeader => {}
        }
    }

    /// What this node sees that could matter to all; `None` once it is to end.
    fn report(&mut self) -> Option<Report> {
        let load = self.load.borrow().clone()?;
        let share = THRESHOLD / (4.0 * f64::from(self.world.plan.nodes));
        let swing = 1.0 + load.swing * (2.0 * self.dice.roll() - 1.0);
        let unproven = load.unproven * swing;
        if unproven <= share {
            return Some(Report::default());
        }
        let pressures = load.attacked.iter().map(|address| Pressure {
            address: *address,
            unproven,
            syn: unproven * 1.1,
            threshold: THRESHOLD,
            rung: Rung::Limit,
            attacked: false,
        });
        Some(Report {
            pressures: pressures.collect(),
        })
    }

    fn info(&self) -> NodeInfo {
        let addresses = self.world.plan.addresses;
        NodeInfo {
            instance: format!("{:016x}", self.number),
            site: "sim".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started: Timestamp::now(),
            clock: Timestamp::now(),
            mode: Mode::Enforce,
            addresses: addresses as usize,
            protects: load::protected(addresses),
            lists: Vec::new(),
        }
    }
}
