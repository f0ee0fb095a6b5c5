//! One picture of everything, made once a second, when something happens, and after every command, and read by everybody who answers questions:
//! nobody but the engine touches the kernel's tables.

use std::{collections::BTreeMap, net::IpAddr, path::PathBuf, sync::Arc};

use jiff::Timestamp;

use crate::{
    clock::Now,
    config::Config,
    decide::{KernelState, ladder::Watched},
    detect::{Attack, Meter, Talkers},
    feeds::state::ListState,
    host::{TcpFacts, load::Load},
    overrides::Overrides,
    tables::{LinkState, ListPackets, Listener, MapFill, ProgramStats, Sample},
};

/// The ledger's health.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LedgerHealth {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it, if anything.
    pub problem: Option<String>,
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

/// One picture of everything.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// When it was made.
    pub now: Now,
    /// Since when the daemon runs.
    pub started: Timestamp,
    /// The configuration that runs.
    pub config: Arc<Config>,
    /// What people asked for over it.
    pub overrides: Arc<Overrides>,
    /// What the kernel enforces.
    pub kernel: Arc<KernelState>,
    /// Counters and rates.
    pub meter: Arc<Meter>,
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
