//! `lab demo`: customers without a flood, with one, and with one and the agent.

use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};
use lab::demo::{self, Kind, Options, Progress};

const STEPS: u64 = 6;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Print the result as one JSON object
    #[arg(long)]
    json: bool,
    /// Leave the lab up, and print how to look around in it
    #[arg(long)]
    keep: bool,
    /// Who floods
    #[arg(long, value_enum, default_value_t = Flood::Spoofed)]
    flood: Flood,
    /// How long customers come in each phase, 15 at most
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Packets per second of the flood
    #[arg(long, value_name = "PPS", default_value_t = 300_000)]
    rate: u32,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Flood {
    /// Some hundred real addresses, each far over its threshold
    Botnet,
    /// A random source address in every packet
    Spoofed,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let options = Options {
        kind: match arguments.flood {
            Flood::Botnet => Kind::Botnet,
            Flood::Spoofed => Kind::Spoofed,
        },
        rate_pps: arguments.rate,
        duration: Duration::try_from_secs_f64(arguments.seconds).context("--seconds")?,
        keep: arguments.keep,
    };
    let progress = Progress::new(STEPS);
    let result = demo::run(&options, &progress);
    progress.finish();
    let (outcome, topology) = result?;
    if arguments.json {
        super::print_json(&outcome)?;
    } else {
        println!("{}\n\n{}", demo::table(&outcome), demo::conclusion(&outcome, &options));
    }
    if options.keep {
        // Standard output is the result's.
        eprintln!("\n{}", demo::commands(&topology)?);
    }
    Ok(())
}
