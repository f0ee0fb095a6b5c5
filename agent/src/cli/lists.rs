//! `agent lists`.

use super::{
    context::Context,
    direct::{Direct, NOT_RUNNING},
    print,
};
use crate::control::api::{Done, LargeListView, RefreshRequest};

/// Show the large lists of the configuration: how many prefixes, how old, what is wrong, what each has decided about
///
/// Works while the agent is dead, from the kernel's maps alone; then only what is in force is known.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  agent lists                    every list
  agent lists refresh            read all of them now
  agent lists refresh drop       read the list drop now

A version that cannot be read, has more invalid lines than max_invalid, or does not fit limits.list_prefixes is
refused: the last good one stays in force, and survives restarts. CONFLICTS are prefixes that a list further up
in the configuration decides otherwise.")]
pub(super) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Read lists now, and wait until they are in force
    Refresh {
        /// One list; all when left out
        #[arg(value_name = "NAME")]
        name: Option<String>,
    },
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<()> {
    match args.action {
        Some(Action::Refresh { name }) => {
            let agent = context.agent().await?;
            let done: Done = agent
                .send_json(reqwest::Method::POST, "/v1/lists/refresh", &RefreshRequest { name })
                .await?;
            print::done(&done, context.json)
        }
        None => show_all(context).await,
    }
}

async fn show_all(context: &Context) -> anyhow::Result<()> {
    let lists: Vec<LargeListView> = match context.agent_if_running().await? {
        Some(agent) => agent.get("/v1/lists", &()).await?,
        None => {
            let lists = Direct::to_read(context).await?.large_lists()?;
            eprintln!("warning: {NOT_RUNNING}");
            lists
        }
    };
    if context.json {
        return print::json(&lists);
    }
    if lists.is_empty() {
        println!("There are no lists: the configuration has no [[list]] section.");
        return Ok(());
    }
    show(&lists);
    Ok(())
}

fn show(lists: &[LargeListView]) {
    let headings = [
        "LIST",
        "ACTION",
        "IPV4",
        "IPV6",
        "INVALID",
        "CONFLICTS",
        "PACKETS",
        "AGE",
        "NEXT",
        "ENDS",
        "FROM",
    ];
    let mut table = print::table(&headings, &[2, 3, 4, 5, 6, 7]);
    for list in lists {
        table.add_row([
            list.name.clone(),
            list.action.to_string(),
            list.v4.to_string(),
            list.v6.to_string(),
            number(list.invalid),
            number(list.conflicts),
            list.packets.to_string(),
            list.age_seconds.map_or_else(|| "-".to_owned(), age),
            print::until(list.next),
            print::until(list.until),
            list.from.as_deref().map_or_else(|| "-".to_owned(), print::clean),
        ]);
    }
    print::print(&table);
    for list in lists {
        if let Some(problem) = &list.problem {
            println!("{}: {}", list.name, print::clean(problem));
        }
        for line in &list.invalid_lines {
            println!("{}: {}", list.name, print::clean(line));
        }
    }
}

fn number(count: Option<usize>) -> String {
    count.map_or_else(|| "-".to_owned(), |count| count.to_string())
}

fn age(seconds: i64) -> String {
    let seconds = u64::try_from(seconds).unwrap_or(0);
    humantime::format_duration(std::time::Duration::from_secs(seconds)).to_string()
}
