//! Decisions, all of them pure: what is known and an instant go in, what is to be done (or why it is refused) comes out.
//! No clocks, no files, no kernel: the daemon and, while it is dead, the command line decide by the same functions.

pub mod adopt;
pub mod block;
pub mod guard;
pub mod ladder;
pub mod plan;
pub mod refusal;
pub mod reload;
pub mod rung;
pub mod safe;
pub mod say;
pub mod standing;
pub mod state;
pub mod suggest;
pub mod threshold;
pub mod unblock;
pub mod verify;

use std::{collections::BTreeMap, net::IpAddr};

use ipnet::IpNet;

pub use refusal::Refusal;
pub use state::KernelState;

use crate::{
    clock::Now,
    config::units::Ttl,
    host::HostFacts,
    overrides::Overrides,
    tables::{ListAction, Mode},
};

/// The longest reason that is kept, in characters.
const MAX_REASON: usize = 200;

/// What a decision looks at.
#[derive(Debug, Clone, Copy)]
pub struct World<'a> {
    /// The instant.
    pub now: Now,
    /// What the kernel enforces.
    pub kernel: &'a KernelState,
    /// The host's interfaces, gateways and resolvers.
    pub host: &'a HostFacts,
    /// Source list of the configuration file; empty where it could not be read.
    pub config_list: &'a BTreeMap<IpNet, ListAction>,
    /// Lifetime of a block that names none.
    pub block_ttl: Ttl,
    /// What people asked for and the ladder took; empty while no agent runs.
    pub overrides: &'a Overrides,
}

impl World<'_> {
    /// Whether verdicts are carried out.
    #[must_use]
    pub const fn mode(&self) -> Mode {
        self.kernel.settings.mode
    }

    /// Source list entries that still hold.
    #[must_use]
    pub fn list(&self) -> BTreeMap<IpNet, ListAction> {
        let holds = |until: Option<crate::tables::MonotonicNs>| until.is_none_or(|until| until > self.now.mono);
        self.kernel
            .entries
            .values()
            .filter(|e| holds(e.until))
            .map(|e| (e.prefix, e.action))
            .collect()
    }

    /// Whether a protected address is blackholed now.
    #[must_use]
    pub fn is_blackholed(&self, address: IpAddr) -> bool {
        self.kernel.addresses.get(&address).is_some_and(|state| {
            state
                .blackhole
                .is_some_and(|hole| hole.until.is_none_or(|until| until > self.now.mono))
        })
    }

    /// Protected addresses inside a prefix.
    #[must_use]
    pub fn protected_in(&self, net: IpNet) -> Vec<IpAddr> {
        self.kernel
            .addresses
            .range(net.network()..=net.broadcast())
            .map(|(address, _)| *address)
            .collect()
    }
}

/// Accepts a reason that can be shown on any terminal and kept in any table.
///
/// # Errors
/// If it is too long or holds control characters.
pub fn check_reason(reason: Option<&str>) -> Result<(), Refusal> {
    let Some(reason) = reason else { return Ok(()) };
    let length = reason.chars().count();
    if length > MAX_REASON {
        return Err(Refusal::invalid(
            format!("the reason has {length} characters"),
            format!("use at most {MAX_REASON}"),
        ));
    }
    if reason.chars().any(char::is_control) {
        return Err(Refusal::invalid(
            "the reason holds control characters",
            "write it as one line of plain text",
        ));
    }
    Ok(())
}
