//! From the file as written to the options that the agent runs with, in one place. Everything that is wrong is found
//! and told together; what is merely odd becomes a warning.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use ipnet::IpNet;
use xdp_common::{layout::Capacity, retry::RetryLine};

use super::{
    ConfigFile, Problem,
    captures::Captures,
    detect::DetectSection,
    fleet::{self, FleetPolicy},
    groups::{self, Group},
    ladder::LadderPolicy,
    lists::List,
    notify::{self, Endpoint},
    operation::Log,
    page::{self, Page},
    prefix,
    privileges::Privileges,
    source_list,
    thresholds::{AddressOverride, Verify},
    units::{Amplification, Burst, Interval, Rate, Ttl},
    upstream::{self, UpstreamPolicy},
};
use crate::{
    host::{HostFacts, can_be_protected},
    ladder::MethodChoice,
    lists,
    tables::{Limit, ListAction, Mode, XdpMode},
    vectors::{Vectors, VectorsOverride},
};

/// The word in `protect` for the host's own addresses.
const AUTO: &str = "auto";

/// A Unix socket's path fits a `sockaddr_un` with its terminating zero.
const MAX_SOCKET_PATH: usize = 107;

/// Sizes by which the kernel side masks.
const POWERS_OF_TWO: [&str; 2] = ["limits.known_sources", "limits.retry_memory"];

/// One protected address with its threshold from the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProtectedAddress {
    /// Its own threshold, or the common one.
    pub limit: Limit,
    /// This host has the address itself.
    pub local: bool,
    /// How its sources prove themselves.
    pub method: MethodChoice,
    /// How it goes up and down the ladder.
    pub ladder: LadderPolicy,
    /// Rates of what is not a SYN.
    pub vectors: Vectors,
    /// What of them is its own.
    pub own_vectors: VectorsOverride,
    /// Amplifiers that it takes nothing from unasked.
    pub amplification: Amplification,
}

/// The options that the agent runs with.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The file they come from.
    pub path: PathBuf,
    /// Mode unless overridden at run time.
    pub mode: Mode,
    /// Interfaces to attach to.
    pub interfaces: Vec<String>,
    /// Every protected address.
    pub protected: BTreeMap<IpAddr, ProtectedAddress>,
    /// Groups of them, which do not overlap.
    pub groups: BTreeMap<IpNet, Group>,
    /// Source list entries of the file; they never expire.
    pub list: BTreeMap<IpNet, ListAction>,
    /// Large lists.
    pub lists: Vec<List>,
    /// Who is told what happens.
    pub notify: Vec<Endpoint>,
    /// Lifetime of a block that names none.
    pub block_ttl: Ttl,
    /// Threshold of an address that has none of its own.
    pub address_limit: Limit,
    /// Threshold of every source.
    pub source_limit: Limit,
    /// Rates of what is not a SYN, of an address that has none of its own.
    pub vectors: Vectors,
    /// Amplifiers that addresses take nothing from unasked, unless they have a setting of their own.
    pub amplification: Amplification,
    /// Resolvers of this host when the file was read.
    pub resolvers: Vec<IpAddr>,
    /// How addresses over their rate make SYNs prove their sources.
    pub verify: Verify,
    /// What is an attack.
    pub detect: DetectSection,
    /// How addresses that have no policy of their own go up and down the ladder.
    pub ladder: LadderPolicy,
    /// How the network above is asked, if it can be.
    pub upstream: Option<UpstreamPolicy>,
    /// The other load balancers; `None` where there are none.
    pub fleet: Option<FleetPolicy>,
    /// Control socket.
    pub socket: PathBuf,
    /// Group whose members may operate by the control socket.
    pub socket_group: Option<String>,
    /// Group whose members may view by it.
    pub view_group: Option<String>,
    /// Where metrics are served, if at all.
    pub metrics: Option<SocketAddr>,
    /// The web page.
    pub page: Page,
    /// What is kept of the agent's rights.
    pub privileges: Privileges,
    /// Directory of the ledger.
    pub state_directory: PathBuf,
    /// Mount point of the BPF file system.
    pub bpffs: PathBuf,
    /// How to attach.
    pub xdp_mode: XdpMode,
    /// Sizes of the kernel's tables.
    pub capacity: Capacity,
    /// Samples per second at most.
    pub samples_per_second: u32,
    /// Captures that are made by themselves.
    pub captures: Captures,
    /// Time between two readings of the counters.
    pub poll_interval: Interval,
    /// The agent's log.
    pub log: Log,
    /// What is odd but not wrong.
    pub warnings: Vec<Problem>,
}

impl Config {
    /// The same with the control socket that the command line names, if it names one.
    #[must_use]
    pub fn with_socket(self, socket: Option<&PathBuf>) -> Self {
        Self {
            socket: socket.cloned().unwrap_or(self.socket),
            ..self
        }
    }
}

/// Resolves a file; of what is wrong, a harmless value is kept so that everything else can be looked at as well.
pub(super) fn resolve(file: &ConfigFile, host: &HostFacts, path: &Path) -> (Config, Vec<Problem>) {
    let mut resolver = Resolver {
        file,
        host,
        has_upstream: false,
        problems: Vec::new(),
        warnings: Vec::new(),
    };
    resolver.check_interfaces();
    resolver.check_paths();
    resolver.check_sizes();
    resolver.check_verify();
    file.detect.check(&mut resolver.problems);
    file.captures.check(&mut resolver.problems);
    file.privileges.check(&mut resolver.problems, &mut resolver.warnings);
    let upstream = upstream::resolve(&file.upstream, &mut resolver.problems);
    let fleet = fleet::resolve(&file.fleet, &mut resolver.problems);
    LadderPolicy::of(&file.ladder, file.verify.hold.duration()).check(
        "ladder",
        file.poll.interval,
        upstream.is_some(),
        &mut resolver.problems,
    );
    resolver.has_upstream = upstream.is_some();
    let mut protected = resolver.protected();
    resolver.apply_overrides(&mut protected);
    let list = source_list::resolve(file, &protected, &mut resolver.problems, &mut resolver.warnings);
    let lists = super::lists::resolve(&file.list, &mut resolver.problems, &mut resolver.warnings);
    let notify = notify::resolve(&file.notify, &mut resolver.problems, &mut resolver.warnings);
    let groups = groups::resolve(file, &protected, &mut resolver.problems);
    let metrics = resolver.metrics();
    let page = page::resolve(&file.page, &mut resolver.problems, &mut resolver.warnings);
    let config = Config {
        path: path.to_owned(),
        mode: file.mode,
        interfaces: file.interfaces.clone(),
        protected,
        groups,
        list,
        lists,
        notify,
        block_ttl: file.block_ttl,
        address_limit: common_limit(file),
        source_limit: limit(file.thresholds.source.syn_rate, file.thresholds.source.syn_burst),
        vectors: file.thresholds.vectors(),
        amplification: file.amplification,
        resolvers: host.resolvers.clone(),
        verify: file.verify.clone(),
        detect: file.detect.clone(),
        ladder: LadderPolicy::of(&file.ladder, file.verify.hold.duration()),
        upstream,
        fleet,
        socket: file.control.socket.clone(),
        socket_group: file.control.group.clone(),
        view_group: file.control.view_group.clone(),
        metrics,
        page,
        privileges: file.privileges.clone(),
        state_directory: file.state.directory.clone(),
        bpffs: file.kernel.bpffs.clone(),
        xdp_mode: file.kernel.xdp_mode,
        capacity: Capacity {
            addresses: file.limits.addresses,
            groups: file.limits.groups,
            list_entries: file.limits.list_entries,
            list_prefixes: file.limits.list_prefixes,
            sources: file.limits.sources,
            known_sources: file.limits.known_sources,
            retry_lines: retry_lines(file.limits.retry_memory),
            listeners: file.limits.listeners,
        },
        samples_per_second: file.samples.per_second,
        captures: file.captures.clone(),
        poll_interval: file.poll.interval,
        log: file.log.clone(),
        warnings: resolver.warnings,
    };
    (config, resolver.problems)
}

const fn limit(syn_rate: Rate, syn_burst: Burst) -> Limit {
    Limit { syn_rate, syn_burst }
}

fn common_limit(file: &ConfigFile) -> Limit {
    limit(file.thresholds.address.syn_rate, file.thresholds.address.syn_burst)
}

/// A text as it stands in the file.
pub(super) fn quoted(text: &str) -> String {
    format!("{text:?}")
}

struct Resolver<'a> {
    file: &'a ConfigFile,
    host: &'a HostFacts,
    has_upstream: bool,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
}

impl Resolver<'_> {
    fn check_interfaces(&mut self) {
        let names = &self.file.interfaces;
        if names.is_empty() {
            self.problems.push(Problem::without_value(
                "interfaces",
                format!(
                    "is missing: name the interfaces where packets from outside arrive; here are {}",
                    self.host.interface_names().join(", ")
                ),
            ));
        }
        for (index, name) in names.iter().enumerate() {
            if names[..index].contains(name) {
                self.problems.push(Problem::new(
                    format!("interfaces[{index}]"),
                    quoted(name),
                    "is there twice; remove one",
                ));
            }
        }
    }

    fn check_paths(&mut self) {
        let paths = [
            ("control.socket", &self.file.control.socket),
            ("state.directory", &self.file.state.directory),
            ("kernel.bpffs", &self.file.kernel.bpffs),
        ];
        for (key, path) in paths {
            if !path.is_absolute() {
                self.problems.push(Problem::new(
                    key,
                    quoted(&path.to_string_lossy()),
                    "is not an absolute path; begin it with /",
                ));
            }
        }
        let length = self.file.control.socket.as_os_str().len();
        if length > MAX_SOCKET_PATH {
            let message = format!("is {length} bytes long; a Unix socket takes at most {MAX_SOCKET_PATH}");
            self.problems.push(Problem::without_value("control.socket", message));
        }
    }

    fn check_sizes(&mut self) {
        let limits = &self.file.limits;
        let sizes = [
            ("limits.addresses", limits.addresses, 1, 16_384),
            ("limits.groups", limits.groups, 1, 1_024),
            ("limits.list_entries", limits.list_entries, 16, 1_048_576),
            ("limits.list_prefixes", limits.list_prefixes, 1_000, 4_000_000),
            ("limits.sources", limits.sources, 1_024, 1_048_576),
            ("limits.known_sources", limits.known_sources, 1_024, 16_777_216),
            ("limits.retry_memory", limits.retry_memory, 1, 1_024),
            ("limits.listeners", limits.listeners, 16, 1_048_576),
            ("samples.per_second", self.file.samples.per_second, 0, 10_000),
        ];
        for (key, value, least, most) in sizes {
            if value < least || value > most {
                self.problems.push(Problem::new(
                    key,
                    value,
                    format!("is out of range; write a number from {least} to {most}"),
                ));
            } else if POWERS_OF_TWO.contains(&key) && !value.is_power_of_two() {
                let above = value.next_power_of_two();
                let message = format!("is not a power of two; write {} or {above}", above / 2);
                self.problems.push(Problem::new(key, value, message));
            }
        }
    }

    fn check_verify(&mut self) {
        let verify = &self.file.verify;
        let spans = [
            ("verify.hold", verify.hold, 1, 3_600, "1s to 1h"),
            ("verify.known_for", verify.known_for, 60, u64::MAX, "1m to 20d"),
        ];
        for (key, value, least_secs, most_secs, range) in spans {
            let (least, most) = (Duration::from_secs(least_secs), Duration::from_secs(most_secs));
            if !(least..=most).contains(&value.duration()) {
                let message = format!("is out of range; write a duration from {range}");
                self.problems
                    .push(Problem::new(key, quoted(&value.to_string()), message));
            }
        }
    }

    fn metrics(&mut self) -> Option<SocketAddr> {
        let listen = &self.file.metrics.listen;
        if listen == "off" {
            return None;
        }
        match listen.parse::<SocketAddr>() {
            Ok(address) => {
                if !address.ip().is_loopback() {
                    self.warnings.push(Problem::new(
                        "metrics.listen",
                        quoted(listen),
                        "is not on loopback: whoever reaches it reads your addresses and rates",
                    ));
                }
                Some(address)
            }
            Err(_) => {
                let message =
                    "is neither an address with a port, such as \"127.0.0.1:9666\" or \"[::1]:9666\", nor \"off\"";
                self.problems
                    .push(Problem::new("metrics.listen", quoted(listen), message));
                None
            }
        }
    }

    /// Expands `protect` to single addresses.
    fn protected(&mut self) -> BTreeMap<IpAddr, ProtectedAddress> {
        let mut protected = BTreeMap::new();
        let mut prefixes: Vec<(usize, IpNet)> = Vec::new();
        for (index, text) in self.file.protect.iter().enumerate() {
            let key = format!("protect[{index}]");
            if text == AUTO {
                self.add_own_addresses(&key, &mut protected);
                continue;
            }
            match prefix::parse(text) {
                Err(error) => self.problems.push(Problem::new(key, quoted(text), error.to_string())),
                Ok(net) => {
                    if self.is_sound_to_protect(&key, net, &prefixes) {
                        protected.extend(addresses_of(net).map(|address| (address, self.protected_address(address))));
                    }
                    prefixes.push((index, net));
                }
            }
        }
        let most = self.file.limits.addresses as usize;
        if protected.len() > most {
            let message = format!(
                "stands for {} addresses, and limits.addresses is {most}: protect fewer, or raise it",
                protected.len()
            );
            self.problems.push(Problem::without_value("protect", message));
        } else if protected.is_empty() && self.problems.is_empty() {
            self.problems.push(Problem::without_value(
                "protect",
                "names no address: there would be nothing to protect",
            ));
        }
        protected
    }

    fn add_own_addresses(&mut self, key: &str, protected: &mut BTreeMap<IpAddr, ProtectedAddress>) {
        let own = self.host.global_addresses();
        if own.is_empty() {
            let message = "this host has no global address now: name the addresses to protect instead";
            self.problems.push(Problem::new(key, quoted(AUTO), message).passing());
        }
        protected.extend(
            own.into_iter()
                .map(|address| (address, self.protected_address(address))),
        );
    }

    fn protected_address(&self, address: IpAddr) -> ProtectedAddress {
        ProtectedAddress {
            limit: common_limit(self.file),
            local: self.host.is_local(address),
            method: self.file.verify.method,
            ladder: LadderPolicy::of(&self.file.ladder, self.file.verify.hold.duration()),
            vectors: self.file.thresholds.vectors(),
            own_vectors: VectorsOverride::default(),
            amplification: self.file.amplification,
        }
    }

    /// Whether a prefix can be expanded: bounded, reachable from outside, and not there already.
    fn is_sound_to_protect(&mut self, key: &str, net: IpNet, earlier: &[(usize, IpNet)]) -> bool {
        let most = self.file.limits.addresses;
        let bits = net.max_prefix_len() - net.prefix_len();
        let problem = if bits >= 32 || 1u64 << bits > u64::from(most) {
            format!("holds more addresses than limits.addresses ({most}): name the ones in use, or raise it")
        } else if !can_be_protected(net.network()) || !can_be_protected(net.broadcast()) {
            "cannot be the destination of packets from outside (loopback, link-local, multicast or reserved)".to_owned()
        } else if let Some((index, other)) = earlier
            .iter()
            .find(|(_, other)| lists::contains(*other, net) || lists::contains(net, *other))
        {
            format!(
                "overlaps protect[{index}] ({}): each address can be there once; remove one",
                prefix::display(*other)
            )
        } else {
            return true;
        };
        self.problems
            .push(Problem::new(key, quoted(&prefix::display(net)), problem));
        false
    }

    fn apply_overrides(&mut self, protected: &mut BTreeMap<IpAddr, ProtectedAddress>) {
        let mut seen: BTreeMap<IpAddr, usize> = BTreeMap::new();
        for (index, entry) in self.file.address.iter().enumerate() {
            let key = format!("address[{index}].address");
            let address = match prefix::parse_address(&entry.address) {
                Ok(address) => address,
                Err(error) => {
                    self.problems
                        .push(Problem::new(key, quoted(&entry.address), error.to_string()));
                    continue;
                }
            };
            if let Some(first) = seen.insert(address, index) {
                let message = format!("has its section already in address[{first}]; merge the two");
                self.problems.push(Problem::new(key, quoted(&entry.address), message));
            } else if let Some(target) = protected.get_mut(&address) {
                override_with(target, entry);
                if entry.rung.is_some() || !entry.ladder.is_empty() {
                    let key = format!("address[{index}].ladder");
                    target
                        .ladder
                        .check(&key, self.file.poll.interval, self.has_upstream, &mut self.problems);
                }
            } else {
                let message = "is not protected: add it to `protect`, or remove this section";
                self.problems.push(Problem::new(key, quoted(&entry.address), message));
            }
            let differs = AddressOverride {
                address: String::new(),
                ..entry.clone()
            };
            if differs == AddressOverride::default() {
                let message = "sets nothing: give it a syn_rate, a syn_burst, a verify, a rung or a ladder, or remove the section";
                self.problems
                    .push(Problem::without_value(format!("address[{index}]"), message));
            }
        }
    }
}

fn override_with(target: &mut ProtectedAddress, entry: &AddressOverride) {
    target.limit = limit(
        entry.syn_rate.unwrap_or(target.limit.syn_rate),
        entry.syn_burst.unwrap_or(target.limit.syn_burst),
    );
    target.method = entry.verify.unwrap_or(target.method);
    target.ladder = target.ladder.with(entry.rung, &entry.ladder);
    target.own_vectors = entry.vectors();
    target.vectors = target.own_vectors.over(target.vectors);
    target.amplification = entry.amplification.unwrap_or(target.amplification);
}

/// Lines of the retry filter in so many MiB.
const fn retry_lines(mebibytes: u32) -> u32 {
    const PER_MEBIBYTE: u32 = (1 << 20) / size_of::<RetryLine>() as u32;
    mebibytes.saturating_mul(PER_MEBIBYTE)
}

/// Every address of a prefix, the first and the last included: in a pool of service addresses all are in use.
fn addresses_of(net: IpNet) -> Box<dyn Iterator<Item = IpAddr>> {
    match net {
        IpNet::V4(v4) => {
            Box::new((u32::from(v4.network())..=u32::from(v4.broadcast())).map(|bits| IpAddr::V4(bits.into())))
        }
        IpNet::V6(v6) => {
            Box::new((u128::from(v6.network())..=u128::from(v6.broadcast())).map(|bits| IpAddr::V6(bits.into())))
        }
    }
}
