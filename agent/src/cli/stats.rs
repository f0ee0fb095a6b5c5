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

In mode monitor what is counted as dropped did pass, and nothing was answered. SYNs without handshakes are
half-open pressure: sources that do not exist, or do not want to connect. `-` is what this host cannot see,
because it forwards.")]
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
        "METHOD",
        "SYN/S",
        "THRESHOLD",
        "HANDSHAKES/S",
        "PASS/S",
        "DROP/S",
        "REPLY/S",
        "DROPPED",
        "OVER SINCE",
    ];
    let mut table = print::table(&headings, &[3, 4, 5, 6, 7, 8, 9]);
    for view in &stats.addresses {
        table.add_row([
            name(view),
            view.rung.clone().unwrap_or_else(|| "-".to_owned()),
            view.method.map_or_else(|| "-".to_owned(), |method| method.to_string()),
            print::rate(view.rates.syn_pps),
            view.limit
                .map_or_else(|| "-".to_owned(), |limit| limit.syn_rate.to_string()),
            handshakes(view),
            print::rate(view.rates.pass_pps),
            print::rate(view.rates.drop_pps),
            print::rate(view.rates.reply_pps),
            dropped(view).to_string(),
            print::until(view.over_since),
        ]);
    }
    print::print(&table);
    for (name, packets) in &stats.lists {
        println!("list {name}: {packets} packets");
    }
}

/// Only where this host terminates can it see handshakes complete.
fn handshakes(view: &AddressStatsView) -> String {
    if view.local {
        print::rate(view.rates.handshakes_pps)
    } else {
        "-".to_owned()
    }
}

fn dropped(view: &AddressStatsView) -> u64 {
    let drops = Reason::ALL
        .iter()
        .filter(|reason| reason.action() == xdp_common::Action::Drop);
    drops.filter_map(|reason| view.packets.get(reason.name())).sum()
}

fn one_address(view: &AddressStatsView) {
    println!(
        "{}: {} SYN/s, threshold {}, {} handshakes/s completed",
        name(view),
        print::rate(view.rates.syn_pps),
        view.limit.map_or_else(|| "none".to_owned(), |limit| limit.to_string()),
        handshakes(view)
    );
    if let Some(vectors) = view.vectors.filter(|vectors| vectors.limited() != 0) {
        println!("Its other rates: {vectors}.");
    }
    if let (Some(rung), Some(method)) = (&view.rung, view.method) {
        let since = view
            .rung_since
            .map(|since| format!(" since {}", print::until(Some(since))))
            .unwrap_or_default();
        println!("On the rung {rung}{since}; in verify sources prove themselves by {method}.");
    }
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
