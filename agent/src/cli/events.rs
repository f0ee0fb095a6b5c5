//! `agent events`.

use std::time::Duration;

use jiff::Timestamp;

use super::{attacks, context::Context, history, print, since};
use crate::control::{
    api::{EventView, EventsQuery, FollowLine},
    client::{Client, ClientError},
    view,
};

/// Events shown without `--since`: those of so many hours.
const HOURS: i64 = 24;
/// Between two tries to reach an agent that has gone.
const AGAIN: Duration = Duration::from_secs(1);
/// An agent that says nothing for so long has gone.
const SILENCE: Duration = Duration::from_secs(45);

/// Show what happened: attacks that began and ended, rungs taken, falling handshakes, a saturated host
///
/// Those of the last day, unless asked for others. With --follow, what happens is shown as it comes; when the agent restarts, it
/// is waited for, what came in between is told, and how much of it cannot be told any more. Without --follow it works while the
/// agent is dead, from the ledger's file.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  agent events
  agent events --since 2h --attack 12
  agent events --follow                     until Ctrl-C
  agent events --follow --json | jq -r .sentence")]
pub(super) struct Args {
    /// Show what happens from now on, too
    #[arg(long, short)]
    follow: bool,
    /// Not before: 2h, 7d, 2025-06-01, or \"2025-06-01 11:08\"
    #[arg(long, value_name = "WHEN", value_parser = since::parse)]
    since: Option<Timestamp>,
    /// Only of this attack
    #[arg(long, value_name = "N")]
    attack: Option<u64>,
    /// The first so many
    #[arg(long, value_name = "COUNT", default_value_t = 1_000, conflicts_with = "follow")]
    limit: usize,
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<()> {
    if args.follow {
        return follow(&args, context).await;
    }
    let recent = Timestamp::now()
        .checked_sub(jiff::SignedDuration::from_hours(HOURS))
        .ok();
    let everything = args.attack.is_some();
    let query = EventsQuery {
        after: None,
        since: args.since.or(recent.filter(|_| !everything)),
        attack: args.attack,
        limit: Some(args.limit),
    };
    let events: Vec<EventView> = match context.agent_if_running().await? {
        Some(agent) => agent.get("/v1/events", &query).await?,
        None => view::events(&history::open(context)?.reader(), query)?,
    };
    if context.json {
        return print::json(&events);
    }
    if events.is_empty() {
        println!("Nothing happened in this time.");
    }
    for event in &events {
        println!("{}", attacks::line(event));
    }
    if events.len() == args.limit {
        eprintln!(
            "warning: these are the first {}; --limit or --since shows others",
            args.limit
        );
    }
    Ok(())
}

async fn follow(args: &Args, context: &Context) -> anyhow::Result<()> {
    let mut query = EventsQuery {
        after: None,
        since: args.since,
        attack: args.attack,
        limit: None,
    };
    let mut agent = Some(context.agent().await?);
    loop {
        if let Some(agent) = agent.take() {
            match follow_one(&agent, &mut query, context.json).await {
                Ok(()) => eprintln!("warning: the agent has stopped; waiting until it is back"),
                Err(error @ ClientError::Refused(_)) => return Err(error.into()),
                Err(error) => eprintln!("warning: {error}; trying again"),
            }
        }
        tokio::time::sleep(AGAIN).await;
        agent = context.agent_if_running().await?;
    }
}

/// Shows what one agent tells, until it stops.
async fn follow_one(agent: &Client, query: &mut EventsQuery, json: bool) -> Result<(), ClientError> {
    let mut lines = agent.follow("/v1/events/follow", query).await?;
    loop {
        let next = tokio::time::timeout(SILENCE, lines.next::<FollowLine>()).await;
        let Ok(Some(line)) = next.unwrap_or(Ok(None)) else {
            return Ok(());
        };
        if let Some(missed) = line.missed {
            eprintln!("warning: {missed} events before this one are not in the ledger any more");
        }
        if let Some(event) = line.event {
            query.after = Some(event.event.id);
            if json {
                println!("{}", serde_json::to_string(&event).unwrap_or_default());
            } else {
                println!("{}", attacks::line(&event));
            }
        }
    }
}
