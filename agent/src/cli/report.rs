//! `agent report`.

use std::{fs::File, io::Write as _, path::PathBuf};

use anyhow::Context as _;
use jiff::tz::TimeZone;

use super::{context::Context, history, print};
use crate::report::{Format, Report, bundle};

/// Write the post-mortem of an attack
///
/// What happened when, what was done by whom, rates, vectors, minutes in which customers did not get in, who sent most. Works
/// while the agent is dead, from the ledger's file. With --bundle, all of it goes into one tar for the provider's ticket, with
/// rates as CSV and the captured packets.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  agent report 12                                       Markdown
  agent report 12 --format html --output attack.html    one file, with plots
  agent report 12 --bundle attack.tar                   everything, for a ticket
  agent report 12 --time-zone UTC --format json")]
pub(super) struct Args {
    /// Its number in `agent attacks`
    #[arg(value_name = "N")]
    number: u64,
    /// How it is written [default: md, or json with --json]
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// Into this file instead of standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Everything into this tar
    #[arg(long, value_name = "FILE", conflicts_with_all = ["format", "output"])]
    bundle: Option<PathBuf>,
    /// Time zone of all times, such as Europe/Berlin or UTC; this host's when left out
    #[arg(long, value_name = "ZONE", value_parser = zone)]
    time_zone: Option<TimeZone>,
}

fn zone(name: &str) -> Result<TimeZone, String> {
    TimeZone::get(name)
        .map_err(|_| format!("{name:?} is no time zone that this host knows; Europe/Berlin and UTC are some"))
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<()> {
    let report: Report = match context.agent_if_running().await? {
        Some(agent) => agent.get(&format!("/v1/attacks/{}/report", args.number), &()).await?,
        None => history::report(context, args.number)?,
    };
    let zone = args.time_zone.unwrap_or_else(TimeZone::system);
    if let Some(path) = args.bundle {
        let file = create(&path)?;
        let left_out =
            bundle::write(&report, &zone, file).with_context(|| format!("cannot write {}", path.display()))?;
        for sentence in left_out {
            eprintln!("warning: {}", print::clean(&sentence));
        }
        println!("Wrote {}.", path.display());
        return Ok(());
    }
    let usual = if context.json { Format::Json } else { Format::Md };
    let text = report.write(args.format.unwrap_or(usual), &zone)?;
    match args.output {
        Some(path) => {
            create(&path)?
                .write_all(text.as_bytes())
                .with_context(|| format!("cannot write {}", path.display()))?;
            println!("Wrote {}.", path.display());
        }
        None => println!("{text}"),
    }
    Ok(())
}

fn create(path: &std::path::Path) -> anyhow::Result<File> {
    File::create(path).with_context(|| format!("cannot make {}", path.display()))
}
