//! One picture of everything, made once a second, when something happens, and after every command, and read by everybody who answers questions:
//! nobody but the engine touches the kernel's tables.

use std::{collections::BTreeMap, net::IpAddr, path::PathBuf, sync::Arc, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    clock::Now,
    config::Config,
    decide::{KernelState, ladder::Watched},
    detect::{Attack, Meter, Talkers},
    feeds::state::ListState,
    fleet::{FleetState, Report},
    host::{TcpFacts, load::Load},
    overrides::Overrides,
    recent::Recent,
    tables::{LinkState, ListPackets, Listener, MapFill, ProgramStats, Sample},
    upstream::UpstreamState,
};

/// The ledger's health.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LedgerHealth {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it, if anything.
    pub problem: Option<String>,
    /// Records of the history that the disk took no more.
    pub lost: u64,
}

/// How the configuration that holds came to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reload {
    /// When it was loaded.
    pub loaded: Timestamp,
    /// A later one was refused: the file is not what holds.
    pub refused: bool,
}

/// How detection stands.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Detection {
    /// It is on.
    pub enabled: bool,
    /// Attacks that go on, by id.
    pub attacks: Arc<Vec<Attack>>,
    /// This host loses packets before it can judge them.
    pub saturated: bool,
    /// How the host kept up lately.
    pub load: Load,
    /// How often each kind of event happened since the start.
    pub happened: BTreeMap<&'static str, u64>,
}

/// An interface of the configuration that has not the program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unprotected {
    /// Its name.
    pub interface: String,
    /// When it was last seen with the program.
    pub since: Timestamp,
    /// Why it has none, in words.
    pub why: String,
}

/// One picture of everything.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// When it was made.
    pub now: Now,
    /// Since when the daemon runs.
    pub started: Timestamp,
    /// The configuration that runs.
    pub config: Arc<Config>,
    /// Since when, and whether the file is still that.
    pub reload: Reload,
    /// What people asked for over it.
    pub overrides: Arc<Overrides>,
    /// What the kernel enforces.
    pub kernel: Arc<KernelState>,
    /// Counters and rates.
    pub meter: Arc<Meter>,
    /// The last two minutes of each address.
    pub recent: Recent,
    /// How things stand with the network above.
    pub upstream: Arc<UpstreamState>,
    /// How things stand with the other nodes.
    pub fleet: Arc<FleetState>,
    /// What all nodes decided and this one does not do, in sentences: a bounded number.
    pub not_here: Vec<String>,
    /// What this node has to tell them of what arrives here; empty where there is no fleet.
    pub report: Arc<Report>,
    /// Who sends most.
    pub talkers: Arc<Talkers>,
    /// What the ladder knows of the addresses that are not at rest.
    pub watched: Arc<BTreeMap<IpAddr, Watched>>,
    /// The host's TCP.
    pub tcp: Arc<TcpFacts>,
    /// Listeners of protected addresses, as the program was told.
    pub listeners: Arc<Vec<Listener>>,
    /// How the large lists stand.
    pub lists: Arc<Vec<ListState>>,
    /// The large lists that the kernel holds, and what they decided about.
    pub list_packets: Arc<Vec<ListPackets>>,
    /// Where the program is attached.
    pub links: Arc<Vec<LinkState>>,
    /// Interfaces of the configuration where it is not.
    pub unprotected: Vec<Unprotected>,
    /// For how long each interface of the configuration was without it since the start.
    pub without: BTreeMap<String, Duration>,
    /// How full the kernel's tables are.
    pub fills: Arc<Vec<MapFill>>,
    /// What the programs cost.
    pub programs: Arc<Vec<ProgramStats>>,
    /// Latest sampled headers, oldest first.
    pub samples: Arc<Vec<Sample>>,
    /// What is detected.
    pub detection: Detection,
    /// The ledger.
    pub ledger: LedgerHealth,
    /// What is not as it should be.
    pub warnings: Vec<String>,
}
