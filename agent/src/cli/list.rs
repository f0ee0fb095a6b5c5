//! `agent list`.

use super::{
    context::Context,
    direct::{Direct, NOT_RUNNING},
    print,
};
use crate::{config::prefix, control::api::ListView};

/// Show what is blocked, blackholed and allowed: by whom, why, until when
///
/// Works while the agent is dead, from the kernel's maps alone; then who asked is not known.
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) async fn run(Args {}: Args, context: &Context) -> anyhow::Result<()> {
    let list: ListView = match context.agent_if_running().await? {
        Some(agent) => agent.get("/v1/list", &()).await?,
        None => {
            let list = Direct::to_read(context).await?.list()?;
            eprintln!("warning: {NOT_RUNNING}");
            list
        }
    };
    if context.json {
        return print::json(&list);
    }
    show(&list);
    Ok(())
}

fn show(list: &ListView) {
    if list.blackholes.is_empty() && list.sources.is_empty() && list.lists.is_empty() {
        println!("Nothing is blocked, blackholed or allowed.");
        return;
    }
    let mut table = print::table(&["WHAT", "ADDRESS", "UNTIL", "BY", "SINCE", "REASON"], &[]);
    for hole in &list.blackholes {
        let [by, since, reason] = print::origin(&hole.origin);
        let what = if hole.all { "blackhole (all)" } else { "blackhole" };
        table.add_row([
            what.to_owned(),
            hole.address.to_string(),
            print::until(hole.origin.until),
            by,
            since,
            reason,
        ]);
    }
    for entry in &list.sources {
        let [by, since, reason] = print::origin(&entry.origin);
        let what = format!("{} source", entry.action);
        table.add_row([
            what,
            prefix::display(entry.prefix),
            print::until(entry.origin.until),
            by,
            since,
            reason,
        ]);
    }
    for large in &list.lists {
        table.add_row([
            format!("{} list", large.action),
            format!(
                "{}: {} prefixes, {} packets",
                large.name,
                large.v4 + large.v6,
                large.packets
            ),
            print::until(large.until),
            large.from.as_deref().map_or_else(|| "-".to_owned(), print::clean),
            print::until(large.read),
            large.problem.as_deref().map_or_else(|| "-".to_owned(), print::clean),
        ]);
    }
    print::print(&table);
}
