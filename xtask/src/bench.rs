//! `cargo xtask bench`: the numbers that Levee is held to.

use anyhow::Result;

use crate::lab;

/// Measure cost per packet, reaction time and footprint, against baselines measured in the same run.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print the result as one JSON object on standard output
    #[arg(long)]
    json: bool,
    /// Measure only what has this in its name
    #[arg(long, value_name = "PATTERN")]
    only: Option<String>,
}

pub(crate) fn main(args: &Args) -> Result<()> {
    let mut arguments = vec!["bench"];
    if args.json {
        arguments.push("--json");
    }
    if let Some(pattern) = &args.only {
        arguments.extend(["--only", pattern]);
    }
    lab::become_lab(arguments)
}
