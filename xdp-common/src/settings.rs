//! Settings of the whole program: one map element, written by the agent alone.

use crate::{Address, rate::Limit};

/// Resolvers that are known; resolv.conf(5) has no more than three.
pub const RESOLVERS: usize = 4;

/// Whether verdicts are carried out.
#[repr(u32)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Verdicts are counted, and every packet passes.
    #[default]
    Monitor = 0,
    /// Verdicts are carried out.
    Enforce = 1,
}

/// The one element of the settings map. All zero (before the agent's first write) is monitor mode without limits.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// SYN rate of each source.
    pub source_syn: Limit,
    /// This host's resolvers; unspecified addresses where there are fewer.
    pub resolvers: [Address; RESOLVERS],
    /// Secret of the source hash.
    pub seed: [u64; 2],
    /// A sample of dropped headers in this time on one CPU, taken in pairs, ns; 0: no samples.
    pub sample_interval_ns: u64,
    /// A [`Mode`].
    pub mode: u32,
    /// Buckets of the protected addresses, less one (a power of two less one).
    pub address_mask: u32,
    /// Lower end of the host's `net.ipv4.ip_local_port_range`: a UDP socket bound in it is a client, not a service.
    pub ephemeral_low: u16,
    /// Upper end of the same, included.
    pub ephemeral_high: u16,
    /// The host's `net.ipv4.tcp_syncookies`: 0 never, 1 when a listener's queue is full, 2 always.
    pub syncookies: u32,
    /// SYNs that each CPU answers per second, when it has nothing else to do; 0: no bound.
    pub answers_per_s: u32,
    /// How long a source is known, see [`crate::known::ticks`].
    pub known_ticks: u32,
    /// Buckets of known sources, less one (a power of two less one).
    pub known_mask: u32,
    /// Lines of the retry filter, less one (a power of two less one).
    pub retry_mask: u32,
}
