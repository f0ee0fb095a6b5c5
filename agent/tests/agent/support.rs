//! The kernel's tables in memory, a host, a configuration and an engine on top of them, for tests that need no kernel.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    path::Path,
    sync::{Arc, Mutex, MutexGuard},
};

use agent::{
    clock::Now,
    command::{Command, Order},
    config::{self, Config},
    control::api::{AllowRequest, BlockRequest, Done, RemoveRequest},
    decide::Refusal,
    engine::{Engine, start::Parts},
    host::{Host, HostFacts, Interface, Listening, Peers, Sysctl, Sysctls, TcpFacts},
    ledger::Ledger,
    tables::{
        AddressCounts, AddressState, CounterReading, GroupReading, GroupState, KernelSettings, KernelTables, Limit,
        LinkState, ListEntry, ListHead, ListImage, ListPackets, Listener, ListenerFacts, MapFill, Mode, MonotonicNs,
        ProgramStats, Result, Sample, SourceUsage, Syncookies, TableError, XdpMode,
    },
    traffic::TallyReading,
};
use ipnet::IpNet;

/// What the fake kernel holds.
#[derive(Debug)]
pub(crate) struct Fake {
    pub(crate) generation: u64,
    pub(crate) settings: KernelSettings,
    pub(crate) addresses: BTreeMap<IpAddr, AddressState>,
    pub(crate) groups: BTreeMap<IpNet, GroupState>,
    pub(crate) group_readings: Vec<GroupReading>,
    pub(crate) entries: BTreeMap<IpNet, ListEntry>,
    /// Entries that there is room for.
    pub(crate) room: usize,
    pub(crate) links: BTreeMap<String, XdpMode>,
    pub(crate) counts: Vec<AddressCounts>,
    pub(crate) sources: Vec<SourceUsage>,
    pub(crate) tally: TallyReading,
    /// What the next drain gives.
    pub(crate) samples: Vec<Sample>,
    /// Writes done so far.
    pub(crate) writes: usize,
    /// The write with this number fails, once.
    pub(crate) fail_at: Option<usize>,
    /// Interfaces that refuse to be attached.
    pub(crate) refuse_attach: Vec<String>,
    pub(crate) lists: ListImage,
    pub(crate) listeners: BTreeMap<(IpAddr, u16), ListenerFacts>,
    /// Sources that were made known.
    pub(crate) known: Vec<IpAddr>,
    /// The tracepoint is attached.
    pub(crate) watches_handshakes: bool,
    /// Why it cannot be.
    pub(crate) refuse_watching: Option<String>,
}

impl Default for Fake {
    fn default() -> Self {
        let limit = Limit {
            syn_rate: config::units::Rate::new(1).expect("rate"),
            syn_burst: config::units::Burst::new(1).expect("burst"),
        };
        Self {
            generation: 1,
            settings: KernelSettings::new(Mode::Monitor, limit),
            addresses: BTreeMap::new(),
            groups: BTreeMap::new(),
            group_readings: Vec::new(),
            entries: BTreeMap::new(),
            room: usize::MAX,
            links: BTreeMap::new(),
            counts: Vec::new(),
            sources: Vec::new(),
            tally: TallyReading::default(),
            samples: Vec::new(),
            writes: 0,
            fail_at: None,
            refuse_attach: Vec::new(),
            lists: ListImage::default(),
            listeners: BTreeMap::new(),
            known: Vec::new(),
            watches_handshakes: false,
            refuse_watching: None,
        }
    }
}

/// A handle on the fake kernel: it outlives the engine, as the kernel outlives the daemon.
#[derive(Debug, Clone, Default)]
pub(crate) struct FakeKernel(Arc<Mutex<Fake>>);

impl FakeKernel {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Fake> {
        self.0.lock().expect("no test panics with the lock")
    }

    fn write(&self) -> Result<MutexGuard<'_, Fake>> {
        let mut fake = self.lock();
        fake.writes += 1;
        if fake.fail_at.is_some_and(|at| fake.writes == at) {
            fake.fail_at = None;
            return Err(TableError::Full {
                map: "FAKE".to_owned(),
                capacity: 1,
                setting: "limits.list_entries",
            });
        }
        Ok(fake)
    }
}

impl KernelTables for FakeKernel {
    fn generation(&self) -> u64 {
        self.lock().generation
    }

    fn settings(&self) -> Result<KernelSettings> {
        Ok(self.lock().settings)
    }

    fn put_settings(&mut self, settings: &KernelSettings) -> Result<()> {
        self.write()?.settings = *settings;
        Ok(())
    }

    fn addresses(&self) -> Result<Vec<AddressState>> {
        Ok(self.lock().addresses.values().copied().collect())
    }

    fn put_address(&mut self, state: &AddressState) -> Result<()> {
        self.write()?.addresses.insert(state.address, *state);
        Ok(())
    }

    fn remove_address(&mut self, address: IpAddr) -> Result<()> {
        let mut fake = self.write()?;
        fake.addresses.remove(&address);
        fake.listeners.retain(|(at, _), _| *at != address);
        Ok(())
    }

    fn groups(&self) -> Result<Vec<GroupState>> {
        Ok(self.lock().groups.values().copied().collect())
    }

    fn put_group(&mut self, group: &GroupState) -> Result<()> {
        self.write()?.groups.insert(group.prefix, *group);
        Ok(())
    }

    fn remove_group(&mut self, prefix: IpNet) -> Result<()> {
        self.write()?.groups.remove(&prefix);
        Ok(())
    }

    fn entries(&self) -> Result<Vec<ListEntry>> {
        Ok(self.lock().entries.values().copied().collect())
    }

    fn put_entry(&mut self, entry: &ListEntry) -> Result<()> {
        let mut fake = self.write()?;
        if fake.entries.len() >= fake.room && !fake.entries.contains_key(&entry.prefix) {
            return Err(TableError::Full {
                map: "FAKE".to_owned(),
                capacity: 1,
                setting: "limits.list_entries",
            });
        }
        fake.entries.insert(entry.prefix, *entry);
        Ok(())
    }

    fn remove_entry(&mut self, prefix: IpNet) -> Result<()> {
        self.write()?.entries.remove(&prefix);
        Ok(())
    }

    fn put_lists(&mut self, image: &ListImage) -> Result<()> {
        self.write()?.lists = image.clone();
        Ok(())
    }

    fn lists(&self) -> Result<Vec<ListPackets>> {
        let counted = |head: &ListHead| ListPackets {
            head: head.clone(),
            packets: 1_000 + u64::from(head.number),
        };
        Ok(self.lock().lists.heads.iter().map(counted).collect())
    }

    fn listeners(&self) -> Vec<Listener> {
        let listener = |(&(address, port), &facts)| Listener { address, port, facts };
        self.lock().listeners.iter().map(listener).collect()
    }

    fn put_listener(&mut self, listener: &Listener) -> Result<()> {
        let place = (listener.address, listener.port);
        self.write()?.listeners.insert(place, listener.facts);
        Ok(())
    }

    fn remove_listener(&mut self, address: IpAddr, port: u16) -> Result<()> {
        self.write()?.listeners.remove(&(address, port));
        Ok(())
    }

    fn remember(&mut self, sources: &[IpAddr], _: MonotonicNs) -> Result<usize> {
        self.lock().known.extend(sources);
        Ok(sources.len())
    }

    fn counters(&self) -> Result<CounterReading> {
        let fake = self.lock();
        Ok(CounterReading {
            addresses: fake.counts.clone(),
            groups: fake.group_readings.clone(),
            ..CounterReading::default()
        })
    }

    fn sources(&self) -> Result<Vec<SourceUsage>> {
        Ok(self.lock().sources.clone())
    }

    fn tally(&self, _now: MonotonicNs) -> Result<TallyReading> {
        Ok(self.lock().tally.clone())
    }

    fn fills(&self) -> Result<Vec<MapFill>> {
        let fill = |name: &str, used| MapFill {
            name: name.to_owned(),
            used: Some(used),
            capacity: 10,
            memory_bytes: 4096,
        };
        Ok(vec![fill("SOURCE_LIST", self.lock().entries.len() as u64)])
    }

    fn programs(&self) -> Result<Vec<ProgramStats>> {
        Ok(vec![ProgramStats {
            name: "levee".to_owned(),
            run_count: 3,
            run_time_ns: 1_500_000_000,
        }])
    }

    fn watch_handshakes(&mut self) -> Result<()> {
        let mut fake = self.lock();
        match fake.refuse_watching.clone() {
            Some(why) => Err(TableError::Kernel(why)),
            None => {
                fake.watches_handshakes = true;
                Ok(())
            }
        }
    }

    fn links(&self) -> Result<Vec<LinkState>> {
        let link = |(interface, mode): (&String, &XdpMode)| LinkState {
            interface: interface.clone(),
            mode: *mode,
            warning: None,
        };
        Ok(self.lock().links.iter().map(link).collect())
    }

    fn attach(&mut self, interface: &str, _: XdpMode) -> Result<LinkState> {
        let mut fake = self.lock();
        if fake.refuse_attach.iter().any(|refused| refused == interface) {
            return Err(TableError::Kernel(format!(
                "cannot attach to {interface}: the driver says no"
            )));
        }
        fake.links.insert(interface.to_owned(), XdpMode::Native);
        Ok(LinkState {
            interface: interface.to_owned(),
            mode: XdpMode::Native,
            warning: None,
        })
    }

    fn detach(&mut self, interface: &str) -> Result<()> {
        self.lock().links.remove(interface);
        Ok(())
    }

    fn remove_other_versions(&mut self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    fn detach_all(&mut self) -> Result<()> {
        let mut fake = self.lock();
        *fake = Fake {
            generation: fake.generation + 1,
            ..Fake::default()
        };
        Ok(())
    }

    fn drain_samples(&mut self, _: usize) -> Vec<Sample> {
        std::mem::take(&mut self.lock().samples)
    }
}

pub(crate) fn address(text: &str) -> IpAddr {
    text.parse().expect("test address")
}

pub(crate) fn net(text: &str) -> IpNet {
    config::prefix::parse(text).expect("test prefix")
}

/// A host with two addresses on eth0, a gateway and a resolver.
pub(crate) fn host() -> HostFacts {
    let interface = |name: &str, addresses: &[&str]| Interface {
        name: name.to_owned(),
        addresses: addresses.iter().map(|text| address(text)).collect(),
        mtu: 1_500,
        receive_drops: 0,
    };
    HostFacts {
        interfaces: vec![
            interface("lo", &["127.0.0.1", "::1"]),
            interface("eth0", &["203.0.113.7", "2001:db8:f::7", "fe80::1"]),
            interface("eth1", &[]),
        ],
        gateways: vec![address("192.0.2.1")],
        resolvers: vec![address("192.0.2.53")],
    }
}

/// The TCP of that host: cookies and plain timestamps, a web server everywhere.
pub(crate) fn tcp() -> TcpFacts {
    let web = Listening {
        address: address("::"),
        port: 80,
        v6: true,
        v6_only: false,
        interface: 0,
        receive_buffer: 131_072,
        chosen: None,
        inode: 0,
        cookie: 0,
    };
    TcpFacts {
        sysctls: Sysctls {
            syncookies: Syncookies::WhenFull,
            timestamps: 2,
            ..Sysctls::default()
        },
        interfaces: host().interfaces,
        listening: vec![web],
        ..TcpFacts::default()
    }
}

/// What a test host was told and tells.
#[derive(Debug, Clone, Default)]
pub(crate) struct FakeHost {
    pub(crate) peers: Arc<Mutex<Vec<IpAddr>>>,
    pub(crate) sysctls: Arc<Mutex<Vec<(Sysctl, u32)>>>,
}

impl Host for FakeHost {
    fn peers(&self, _: &dyn Fn(IpAddr) -> bool) -> std::io::Result<Peers> {
        Ok(Peers {
            addresses: self.peers.lock().expect("lock").clone(),
            cut_off: false,
        })
    }

    fn set_sysctl(&self, sysctl: Sysctl, value: u32) -> std::io::Result<()> {
        self.sysctls.lock().expect("lock").push((sysctl, value));
        Ok(())
    }
}

/// The configuration of most tests; `more` goes before the sections.
pub(crate) fn config(more: &str) -> Config {
    let text =
        format!("interfaces = [\"eth0\"]\nprotect = [\"203.0.113.7\", \"203.0.113.8\"]\nmode = \"enforce\"\n{more}");
    config::load_text(&text, Path::new("/etc/levee/agent.toml"), &host()).unwrap_or_else(|error| panic!("{error}"))
}

/// Noon, an hour after boot.
pub(crate) fn noon() -> Now {
    Now {
        wall: "2025-06-01T12:00:00Z".parse().expect("timestamp"),
        mono: MonotonicNs(3_600_000_000_000),
    }
}

/// So many seconds later, on both clocks.
pub(crate) fn later(now: Now, secs: u64) -> Now {
    let expiry = now.plus(std::time::Duration::from_secs(secs));
    Now {
        wall: expiry.wall,
        mono: expiry.mono,
    }
}

/// A fake kernel, a ledger directory, and engines that come and go.
pub(crate) struct Bench {
    pub(crate) kernel: FakeKernel,
    pub(crate) host: FakeHost,
    pub(crate) tcp: TcpFacts,
    pub(crate) directory: tempfile::TempDir,
}

impl Default for Bench {
    fn default() -> Self {
        Self {
            kernel: FakeKernel::default(),
            host: FakeHost::default(),
            tcp: tcp(),
            directory: tempfile::tempdir().expect("directory"),
        }
    }
}

impl Bench {
    pub(crate) fn start(&self, config: Config, now: Now) -> std::result::Result<Engine, Refusal> {
        let (ledger, warnings) = Ledger::open(self.directory.path(), now.wall);
        let parts = Parts {
            tables: Box::new(self.kernel.clone()),
            ledger,
            config,
            host: Box::new(self.host.clone()),
            tcp: self.tcp.clone(),
            warnings,
            set_log_level: Box::new(|_| {}),
        };
        Engine::start(parts, now)
    }

    pub(crate) fn engine(&self) -> Engine {
        self.start(config(""), noon()).expect("starts")
    }
}

/// Carries out a command as root at an instant.
pub(crate) fn order(engine: &mut Engine, command: Command, now: Now) -> std::result::Result<Done, Refusal> {
    let (answer, _) = tokio::sync::oneshot::channel();
    let mut order = Order {
        command,
        actor: "uid=0 (root) pid=1".to_owned(),
        host: host(),
        answer,
    };
    engine.carry_out(&mut order, now)
}

pub(crate) fn block(target: &str) -> BlockRequest {
    BlockRequest {
        target: target.to_owned(),
        ttl: None,
        reason: None,
        block_as: None,
        all: false,
        force: false,
        ssh_peer: None,
        ..BlockRequest::default()
    }
}

pub(crate) fn allow(target: &str) -> AllowRequest {
    AllowRequest {
        target: target.to_owned(),
        ttl: None,
        reason: None,
        force: false,
        ..AllowRequest::default()
    }
}

pub(crate) fn remove(target: &str) -> RemoveRequest {
    RemoveRequest {
        target: target.to_owned(),
        block_as: None,
        ..RemoveRequest::default()
    }
}
