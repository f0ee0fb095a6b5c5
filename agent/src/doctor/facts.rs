//! What is known of the host: gathered by [`super::gather`], judged by [`super::checks`]. What could not be looked at says why.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    path::PathBuf,
    time::Duration,
};

use crate::{
    config::{Config, ConfigFile, Problem},
    control::api::StatusView,
    host::Sysctls,
    kernel::Probed,
    tables::XdpMode,
};

/// What was seen, or why it was not.
pub type Seen<T> = Result<T, String>;

/// All of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// The kernel.
    pub kernel: KernelFacts,
    /// CPUs.
    pub cpus: Cpus,
    /// The interfaces that are to be protected.
    pub nics: Vec<Nic>,
    /// XDP on them, and Levee's own remains.
    pub xdp: XdpFacts,
    /// Settings of the network.
    pub sysctls: SysctlFacts,
    /// Memory.
    pub memory: MemoryFacts,
    /// Clocks.
    pub clock: ClockFacts,
    /// What this process may do, and where.
    pub permissions: PermissionFacts,
    /// The configuration.
    pub config: ConfigFacts,
    /// The fleet, if this node is of one.
    pub fleet: Option<FleetFacts>,
    /// The agent that runs, if one does.
    pub agent: AgentFacts,
}

/// The kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelFacts {
    /// Its release.
    pub release: String,
    /// Why it is too old, if it is.
    pub too_old: Option<String>,
    /// It describes its types (`/sys/kernel/btf/vmlinux`).
    pub btf: bool,
    /// What it said to the probes.
    pub probed: Seen<Probed>,
    /// The tracepoint of the handshakes is there; `None` where tracefs is not mounted, but known to the kernel.
    pub tracepoint: Seen<Option<bool>>,
    /// `net.core.bpf_jit_enable`.
    pub jit: Seen<u64>,
    /// `net.core.bpf_jit_harden`.
    pub jit_harden: Seen<u64>,
}

/// CPUs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cpus {
    /// That run.
    pub online: usize,
    /// That may come: maps have an element for each.
    pub possible: usize,
}

/// One interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nic {
    /// Name.
    pub name: String,
    /// Its driver, as ethtool names it.
    pub driver: Option<String>,
    /// What sort of virtual device it is (`vlan`, `bond`, ..), if it is one.
    pub kind: Option<String>,
    /// The interface underneath, by name, where it is on one of this namespace.
    pub lower: Option<String>,
    /// VLAN interfaces on it.
    pub vlans: Vec<String>,
    /// Switched on.
    pub up: bool,
    /// It has a carrier.
    pub carrier: bool,
    /// MTU in bytes.
    pub mtu: u32,
    /// What its driver says it can do with XDP (`enum netdev_xdp_act`), where the kernel tells (6.3).
    pub xdp_features: Seen<u64>,
    /// Features that are on, by their names in the kernel (`rx-lro`).
    pub features: Seen<BTreeMap<String, Feature>>,
    /// Receive queues: now and at most.
    pub queues: Seen<(u32, u32)>,
    /// Queues are of the kind that receives and sends (`combined`), not one of each.
    pub combined: bool,
    /// Descriptors of the receive ring: now and at most.
    pub ring: Seen<(u32, u32)>,
    /// Queues that the indirection table sends to.
    pub indirection: Seen<BTreeSet<u32>>,
    /// Interrupts of its receive queues: number and the CPUs that take them.
    pub interrupts: Vec<(u32, String)>,
    /// Receive queues that share their work after XDP among CPUs (RPS), and all.
    pub rps: (usize, usize),
    /// XDP programs on it.
    pub programs: Vec<Attached>,
}

/// A feature of an interface that ethtool can switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Feature {
    /// It is on.
    pub active: bool,
    /// It can be switched.
    pub changeable: bool,
}

/// An XDP program on an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attached {
    /// The kernel's id of it.
    pub id: u32,
    /// In the driver, or generic.
    pub mode: XdpMode,
    /// Its name, where this process may ask.
    pub name: Option<String>,
    /// The id of the link that holds it, where this process may ask and there is one.
    pub link: Seen<Option<u32>>,
}

/// XDP beside the interfaces' own programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XdpFacts {
    /// Where this agent's links are pinned: interfaces, and the ids of the programs behind their links.
    pub pinned: Seen<BTreeMap<String, Option<u32>>>,
    /// Pin directories of other versions.
    pub other_versions: Vec<PathBuf>,
    /// What is pinned is of these sizes instead of the configured ones.
    pub other_sizes: Vec<String>,
    /// There are maps of this version, from an agent that runs or ran.
    pub has_maps: bool,
    /// Who holds the locks: directory and process.
    pub locks: Vec<(PathBuf, u32)>,
}

/// Settings of the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SysctlFacts {
    /// Those that decide what a SYN-ACK says.
    pub tcp: Sysctls,
    /// Others, by their names; absent where this namespace or kernel has none.
    pub values: BTreeMap<String, u64>,
}

impl SysctlFacts {
    /// One of them.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<u64> {
        self.values.get(name).copied()
    }
}

/// Memory, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryFacts {
    /// That can be had without swapping (`MemAvailable`).
    pub available: Seen<u64>,
    /// That the maps of the configuration take.
    pub maps: u64,
    /// That the table of its lists takes while a new version replaces one.
    pub lists: u64,
    /// The largest maps, largest first.
    pub largest: Vec<(String, u64)>,
    /// `RLIMIT_MEMLOCK`, where this kernel counts maps against it (before 5.11).
    pub memlock: Option<u64>,
    /// What the memory cgroup of this process leaves: its directory and bytes.
    pub cgroup: Option<(PathBuf, u64)>,
    /// `RLIMIT_NOFILE`.
    pub open_files: u64,
}

/// Clocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClockFacts {
    /// The wall clock.
    pub now: jiff::Timestamp,
    /// The wall clock is synchronised (adjtimex(2)).
    pub synchronised: Seen<bool>,
    /// What the kernel reads the time from, and what it could.
    pub source: Seen<(String, Vec<String>)>,
    /// Time that the host was suspended in this boot.
    pub suspended: Duration,
    /// The wall clock is so far behind the ledger's latest write.
    pub behind_ledger: Option<Duration>,
}

/// A place that is written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Path.
    pub path: PathBuf,
    /// What keeps it from being used, if anything does.
    pub obstacle: Option<Obstacle>,
    /// Bytes that are free there.
    pub free: Option<u64>,
    /// Permission bits, where it exists.
    pub mode: Option<u32>,
}

/// What keeps a place from being used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// This path is no directory.
    NoDirectory(PathBuf),
    /// The file system that is mounted here is read-only.
    ReadOnly(PathBuf),
    /// This process may not write here.
    Forbidden(PathBuf),
}

/// The BPF file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bpffs {
    /// Mounted and writable.
    Mounted,
    /// Nothing is mounted there, or something else.
    Missing,
    /// Mounted read-only.
    ReadOnly,
    /// It cannot be looked at.
    Unknown(String),
}

/// A group that may use the control socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlGroup {
    /// The setting that names it.
    pub key: &'static str,
    /// Its name.
    pub name: String,
    /// Members that the group's entry lists; `None` where there is no such group.
    pub members: Option<usize>,
}

/// What this process may do, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PermissionFacts {
    /// It is root's.
    pub root: bool,
    /// Capabilities that `agent run` needs and this process lacks.
    pub missing: Vec<String>,
    /// It may mount file systems.
    pub may_mount: bool,
    /// The BPF file system, and where.
    pub bpffs: (PathBuf, Bpffs),
    /// The state directory.
    pub state: Place,
    /// The directory of the control socket.
    pub socket: Place,
    /// The control socket's path is something else than a socket.
    pub socket_taken: bool,
    /// Groups that `[control]` names.
    pub groups: Vec<ControlGroup>,
    /// What the kernel is locked down to (`none`, `integrity`, `confidentiality`), where it can be.
    pub lockdown: Option<String>,
    /// SELinux enforces.
    pub selinux: bool,
    /// `kernel.unprivileged_bpf_disabled`.
    pub unprivileged_bpf: Option<u64>,
}

/// The way from this host to a protected address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// It is this host's own.
    Local,
    /// By this interface and next hop, if there is one.
    By {
        /// The interface.
        interface: String,
        /// The next hop.
        next_hop: Option<IpAddr>,
        /// The next hop does not answer to ARP or neighbour discovery.
        dead: bool,
    },
    /// None, and what the kernel said.
    None(String),
}

/// The configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfigFacts {
    /// Its path.
    pub path: PathBuf,
    /// There is such a file.
    pub is_there: bool,
    /// As much of it as can be understood.
    pub file: Option<ConfigFile>,
    /// What it comes to; or everything that is wrong with it.
    pub resolved: Result<Box<Config>, Vec<Problem>>,
    /// Ways to protected addresses, at most so many as are looked up.
    pub ways: BTreeMap<IpAddr, Way>,
    /// Interfaces of the default routes.
    pub default_interfaces: Vec<String>,
    /// Next hops of the default routes.
    pub gateways: Vec<IpAddr>,
    /// From where the caller is logged in.
    pub ssh_peer: Option<IpAddr>,
    /// The interfaces were named on the command line, or guessed.
    pub interfaces_from: InterfacesFrom,
    /// Prefixes of the large lists, as of their files or last good versions: name and number.
    pub lists: Vec<(String, usize)>,
    /// TCP sockets that listen.
    pub listening: usize,
}

/// Who said which interfaces to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InterfacesFrom {
    /// The configuration.
    Config,
    /// The command line.
    CommandLine,
    /// Nobody: they are those of the default routes.
    DefaultRoute,
}

/// The fleet's etcd, and what this node shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FleetFacts {
    /// etcd's URLs, and whether a TCP connection comes about.
    pub endpoints: Vec<(String, Seen<()>)>,
    /// Files of certificates and keys.
    pub files: Vec<FleetFile>,
    /// What is odd about the password's file.
    pub password: Option<String>,
}

/// A file of `[fleet]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FleetFile {
    /// The setting that names it: `fleet.ca`, `fleet.cert` or `fleet.key`.
    pub key: &'static str,
    /// Path.
    pub path: PathBuf,
    /// Permission bits, where it can be read.
    pub mode: Seen<u32>,
    /// When what it vouches for ends, where it holds a certificate or should.
    pub ends: Option<Seen<jiff::Timestamp>>,
}

/// The agent that runs.
#[derive(Debug, Clone, PartialEq)]
pub enum AgentFacts {
    /// Nobody answers at this socket.
    NotRunning(PathBuf),
    /// It runs and cannot be asked.
    Unknown(String),
    /// It says this of itself.
    Running(Box<StatusView>),
}
