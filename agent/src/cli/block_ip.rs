//! `agent block-ip`.

use ipnet::IpNet;
use reqwest::Method;

use super::{
    context::Context,
    direct::{Direct, as_target},
    print,
    scope::Whom,
    ssh,
};
use crate::{
    config::{prefix, units::Ttl},
    control::api::{BlockAs, BlockRequest, Done},
};

/// Block an address: one of ours is blackholed, any other is dropped as a source
///
/// A blackhole drops what is new; established connections, and replies to connections that we opened, live on (--all drops
/// them too). It refuses what would lock you or your customers out, unless --force: the allowlist, our own addresses as a
/// source, the default gateway, resolvers, the fleet's etcd, the machine that you are logged in from, prefixes wider than /8
/// (IPv6: /20), and a blackhole of our last reachable address. Works while the agent is dead, straight on the kernel's maps.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  agent block-ip 198.51.100.23                                a source, for block_ttl
  agent block-ip 198.51.100.0/24 --ttl 30m --reason 'T4711'   a prefix, for 30 minutes
  agent block-ip 2001:db8:1::/48 --ttl never                  until unblock-ip
  agent block-ip 203.0.113.7 --ttl 15m                        one of ours: a blackhole
  agent block-ip 198.51.100.23 --fleet                        on all nodes of the fleet")]
pub(super) struct Args {
    /// Address or prefix, IPv4 or IPv6
    #[arg(value_name = "ADDR|CIDR", value_parser = prefix::parse)]
    target: IpNet,
    /// How long, such as 30s, 15m, 2h or never; block_ttl of the configuration when left out
    #[arg(long)]
    ttl: Option<Ttl>,
    /// Why, for colleagues and for the ledger
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Say what the target is instead of having it decided
    #[arg(long = "as", value_name = "WHAT")]
    block_as: Option<BlockAs>,
    /// Blackhole: also drop established connections and replies to our own
    #[arg(long)]
    all: bool,
    /// Past the guard rails
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    whom: Whom,
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<()> {
    let request = BlockRequest {
        target: as_target(args.target),
        ttl: args.ttl,
        reason: args.reason,
        block_as: args.block_as,
        all: args.all,
        force: args.force,
        ssh_peer: ssh::peer(),
        scope: args.whom.scope(),
        automatic: args.whom.automatic,
    };
    let done: Done = match context.agent_if_running().await? {
        Some(agent) => agent.send_json(Method::POST, "/v1/blocks", &request).await?,
        None => {
            args.whom.without_agent()?;
            Direct::to_write(context).await?.block(&request)?
        }
    };
    print::done(&done, context.json)
}
