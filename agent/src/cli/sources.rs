//! `agent sources`.

use super::{context::Context, print};
use crate::{
    config::prefix,
    control::api::{AllSourcesView, PrefixesView, SourcesQuery, SourcesView, TrafficView},
    decide::say,
};

/// Show who sends most to protected addresses now, whatever they send
///
/// Rates are over the last ten seconds, counted from one packet of many (of little traffic, from every packet). A flood from
/// random forged addresses has no heavy sources and many different ones; a botnet in one network shows as a prefix.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  agent sources
  agent sources --prefixes              by IPv4 /24 and IPv6 /48
  agent sources --limit 100 --json")]
pub(super) struct Args {
    /// Prefixes (IPv4 /24, IPv6 /48) instead of single sources
    #[arg(long)]
    prefixes: bool,
    /// Lines at most
    #[arg(long, value_name = "COUNT", default_value_t = 20)]
    limit: usize,
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<()> {
    let query = SourcesQuery {
        limit: Some(args.limit),
    };
    let agent = context.agent().await?;
    if args.prefixes {
        let prefixes: PrefixesView = agent.get("/v1/prefixes", &query).await?;
        return tell_prefixes(&prefixes, context.json);
    }
    let sources: SourcesView = agent.get("/v1/sources", &query).await?;
    tell_sources(&sources, context.json)
}

fn tell_sources(sources: &SourcesView, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return print::json(sources);
    }
    if sources.sources.is_empty() {
        println!("No source is heavy enough to be recorded.");
    } else {
        let headings = [
            "SOURCE",
            "PACKETS/S",
            "BITS/S",
            "SYN/S",
            "DROP/S",
            "SHARE",
            "OVER/S",
            "SYNS OVER",
            "LISTED",
            "LAST SEEN",
        ];
        let mut table = print::table(&headings, &[1, 2, 3, 4, 5, 6, 7]);
        for view in &sources.sources {
            let mut row = vec![prefix::display(view.source)];
            row.extend(traffic(&view.traffic));
            row.extend([
                print::rate(view.over_pps),
                view.syns_over.to_string(),
                view.listed.map_or_else(|| "-".to_owned(), |action| action.to_string()),
                say::instant(view.last),
            ]);
            table.add_row(row);
        }
        print::print(&table);
    }
    println!("{}", all(&sources.all));
    println!(
        "{} sources have a SYN bucket of their own; threshold of each source: {}.",
        sources.recorded, sources.limit
    );
    Ok(())
}

fn tell_prefixes(prefixes: &PrefixesView, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return print::json(prefixes);
    }
    if prefixes.prefixes.is_empty() {
        println!("No prefix sends anything.");
    } else {
        let headings = [
            "PREFIX",
            "PACKETS/S",
            "BITS/S",
            "SYN/S",
            "DROP/S",
            "SHARE",
            "LISTED",
            "LAST SEEN",
        ];
        let mut table = print::table(&headings, &[1, 2, 3, 4, 5]);
        for view in &prefixes.prefixes {
            let mut row = vec![prefix::display(view.prefix)];
            row.extend(traffic(&view.traffic));
            row.extend([
                view.listed.map_or_else(|| "-".to_owned(), |action| action.to_string()),
                say::instant(view.last),
            ]);
            table.add_row(row);
        }
        print::print(&table);
    }
    println!("{}", all(&prefixes.all));
    Ok(())
}

fn traffic(view: &TrafficView) -> [String; 5] {
    [
        print::rate(view.packets_pps),
        print::rate(view.bits_per_s),
        print::rate(view.syn_pps),
        print::rate(view.drop_pps),
        print::share(view.share),
    ]
}

/// What all sources do, in one sentence.
pub(super) fn all(view: &AllSourcesView) -> String {
    let distinct = view.distinct.map_or_else(
        || "an unknown number of".to_owned(),
        |distinct| format!("about {}", print::rate(distinct)),
    );
    format!(
        "{distinct} different sources within a second, {} packets/s, {} bits/s; the ten heaviest sent {} of it",
        print::rate(view.traffic.packets_pps),
        print::rate(view.traffic.bits_per_s),
        print::share(view.top10_share),
    )
}
