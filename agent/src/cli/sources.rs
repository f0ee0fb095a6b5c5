//! `agent sources`.

use super::{context::Context, print};
use crate::{
    config::prefix,
    control::api::{SourcesQuery, SourcesView},
    decide::say,
};

/// Show the sources that send the most SYNs now
///
/// Only heavy sources are recorded one by one: a flood from random forged addresses has none, which tells something too.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  agent sources
  agent sources --limit 100 --json")]
pub(super) struct Args {
    /// Lines at most
    #[arg(long, value_name = "COUNT", default_value_t = 20)]
    limit: usize,
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<()> {
    let query = SourcesQuery {
        limit: Some(args.limit),
    };
    let sources: SourcesView = context.agent().await?.get("/v1/sources", &query).await?;
    if context.json {
        return print::json(&sources);
    }
    if sources.sources.is_empty() {
        println!("No source is heavy enough to be recorded.");
        return Ok(());
    }
    let headings = [
        "SOURCE",
        "SYN/S",
        "OVER/S",
        "SYNS WITHIN",
        "SYNS OVER",
        "LISTED",
        "LAST SEEN",
    ];
    let mut table = print::table(&headings, &[1, 2, 3, 4]);
    for view in &sources.sources {
        table.add_row([
            prefix::display(view.source),
            print::rate(view.syn_pps),
            print::rate(view.over_pps),
            view.syns_within.to_string(),
            view.syns_over.to_string(),
            view.listed.map_or_else(|| "-".to_owned(), |action| action.to_string()),
            say::instant(view.last),
        ]);
    }
    print::print(&table);
    println!(
        "{} of {} recorded sources; threshold of each: {}.",
        sources.sources.len(),
        sources.recorded,
        sources.limit
    );
    Ok(())
}
