//! How the agent itself runs, in the file: its sockets, files, tables, samples and log.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::units::Interval;
use crate::tables::XdpMode;

/// The control socket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(inline)]
pub struct Control {
    /// Path of the Unix socket. Its mode is 0660. Changes need a restart.
    pub socket: PathBuf,
    /// Group whose members may operate, besides root: everything that the commands of `agent` can
    /// do. Who connects is known by the kernel's word (SO_PEERCRED, SO_PEERGROUPS), and recorded
    /// with each command. Changes need a restart.
    #[schemars(extend("examples" = ["levee"]))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Group whose members may view: status, statistics, attacks, events, `agent top` and
    /// `agent explain`. They change nothing and capture nothing. Changes need a restart.
    #[schemars(extend("examples" = ["levee-view"]))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub view_group: Option<String>,
}

impl Default for Control {
    fn default() -> Self {
        Self {
            socket: PathBuf::from("/run/levee/agent.sock"),
            group: None,
            view_group: None,
        }
    }
}

/// Prometheus metrics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(inline)]
pub struct Metrics {
    /// Address and port of the metrics (path /metrics), or "off". They name your addresses: keep
    /// them on loopback unless the network there is yours. Changes need a restart.
    pub listen: String,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:9666".to_owned(),
        }
    }
}

/// What survives a restart and a reboot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(inline)]
pub struct State {
    /// Directory of the ledger (SQLite): blocks, allows, overrides, and who changed what.
    /// Changes need a restart.
    pub directory: PathBuf,
}

impl Default for State {
    fn default() -> Self {
        Self {
            directory: PathBuf::from("/var/lib/levee"),
        }
    }
}

/// Where things are kept in the kernel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(inline)]
pub struct Kernel {
    /// Where the BPF file system is, or is to be mounted. Changes need a restart.
    pub bpffs: PathBuf,
    /// "native" runs in the driver, "generic" in the network stack at several times the cost,
    /// "auto" is native where the driver can. Changes need a restart.
    pub xdp_mode: XdpMode,
}

impl Default for Kernel {
    fn default() -> Self {
        Self {
            bpffs: PathBuf::from("/sys/fs/bpf"),
            xdp_mode: XdpMode::Auto,
        }
    }
}

/// Sizes of the kernel's tables.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(inline)]
pub struct Limits {
    /// Protected addresses at most.
    #[schemars(range(min = 1, max = 16_384))]
    pub addresses: u32,
    /// Groups of them at most.
    #[schemars(range(min = 1, max = 1_024))]
    pub groups: u32,
    /// Entries of the source list (allowed and blocked prefixes together) at most.
    #[schemars(range(min = 16, max = 1_048_576))]
    pub list_entries: u32,
    /// Prefixes of all lists together at most. While there are lists, each takes 16 bytes, used or
    /// not, besides 3 MiB; twice that for the moment in which a new version replaces one.
    #[schemars(range(min = 1_000, max = 4_000_000))]
    pub list_prefixes: u32,
    /// Sources with an exact record at most. A source gets one when it is heavy.
    #[schemars(range(min = 1_024, max = 1_048_576))]
    pub sources: u32,
    /// Sources that can be known (see verify.known_for) at most: a power of two. 4 bytes each.
    #[schemars(range(min = 1_024, max = 16_777_216))]
    pub known_sources: u32,
    /// MiB of memory for SYNs that were not answered, by which their retransmissions are told: a
    /// power of two. 8 MiB serve 2 million SYNs per second.
    #[schemars(range(min = 1, max = 1_024))]
    pub retry_memory: u32,
    /// Listening sockets (address and port) that can be told apart at most. Beyond it, connections
    /// made by cookie have no window scaling.
    #[schemars(range(min = 16, max = 1_048_576))]
    pub listeners: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            addresses: 4_096,
            groups: 64,
            list_entries: 16_384,
            list_prefixes: 1_250_000,
            sources: 65_536,
            known_sources: 131_072,
            retry_memory: 8,
            listeners: 16_384,
        }
    }
}

/// Copies of the headers of dropped packets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(inline)]
pub struct Samples {
    /// Headers per second at most; 0 for none.
    #[schemars(range(min = 0, max = 10_000))]
    pub per_second: u32,
}

impl Default for Samples {
    fn default() -> Self {
        Self { per_second: 100 }
    }
}

/// How often counters are read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(inline)]
pub struct Poll {
    /// Time between two readings of the counters, 100ms to 1m: so often detection looks. Rates for
    /// people are over a second, or over this if it is longer.
    pub interval: Interval,
}

impl Default for Poll {
    fn default() -> Self {
        Self {
            interval: Interval::TENTH,
        }
    }
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object per line.
    Json,
}

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum LogLevel {
    /// What failed.
    Error,
    /// And what will fail if nobody looks.
    Warn,
    /// And what was changed, by whom.
    Info,
    /// And why.
    Debug,
    /// And everything else.
    Trace,
}

/// The agent's own log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(inline)]
pub struct Log {
    /// "error", "warn", "info", "debug" or "trace".
    pub level: LogLevel,
    /// "text" for people, "json" for machines. Changes need a restart.
    pub format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            level: LogLevel::Info,
            format: LogFormat::Text,
        }
    }
}
