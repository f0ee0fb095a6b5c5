//! The configuration file as it is written: every key, what it means, what it is when left out. The documentation of
//! the keys is here and nowhere else; `agent config example` and the schema for unknown keys are made from it.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    captures::Captures,
    detect::DetectSection,
    fleet::FleetSection,
    ladder::{LadderOverride, LadderSection},
    notify::NotifySection,
    page::PageSection,
    privileges::Privileges,
    units::{Amplification, Burst, Interval, Rate, Span, Ttl},
    upstream::UpstreamSection,
};
use crate::{
    ladder::{HighestRung, MethodChoice},
    tables::{ListAction, Mode, XdpMode},
    vectors::{VectorOverride, VectorRates, Vectors, VectorsOverride},
};

/// The whole file. Only `interfaces` must be set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ConfigFile {
    /// What happens to packets that break a rule: "monitor" counts them and lets them pass,
    /// "enforce" drops them. Start with "monitor", look at `agent stats`, then switch with
    /// `agent mode set enforce`, which needs no restart and no change here.
    pub mode: Mode,
    /// Network interfaces where packets from outside arrive.
    #[schemars(extend("examples" = [["eth0"]], "x-must-set" = true))]
    pub interfaces: Vec<String>,
    /// Addresses to protect: addresses and prefixes, and "auto" for the global addresses that this
    /// host has when the configuration is loaded. Name the addresses that this host forwards for.
    /// A prefix protects every address in it, and each takes one place of limits.addresses.
    pub protect: Vec<String>,
    /// Sources that always pass, whatever else holds: addresses and prefixes. The longest prefix
    /// decides when `allow` and `block` both hold a source.
    pub allow: Vec<String>,
    /// Sources that are always dropped: addresses and prefixes.
    pub block: Vec<String>,
    /// How long `agent block-ip` holds when it is not told with --ttl: a duration, or "never".
    pub block_ttl: Ttl,
    /// UDP services that floods are reflected from. What comes from their ports to a protected address
    /// is dropped, unless this host asked for it: from its resolvers (resolv.conf), or to a socket of
    /// its own that is connected or has a port of its own choice. Write "all", or a list of dns, ntp,
    /// ssdp, cldap, memcached, chargen, qotd, snmp, portmap, netbios, mdns, ws-discovery, coap. QUIC
    /// is left alone. Whose queries this host forwards it cannot know: where hosts behind it ask
    /// resolvers or time servers outside, leave dns and ntp out, or add these servers to `allow`.
    pub amplification: Amplification,
    /// Rates: above its SYN rate, an address makes SYNs prove their sources; what exceeds another rate
    /// is dropped.
    pub thresholds: Thresholds,
    /// How an address over its rate makes SYNs prove their sources, so that customers stay in and
    /// forged sources stay out.
    pub verify: Verify,
    /// How far addresses climb by themselves when what the kernel side does is not enough, and how
    /// they come down again. The rungs, the lowest first: observe, limit, verify, known, blackhole,
    /// upstream. What people force (`agent rung`, `agent block-ip`) always wins.
    pub ladder: LadderSection,
    /// Asks the network above to drop what goes to an address, through BIRD 2 on this host: the rung
    /// upstream.
    pub upstream: UpstreamSection,
    /// Makes one of many load balancers, by an etcd that all of them reach (docs/fleet.md): what is
    /// decided for the fleet holds on every node, and an attack that is thin on each node and large
    /// in sum is seen.
    pub fleet: FleetSection,
    /// One section for each address that differs from thresholds.address, from verify or from ladder.
    pub address: Vec<AddressOverride>,
    /// One section for each large list of sources, read from a file or a URL: see `agent lists`. The
    /// longest prefix decides over all lists, `allow`, `block` and what was blocked by hand. Of two
    /// that are the same, the one made by hand decides, then the list that stands first here.
    pub list: Vec<ListSection>,
    /// One section for each prefix of protected addresses that share budgets, so that a flood spread
    /// over all of them, each below its own rates, meets rates too. Both must have room: an address's
    /// and its group's.
    pub group: Vec<GroupSection>,
    /// What is an attack, which `agent status` shows and people are told. Detection drops nothing by
    /// itself.
    pub detect: DetectSection,
    /// One section for each who is told what happens: see `agent notify` and docs/notify.md. Each has
    /// a queue of its own, so that one that does not answer keeps nobody else waiting.
    pub notify: Vec<NotifySection>,
    /// The socket that the other commands of `agent` speak to.
    pub control: Control,
    /// Prometheus metrics.
    pub metrics: Metrics,
    /// The web page: what is attacked, by what and what is done, for a browser. It only shows, unless a
    /// token is set; see docs/page.md.
    pub page: PageSection,
    /// What the agent gives up of its own rights once it protects; see docs/install.md.
    pub privileges: Privileges,
    /// What survives a restart and a reboot.
    pub state: State,
    /// Where things are kept in the kernel.
    pub kernel: Kernel,
    /// Sizes of the kernel's tables; they decide the memory that is locked. Changes need a restart.
    pub limits: Limits,
    /// Copies of the headers of dropped packets, for `agent` and for evidence.
    pub samples: Samples,
    /// The first of these headers of each attack, as pcapng files for Wireshark and for a provider.
    pub captures: Captures,
    /// How often counters are read.
    pub poll: Poll,
    /// The agent's own log, on standard error.
    pub log: Log,
}

impl Default for ConfigFile {
    fn default() -> Self {
        Self {
            mode: Mode::Monitor,
            interfaces: Vec::new(),
            protect: vec!["auto".to_owned()],
            allow: Vec::new(),
            block: Vec::new(),
            block_ttl: Ttl::For(std::time::Duration::from_secs(3600)),
            amplification: Amplification::default(),
            thresholds: Thresholds::default(),
            verify: Verify::default(),
            ladder: LadderSection::default(),
            upstream: UpstreamSection::default(),
            fleet: FleetSection::default(),
            address: Vec::new(),
            list: Vec::new(),
            group: Vec::new(),
            detect: DetectSection::default(),
            notify: Vec::new(),
            control: Control::default(),
            privileges: Privileges::default(),
            metrics: Metrics::default(),
            page: PageSection::default(),
            state: State::default(),
            kernel: Kernel::default(),
            limits: Limits::default(),
            samples: Samples::default(),
            captures: Captures::default(),
            poll: Poll::default(),
            log: Log::default(),
        }
    }
}

/// Rates.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(inline)]
pub struct Thresholds {
    /// What one protected address takes from all sources together before it makes them prove
    /// themselves. Below it nothing changes for anyone. Set it to what the host behind it can
    /// answer.
    pub address: AddressThreshold,
    /// What one source may send to all protected addresses together. A source is one IPv4 address
    /// or one IPv6 /64: keep room for offices and mobile networks, thousands of people who share
    /// one address.
    pub source: SourceThreshold,
    /// UDP to one protected address. Above it the excess is dropped, but for answers that this host
    /// asked for from the ports that `amplification` names. Here and below, a quarter of a second's
    /// worth may come at once.
    pub udp: VectorRates,
    /// ICMP and ICMPv6 to one protected address; neighbour discovery is never limited.
    pub icmp: VectorRates,
    /// Protocols other than TCP, UDP and ICMP to one protected address (GRE, ESP, ..).
    pub other: VectorRates,
    /// Fragments to one protected address. First fragments count in their transport, too.
    pub fragments: VectorRates,
    /// TCP other than SYNs to one protected address. Above it nothing that belongs to a connection is
    /// dropped: each segment of the excess is held against this host's connections, and what belongs
    /// to none ends here. Where this host forwards, what comes from a source that completed no
    /// handshake lately ends here.
    pub tcp: VectorRates,
}

/// The threshold of one protected address.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(inline)]
pub struct AddressThreshold {
    /// SYNs per second: a number, or a text such as "100k/s".
    pub syn_rate: Rate,
    /// SYNs at once above that rate.
    pub syn_burst: Burst,
}

/// A rate that is a constant of this file.
const fn rate(per_second: u32) -> Rate {
    Rate::new(per_second).expect("defaults are in range")
}

/// A burst that is a constant of this file.
const fn burst(events: u32) -> Burst {
    Burst::new(events).expect("defaults are in range")
}

impl Default for AddressThreshold {
    fn default() -> Self {
        Self {
            syn_rate: rate(100_000),
            syn_burst: burst(100_000),
        }
    }
}

/// The threshold of one source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(inline)]
pub struct SourceThreshold {
    /// SYNs per second: a number, or a text such as "1k/s".
    pub syn_rate: Rate,
    /// SYNs at once above that rate.
    pub syn_burst: Burst,
}

impl Default for SourceThreshold {
    fn default() -> Self {
        Self {
            syn_rate: rate(1_000),
            syn_burst: burst(2_000),
        }
    }
}

/// How an address over its rate makes SYNs prove their sources.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(inline)]
pub struct Verify {
    /// "cookie" answers with a SYN cookie of this host's kernel: for addresses of this host.
    /// "challenge" answers so that only a real client sends a reset, and admits it when it comes
    /// again: for addresses that this host forwards for, or where the kernel makes no cookies.
    /// "auto" is cookie where that works and challenge where not. "drop" drops every SYN of an
    /// unknown source.
    pub method: MethodChoice,
    /// An address goes back once its SYN rate was below half its threshold for so long: 1s to 1h.
    pub hold: Span,
    /// SYNs that each CPU answers per second. Beyond it a SYN of an unknown source is answered only
    /// when it comes again, which a client does after a second, and a forged source never.
    pub answers_per_second: Rate,
    /// A source that completed a handshake is known for so long, and need not prove itself again:
    /// 1m to 20d.
    pub known_for: Span,
    /// true: when all is calm the agent sets net.ipv4.tcp_timestamps=2 and
    /// net.ipv4.tcp_syncookies=2 on this host, and `agent detach` puts them back as they were. The
    /// first lets connections made by cookie keep window scaling, SACK and timestamps (without it
    /// they have none), for plain timestamps instead of disguised ones. The second makes the kernel
    /// answer each SYN by cookie in calm too: clients that send no timestamps, such as Windows,
    /// then have no window scaling. With tcp_syncookies=1, the kernel's default, cookies begin when
    /// a listener's queue is full, which is early enough.
    pub set_sysctls: bool,
}

/// A span that is a constant of this file.
const fn span(secs: u64) -> Span {
    Span::from_secs(secs).expect("defaults are in range")
}

impl Default for Verify {
    fn default() -> Self {
        Self {
            method: MethodChoice::Auto,
            hold: span(10),
            answers_per_second: rate(1_000_000),
            known_for: span(3_600),
            set_sysctls: false,
        }
    }
}

/// What differs for one address.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct AddressOverride {
    /// One of the protected addresses.
    #[schemars(extend("examples" = ["203.0.113.7"]))]
    pub address: String,
    /// SYNs per second; thresholds.address.syn_rate when left out.
    #[schemars(extend("examples" = ["20k/s"]))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub syn_rate: Option<Rate>,
    /// SYNs at once above that rate; thresholds.address.syn_burst when left out.
    #[schemars(extend("examples" = ["20k"]))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub syn_burst: Option<Burst>,
    /// How its sources prove themselves; verify.method when left out.
    #[schemars(extend("examples" = ["challenge"]))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<MethodChoice>,
    /// The highest rung that it takes by itself; ladder.highest when left out. "limit" drops what
    /// exceeds its rate, customers with the flood.
    #[schemars(extend("examples" = ["limit"]))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rung: Option<HighestRung>,
    /// How it goes up and down the ladder; what is left out is as in the section ladder.
    #[schemars(extend("examples" = [{"calm": "1m", "known": {"after": "5s"}}]))]
    #[serde(default, skip_serializing_if = "LadderOverride::is_empty")]
    pub ladder: LadderOverride,
    /// Amplifiers that it takes nothing from unasked; amplification when left out.
    #[schemars(extend("examples" = [["ntp", "memcached"]]))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amplification: Option<Amplification>,
    /// Rates of UDP; what is left out is that of thresholds.udp.
    #[schemars(extend("examples" = [{"packets": "20k/s", "bits": "200M/s"}]))]
    #[serde(default, skip_serializing_if = "VectorOverride::is_empty")]
    pub udp: VectorOverride,
    /// Rates of ICMP; what is left out is that of thresholds.icmp.
    #[schemars(extend("examples" = [{"packets": "100/s"}]))]
    #[serde(default, skip_serializing_if = "VectorOverride::is_empty")]
    pub icmp: VectorOverride,
    /// Rates of other protocols; what is left out is that of thresholds.other.
    #[schemars(extend("examples" = [{"packets": "1k/s"}]))]
    #[serde(default, skip_serializing_if = "VectorOverride::is_empty")]
    pub other: VectorOverride,
    /// Rates of fragments; what is left out is that of thresholds.fragments.
    #[schemars(extend("examples" = [{"packets": "1k/s"}]))]
    #[serde(default, skip_serializing_if = "VectorOverride::is_empty")]
    pub fragments: VectorOverride,
    /// Rates of TCP other than SYNs; what is left out is that of thresholds.tcp.
    #[schemars(extend("examples" = [{"packets": "unlimited"}]))]
    #[serde(default, skip_serializing_if = "VectorOverride::is_empty")]
    pub tcp: VectorOverride,
}

impl AddressOverride {
    /// What differs of the rates of vectors.
    #[must_use]
    pub const fn vectors(&self) -> VectorsOverride {
        VectorsOverride {
            udp: self.udp,
            icmp: self.icmp,
            other: self.other,
            fragments: self.fragments,
            tcp: self.tcp,
        }
    }
}

impl Thresholds {
    /// The rates of vectors.
    #[must_use]
    pub const fn vectors(&self) -> Vectors {
        Vectors {
            udp: self.udp,
            icmp: self.icmp,
            other: self.other,
            fragments: self.fragments,
            tcp: self.tcp,
        }
    }
}

/// Budgets that the addresses of a prefix share.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct GroupSection {
    /// The prefix; at least one protected address must lie in it, and no other group overlap it.
    #[schemars(extend("examples" = ["203.0.113.0/24"]))]
    pub prefix: String,
    /// SYNs per second to all its addresses together. Above it, every SYN to any of them must prove
    /// its source, as above an address's own rate. No limit when left out.
    #[schemars(extend("examples" = ["200k/s"]))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub syn_rate: Option<Rate>,
    /// SYNs at once above that rate; a second's worth when left out.
    #[schemars(extend("examples" = ["200k"]))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub syn_burst: Option<Burst>,
    /// UDP to all its addresses together. Here and below: no limit when left out.
    #[schemars(extend("examples" = [{"packets": "200k/s", "bits": "2G/s"}]))]
    #[serde(default, skip_serializing_if = "VectorRates::is_unlimited")]
    pub udp: VectorRates,
    /// ICMP to all its addresses together.
    #[schemars(extend("examples" = [{"packets": "1k/s"}]))]
    #[serde(default, skip_serializing_if = "VectorRates::is_unlimited")]
    pub icmp: VectorRates,
    /// Other protocols to all its addresses together.
    #[schemars(extend("examples" = [{"packets": "10k/s"}]))]
    #[serde(default, skip_serializing_if = "VectorRates::is_unlimited")]
    pub other: VectorRates,
    /// Fragments to all its addresses together.
    #[schemars(extend("examples" = [{"packets": "10k/s"}]))]
    #[serde(default, skip_serializing_if = "VectorRates::is_unlimited")]
    pub fragments: VectorRates,
    /// TCP other than SYNs to all its addresses together, see thresholds.tcp.
    #[schemars(extend("examples" = [{"packets": "2M/s"}]))]
    #[serde(default, skip_serializing_if = "VectorRates::is_unlimited")]
    pub tcp: VectorRates,
}

impl GroupSection {
    /// The rates of vectors.
    #[must_use]
    pub const fn vectors(&self) -> Vectors {
        Vectors {
            udp: self.udp,
            icmp: self.icmp,
            other: self.other,
            fragments: self.fragments,
            tcp: self.tcp,
        }
    }
}

/// One large list of sources.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct ListSection {
    /// Name, by which counters and commands know it: at most 32 of a-z, 0-9, "-", "_" and ".".
    #[schemars(extend("examples" = ["drop"]))]
    pub name: String,
    /// Where it is read from: the path of a file, or a URL that begins with https:// or http://. One
    /// address or prefix a line, with comments behind # or ;, or one JSON object a line, with the
    /// prefix under "prefix", "cidr", "network" or "ip".
    #[schemars(extend("examples" = ["https://www.spamhaus.org/drop/drop_v4.json"]))]
    pub from: String,
    /// "block" drops what comes from there, "allow" lets it pass whatever else holds.
    #[schemars(extend("examples" = ["block"]))]
    pub action: ListAction,
    /// It is read anew so often: 1s to 20d. Until that succeeds, the last good version stays.
    #[schemars(extend("examples" = ["1h"]))]
    #[serde(default = "ListSection::refresh")]
    pub refresh: Span,
    /// It ends when it could not be read for so long: a duration, or "never".
    #[schemars(extend("examples" = ["7d"]))]
    #[serde(default = "ListSection::ttl")]
    pub ttl: Ttl,
    /// It ends at this time, whatever was read.
    #[schemars(extend("examples" = ["2030-01-01T00:00:00Z"]))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// A version with more lines than this that are no prefix is refused, and the last good one
    /// stays.
    #[schemars(extend("examples" = [0]))]
    #[serde(default)]
    pub max_invalid: u32,
    /// It may hold more than half of the Internet, as one of "everybody but us" does. A version of
    /// another list that does is refused, and the last good one stays.
    #[schemars(extend("examples" = [false]))]
    #[serde(default)]
    pub wide: bool,
    /// Reading it may take so long: 1s to 1h.
    #[schemars(extend("examples" = ["30s"]))]
    #[serde(default = "ListSection::timeout")]
    pub timeout: Span,
}

impl ListSection {
    const fn refresh() -> Span {
        span(3_600)
    }

    const fn ttl() -> Ttl {
        Ttl::Never
    }

    const fn timeout() -> Span {
        span(30)
    }
}

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
