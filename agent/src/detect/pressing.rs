//! What presses on an address at this node, so that the other nodes can be told: see [`crate::fleet::report_of`].

use std::net::IpAddr;

use crate::ladder::Rung;

/// Fewer unproven SYNs per second press on nothing: one stray SYN is no more than that in the mean of a second. So most addresses,
/// most of the time, cost nothing.
pub(super) const LEAST_PPS: f64 = 1.0;

/// One address on which something presses.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pressing {
    /// Which.
    pub address: IpAddr,
    /// SYNs that nobody completed, per second over about a second; those that came too lately to be completed are left out, so
    /// that a crowd that has just come is not among them.
    pub unproven: f64,
    /// So many of them are usual at this time of day.
    pub usual: f64,
    /// Who completes a handshake is counted here; elsewhere `unproven` is an estimate, see
    /// [`crate::detect::Standing::counts_handshakes`].
    pub is_counted: bool,
    /// SYNs per second.
    pub syn: f64,
    /// Its threshold, SYNs per second.
    pub threshold: f64,
    /// The rung where it stands.
    pub rung: Rung,
    /// It is under attack by what arrives here; what arrives elsewhere was not needed to tell.
    pub attacked: bool,
}
