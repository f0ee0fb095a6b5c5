//! `agent safe`.

use std::process::ExitCode;

use ipnet::IpNet;

use super::{context::Context, direct::as_target, print};
use crate::{
    config::prefix,
    control::api::{SafeView, TargetQuery},
};

/// Lines for single addresses of a prefix; `--json` has all.
const AT_MOST: usize = 20;

/// Say whether an address can be put back: taken out of a blackhole, or down from another high rung
///
/// Yes, when no attack goes on and less than half its SYN rate arrived for the cooldown (ladder.calm of the configuration).
/// What arrives at a blackholed address counts although it is dropped. Needs a running agent, which has watched meanwhile.
/// In a fleet no other node may report it attacked either, and all nodes together must get less than half its SYN rate. A node
/// that is cut off from its fleet says so and answers for itself.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  agent safe 203.0.113.7                                       yes or no, and why
  agent safe 203.0.113.0/24                                    a group, or any prefix of ours
  agent safe 203.0.113.7 && agent unblock-ip 203.0.113.7       put it back only if it is safe

Exit codes: 0 yes, 1 no (or it cannot be told), 2 not one of our addresses.")]
pub(super) struct Args {
    /// Protected address, or a prefix that holds some
    #[arg(value_name = "ADDR|CIDR", value_parser = prefix::parse)]
    target: IpNet,
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<ExitCode> {
    let query = TargetQuery {
        target: as_target(args.target),
    };
    let view: SafeView = context.agent().await?.get("/v1/safe", &query).await?;
    if context.json {
        print::json(&view)?;
    } else {
        show(&view);
    }
    Ok(if view.safe {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn show(view: &SafeView) {
    let word = if view.safe { "yes" } else { "no" };
    println!("{word}: {}", print::clean(&view.why));
    if view.addresses.len() == 1 {
        return;
    }
    let mut dangers = view.addresses.iter().filter(|address| !address.safe);
    for address in dangers.by_ref().take(AT_MOST) {
        println!(
            "  {} ({}): {}",
            address.address,
            address.rung,
            print::clean(&address.why)
        );
    }
    let more = dangers.count();
    if more > 0 {
        println!("  and {more} more (--json lists them)");
    }
}
