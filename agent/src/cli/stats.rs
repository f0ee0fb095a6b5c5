//! `agent stats`.

use std::net::IpAddr;

use xdp_common::Reason;

use super::{context::Context, print};
use crate::{
    config::prefix,
    control::api::{AddressStatsView, StatsQuery, StatsView},
};

/// Show counters and rates of every protected address, or all reasons of one
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  agent stats                       a line for each protected address
  agent stats 203.0.113.7           every reason that packets to it met, and what it means

In mode monitor what is counted as dropped did pass.")]
pub(super) struct Args {
    /// One protected address
    #[arg(value_name = "ADDR", value_parser = prefix::parse_address)]
    address: Option<IpAddr>,
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<()> {
    let stats: StatsView = context
        .agent()
        .await?
        .get("/v1/stats", &StatsQuery { address: args.address })
        .await?;
    if context.json {
        return print::json(&stats);
    }
    match (args.address, stats.addresses.first()) {
        (Some(_), Some(one)) => one_address(one),
        _ => all_addresses(&stats),
    }
    Ok(())
}

fn name(view: &AddressStatsView) -> String {
    view.address
        .map_or_else(|| "(unprotected)".to_owned(), |address| address.to_string())
}

fn all_addresses(stats: &StatsView) {
    let headings = [
        "ADDRESS",
        "RUNG",
        "SYN/S",
        "THRESHOLD",
        "PASS/S",
        "DROP/S",
        "DROPPED",
        "OVER SINCE",
    ];
    let mut table = print::table(&headings, &[2, 3, 4, 5, 6]);
    for view in &stats.addresses {
        table.add_row([
            name(view),
            view.rung.clone().unwrap_or_else(|| "-".to_owned()),
            print::rate(view.rates.syn_pps),
            view.limit
                .map_or_else(|| "-".to_owned(), |limit| limit.syn_rate.to_string()),
            print::rate(view.rates.pass_pps),
            print::rate(view.rates.drop_pps),
            dropped(view).to_string(),
            print::until(view.over_since),
        ]);
    }
    print::print(&table);
}

fn dropped(view: &AddressStatsView) -> u64 {
    let drops = Reason::ALL
        .iter()
        .filter(|reason| reason.action() == xdp_common::Action::Drop);
    drops.filter_map(|reason| view.packets.get(reason.name())).sum()
}

fn one_address(view: &AddressStatsView) {
    println!(
        "{}: {} SYN/s, threshold {}",
        name(view),
        print::rate(view.rates.syn_pps),
        view.limit.map_or_else(|| "none".to_owned(), |limit| limit.to_string())
    );
    let mut table = print::table(&["REASON", "VERDICT", "PACKETS", "MEANING"], &[2]);
    for reason in Reason::ALL {
        let Some(packets) = view.packets.get(reason.name()) else {
            continue;
        };
        table.add_row([
            reason.name(),
            reason.action().name(),
            &packets.to_string(),
            reason.describe(),
        ]);
    }
    print::print(&table);
}
