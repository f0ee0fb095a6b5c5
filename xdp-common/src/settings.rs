//! Settings of the whole program: one map element, written by the agent alone.

use crate::rate::Limit;

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
    /// Secret of the source hash.
    pub seed: [u64; 2],
    /// At least so long between two samples of dropped headers on one CPU, ns; 0: no samples.
    pub sample_interval_ns: u64,
    /// A [`Mode`].
    pub mode: u32,
    /// Buckets of the protected addresses, less one (a power of two less one).
    pub address_mask: u32,
    /// Lower end of the host's `net.ipv4.ip_local_port_range`: a UDP socket bound in it is a client, not a service.
    pub ephemeral_low: u16,
    /// Upper end of the same, included.
    pub ephemeral_high: u16,
    /// Zero.
    pub reserved: u32,
}
