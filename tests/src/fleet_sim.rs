//! A large fleet against a real etcd: nodes that are not there, each with its own connection, do what `agent::fleet` says. What
//! etcd pays for it is read from /proc and from etcd itself. The nodes run in this process and share the machine with it.

mod cut;
mod leader;
mod load;
mod node;
mod phases;
mod session;
mod store;
mod table;
mod tally;

use std::{path::PathBuf, sync::Arc};

use agent::fleet::Keys;
use anyhow::Result;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde::Serialize;

use crate::{
    lab::Lab,
    netns::{Netns, Role},
};
pub use table::table;

/// What all keys begin with.
const PREFIX: &str = "/levee/";

/// What is simulated.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    /// Nodes.
    pub nodes: u32,
    /// Protected addresses of the whole fleet.
    pub addresses: u32,
    /// How long calm lasts, and each of the attacks.
    pub phase_secs: u64,
    /// Blocks for the fleet.
    pub blocks: u32,
    /// A node's lease, seconds.
    pub lease_secs: i64,
    /// So many `etcd grpc-proxy` between nodes and etcd.
    pub proxies: u16,
    /// Environment of etcd and the proxies: `GOGC=20`.
    pub environment: Vec<String>,
    /// More arguments of etcd.
    pub arguments: Vec<String>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            nodes: 1_000,
            addresses: 10_000,
            phase_secs: 20,
            blocks: 100,
            lease_secs: 10,
            proxies: 0,
            environment: Vec::new(),
            arguments: Vec::new(),
        }
    }
}

/// What one phase came to.
#[derive(Clone, Debug, Serialize)]
pub struct Phase {
    /// What went on.
    pub name: &'static str,
    /// How long.
    pub seconds: f64,
    /// etcd's share of one core.
    pub cpu_percent: f64,
    /// The most that etcd held in memory, MiB: all of it, and what is not its program or its mapped store.
    pub rss_mib: f64,
    /// See above.
    pub anonymous_mib: f64,
    /// The proxies' share of one core, all together; and the memory of the largest.
    pub proxy_cpu_percent: f64,
    /// See above.
    pub proxy_rss_mib: f64,
    /// The simulation's own share, beside which etcd ran.
    pub own_cpu_percent: f64,
    /// etcd's store at the end, MiB.
    pub store_mib: f64,
    /// Revisions of keys.
    pub writes: i64,
    /// Entries of etcd's log: writes, leases, compactions.
    pub log_entries: u64,
    /// Changes of keys that nodes were told.
    pub events: u64,
    /// Leases kept alive.
    pub keep_alives: u64,
    /// Sessions of nodes that broke.
    pub broken: u64,
    /// How long something took to be known by nodes, if something was to be.
    pub known: Option<Known>,
}

/// How long something took to be known by each node, from the moment that it was done or happened, milliseconds.
#[derive(Clone, Debug, Serialize)]
pub struct Known {
    /// So many times it became known.
    pub times: u64,
    /// And so many it should have.
    pub wanted: u64,
    /// The middle.
    pub p50_ms: f64,
    /// One in a hundred is later.
    pub p99_ms: f64,
    /// The latest.
    pub worst_ms: f64,
}

/// What a simulation came to.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// What was simulated.
    pub plan: Plan,
    /// etcd's version.
    pub etcd: String,
    /// Phase by phase.
    pub phases: Vec<Phase>,
    /// Keys of nodes that were there after all nodes had gone.
    pub left_behind: Vec<String>,
}

/// What all parts of a simulation share.
#[derive(Debug)]
struct World {
    plan: Plan,
    keys: Keys,
    tally: tally::Tally,
}

/// Simulates.
///
/// # Errors
/// etcd does not start, or nodes do not come up.
pub fn run(plan: &Plan) -> Result<Outcome> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    let lab = Lab::create()?;
    let namespace = Netns::create(&lab, Role::Backend)?;
    let mut store = store::Store::start(&lab, &namespace, plan)?;
    let cut = cut::Cut::of(&namespace);
    let world = Arc::new(World {
        plan: plan.clone(),
        keys: Keys::under(PREFIX),
        tally: tally::Tally::default(),
    });
    namespace.enter(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        runtime.block_on(phases::go(&world, &mut store, &cut))
    })
}

/// Where things of a simulation are.
fn path(lab: &Lab, name: &str) -> PathBuf {
    lab.path(name)
}
