//! `agent upstream`.

use super::{context::Context, print};
use crate::control::api::{RouteView, UpstreamView};

/// Show what the network above is asked to drop, by whom, until when, and whether BIRD announces it
///
/// Addresses come here by the rung upstream: `agent rung ADDR upstream` puts one there, `agent rung ADDR auto` takes it back,
/// and with ladder.highest = "upstream" they climb there by themselves. Needs [upstream] in the configuration.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  agent upstream                                       every route, the sessions of BIRD, the budget
  agent rung 203.0.113.7 upstream --ttl 30m            ask the network above; answers once BIRD announces it
  agent rung 203.0.113.7 auto                          take it back

Exit codes: 0 done, 1 something keeps the routes from being what they should be, or the agent does not run.")]
pub(super) struct Args {}

pub(super) async fn run(_: Args, context: &Context) -> anyhow::Result<()> {
    let view: UpstreamView = context.agent().await?.get("/v1/upstream", &()).await?;
    if context.json {
        print::json(&view)?;
    } else {
        show(&view);
    }
    match &view.problem {
        Some(problem) if !context.json => anyhow::bail!("{}", print::clean(problem)),
        Some(problem) => Err(crate::decide::Refusal::failed(problem.clone()).into()),
        None => Ok(()),
    }
}

fn show(view: &UpstreamView) {
    let Some(announce) = &view.announce else {
        println!("Nobody is asked: there is no [upstream] in the configuration (docs/upstream.md).");
        return;
    };
    let sessions = if view.sessions.is_empty() {
        "none is up".to_owned()
    } else {
        view.sessions.join(", ")
    };
    println!("Announced as {announce}; BGP sessions: {}.", print::clean(&sessions));
    let [at_once, most] = view.at_once;
    let [last_hour, most_per_hour] = view.last_hour;
    println!("Budget: {at_once} of {most} at once, {last_hour} of {most_per_hour} within an hour.");
    if view.routes.is_empty() {
        println!("No address is on the rung upstream.");
        return;
    }
    let mut table = print::table(&["ADDRESS", "STATE", "SESSIONS", "SINCE", "BY", "UNTIL", "REASON"], &[]);
    for route in &view.routes {
        table.add_row(row(route));
    }
    print::print(&table);
}

fn row(route: &RouteView) -> [String; 7] {
    let state = match &route.refused {
        Some(why) => format!("refused: {}", print::clean(why)),
        None => route.state.name().to_owned(),
    };
    let sessions = if route.sessions.is_empty() {
        "-".to_owned()
    } else {
        print::clean(&route.sessions.join(", "))
    };
    [
        route.address.to_string(),
        state,
        sessions,
        print::until(route.announced),
        print::clean(&route.actor),
        print::until(route.until),
        route.reason.as_deref().map_or_else(|| "-".to_owned(), print::clean),
    ]
}
