//! `agent allow-ip`.

use ipnet::IpNet;
use reqwest::Method;

use super::{context::Context, direct::as_target, print, scope::Whom};
use crate::{
    config::{prefix, units::Ttl},
    control::api::{AllowRequest, Done},
};

/// Put a source on the allowlist: it passes every rule
///
/// For good, unless --ttl says otherwise. The longest prefix decides between allowed and blocked. Source addresses can be
/// forged: allow what you must, not what you like.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  agent allow-ip 192.0.2.10 --reason 'monitoring'
  agent allow-ip 198.51.100.0/28 --ttl 2h
  agent allow-ip 192.0.2.10 --fleet               on all nodes")]
pub(super) struct Args {
    /// Address or prefix, IPv4 or IPv6
    #[arg(value_name = "ADDR|CIDR", value_parser = prefix::parse)]
    target: IpNet,
    /// How long, such as 30s, 15m, 2h; for good when left out
    #[arg(long)]
    ttl: Option<Ttl>,
    /// Why, for colleagues and for the ledger
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Past the guard rail of prefixes wider than /8 (IPv6: /20)
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    whom: Whom,
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<()> {
    let request = AllowRequest {
        target: as_target(args.target),
        ttl: args.ttl,
        reason: args.reason,
        force: args.force,
        scope: args.whom.scope(),
        automatic: args.whom.automatic,
    };
    let done: Done = context
        .agent()
        .await?
        .send_json(Method::POST, "/v1/allows", &request)
        .await?;
    print::done(&done, context.json)
}
