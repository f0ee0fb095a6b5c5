//! What happens to the fleet, one thing after another, and what each costs.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use agent::{
    fleet::{By, Content, Decision, KEPT, Key, Target},
    tables::ListAction,
};
use anyhow::{Context as _, Result, ensure};
use etcd_client::{Client, Compare, CompareOp, GetOptions, PutOptions, Txn, TxnOp};
use jiff::Timestamp;
use tokio::{sync::watch, task::JoinSet, time::sleep};

use super::{
    Known, Outcome, Phase, World,
    cut::Cut,
    load::{self, Load},
    node::Node,
    session::bounded,
    store::{Held, Said, Store, Taken, said},
};

/// Nodes come up and hear of things within this, or not at all.
const PATIENCE: Duration = Duration::from_secs(60);
/// So often it is looked at what etcd holds in memory, and at how far nodes are.
const LOOK: Duration = Duration::from_millis(200);
/// Between two blocks.
const BETWEEN: Duration = Duration::from_millis(50);
/// How long a block lasts.
const BLOCK: Duration = Duration::from_secs(3_600);
/// So many addresses are attacked at once, at most.
const CARPET: u32 = 64;

/// A fleet that lives.
struct Fleet<'a> {
    world: Arc<World>,
    store: &'a mut Store,
    client: Client,
    load: watch::Sender<Option<Load>>,
    nodes: JoinSet<()>,
    phases: Vec<Phase>,
    blocks: u32,
}

/// Where a phase began.
struct Begin {
    taken: Taken,
    said: Said,
    events: u64,
    keep_alives: u64,
    broken: u64,
    held: Held,
}

/// Everything that happens.
pub(super) async fn go(world: &Arc<World>, store: &mut Store, cut: &Cut<'_>) -> Result<Outcome> {
    let client = store.connect().await?;
    let mut fleet = Fleet {
        world: Arc::clone(world),
        store,
        client,
        load: watch::Sender::new(Some(Load::default())),
        nodes: JoinSet::new(),
        phases: Vec::new(),
        blocks: 0,
    };
    let etcd = said(&mut fleet.client).await?.version;
    fleet.start().await?;
    fleet.calm("calm").await?;
    fleet.decide("blocks", world.plan.nodes.into()).await?;
    fleet.attack("attack", 1, 0.1).await?;
    fleet.attack("pulsing attack", 1, 0.9).await?;
    fleet.attack("carpet", CARPET, 0.1).await?;
    fleet.partition(cut).await?;
    fleet.calm("calm again").await?;
    let left_behind = fleet.end().await?;
    Ok(Outcome {
        plan: world.plan.clone(),
        etcd,
        phases: fleet.phases,
        left_behind,
    })
}

impl Fleet<'_> {
    /// All nodes at once.
    async fn start(&mut self) -> Result<()> {
        let mut begin = self.begin().await?;
        for number in 0..self.world.plan.nodes {
            let endpoint = Store::endpoint(&self.world.plan, number);
            let node = Node::new(&self.world, number, endpoint, self.load.subscribe());
            self.nodes.spawn(node.live());
        }
        let all = u64::from(self.world.plan.nodes);
        self.until(&mut begin, |fleet| fleet.world.tally.following.get() == all)
            .await?;
        self.finish("start-up", begin, None).await
    }

    /// Nothing.
    async fn calm(&mut self, name: &'static str) -> Result<()> {
        // What the phase before has left settles: sums that follow it, a heap that was needed.
        sleep(Duration::from_secs(3)).await;
        let mut begin = self.begin().await?;
        self.pass(&mut begin, self.world.plan.phase_secs).await?;
        self.finish(name, begin, None).await
    }

    /// Some addresses, over the threshold in sum and under it on each node.
    async fn attack(&mut self, name: &'static str, addresses: u32, swing: f64) -> Result<()> {
        let plan = &self.world.plan;
        let count = addresses.min(plan.addresses);
        let attacked: Vec<IpAddr> = (0..count)
            .map(|n| load::address(n * (plan.addresses / count)))
            .collect();
        for address in &attacked {
            self.world.tally.await_of(&address.to_string());
        }
        let wanted = u64::from(count) * u64::from(plan.nodes);
        let seconds = plan.phase_secs / 2;
        let load = Load::thin(attacked, plan.nodes, swing);
        let mut begin = self.begin().await?;
        self.load.send_replace(Some(load));
        self.pass(&mut begin, seconds.max(2)).await?;
        self.load.send_replace(Some(Load::default()));
        // Its end is a part of it: reports are taken back, and sums follow.
        self.pass(&mut begin, 2).await?;
        let known = self.world.tally.take(wanted, None);
        self.finish(name, begin, Some(known)).await
    }

    /// Blocks for the fleet, by an operator; `hear` nodes can hear of each.
    async fn decide(&mut self, name: &'static str, hear: u64) -> Result<()> {
        let mut begin = self.begin().await?;
        let blocks = self.world.plan.blocks;
        self.block(blocks).await?;
        let wanted = u64::from(blocks) * hear;
        self.until(&mut begin, |fleet| fleet.world.tally.times() >= wanted)
            .await?;
        let known = self.world.tally.take(wanted, None);
        self.finish(name, begin, Some(known)).await
    }

    /// Every other node is cut off for longer than its lease lasts; there are blocks meanwhile; then it is back.
    async fn partition(&mut self, cut: &Cut<'_>) -> Result<()> {
        let nodes = u64::from(self.world.plan.nodes);
        let (there, away) = (nodes.div_ceil(2), nodes / 2);
        let mut begin = self.begin().await?;
        cut.off()?;
        let lease = self.world.plan.lease_secs.unsigned_abs();
        self.pass(&mut begin, lease + 3).await?;
        let blocks = (self.world.plan.blocks / 10).max(1);
        self.block(blocks).await?;
        let heard = u64::from(blocks) * there;
        self.until(&mut begin, |fleet| fleet.world.tally.times() >= heard)
            .await?;
        self.finish("half cut off", begin, None).await?;

        let mut begin = self.begin().await?;
        // Before it is mended: who is fast must not know before it is counted.
        let healed = Instant::now();
        cut.mend()?;
        let wanted = u64::from(blocks) * nodes;
        self.until(&mut begin, |fleet| {
            fleet.world.tally.times() >= wanted && fleet.world.tally.following.get() == nodes
        })
        .await?;
        let known = self.world.tally.take(u64::from(blocks) * away, Some(healed));
        self.finish("back", begin, Some(known)).await
    }

    /// All nodes go; what they have left behind.
    async fn end(&mut self) -> Result<Vec<String>> {
        let mut begin = self.begin().await?;
        self.load.send_replace(None);
        let all = u64::from(self.world.plan.nodes);
        self.until(&mut begin, |fleet| fleet.world.tally.gone.get() == all)
            .await?;
        self.finish("end", begin, None).await?;
        let keys = &self.world.keys;
        let mut left = Vec::new();
        for prefix in [
            keys.nodes(),
            keys.reports(),
            keys.name(&Key::Leader),
            keys.name(&Key::Sums),
        ] {
            let options = GetOptions::new().with_prefix().with_keys_only();
            let found = bounded(self.client.get(prefix, Some(options))).await?;
            left.extend(
                found
                    .kvs()
                    .iter()
                    .map(|pair| String::from_utf8_lossy(pair.key()).into_owned()),
            );
        }
        Ok(left)
    }

    /// As the agent of an operator does it: compare, write, with a lease that ends long after the block.
    async fn block(&mut self, count: u32) -> Result<()> {
        for _ in 0..count {
            let number = self.blocks;
            self.blocks += 1;
            let target: Target = format!("entry/198.18.{}.{}/32", number / 256, number % 256).parse()?;
            let decision = Decision {
                content: Some(Content::Entry(ListAction::Block)),
                actor: "uid=0 (root) pid=4711".to_owned(),
                node: "lb0".to_owned(),
                reason: Some("T4711, a simulation".to_owned()),
                at: Timestamp::now(),
                until: Some(Timestamp::now() + BLOCK),
                force: false,
            };
            self.world.tally.await_of(&target.to_string());
            let seconds = BLOCK.as_secs() as i64 + KEPT.as_secs();
            let lease = bounded(self.client.lease_grant(seconds, None)).await?.id();
            let key = self.world.keys.name(&Key::Decision(By::Human, target));
            let options = PutOptions::new().with_lease(lease);
            let txn = Txn::new()
                .when([Compare::mod_revision(key.clone(), CompareOp::Equal, 0)])
                .and_then([TxnOp::put(key, decision.write(), Some(options))]);
            ensure!(
                bounded(self.client.txn(txn)).await?.succeeded(),
                "{target} was there before"
            );
            sleep(BETWEEN).await;
        }
        Ok(())
    }

    async fn begin(&mut self) -> Result<Begin> {
        let said = said(&mut self.client).await?;
        let tally = &self.world.tally;
        Ok(Begin {
            taken: self.store.taken()?,
            said,
            events: tally.events.get(),
            keep_alives: tally.keep_alives.get(),
            broken: tally.broken.get(),
            held: Held::default(),
        })
    }

    async fn pass(&self, begin: &mut Begin, seconds: u64) -> Result<()> {
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(seconds) {
            sleep(LOOK).await;
            self.look(begin)?;
        }
        Ok(())
    }

    async fn until(&self, begin: &mut Begin, is_so: impl Fn(&Self) -> bool) -> Result<()> {
        let start = Instant::now();
        while !is_so(self) {
            ensure!(
                start.elapsed() < PATIENCE,
                "still {} of {} nodes follow after {PATIENCE:?}, {} are gone, something became known {} times; last trouble: {}",
                self.world.tally.following.get(),
                self.world.plan.nodes,
                self.world.tally.gone.get(),
                self.world.tally.times(),
                self.world.tally.last_trouble()
            );
            sleep(Duration::from_millis(20)).await;
            self.look(begin)?;
        }
        Ok(())
    }

    fn look(&self, begin: &mut Begin) -> Result<()> {
        let now = self.store.held()?;
        begin.held = Held {
            rss: begin.held.rss.max(now.rss),
            anonymous: begin.held.anonymous.max(now.anonymous),
            proxy_rss: begin.held.proxy_rss.max(now.proxy_rss),
        };
        Ok(())
    }

    async fn finish(&mut self, name: &'static str, mut begin: Begin, known: Option<Known>) -> Result<()> {
        self.look(&mut begin)?;
        let taken = self.store.taken()?;
        let said = said(&mut self.client).await.with_context(|| format!("after {name}"))?;
        let tally = &self.world.tally;
        let seconds = taken.at.duration_since(begin.taken.at).as_secs_f64();
        let percent = |now: f64, before: f64| (now - before) / seconds * 100.0;
        let phase = Phase {
            name,
            seconds,
            cpu_percent: percent(taken.cpu_secs, begin.taken.cpu_secs),
            rss_mib: begin.held.rss,
            anonymous_mib: begin.held.anonymous,
            proxy_cpu_percent: percent(taken.proxy_cpu_secs, begin.taken.proxy_cpu_secs),
            proxy_rss_mib: begin.held.proxy_rss,
            own_cpu_percent: percent(taken.own_cpu_secs, begin.taken.own_cpu_secs),
            store_mib: said.store_mib,
            writes: said.revision - begin.said.revision,
            log_entries: said.log_index - begin.said.log_index,
            events: tally.events.get() - begin.events,
            keep_alives: tally.keep_alives.get() - begin.keep_alives,
            broken: tally.broken.get() - begin.broken,
            known,
        };
        eprintln!("{}", super::table::line(&phase));
        self.phases.push(phase);
        Ok(())
    }
}
