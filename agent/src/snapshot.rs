//! One picture of everything, made once per poll and after every command, and read by everybody who answers questions:
//! nobody but the engine touches the kernel's tables.

use std::{path::PathBuf, sync::Arc};

use jiff::Timestamp;

use crate::{
    clock::Now,
    config::Config,
    decide::KernelState,
    detect::{Meter, Talkers},
    feeds::state::ListState,
    host::TcpFacts,
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
    /// The ledger.
    pub ledger: LedgerHealth,
    /// What is not as it should be.
    pub warnings: Vec<String>,
}
