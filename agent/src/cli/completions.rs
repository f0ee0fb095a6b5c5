//! `agent completions`.

use clap::CommandFactory as _;
use clap_complete::Shell;
use serde::Serialize;

use super::{Cli, context::Context, print};

/// Print the completions of a shell, made from the definitions of all commands
///
/// The Debian package and the archive bring them; this is for other ways to install.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  agent completions bash > /etc/bash_completion.d/agent
  agent completions zsh > /usr/local/share/zsh/site-functions/_agent
  agent completions fish > /etc/fish/completions/agent.fish

Exit codes: 0 done, 2 no such shell.")]
pub(super) struct Args {
    /// The shell
    shell: Shell,
}

/// The answer in JSON.
#[derive(Serialize)]
struct Completions {
    shell: String,
    script: String,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "agent", &mut script);
    let script = String::from_utf8(script)?;
    if context.json {
        let shell = args.shell.to_string();
        return print::json(&Completions { shell, script });
    }
    print!("{script}");
    Ok(())
}
