//! For whom a command decides: this node alone, or all nodes of its fleet.

use crate::{config::fleet::Scope, decide::Refusal};

/// Heading of these flags.
const HEADING: &str = "In a fleet (docs/fleet.md)";

/// The flags of every command that can hold for all nodes.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct Whom {
    /// For all nodes; without --fleet and --local, fleet.commands of the configuration decides
    #[arg(long, conflicts_with = "local", help_heading = HEADING)]
    fleet: bool,
    /// For this node alone
    #[arg(long, help_heading = HEADING)]
    local: bool,
    /// A machine decides, for scripts and hooks: in a fleet it gives way to what a human decided
    #[arg(long, help_heading = HEADING)]
    pub(super) automatic: bool,
}

impl Whom {
    /// As the request carries it.
    pub(super) const fn scope(self) -> Option<Scope> {
        match (self.fleet, self.local) {
            (true, _) => Some(Scope::Fleet),
            (false, true) => Some(Scope::Node),
            (false, false) => None,
        }
    }

    /// Whether any of the flags was given.
    pub(super) const fn is_given(self) -> bool {
        self.fleet || self.local || self.automatic
    }

    /// No agent runs, and only an agent speaks with etcd.
    pub(super) fn without_agent(self) -> Result<(), Refusal> {
        if !self.fleet {
            return Ok(());
        }
        Err(Refusal::conflict(
            "no agent runs here, and only a running one tells the other nodes",
            "start it (`agent run`), or ask at another node; without --fleet this holds on this node alone, at once",
        ))
    }
}
