//! `agent rung`.

use clap::ValueEnum;
use ipnet::IpNet;
use reqwest::Method;

use super::{
    context::Context,
    direct::{Direct, NOT_RUNNING, as_target},
    print,
    scope::Whom,
};
use crate::{
    config::{prefix, units::Ttl},
    control::api::{AutomaticView, Done, RungRequest, RungView},
    decide::Refusal,
    tables::Rung,
};

/// Show where each address stands on the ladder, and put one on a rung by hand
///
/// By itself an address stands on `limit` and goes to `verify` while it is over its rate: then SYNs of unknown sources must
/// prove themselves, by a cookie or a challenge. Where the configuration lets it ([ladder]), it climbs on to `known` and
/// `blackhole` when that is not enough. What is forced here wins. Works while the agent is dead, straight on the kernel's maps.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  agent rung                                   every address: rung, since when, forced by whom
  agent rung 203.0.113.7                       one of them
  agent rung 203.0.113.7 verify --ttl 30m      make unknown sources prove themselves now
  agent rung 203.0.113.7 known                 admit only who was here lately, for block_ttl
  agent rung 203.0.113.7 upstream --ttl 1h     have the network above drop it; see `agent upstream`
  agent rung 203.0.113.7 auto                  let it take its rung by itself again
  agent rung 203.0.113.7 verify --fleet        on all nodes of the fleet")]
pub(super) struct Args {
    /// Protected address, or a prefix that holds some
    #[arg(value_name = "ADDR|CIDR", value_parser = prefix::parse)]
    target: Option<IpNet>,
    /// Where to put it; shows where it stands when left out
    #[arg(requires = "target")]
    rung: Option<Choice>,
    /// How long, such as 30m, 2h or never; block_ttl of the configuration when left out
    #[arg(long, requires = "rung")]
    ttl: Option<Ttl>,
    /// Why, for colleagues and for the ledger
    #[arg(long, value_name = "TEXT", requires = "rung")]
    reason: Option<String>,
    /// Past the guard rails of upstream: its budget, and that some address must stay announced as reachable
    #[arg(long, requires = "rung")]
    force: bool,
    #[command(flatten)]
    whom: Whom,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Choice {
    /// By itself: limit, and verify while it is over its rate
    Auto,
    /// Count packets, limit nothing
    Observe,
    /// Drop what exceeds the rates
    Limit,
    /// SYNs of unknown sources must prove themselves
    Verify,
    /// Admit only sources that completed a handshake lately
    Known,
    /// Refused: says which command does it
    #[value(hide = true)]
    Blackhole,
    /// Nothing new gets in here, and the network above is asked to drop it (needs [upstream])
    Upstream,
}

impl Choice {
    const fn rung(self) -> Option<Rung> {
        match self {
            Self::Auto => None,
            Self::Observe => Some(Rung::Observe),
            Self::Limit => Some(Rung::Limit),
            Self::Verify => Some(Rung::Verify),
            Self::Known => Some(Rung::Known),
            Self::Blackhole => Some(Rung::Blackhole),
            Self::Upstream => Some(Rung::Upstream),
        }
    }
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<()> {
    let (Some(target), Some(choice)) = (args.target, args.rung) else {
        if args.whom.is_given() {
            return Err(Refusal::invalid(
                "--fleet, --local and --automatic belong to a rung that is forced or given back",
                "name the rung, such as `agent rung 203.0.113.7 verify --fleet`, or leave them out",
            )
            .into());
        }
        return show(args.target, context).await;
    };
    let request = RungRequest {
        target: as_target(target),
        rung: choice.rung(),
        ttl: args.ttl,
        reason: args.reason,
        force: args.force,
        scope: args.whom.scope(),
        automatic: args.whom.automatic,
    };
    let done: Done = match context.agent_if_running().await? {
        Some(agent) => agent.send_json(Method::PUT, "/v1/rungs", &request).await?,
        None => {
            args.whom.without_agent()?;
            Direct::to_write(context).await?.set_rung(&request)?
        }
    };
    print::done(&done, context.json)
}

async fn show(target: Option<IpNet>, context: &Context) -> anyhow::Result<()> {
    let mut views: Vec<RungView> = match context.agent_if_running().await? {
        Some(agent) => agent.get("/v1/rungs", &()).await?,
        None => {
            let views = Direct::to_read(context).await?.rungs()?;
            eprintln!("warning: {NOT_RUNNING}");
            views
        }
    };
    if let Some(target) = target {
        views.retain(|view| target.contains(&view.address));
        anyhow::ensure!(
            !views.is_empty(),
            "{} is not a protected address; `agent rung` shows those that are",
            prefix::display(target)
        );
    }
    if context.json {
        return print::json(&views);
    }
    table(&views);
    Ok(())
}

/// What the ladder did, or would have: it ends when it is calm, and not before its hold is over.
fn by_ladder(automatic: &AutomaticView) -> (String, String, String) {
    let by = if automatic.dry_run {
        format!("ladder (only said: {})", automatic.rung)
    } else {
        "ladder".to_owned()
    };
    let until = match automatic.hold_left_seconds {
        0 => "it is calm".to_owned(),
        left => {
            let left = humantime::format_duration(std::time::Duration::from_secs(left));
            format!("it is calm, held for {left}")
        }
    };
    (by, until, print::clean(&automatic.reason))
}

fn table(views: &[RungView]) {
    let headings = [
        "ADDRESS",
        "RUNG",
        "SINCE",
        "PUT THERE BY",
        "UNTIL",
        "REASON",
        "BY ITSELF UP TO",
        "METHOD",
        "SYN/S",
        "HANDSHAKES/S",
    ];
    let mut table = print::table(&headings, &[8, 9]);
    let dash = || "-".to_owned();
    for view in views {
        let (by, until, reason) = match (&view.forced, &view.automatic) {
            (None, None) => (dash(), dash(), dash()),
            (None, Some(automatic)) => by_ladder(automatic),
            (Some(forced), _) => {
                let [by, _, reason] = print::origin(forced);
                (
                    by,
                    forced
                        .until
                        .map_or_else(|| "never".to_owned(), |at| print::until(Some(at))),
                    reason,
                )
            }
        };
        table.add_row([
            view.address.to_string(),
            view.rung.clone(),
            print::until(view.since),
            by,
            until,
            reason,
            view.highest.to_string(),
            view.method.to_string(),
            view.syn_pps.map_or_else(dash, print::rate),
            view.handshakes_pps.map_or_else(dash, print::rate),
        ]);
    }
    print::print(&table);
}
