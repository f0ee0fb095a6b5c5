//! `agent unallow-ip`.

use ipnet::IpNet;

use super::{context::Context, direct::as_target, print, scope::Whom};
use crate::{
    config::prefix,
    control::api::{Done, RemoveRequest},
};

/// Take a source off the allowlist
///
/// What the configuration file allows is taken off there. What all nodes of a fleet allow is taken off on all of them.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  agent unallow-ip 192.0.2.10")]
pub(super) struct Args {
    /// Address or prefix, as it was allowed
    #[arg(value_name = "ADDR|CIDR", value_parser = prefix::parse)]
    target: IpNet,
    #[command(flatten)]
    whom: Whom,
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<()> {
    let request = RemoveRequest {
        target: as_target(args.target),
        block_as: None,
        scope: args.whom.scope(),
        automatic: args.whom.automatic,
    };
    let done: Done = context.agent().await?.delete("/v1/allows", &request).await?;
    print::done(&done, context.json)
}
