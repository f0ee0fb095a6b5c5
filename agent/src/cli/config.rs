//! `agent config example`.

use clap::Subcommand;

use super::{context::Context, print};
use crate::config;

/// Print an example configuration, made from the documentation of every setting
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Every setting with its documentation and default (with --json: the JSON schema)
    #[command(after_help = "Example:
  agent config example > /etc/levee/agent.toml")]
    Example,
}

pub(super) fn run(Args { what: What::Example }: &Args, context: &Context) -> anyhow::Result<()> {
    if context.json {
        return print::json(&config::schema());
    }
    print!("{}", config::example::example());
    Ok(())
}
