//! The agent in the load balancer's namespace: its configuration, its start, its commands, and the kernel's own count of
//! what it drops.

use std::{
    fmt::Write as _,
    fs,
    net::IpAddr,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use agent::clock::Now;
use anyhow::{Context as _, Result, bail};
use aya::maps::{Array, Map, MapData, PerCpuArray};
use serde_json::Value;
use xdp_common::{
    Action, Address, AddressCpu, CpuState, Reason,
    known::{self, KnownBucket, MaybeKnown},
    map_name, sketch,
};

use crate::{
    addresses::vips,
    binary,
    child::{Manner, Running},
    command::output,
    lab::Lab,
    netns::Netns,
    topology::{BALANCER_INTERFACE, Topology},
};

/// For the verifier on a busy machine.
const PATIENCE: Duration = Duration::from_secs(40);

/// What differs from one lab's agent to another's.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `enforce` or `monitor`.
    pub mode: &'static str,
    /// SYNs per second of one source.
    pub source_syn_rate: u32,
    /// SYNs at once of one source.
    pub source_syn_burst: u32,
    /// SYNs per second of one protected address.
    pub address_syn_rate: u32,
    /// SYNs at once of one protected address.
    pub address_syn_burst: u32,
    /// Protected addresses beside the lab's, as in the configuration.
    pub protect_also: Vec<String>,
    /// More lines of configuration, at the end of the file: whole sections.
    pub more: String,
}

impl Default for Settings {
    /// For a load of 2,000 connections per second from 282 addresses, 7 of each: far below what is allowed.
    fn default() -> Self {
        Self {
            mode: "enforce",
            source_syn_rate: 25,
            source_syn_burst: 25,
            address_syn_rate: 20_000,
            address_syn_burst: 20_000,
            protect_also: Vec::new(),
            more: String::new(),
        }
    }
}

/// An agent that runs. Dropping it ends the process; what it put into the kernel stays.
#[derive(Debug)]
pub struct Agent {
    running: Running,
    home: Home,
}

/// Where a lab's agent keeps its things.
#[derive(Clone, Debug)]
pub struct Home {
    namespace: String,
    directory: PathBuf,
}

impl Home {
    /// In the lab's directory.
    #[must_use]
    pub fn of(topology: &Topology) -> Self {
        Self {
            namespace: topology.balancer().name().to_owned(),
            directory: topology.lab().path("agent"),
        }
    }

    /// In the directory of a lab that has no topology.
    #[must_use]
    pub fn in_namespace(lab: &Lab, namespace: &Netns) -> Self {
        Self {
            namespace: namespace.name().to_owned(),
            directory: lab.path("agent"),
        }
    }

    /// The directory of all that.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The configuration file.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.directory.join("agent.toml")
    }

    /// The control socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.directory.join("agent.sock")
    }

    /// The agent's log.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.directory.join("agent.log")
    }

    /// A command of the agent's command line, in the load balancer's namespace.
    ///
    /// Both options are given, so that commands find the pinned maps when no agent answers at the socket.
    pub fn command(&self, arguments: &[&str]) -> Result<Command> {
        self.command_within(&[], arguments)
    }

    /// The same by way of another program, which puts it into other surroundings (`unshare`, `taskset`, `env`).
    fn command_within(&self, wrapper: &[&str], arguments: &[&str]) -> Result<Command> {
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &self.namespace])
            .args(wrapper)
            .arg(binary::agent()?);
        command
            .arg("--config")
            .arg(self.config())
            .arg("--socket")
            .arg(self.socket())
            .args(arguments);
        Ok(command)
    }

    /// Runs a command of the agent and returns its standard output.
    pub fn ask(&self, arguments: &[&str]) -> Result<String> {
        output(&mut self.command(arguments)?)
    }

    /// Runs a command of the agent with `--json` and returns what it printed.
    pub fn ask_json(&self, arguments: &[&str]) -> Result<Value> {
        let text = self.ask(&[&["--json"], arguments].concat())?;
        serde_json::from_str(&text).with_context(|| format!("`agent --json {}` printed {text:?}", arguments.join(" ")))
    }

    /// Packets that met this reason, at all protected addresses together, as `agent stats` counts them.
    pub fn packets(&self, reason: Reason) -> Result<u64> {
        let stats = self.ask_json(&["stats"])?;
        let addresses = stats["addresses"]
            .as_array()
            .context("`agent stats` names no addresses")?;
        Ok(addresses
            .iter()
            .filter_map(|address| address["packets"][reason.name()].as_u64())
            .sum())
    }

    /// Writes the configuration.
    pub fn configure(&self, lab: &Lab, settings: &Settings) -> Result<()> {
        fs::create_dir_all(&self.directory).with_context(|| format!("cannot make {}", self.directory.display()))?;
        let file = self.config();
        let text = configuration(self, &lab.bpf_directory(), settings)?;
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
    }
}

impl Agent {
    /// Writes the configuration, starts `agent run`, and waits until it answers.
    pub fn start(topology: &Topology, settings: &Settings, outlives_parent: bool) -> Result<Self> {
        let home = Home::of(topology);
        home.configure(topology.lab(), settings)?;
        Self::start_as_configured(topology, outlives_parent)
    }

    /// Starts `agent run` with the configuration that is there, and waits until it answers.
    pub fn start_as_configured(topology: &Topology, outlives_parent: bool) -> Result<Self> {
        Self::launch(topology.lab(), Home::of(topology), outlives_parent)
    }

    /// The same for a lab that has no topology.
    pub fn launch(lab: &Lab, home: Home, outlives_parent: bool) -> Result<Self> {
        Self::launch_within(lab, home, &[], outlives_parent)
    }

    /// Starts it by way of another program, which replaces itself by the agent.
    pub fn start_within(topology: &Topology, wrapper: &[&str]) -> Result<Self> {
        Self::launch_within(topology.lab(), Home::of(topology), wrapper, false)
    }

    fn launch_within(lab: &Lab, home: Home, wrapper: &[&str], outlives_parent: bool) -> Result<Self> {
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(home.log())
            .with_context(|| format!("cannot open {}", home.log().display()))?;
        let mut command = home.command_within(wrapper, &["run"])?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let manner = Manner {
            outlives_parent,
            ..Manner::default()
        };
        let running = Running::start(lab, command, manner)?;
        let mut agent = Self { running, home };
        agent.wait_until_ready()?;
        Ok(agent)
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if let Some(status) = self.running.ended()? {
                bail!("`agent run` ended at once ({status}): {}", self.log_end());
            }
            // What another agent left of its socket is no agent; `status` alone would do without one.
            if UnixStream::connect(self.home.socket()).is_ok() && self.home.ask(&["--json", "status"]).is_ok() {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(20));
        }
        bail!(
            "`agent run` does not answer after {} s: {}",
            PATIENCE.as_secs(),
            self.log_end()
        )
    }

    fn log_end(&self) -> String {
        let text = fs::read_to_string(self.home.log()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(10)..].join("\n")
    }

    /// Waits until the agent has set the sysctls that cookies need, which it does only while all is calm.
    pub fn wait_for_sysctls(&self, topology: &Topology) -> Result<()> {
        let start = Instant::now();
        let mut read = topology.server().command("cat");
        read.args(["/proc/sys/net/ipv4/tcp_syncookies", "/proc/sys/net/ipv4/tcp_timestamps"]);
        while start.elapsed() < PATIENCE {
            if output(&mut read)? == "2\n2\n" {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(50));
        }
        bail!("the agent has not set the sysctls: {}", self.home.ask(&["status"])?)
    }

    /// Where it keeps its things.
    #[must_use]
    pub const fn home(&self) -> &Home {
        &self.home
    }

    /// The process.
    pub const fn process(&mut self) -> &mut Running {
        &mut self.running
    }

    /// Lets go of the process: it runs on, and `lab down` ends it.
    pub fn leave(self) {
        self.running.leave();
    }
}

fn configuration(home: &Home, bpffs: &Path, settings: &Settings) -> Result<String> {
    let vips = vips().into_iter().map(|vip| vip.to_string());
    let protect: Vec<String> = vips
        .chain(settings.protect_also.iter().cloned())
        .map(|address| format!("\"{address}\""))
        .collect();
    let mut text = String::new();
    writeln!(text, "mode = \"{}\"", settings.mode)?;
    writeln!(text, "interfaces = [\"{BALANCER_INTERFACE}\"]")?;
    writeln!(text, "protect = [{}]", protect.join(", "))?;
    for (kind, rate, burst) in [
        ("source", settings.source_syn_rate, settings.source_syn_burst),
        ("address", settings.address_syn_rate, settings.address_syn_burst),
    ] {
        writeln!(text, "\n[thresholds.{kind}]\nsyn_rate = {rate}\nsyn_burst = {burst}")?;
    }
    writeln!(text, "\n[control]\nsocket = \"{}\"", home.socket().display())?;
    writeln!(
        text,
        "\n[state]\ndirectory = \"{}\"",
        home.directory.join("state").display()
    )?;
    writeln!(text, "\n[kernel]\nbpffs = \"{}\"", bpffs.display())?;
    write!(text, "\n{}", settings.more)?;
    Ok(text)
}

/// The kernel's own count of dropped packets, which goes on when the agent is dead.
pub struct Drops {
    map: PerCpuArray<MapData, CpuState>,
}

impl std::fmt::Debug for Drops {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Drops").finish_non_exhaustive()
    }
}

impl Drops {
    /// Opens the pinned map of a lab whose agent has started.
    pub fn open(lab: &Lab) -> Result<Self> {
        Ok(Self {
            map: PerCpuArray::try_from(Map::PerCpuArray(pinned(lab, map_name::CPU)?))?,
        })
    }

    /// Packets dropped since the program was first loaded.
    pub fn total(&self) -> Result<u64> {
        let values = self
            .map
            .get(&0, 0)
            .context("cannot read the count of dropped packets")?;
        Ok(values.iter().map(|state| state.dropped).sum())
    }
}

/// The kernel's own count of the SYNs that it answered, which goes on when the agent is dead.
pub struct Answers {
    map: PerCpuArray<MapData, AddressCpu>,
}

impl std::fmt::Debug for Answers {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Answers").finish_non_exhaustive()
    }
}

impl Answers {
    /// More protected addresses than any lab has.
    const SLOTS: u32 = 64;

    /// Opens the pinned map of a lab whose agent has started.
    pub fn open(lab: &Lab) -> Result<Self> {
        Ok(Self {
            map: PerCpuArray::try_from(Map::PerCpuArray(pinned(lab, map_name::ADDRESS_CPU)?))?,
        })
    }

    /// SYNs answered, at all protected addresses together, since the program was first loaded.
    pub fn total(&self) -> Result<u64> {
        let replies = || Reason::ALL.iter().filter(|reason| reason.action() == Action::Reply);
        let mut total = 0;
        for slot in 0..Self::SLOTS {
            let cpus = self
                .map
                .get(&slot, 0)
                .context("cannot read the counters of an address")?;
            total += cpus
                .iter()
                .flat_map(|cpu| replies().map(|reason| u64::from(cpu.packets[reason.index()])))
                .sum::<u64>();
        }
        Ok(total)
    }
}

/// The pinned table of known sources.
pub struct KnownSources {
    buckets: Array<MapData, KnownBucket>,
    maybe: Array<MapData, MaybeKnown>,
    settings: Array<MapData, xdp_common::Settings>,
}

impl std::fmt::Debug for KnownSources {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("KnownSources").finish_non_exhaustive()
    }
}

impl KnownSources {
    /// Opens it.
    ///
    /// # Errors
    /// There is no program with its maps.
    pub fn open(lab: &Lab) -> Result<Self> {
        Ok(Self {
            buckets: Map::Array(pinned(lab, map_name::KNOWN)?).try_into()?,
            maybe: Map::Array(pinned(lab, map_name::MAYBE_KNOWN)?).try_into()?,
            settings: Map::Array(pinned(lab, map_name::SETTINGS)?).try_into()?,
        })
    }

    /// Forgets everybody, as time does.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn forget(&mut self) -> Result<()> {
        for index in 0..self.maybe.len() {
            self.maybe.set(index, MaybeKnown::default(), 0)?;
        }
        for index in 0..self.buckets.len() {
            self.buckets.set(index, KnownBucket::default(), 0)?;
        }
        Ok(())
    }

    /// Whether this one is known. Others may be: the kernel tells each agent of all handshakes of the machine, those of other labs too.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn has(&self, source: IpAddr) -> Result<bool> {
        let settings = self.settings.get(&0, 0)?;
        let hash = sketch::hash(Address::from(source).source(), settings.seed);
        let bucket = self.buckets.get(&known::bucket_of(hash, self.buckets.len() - 1), 0)?;
        Ok(bucket.has(hash, Now::read().mono.0, settings.known_ticks))
    }
}

fn pinned(lab: &Lab, map: &str) -> Result<MapData> {
    let version = format!("levee/v{}", map_name::PIN_VERSION);
    let pin = lab.bpf_directory().join(version).join(map);
    MapData::from_pin(&pin).with_context(|| format!("cannot open the pinned map {}", pin.display()))
}
