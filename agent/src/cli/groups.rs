//! `agent groups`.

use super::{
    context::Context,
    direct::{Direct, NOT_RUNNING},
    print,
};
use crate::{
    control::api::{GroupView, RatesView},
    decide::say,
};

/// Show the groups: budgets that all addresses of a prefix share, and what these addresses meet together
///
/// Above a group's SYN rate, every SYN to any of its addresses must prove its source; what exceeds another of its rates
/// is dropped. Works while the agent is dead, from the kernel's maps alone; then there are no rates.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A group is a [[group]] section of the configuration. Its rates can be changed at run time:
  agent threshold set 203.0.113.0/24 --syn-rate 200k/s --udp-packets 500k/s --ttl 2h
  agent threshold unset 203.0.113.0/24"
)]
pub(super) struct Args {}

pub(super) async fn run(Args {}: Args, context: &Context) -> anyhow::Result<()> {
    let groups: Vec<GroupView> = match context.agent_if_running().await? {
        Some(agent) => agent.get("/v1/groups", &()).await?,
        None => {
            let groups = Direct::to_read(context).await?.groups()?;
            eprintln!("warning: {NOT_RUNNING}");
            groups
        }
    };
    if context.json {
        return print::json(&groups);
    }
    show(&groups);
    Ok(())
}

fn show(groups: &[GroupView]) {
    if groups.is_empty() {
        println!("There are no groups: a [[group]] section in the configuration makes one.");
        return;
    }
    let headings = [
        "GROUP",
        "ADDRESSES",
        "RUNG",
        "SINCE",
        "SYN/S",
        "THRESHOLD",
        "PASS/S",
        "DROP/S",
        "REPLY/S",
        "OVER/S",
        "OVER",
        "OVER A RATE",
        "OTHER RATES",
    ];
    let mut table = print::table(&headings, &[1, 4, 5, 6, 7, 8, 9, 10]);
    for view in groups {
        let rate = |of: fn(&RatesView) -> f64| {
            view.rates
                .as_ref()
                .map_or_else(|| "-".to_owned(), |rates| print::rate(of(rates)))
        };
        table.add_row([
            view.prefix.to_string(),
            view.addresses.to_string(),
            view.rung.clone(),
            print::until(view.since),
            rate(|rates| rates.syn_pps),
            view.limit
                .map_or_else(|| "-".to_owned(), |limit| limit.syn_rate.to_string()),
            rate(|rates| rates.pass_pps),
            rate(|rates| rates.drop_pps),
            rate(|rates| rates.reply_pps),
            view.over_pps.map_or_else(|| "-".to_owned(), print::rate),
            view.over.to_string(),
            say::some_of(&view.over_rate),
            view.vectors.to_string(),
        ]);
    }
    print::print(&table);
}
