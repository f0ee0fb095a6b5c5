//! `agent fleet status|nodes|top`.

use std::{
    io::{IsTerminal as _, Write as _},
    process::ExitCode,
    time::Duration,
};

use clap::Subcommand;

use super::{context::Context, print};
use crate::{
    control::api::{DecisionView, FleetTopView, FleetView, LinkView, NodeView},
    decide::say,
};

/// Show the other nodes, what was decided for all of them, and what arrives at all of them
///
/// Nodes agree through etcd ([fleet] in the configuration, docs/fleet.md). A node that is cut off goes on with what it knows, and
/// its commands for all nodes wait. Commands say for whom they are with --fleet and --local.
#[derive(Debug, clap::Args)]
#[command(
    arg_required_else_help = true,
    after_help = "Examples:
  agent fleet status                        is this node cut off, what holds for all, by whom, until when
  agent fleet nodes                         who is there: versions, modes, lists that differ
  agent fleet top                           what arrives at all nodes, live
  agent block-ip 198.51.100.23 --fleet      decide for all nodes"
)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Show how this node stands with the others, and what was decided for all
    ///
    /// HERE is no where this node alone was told otherwise since, or where the decision would cut this node off.
    #[command(after_help = "Exit codes: 0 all is well, 1 cut off, something is wrong, or no agent runs.")]
    Status,
    /// Show all nodes
    ///
    /// LISTS names the large lists of which a node has another version than most nodes have.
    #[command(after_help = "Exit codes: 0 done, 1 cut off from etcd, no [fleet], or no agent runs.")]
    Nodes,
    /// Show what arrives at all nodes together, the most attacked address first
    ///
    /// UNPROVEN are SYNs that nobody completes; HERE are those of them that this node sees. An address that no node reports has
    /// little.
    #[command(after_help = "Examples:
  agent fleet top                           each second, in place, until Ctrl-C
  agent fleet top --once                    one look
  agent fleet top --json                    one look, for machines

Exit codes: 0 done, 1 no agent runs or it went away.")]
    Top {
        /// One look; so where standard output is no terminal
        #[arg(long)]
        once: bool,
    },
}

/// Between two looks.
const SECOND: Duration = Duration::from_secs(1);
/// From the top, and nothing of what was there before.
const ANEW: &str = "\x1b[H\x1b[J";

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<ExitCode> {
    match args.what {
        What::Status => status(context).await,
        What::Nodes => nodes(context).await,
        What::Top { once } => top(once, context).await,
    }
}

async fn status(context: &Context) -> anyhow::Result<ExitCode> {
    let view: FleetView = context.agent().await?.get("/v1/fleet", &()).await?;
    if context.json {
        print::json(&view)?;
    } else {
        show_status(&view);
    }
    let is_well = view.link == LinkView::Off || is_well(&view);
    Ok(ExitCode::from(u8::from(!is_well)))
}

fn is_well(view: &FleetView) -> bool {
    view.link == LinkView::Up && view.queued.is_empty() && view.garbage.is_empty() && view.problems.is_empty()
}

fn show_status(view: &FleetView) {
    let Some(node) = &view.node else {
        println!("This node is alone: there is no [fleet] in the configuration (docs/fleet.md).");
        return;
    };
    println!("{}", print::clean(&sentence(view, node)));
    for queued in &view.queued {
        let about = print::clean(&queued.about);
        println!("Waits:   {about}, decided at {}", say::instant(queued.at));
    }
    for problem in &view.problems {
        println!("Problem: {}", print::clean(problem));
    }
    for garbage in &view.garbage {
        println!("Ignored: {}", print::clean(garbage));
    }
    if view.decisions.is_empty() {
        println!("Nothing was decided for all nodes.");
        return;
    }
    let headings = ["KIND", "ABOUT", "HOLDS", "BY", "AT", "SINCE", "UNTIL", "HERE", "REASON"];
    let mut table = print::table(&headings, &[]);
    for decision in &view.decisions {
        table.add_row(decision_row(decision));
    }
    print::print(&table);
}

/// How a node stands, in a sentence; `agent status` says it too.
pub(super) fn sentence(view: &FleetView, node: &str) -> String {
    let since = view.since.map(say::instant).unwrap_or_default();
    let nodes = match view.nodes {
        0 => String::new(),
        1 => ", 1 node".to_owned(),
        nodes => format!(", {nodes} nodes"),
    };
    let leader = view.leader.as_deref().unwrap_or("nobody");
    match view.link {
        LinkView::Off => "none".to_owned(),
        LinkView::Connecting => format!("{node}: connecting to etcd"),
        LinkView::Up => format!("{node}: connected since {since}{nodes}, reports are added up by {leader}"),
        LinkView::Down => format!(
            "{node}: CUT OFF since {since}: {}; this node goes on with what it knows",
            view.why.as_deref().unwrap_or("etcd does not answer")
        ),
    }
}

fn decision_row(decision: &DecisionView) -> [String; 9] {
    let here = if decision.here { "yes" } else { "no" };
    let about = if decision.about.is_empty() {
        "-"
    } else {
        &decision.about
    };
    [
        decision.kind.clone(),
        print::clean(about),
        print::clean(&decision.holds),
        format!("{} ({})", print::clean(&decision.actor), decision.by.name()),
        print::clean(&decision.node),
        say::instant(decision.at),
        decision.until.map_or_else(|| "never".to_owned(), say::instant),
        here.to_owned(),
        decision.reason.as_deref().map_or_else(|| "-".to_owned(), print::clean),
    ]
}

async fn nodes(context: &Context) -> anyhow::Result<ExitCode> {
    let nodes: Vec<NodeView> = context.agent().await?.get("/v1/fleet/nodes", &()).await?;
    if context.json {
        print::json(&nodes)?;
        return Ok(ExitCode::SUCCESS);
    }
    let headings = [
        "NODE",
        "SITE",
        "VERSION",
        "MODE",
        "ADDRESSES",
        "REPORTS",
        "UNPROVEN/S",
        "SINCE",
        "LISTS",
    ];
    let mut table = print::table(&headings, &[4, 5, 6]);
    for node in &nodes {
        table.add_row(node_row(node));
    }
    print::print(&table);
    Ok(ExitCode::SUCCESS)
}

fn node_row(node: &NodeView) -> [String; 9] {
    let marks = match (node.this, node.leader) {
        (true, true) => " (this one, adds up)",
        (true, false) => " (this one)",
        (false, true) => " (adds up)",
        (false, false) => "",
    };
    let lists = if node.lists_differ.is_empty() {
        "same".to_owned()
    } else {
        format!("differ: {}", print::clean(&node.lists_differ.join(", ")))
    };
    [
        format!("{}{marks}", print::clean(&node.node)),
        print::clean(&node.site),
        print::clean(&node.version),
        node.mode.to_string(),
        node.addresses.to_string(),
        node.reports.to_string(),
        print::rate(node.unproven),
        say::instant(node.started),
        lists,
    ]
}

async fn top(once: bool, context: &Context) -> anyhow::Result<ExitCode> {
    let agent = context.agent().await?;
    let is_live = !once && !context.json && std::io::stdout().is_terminal();
    loop {
        let view: FleetTopView = agent.get("/v1/fleet/top", &()).await?;
        if context.json {
            print::json(&view)?;
            return Ok(ExitCode::SUCCESS);
        }
        if is_live {
            print!("{ANEW}");
        }
        show_top(&view);
        if !is_live {
            return Ok(ExitCode::SUCCESS);
        }
        std::io::stdout().flush()?;
        tokio::time::sleep(SECOND).await;
    }
}

fn show_top(view: &FleetTopView) {
    match view.link {
        LinkView::Off => {
            println!("This node is alone: there is no [fleet] in the configuration (docs/fleet.md).");
            return;
        }
        LinkView::Down => println!("CUT OFF from etcd: this is what arrived before."),
        LinkView::Connecting => println!("Connecting to etcd."),
        LinkView::Up => println!("{} nodes.", view.nodes),
    }
    if view.sums.is_empty() {
        println!("No address has so much at any node that it is reported.");
        return;
    }
    let headings = [
        "ADDRESS",
        "UNPROVEN/S",
        "HERE/S",
        "SYN/S",
        "THRESHOLD/S",
        "NODES",
        "ATTACKED AT",
        "RUNG",
    ];
    let mut table = print::table(&headings, &[1, 2, 3, 4, 5, 6]);
    for sum in &view.sums {
        table.add_row([
            sum.address.to_string(),
            print::rate(sum.unproven_pps),
            print::rate(sum.unproven_here_pps),
            print::rate(sum.syn_pps),
            print::rate(sum.threshold_pps),
            sum.nodes.to_string(),
            sum.attacked.to_string(),
            sum.rung.to_string(),
        ]);
    }
    print::print(&table);
}
