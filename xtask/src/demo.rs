//! `cargo xtask demo`: a real SYN flood, with and without the agent.

use std::ffi::OsString;

use anyhow::Result;
use clap::ValueEnum;

use crate::lab;

/// Flood a web server in a lab of network namespaces, without the agent and with it, and show what real clients see.
///
/// Takes a few minutes, most of them for building the first time. Touches nothing outside namespaces of its own and
/// takes them down at the end, or when interrupted.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print the result as one JSON object on standard output
    #[arg(long)]
    json: bool,
    /// Leave the lab up, and print the commands to look around in it and to take it down
    #[arg(long)]
    keep: bool,
    /// Who floods
    #[arg(long, value_enum, default_value_t)]
    flood: Flood,
    /// Further arguments for `lab demo`, such as `--rate 500000`; `-- --help` lists them
    #[arg(last = true, value_name = "LAB ARGUMENTS")]
    lab: Vec<OsString>,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Flood {
    /// Some hundred real addresses, each far over its threshold
    Botnet,
    /// A new random source address in every packet
    #[default]
    Spoofed,
}

pub(crate) fn main(args: &Args) -> Result<()> {
    lab::become_lab(arguments(args))
}

fn arguments(args: &Args) -> Vec<OsString> {
    let flood = match args.flood {
        Flood::Botnet => "botnet",
        Flood::Spoofed => "spoofed",
    };
    let flags = [("--json", args.json), ("--keep", args.keep)];
    lab::arguments(&["demo", "--flood", flood], &flags, &args.lab)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_its_options_to_the_lab() {
        let args = Args {
            json: true,
            keep: true,
            flood: Flood::Botnet,
            lab: vec!["--seconds".into(), "2".into()],
        };
        let expected = ["demo", "--flood", "botnet", "--json", "--keep", "--seconds", "2"];
        assert_eq!(arguments(&args), expected);
    }
}
