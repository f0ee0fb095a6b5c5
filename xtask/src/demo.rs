//! `cargo xtask demo`: a real SYN flood, with and without the agent.

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
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Flood {
    /// Some hundred real addresses, each far over its threshold
    #[default]
    Botnet,
    /// A new random source address in every packet
    Spoofed,
}

pub(crate) fn main(args: &Args) -> Result<()> {
    lab::become_lab(arguments(args))
}

fn arguments(args: &Args) -> Vec<&'static str> {
    let flood = match args.flood {
        Flood::Botnet => "botnet",
        Flood::Spoofed => "spoofed",
    };
    let mut arguments = vec!["demo", "--flood", flood];
    if args.json {
        arguments.push("--json");
    }
    if args.keep {
        arguments.push("--keep");
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_its_options_to_the_lab() {
        let args = Args {
            json: true,
            keep: true,
            flood: Flood::Spoofed,
        };
        assert_eq!(arguments(&args), ["demo", "--flood", "spoofed", "--json", "--keep"]);
    }
}
