//! `agent unblock-ip`.

use ipnet::IpNet;

use super::{
    context::Context,
    direct::{Direct, as_target},
    print,
    scope::Whom,
};
use crate::{
    config::prefix,
    control::api::{BlockAs, Done, RemoveRequest},
};

/// Take back a block or a blackhole
///
/// An address that is still flooded is put back all the same, with a warning: ask `agent safe` before. Works while the
/// agent is dead, straight on the kernel's maps. What the configuration file blocks is taken back there. What all nodes of a
/// fleet block is taken back on all of them.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  agent unblock-ip 198.51.100.0/24       the same prefix that was blocked
  agent unblock-ip 203.0.113.7           ends a blackhole of ours")]
pub(super) struct Args {
    /// Address or prefix, as it was blocked
    #[arg(value_name = "ADDR|CIDR", value_parser = prefix::parse)]
    target: IpNet,
    /// Only the source block, or only the blackhole
    #[arg(long = "as", value_name = "WHAT")]
    block_as: Option<BlockAs>,
    #[command(flatten)]
    whom: Whom,
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<()> {
    let request = RemoveRequest {
        target: as_target(args.target),
        block_as: args.block_as,
        scope: args.whom.scope(),
        automatic: args.whom.automatic,
    };
    let done: Done = match context.agent_if_running().await? {
        Some(agent) => agent.delete("/v1/blocks", &request).await?,
        None => {
            args.whom.without_agent()?;
            Direct::to_write(context).await?.unblock(&request)?
        }
    };
    print::done(&done, context.json)
}
