//! `agent doctor`.

use std::{path::PathBuf, process::ExitCode};

use super::{EXIT_USAGE, context::Context, print, ssh};
use crate::doctor::{self, Places, Question};

/// Columns of a report that does not go to a terminal, or to a very wide one.
const WIDTH: usize = 100;

/// Find what is wrong with this host before it matters; changes nothing
///
/// Looks at the kernel, the interfaces and their drivers, network settings, memory, clocks, permissions, other users of XDP, the
/// configuration, and the running agent. Each finding says why it matters, and gives the command that puts it right. Needs no
/// running agent; without root it says what it could not look at. docs/doctor.md lists all findings.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  agent doctor                           what is wrong, and how to put it right
  agent doctor --verbose                 and what is fine
  agent doctor --interface eth0          before there is a configuration
  agent doctor --strict && agent run     warnings count too
  agent --json doctor                    for a script: findings by their stable ids

A line with -> is advice, a line with # is a command for root, to be copied as it is.

Exit codes: 0 no problems (warnings, with --strict: none either), 1 problems, 2 wrong usage, or a configuration that
cannot be used: the host is looked at all the same.")]
pub(super) struct Args {
    /// Look at this interface, and not at the configuration's; may be repeated
    #[arg(long, short, value_name = "NAME")]
    interface: Vec<String>,
    /// Show what is fine too
    #[arg(long, short)]
    verbose: bool,
    /// Warnings are problems, for the exit code
    #[arg(long)]
    strict: bool,
    /// Where the host's /proc is, in a container that has it elsewhere
    #[arg(long, value_name = "DIRECTORY", default_value = "/proc")]
    proc: PathBuf,
    /// Where the host's /sys is, in a container that has it elsewhere
    #[arg(long, value_name = "DIRECTORY", default_value = "/sys")]
    sys: PathBuf,
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<ExitCode> {
    let report = doctor::examine(&Question {
        config: context.config.clone(),
        socket: context.socket.clone(),
        interfaces: args.interface,
        ssh_peer: ssh::peer(),
        places: Places {
            proc: args.proc,
            sys: args.sys,
        },
    })
    .await?;
    if context.json {
        print::json(&report)?;
    } else {
        for line in report.text(args.verbose, WIDTH).lines() {
            println!("{}", print::clean(line));
        }
    }
    let counts = report.counts;
    let wrong = counts.problem > 0 || (args.strict && counts.warning > 0);
    Ok(match (report.config_unusable, wrong) {
        (true, _) => ExitCode::from(EXIT_USAGE),
        (false, true) => ExitCode::FAILURE,
        (false, false) => ExitCode::SUCCESS,
    })
}
