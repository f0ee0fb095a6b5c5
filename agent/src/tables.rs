//! The kernel's side as the rest of the agent sees it: a handful of tables in plain types. `kernel/` implements
//! [`KernelTables`] over BPF maps; the tests implement it in memory. Nothing outside `kernel/` knows aya.

use std::{fmt, net::IpAddr, path::PathBuf, time::Duration};

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use xdp_common::Reason;

use crate::{
    config::units::{Amplification, Burst, Rate},
    traffic::TallyReading,
};
pub use crate::{
    ladder::{ForcedRung, KnownFor, Ladder, Method, Rung, Syncookies},
    readings::{AddressCounts, CounterReading, Counts, Excess, Gain, GroupReading, HostCounts, InVerify},
    vectors::Vectors,
};

/// A point of `CLOCK_MONOTONIC` in nanoseconds, the clock that entries in the kernel expire by. It stands still while
/// the machine is suspended and starts again at every boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MonotonicNs(pub u64);

/// Whether verdicts are carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Mode {
    /// Count what would be dropped, drop nothing.
    Monitor,
    /// Drop.
    Enforce,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Monitor => "monitor",
            Self::Enforce => "enforce",
        })
    }
}

/// How an XDP program is attached to an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum XdpMode {
    /// Native where the driver can, generic with a warning where it cannot.
    Auto,
    /// In the driver, before the kernel makes a socket buffer of the packet.
    Native,
    /// In the network stack, after the socket buffer: several times the cost per packet.
    Generic,
}

impl fmt::Display for XdpMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Native => "native",
            Self::Generic => "generic",
        })
    }
}

/// SYNs per second that pass, and how many may come at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// SYNs per second.
    pub syn_rate: Rate,
    /// SYNs at once above that.
    pub syn_burst: Burst,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} burst {}", self.syn_rate, self.syn_burst)
    }
}

/// Nothing new reaches this address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blackhole {
    /// When it ends by itself; `None` is never.
    pub until: Option<MonotonicNs>,
    /// Also established connections, and replies to connections of ours.
    pub all: bool,
}

/// One protected address as the kernel enforces it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressState {
    /// The address.
    pub address: IpAddr,
    /// Its SYN threshold.
    pub limit: Limit,
    /// Its blackhole, if any. An expired one may still be reported; the kernel ignores it.
    pub blackhole: Option<Blackhole>,
    /// This host terminates its connections (rather than forwarding them).
    pub local: bool,
    /// The rung that a person put it on, if any. One that has ended may still be reported; the kernel ignores it.
    pub rung: Option<ForcedRung>,
    /// How it enters and leaves verify by itself.
    pub ladder: Ladder,
    /// The rates of what is not a SYN.
    pub vectors: Vectors,
    /// Amplifiers that it takes nothing from unasked.
    pub amplification: Amplification,
    /// The group whose budgets it shares.
    pub group: Option<IpNet>,
}

/// Budgets that the addresses of a prefix share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupState {
    /// The prefix.
    pub prefix: IpNet,
    /// SYNs to all of them together; `None` for no limit.
    pub limit: Option<Limit>,
    /// What is not a SYN, to all of them together.
    pub vectors: Vectors,
    /// In verify it stays until it was calm for so long.
    pub hold: Duration,
}

impl AddressState {
    /// An address that has a threshold and nothing else: forwarded, not blackholed, what exceeds its rate is dropped.
    #[must_use]
    pub fn new(address: IpAddr, limit: Limit) -> Self {
        Self {
            address,
            limit,
            blackhole: None,
            local: false,
            rung: None,
            ladder: Ladder::default(),
            vectors: Vectors::default(),
            amplification: Amplification::default(),
            group: None,
        }
    }
}

/// Resolvers of this host that the kernel's side knows at most.
pub const RESOLVERS: usize = xdp_common::settings::RESOLVERS;

/// What a SYN-ACK of a listener says, and what of the client's options it takes up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListenerFacts {
    /// Window in bytes, unscaled.
    pub window: u16,
    /// MSS in bytes.
    pub mss: u16,
    /// Window scale.
    pub window_scale: u8,
    /// Timestamps, and with them the other options, survive a cookie.
    pub timestamps: bool,
    /// Window scaling.
    pub window_scaling: bool,
    /// Selective acknowledgement.
    pub sack: bool,
    /// Explicit congestion notification.
    pub ecn: bool,
}

/// A listener of a protected address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// The protected address.
    pub address: IpAddr,
    /// The port.
    pub port: u16,
    /// What its SYN-ACK says.
    #[serde(flatten)]
    pub facts: ListenerFacts,
}

/// What a source list entry does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum ListAction {
    /// Pass everything from there, before any other rule.
    Allow,
    /// Drop everything from there.
    Block,
}

impl fmt::Display for ListAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Allow => "allow",
            Self::Block => "block",
        })
    }
}

/// One entry of the source list. The longest prefix that holds a source decides; an expired entry is passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListEntry {
    /// The sources.
    pub prefix: IpNet,
    /// What happens to them.
    pub action: ListAction,
    /// When it ends by itself; `None` is never.
    pub until: Option<MonotonicNs>,
}

/// One large list, as the kernel holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListHead {
    /// Its number among the lists, from 1: by it the kernel's side names it.
    pub number: u8,
    /// Its name.
    pub name: String,
    /// What happens to its sources.
    pub action: ListAction,
    /// When it ends by itself; `None` is never.
    pub until: Option<MonotonicNs>,
    /// When its source was last read: seconds since 1970.
    pub read_at: u64,
    /// IPv4 prefixes of it.
    pub v4: u32,
    /// IPv6 prefixes of it.
    pub v6: u32,
}

/// A large list and what it decided about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListPackets {
    /// The list.
    pub head: ListHead,
    /// Packets since it is there, summed over the CPUs.
    pub packets: u64,
}

/// A prefix of a large list that its table cannot hold (see [`xdp_common::list_table`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LongPrefix {
    /// The sources.
    pub prefix: IpNet,
    /// What happens to them.
    pub action: ListAction,
    /// The list's number.
    pub number: u8,
    /// When the list ends by itself.
    pub until: Option<MonotonicNs>,
}

/// All large lists, ready for the kernel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListImage {
    /// The words of the table (see [`xdp_common::list_table`]); none where no list has a prefix for it.
    pub words: Vec<u64>,
    /// The lists.
    pub heads: Vec<ListHead>,
    /// Prefixes that are not in the table; each prefix once.
    pub long: Vec<LongPrefix>,
    /// Every prefix in the table that allows.
    pub allowed: Vec<IpNet>,
}

/// What holds for all addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KernelSettings {
    /// Whether verdicts are carried out.
    pub mode: Mode,
    /// The SYN threshold of every source.
    pub source_limit: Limit,
    /// Headers of dropped packets copied to user space per second; 0 for none.
    pub samples_per_second: u32,
    /// When the host's kernel makes SYN cookies.
    pub syncookies: Syncookies,
    /// SYNs that each CPU answers per second when it has nothing else to do; `None` for no bound.
    pub answers_per_second: Option<Rate>,
    /// How long a source that completed a handshake is known.
    pub known_for: KnownFor,
    /// Resolvers of this host, whose answers were asked for.
    pub resolvers: [Option<IpAddr>; RESOLVERS],
}

impl KernelSettings {
    /// A mode and the threshold of sources, and nothing else: no samples, no cookies, answers without bound.
    #[must_use]
    pub fn new(mode: Mode, source_limit: Limit) -> Self {
        Self {
            mode,
            source_limit,
            samples_per_second: 0,
            syncookies: Syncookies::Never,
            answers_per_second: None,
            known_for: KnownFor::new(Duration::from_secs(3600)),
            resolvers: [None; RESOLVERS],
        }
    }
}

/// One source that the kernel keeps an exact record of, because it was heavy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceUsage {
    /// An IPv4 address or an IPv6 /64.
    pub source: IpNet,
    /// SYNs of it within its threshold since the record began.
    pub syns_within: u64,
    /// SYNs of it over its threshold since the record began.
    pub syns_over: u64,
    /// When the record began.
    pub since: MonotonicNs,
    /// When its last SYN came.
    pub last: MonotonicNs,
}

/// The program on one interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkState {
    /// Interface name.
    pub interface: String,
    /// `native` or `generic`; never `auto`.
    pub mode: XdpMode,
    /// A sentence for the operator when something about it is not as it should be.
    pub warning: Option<String>,
}

/// Whether an interface has our program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It has.
    On,
    /// It was renamed, and has it under its new name.
    Renamed(String),
    /// It has not: why, in words that go on from "it is not protected:".
    Off(String),
    /// There is no such interface here: the same.
    Gone(String),
}

/// How full one map is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapFill {
    /// Map name.
    pub name: String,
    /// Entries in use; `None` where every slot always exists (arrays).
    pub used: Option<u64>,
    /// Entries that fit.
    pub capacity: u64,
    /// Memory of the map in bytes, as the kernel accounts it.
    pub memory_bytes: u64,
}

/// What running one program has cost. Both stay 0 while `kernel.bpf_stats_enabled` is 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramStats {
    /// Program name.
    pub name: String,
    /// Runs since it was loaded.
    pub run_count: u64,
    /// Nanoseconds spent in it since it was loaded.
    pub run_time_ns: u64,
}

/// Why the kernel's tables did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// No pinned maps: the agent never ran here, or was detached.
    #[error(
        "nothing is pinned under {0}: the agent has not run since boot, or was detached; start it with `agent run`"
    )]
    NotPinned(PathBuf),
    /// The pinned maps are those of an agent of another version.
    #[error(
        "what is pinned under {0} belongs to an agent of another version: `agent run` takes over from it without a gap, `agent detach` takes it off"
    )]
    OtherVersion(PathBuf),
    /// A map has no room left.
    #[error(
        "{map} is full ({capacity} entries): remove entries, or raise {setting} in the configuration and restart the agent"
    )]
    Full {
        /// Map name.
        map: String,
        /// Entries that fit.
        capacity: u64,
        /// Key of the setting that decides the capacity.
        setting: &'static str,
    },
    /// Anything else; the text says what was attempted, what the kernel said and what helps.
    #[error("{0}")]
    Kernel(String),
}

/// Result of an access to the kernel's tables.
pub type Result<T> = std::result::Result<T, TableError>;

/// The kernel's tables. Every call is a few system calls and never waits; one owner at a time writes.
pub trait KernelTables: Send {
    /// Differs whenever the maps were made anew (the kernel's id of one of them); together with the boot id it tells
    /// whether what the ledger installed can still be there.
    fn generation(&self) -> u64;

    /// What holds for all addresses.
    fn settings(&self) -> Result<KernelSettings>;
    /// Replaces it; the next packet sees it.
    fn put_settings(&mut self, settings: &KernelSettings) -> Result<()>;

    /// Every protected address.
    fn addresses(&self) -> Result<Vec<AddressState>>;
    /// Adds or replaces one; its counters continue if it was there.
    fn put_address(&mut self, state: &AddressState) -> Result<()>;
    /// Stops protecting one; no error if it is not there.
    fn remove_address(&mut self, address: IpAddr) -> Result<()>;

    /// Every group.
    fn groups(&self) -> Result<Vec<GroupState>>;
    /// Adds or replaces one; addresses that belong to it share its budgets from now on.
    fn put_group(&mut self, group: &GroupState) -> Result<()>;
    /// Removes one; its addresses share nothing any more. No error if it is not there.
    fn remove_group(&mut self, prefix: IpNet) -> Result<()>;

    /// The whole source list.
    fn entries(&self) -> Result<Vec<ListEntry>>;
    /// Adds or replaces the entry of that prefix.
    fn put_entry(&mut self, entry: &ListEntry) -> Result<()>;
    /// Removes one; no error if it is not there.
    fn remove_entry(&mut self, prefix: IpNet) -> Result<()>;

    /// Puts large lists in place of those that are there, as a whole: a source that both hold is never seen without. On an
    /// error those before go on holding.
    fn put_lists(&mut self, image: &ListImage) -> Result<()>;
    /// The large lists that are there, with what they decided about.
    fn lists(&self) -> Result<Vec<ListPackets>>;

    /// Listeners of protected addresses, as the program was told.
    fn listeners(&self) -> Vec<Listener>;
    /// Adds or replaces one.
    fn put_listener(&mut self, listener: &Listener) -> Result<()>;
    /// Removes one; no error if it is not there. Those of an address go with the address.
    fn remove_listener(&mut self, address: IpAddr, port: u16) -> Result<()>;

    /// Makes sources known, as if each had just completed a handshake. Tells how many were not known before.
    fn remember(&mut self, sources: &[IpAddr], now: MonotonicNs) -> Result<usize>;

    /// Counters of every protected address and of everything else.
    fn counters(&self) -> Result<CounterReading>;
    /// Brings an earlier reading of these tables up to date, and tells what it gained. Called many times a second: must stay
    /// cheap. Half a minute at most may lie between the two.
    fn recount(&mut self, reading: &mut CounterReading) -> Result<Vec<Gain>> {
        let now = self.counters()?;
        let gains = now.since(reading);
        *reading = now;
        Ok(gains)
    }
    /// Every recorded source, in no order. Walks a table: on demand only.
    fn sources(&self) -> Result<Vec<SourceUsage>>;
    /// Who sends how much to protected addresses. Called once a second.
    fn tally(&self, now: MonotonicNs) -> Result<TallyReading>;
    /// How full each map is. Walks tables: a few times a minute.
    fn fills(&self) -> Result<Vec<MapFill>>;
    /// What the programs cost so far.
    fn programs(&self) -> Result<Vec<ProgramStats>>;

    /// Counts completed handshakes and remembers their sources from now on; no error if that goes on already.
    fn watch_handshakes(&mut self) -> Result<()>;

    /// Takes over what agents of other versions counted, while the program is on no interface yet. The sentences tell where that
    /// cannot be.
    fn carry_counters(&mut self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    /// Where the program is attached.
    fn links(&self) -> Result<Vec<LinkState>>;
    /// Whether an interface has our program now. Called many times a second: must stay cheap.
    fn standing(&self, interface: &str) -> Result<Standing> {
        let links = self.links()?;
        Ok(match links.iter().any(|link| link.interface == interface) {
            true => Standing::On,
            false => Standing::Off("its program is gone".to_owned()),
        })
    }
    /// Pins again what somebody took the pin of; tells whether that was anything.
    fn keep_pinned(&mut self) -> Result<bool> {
        Ok(false)
    }
    /// Attaches it, or takes over an attachment of ours by atomic replacement, and pins the link.
    fn attach(&mut self, interface: &str, mode: XdpMode) -> Result<LinkState>;
    /// Takes it off one interface; no error if it is not there.
    fn detach(&mut self, interface: &str) -> Result<()>;
    /// Removes what agents of other versions left, once theirs was taken over: maps, and links of interfaces that were not
    /// taken over. Tells those interfaces, which have no program now.
    fn remove_other_versions(&mut self) -> Result<Vec<String>>;
    /// Takes it off every interface and removes every pin.
    fn detach_all(&mut self) -> Result<()>;

    /// Headers of dropped packets sampled since the last call.
    fn drain_samples(&mut self, at_most: usize) -> Vec<Sample>;
}

/// Which large list holds a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListedBy {
    /// The list's number, see [`ListHead`].
    pub number: u8,
    /// Length of its prefix in bits of a 16-byte address (IPv4 addresses are mapped: 96 more than one writes).
    pub prefix_bits: u8,
    /// What it does.
    pub action: ListAction,
}

/// What would become of a packet that came to one CPU now, and what that CPU knows. A bucket is used up to the instant that is
/// told, `burst / rate` ahead of now at most; `None`: it is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Explanation {
    /// The CPU.
    pub cpu: u32,
    /// What the packet would be counted by.
    pub reason: Reason,
    /// The clock that the judge went by.
    pub now: MonotonicNs,
    /// When this CPU last had a packet for the program; 0: never.
    pub last_packet: MonotonicNs,
    /// The large list that holds the source.
    pub listed: Option<ListedBy>,
    /// The source completed a handshake lately.
    pub known: bool,
    /// The source has a bucket of its own, because it was heavy.
    pub recorded: bool,
    /// The CPU can pay for an answer to a first SYN.
    pub can_answer: bool,
    /// SYNs of a source without a bucket of its own in about the last second, as the sketch has it: too many rather than too few.
    pub source_syns: u32,
    /// The source's bucket.
    pub source_used_until: Option<MonotonicNs>,
    /// The address's SYN bucket.
    pub address_used_until: Option<MonotonicNs>,
    /// The bucket of SYNs that reach the address's server without a proof.
    pub known_used_until: Option<MonotonicNs>,
    /// The SYN bucket of the address's group.
    pub group_used_until: Option<MonotonicNs>,
    /// This CPU found the address's bucket empty, and does not look again before.
    pub dry_until: Option<MonotonicNs>,
    /// The address went to verify by itself.
    pub verify_until: Option<MonotonicNs>,
    /// Its group did.
    pub group_verify_until: Option<MonotonicNs>,
}

/// Whoever can say what would become of a packet. Apart from [`KernelTables`], because the first answer takes as long as the
/// verifier does, for which nobody who protects can wait.
pub trait Explains: fmt::Debug + Send + Sync {
    /// What would become of this frame (from its Ethernet header on), on each CPU that can be asked. Changes nothing.
    fn explain(&self, frame: &[u8]) -> Result<Vec<Explanation>>;
}

/// The sampled header of one dropped packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// When.
    pub at: MonotonicNs,
    /// Why it was (or would be) dropped.
    pub reason: Reason,
    /// Interface that it came in by.
    pub ifindex: u32,
    /// Its first bytes, from the Ethernet header.
    pub header: Vec<u8>,
    /// Length of the whole frame in bytes.
    pub frame_len: u32,
}
