//! `agent top`.

use std::{env, process::ExitCode, time::Duration};

use jiff::tz::TimeZone;

use super::{context::Context, ssh};
use crate::{
    config::units::Interval,
    control::{
        api::{OverviewQuery, OverviewSort, OverviewView},
        client::{Client, ClientError},
    },
    decide::Refusal,
    top::{
        self, Options,
        app::Setting,
        look::{Look, Palette},
    },
};

/// An agent that does not answer for so long does not answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Watch it live: which address is attacked, since when, by what, and is it safe to put back; and act from there
///
/// Addresses by pressure with rung, SYNs against their threshold over two minutes, handshakes, verdicts by reason, who sends most,
/// NIC and CPU. Enter shows one address closely; r, b and u put it on a rung, block and unblock, each after a preview of whom that
/// reaches and a typed word. ? shows all keys. When the agent goes away it says so, and goes on when it is back.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  agent top
  agent top --filter 203.0.113.0/24 --sort syn
  agent top --filter attack                     only what is attacked
  agent top --color-blind                       no red and green; NO_COLOR or --no-color for none at all
  agent top --json --count 1 | jq .attacks      for machines: one line of JSON each interval

Exit codes: 0 left with q, 1 no agent or no right to speak to it, 2 not a terminal, 128+N ended by signal N.")]
pub(super) struct Args {
    /// Between two looks, 100ms to 1m; what happens is shown at once
    #[arg(long, value_name = "TIME", default_value = "1s")]
    interval: Interval,
    /// The order of addresses, the most first
    #[arg(long, value_name = "ORDER", default_value = "pressure")]
    sort: OverviewSort,
    /// Only addresses that hold this text, lie in this prefix, stand on this rung; or `attack`
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// No colours; so does NO_COLOR in the environment
    #[arg(long, conflicts_with = "color_blind")]
    no_color: bool,
    /// Colours that do not rest on red and green
    #[arg(long)]
    color_blind: bool,
    /// Only ASCII; by itself where the locale is not UTF-8
    #[arg(long)]
    ascii: bool,
    /// With --json: end after so many lines
    #[arg(long, value_name = "COUNT")]
    count: Option<u64>,
    /// With --json: addresses in each line at most
    #[arg(long, value_name = "COUNT", default_value_t = 50)]
    limit: usize,
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<ExitCode> {
    if context.json {
        return lines(&args, context).await;
    }
    if args.count.is_some() {
        return Err(Refusal::invalid("--count is for --json", "leave it out, or add --json").into());
    }
    top::needs_terminal()?;
    let agent = context.agent().await?;
    // What would go wrong each time is told before the screen is taken. One who is only slow is shown as such.
    if let Ok(answer) = tokio::time::timeout(PATIENCE, look(&agent, &OverviewQuery::default())).await {
        answer?;
    }
    top::run(Options {
        socket: context.socket(),
        interval: args.interval.duration(),
        sort: args.sort,
        filter: args.filter.clone().unwrap_or_default(),
        setting: setting(&args),
    })
    .await
}

async fn look(agent: &Client, query: &OverviewQuery) -> Result<OverviewView, ClientError> {
    agent.get("/v1/overview", query).await
}

fn setting(args: &Args) -> Setting {
    let no_color = args.no_color || env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let palette = match (args.color_blind, no_color) {
        (true, _) => Palette::ColorBlind,
        (false, true) => Palette::None,
        (false, false) => Palette::Usual,
    };
    let host = nix::unistd::gethostname().unwrap_or_default();
    Setting {
        host: host.to_string_lossy().into_owned(),
        look: Look {
            palette,
            ascii: args.ascii || !locale_is_utf8(|name| env::var(name).ok()),
        },
        zone: TimeZone::system(),
        ssh_peer: ssh::peer(),
    }
}

/// Whether the locale says that letters are UTF-8: the first of these that is set decides (locale(7)).
fn locale_is_utf8(variable: impl Fn(&str) -> Option<String>) -> bool {
    let names = ["LC_ALL", "LC_CTYPE", "LANG"];
    let set = names
        .iter()
        .filter_map(|name| variable(name))
        .find(|value| !value.is_empty());
    let locale = set.unwrap_or_default().to_ascii_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}

/// One overview a line, each interval, for machines. When the agent goes away that is said on standard error, and it is waited for.
async fn lines(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let query = OverviewQuery {
        sort: Some(args.sort),
        filter: args.filter.clone(),
        offset: None,
        limit: Some(args.limit),
    };
    let mut agent = Some(context.agent().await?);
    let mut left = args.count.unwrap_or(u64::MAX);
    let mut clock = tokio::time::interval(args.interval.duration());
    clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while left > 0 {
        clock.tick().await;
        if agent.is_none() {
            agent = context.agent_if_running().await?;
        }
        let Some(client) = &agent else { continue };
        match tokio::time::timeout(PATIENCE, look(client, &query)).await {
            Ok(Ok(view)) => {
                println!("{}", serde_json::to_string(&view)?);
                left -= 1;
                continue;
            }
            Ok(Err(error @ ClientError::Refused(_))) => return Err(error.into()),
            Ok(Err(error)) => eprintln!("warning: {error}; waiting until it is back"),
            Err(_late) => eprintln!(
                "warning: the agent did not answer within {} s; trying again",
                PATIENCE.as_secs()
            ),
        }
        agent = None;
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_variable_that_is_set_names_the_locale() {
        let with = |all: &'static str, lang: &'static str| {
            locale_is_utf8(|name| match name {
                "LC_ALL" => Some(all.to_owned()),
                "LANG" => Some(lang.to_owned()),
                _ => None,
            })
        };
        assert!(with("", "en_GB.UTF-8") && with("C.utf8", "C"));
        assert!(!with("C", "en_GB.UTF-8") && !with("", "POSIX"));
        assert!(!locale_is_utf8(|_| None), "an unset locale is C");
    }
}
