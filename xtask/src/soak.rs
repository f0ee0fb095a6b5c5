//! `cargo xtask soak`: an hour of customers, attacks, reloads and list swaps.

use std::ffi::OsString;

use anyhow::Result;

use crate::lab;

/// Let customers come, floods run and operators work for an hour in a lab, and tell what grew.
///
/// Memory, file descriptors, map fill and latency must be flat: growth within the noise of the measurement. Exit code 1 when one is
/// not, or a command was refused, or a block was left behind. Touches nothing outside namespaces of its own.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print the result, with every look at the agent, as one JSON object on standard output
    #[arg(long)]
    json: bool,
    /// How long
    #[arg(long, default_value_t = 60)]
    minutes: u32,
    /// Further arguments for `lab soak`, such as `--rate 200000`; `-- --help` lists them
    #[arg(last = true, value_name = "LAB ARGUMENTS")]
    lab: Vec<OsString>,
}

pub(crate) fn main(args: &Args) -> Result<()> {
    lab::become_lab(arguments(args))
}

fn arguments(args: &Args) -> Vec<OsString> {
    let minutes = args.minutes.to_string();
    lab::arguments(&["soak", "--minutes", &minutes], &[("--json", args.json)], &args.lab)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_its_options_to_the_lab() {
        let args = Args {
            json: true,
            minutes: 5,
            lab: vec!["--rate".into(), "1000".into()],
        };
        assert_eq!(arguments(&args), ["soak", "--minutes", "5", "--json", "--rate", "1000"]);
    }
}
