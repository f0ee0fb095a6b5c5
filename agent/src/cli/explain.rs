//! `agent explain`.

use std::net::IpAddr;

use super::{
    context::Context,
    direct::{Direct, NOT_RUNNING},
    print,
};
use crate::{
    control::api::{ExplainRequest, ExplainView},
    explain::{Flag, Proto},
};

/// Say what would become of a packet now, and why
///
/// The packet is built, and judged by the same program and maps as those on the wire; nothing is sent, nothing is attached,
/// and no counter, budget or list of sources changes. Only a listener of this host is told that cookies are under way, where
/// the answer would be one. Each CPU is asked, because each has a part of every budget. Works without a running agent, too:
/// then without rates, and without who asked for what.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  agent explain 198.51.100.9 203.0.113.7                       a customer who cannot connect to 203.0.113.7:443
  agent explain 198.51.100.9 203.0.113.7 --port 22
  agent explain 198.51.100.9 203.0.113.7 --flags ack           a segment of a connection, not its beginning
  agent explain 192.0.2.53 203.0.113.7 --proto udp --sport 53  an answer of a name server
  agent --json explain 2001:db8::9 2001:db8:1::7 | jq -r .reason

What a reason means, `agent why REASON` says. Exit codes: 0 told, whatever the verdict is; 1 it cannot be told; 2 there is no
such packet.")]
pub(super) struct Args {
    /// Who would send it
    #[arg(value_name = "SRC")]
    source: IpAddr,
    /// Whom it would go to, one of our addresses
    #[arg(value_name = "DST")]
    destination: IpAddr,
    /// Destination port of TCP and UDP [default: 443]
    #[arg(long, value_name = "N")]
    port: Option<u16>,
    /// The protocol; icmp is a ping
    #[arg(long, value_enum, default_value_t)]
    proto: Proto,
    /// Source port of TCP and UDP [default: 50000]
    #[arg(long, value_name = "N")]
    sport: Option<u16>,
    /// TCP flags, separated by commas [default: syn]
    #[arg(long, value_enum, value_delimiter = ',', value_name = "FLAGS")]
    flags: Vec<Flag>,
    /// The interface that it would come in by; refused when the program is not there
    #[arg(long, value_name = "IF")]
    interface: Option<String>,
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<()> {
    let request = ExplainRequest {
        source: args.source,
        destination: args.destination,
        proto: args.proto,
        port: args.port,
        source_port: args.sport,
        flags: args.flags,
        interface: args.interface,
    };
    let view: ExplainView = match context.agent_if_running().await? {
        Some(agent) => agent.send_json(reqwest::Method::POST, "/v1/explain", &request).await?,
        None => {
            eprintln!("warning: {NOT_RUNNING}");
            Direct::to_read(context).await?.explain(&request)?
        }
    };
    if context.json {
        return print::json(&view);
    }
    show(&view);
    Ok(())
}

fn show(view: &ExplainView) {
    println!("{}", print::clean(&view.packet));
    println!("{}.", print::clean(&view.summary));
    println!("{}\n", print::clean(&view.describe));
    for stage in &view.stages {
        let mark = if stage.decides { ">" } else { " " };
        let mut title = stage.stage.title();
        for line in &stage.says {
            println!("{mark} {title:<26} {}", print::clean(line));
            title = "";
        }
    }
    if let Some(next) = &view.next_rung {
        println!("  {:<26} {}", "on the next rung", print::clean(next));
    }
    for note in &view.notes {
        println!("\nnote: {}", print::clean(note));
    }
    for cpu in &view.by_cpu {
        let busy = if cpu.busy { "" } else { ", no packets lately" };
        println!(
            "  CPU {:<3} {} ({}{busy})",
            cpu.cpu,
            print::clean(&cpu.action),
            print::clean(&cpu.reason)
        );
    }
    if !view.changes.is_empty() {
        println!("\nWhat would change it:");
    }
    for change in &view.changes {
        println!("  {:<50}  {}", print::clean(&change.what), print::clean(&change.effect));
    }
    println!("\n`agent why {}` says more.", print::clean(&view.reason));
}
