//! `lab bench`: the numbers that Levee is held to.

use anyhow::Result;
use clap::Args;
use lab::bench;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Print the result as one JSON object
    #[arg(long)]
    json: bool,
    /// Measure only what has this in its name
    #[arg(long, value_name = "PATTERN")]
    only: Option<String>,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let results = bench::run(arguments.only.as_deref())?;
    if arguments.json {
        super::print_json(&results)
    } else {
        println!("{}", bench::table(&results));
        Ok(())
    }
}
