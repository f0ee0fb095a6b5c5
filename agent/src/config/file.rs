//! The configuration file as it is written: every key, what it means, what it is when left out. The documentation of the keys is
//! here and at each section's type, and nowhere else; `agent config example` and the schema for unknown keys are made from it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    captures::Captures,
    detect::DetectSection,
    fleet::FleetSection,
    groups::GroupSection,
    ladder::LadderSection,
    lists::ListSection,
    notify::NotifySection,
    operation::{Control, Kernel, Limits, Log, Metrics, Poll, Samples, State},
    page::PageSection,
    privileges::Privileges,
    thresholds::{AddressOverride, Thresholds, Verify},
    units::{Amplification, Ttl},
    upstream::UpstreamSection,
};
use crate::tables::Mode;

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
