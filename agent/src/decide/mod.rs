//! Decisions, all of them pure: what is known and an instant go in, what is to be done (or why it is refused) comes out.
//! No clocks, no files, no kernel: the daemon and, while it is dead, the command line decide by the same functions.

pub mod adopt;
pub mod block;
pub mod changes;
pub mod elsewhere;
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

pub use elsewhere::Elsewhere;
pub use refusal::Refusal;
pub use state::KernelState;

use crate::{
    clock::Now,
    config::{Config, units::Ttl},
    host::HostFacts,
    overrides::Overrides,
    tables::{ListAction, Mode},
    upstream::UpstreamState,
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
    /// The network above; `None` while no agent runs.
    pub upstream: Option<Upward<'a>>,
    /// What other nodes protect; empty for what this node alone is asked.
    pub elsewhere: &'a [Elsewhere],
    /// Where the fleet's etcd is.
    pub stores: &'a [IpAddr],
}

/// What a decision looks at of the network above.
#[derive(Debug, Clone, Copy)]
pub struct Upward<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// How things stand.
    pub state: &'a UpstreamState,
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
        let Some(state) = self.kernel.addresses.get(&address) else {
            return self.overrides.blackholes.contains_key(&address);
        };
        state
            .blackhole
            .is_some_and(|hole| hole.until.is_none_or(|until| until > self.now.mono))
    }

    /// Protected addresses inside a prefix, here and (for a command that holds for all nodes) elsewhere.
    #[must_use]
    pub fn protected_in(&self, net: IpNet) -> Vec<IpAddr> {
        let mut found = self.protected_here(net);
        let elsewhere = elsewhere::inside(self.elsewhere, net).into_iter();
        found.extend(elsewhere.filter(|address| !self.kernel.addresses.contains_key(address)));
        found.sort_unstable();
        found
    }

    /// Protected addresses of this node inside a prefix.
    #[must_use]
    pub fn protected_here(&self, net: IpNet) -> Vec<IpAddr> {
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
