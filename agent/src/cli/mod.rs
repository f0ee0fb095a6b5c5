//! The command line: one file per verb. Exit codes: 0 done, 1 refused or failed, 2 wrong usage or wrong configuration.

mod allow_ip;
mod attacks;
mod baseline;
mod block_ip;
mod capture;
mod check_config;
mod completions;
mod config;
mod context;
mod detach;
mod direct;
mod doctor;
mod events;
mod explain;
mod fleet;
mod groups;
mod history;
mod list;
mod listeners;
mod lists;
mod man;
mod mode;
mod notify;
mod print;
mod reload;
mod replay;
mod report;
mod run;
mod rung;
mod safe;
mod samples;
mod scope;
mod since;
mod sources;
mod ssh;
mod stats;
mod status;
mod suggest;
mod threshold;
mod top;
mod unallow_ip;
mod unblock_ip;
mod upstream;
mod why;

use std::{path::PathBuf, process::ExitCode, sync::LazyLock};

use clap::{CommandFactory as _, Parser, Subcommand};
use nix::sys::signal::{SigHandler, Signal, signal};

use crate::{
    config::{ConfigError, DEFAULT_PATH},
    control::{api::ApiError, client::ClientError},
    decide::{Refusal, refusal::Kind},
    failpoint,
};
use context::Context;

/// Wrong usage, or a configuration that cannot be used.
const EXIT_USAGE: u8 = 2;

/// Heading of the flags that every verb takes.
const GLOBAL: &str = "Every verb takes";

const EXAMPLES: &str = "\
Under attack, in this order:
  agent status                                what is attacked, what is dropped, in which mode
  agent top                                   the same live, for eyes: look closely and act from there
  agent stats                                 every protected address with its rates
  agent sources                               who sends the most
  agent groups                                prefixes of ours that are flooded as a whole
  agent capture 203.0.113.7 --out it.pcapng   what it is sent, by its headers, for Wireshark
  agent fleet status                          the other nodes: cut off or not, what holds for all of them
  agent mode set enforce                      drop what breaks a rule
  agent rung                                  where each address stands, and since when
  agent rung 203.0.113.7 verify               make unknown sources prove themselves now
  agent block-ip 198.51.100.0/24 --ttl 30m    drop everything from there
  agent block-ip 203.0.113.7                  blackhole one of our own addresses
  agent safe 203.0.113.7                      can it be put back, yes or no
  agent list                                  what is blocked, by whom, until when
  agent events --follow                       what happens, as it comes
  agent attacks                               what was attacked, since when, by what
  agent report 12 --format html               the post-mortem of an attack
  agent lists                                 how the large lists stand, and what each has decided about
  agent explain 198.51.100.9 203.0.113.7      what becomes of a packet between them now, and why
  agent why source_rate                       what a counter means, and what to do when it grows
  agent notify                                whether those who are to be told of it are told

Exit codes: 0 done, 1 refused or failed, 2 wrong usage or wrong configuration.";

/// `agent --version`: also which program for the kernel is in it, by which it is told whether that is made of this source.
static LONG_VERSION: LazyLock<String> = LazyLock::new(|| {
    format!(
        "{}\nBPF object levee, SHA-256 {}",
        env!("CARGO_PKG_VERSION"),
        crate::kernel::object_digest()
    )
});

/// Stops SYN floods at the network interface.
#[derive(Debug, Parser)]
#[command(name = "agent", version, long_version = LONG_VERSION.as_str(), after_help = EXAMPLES, max_term_width = 100)]
struct Cli {
    /// Configuration file
    #[arg(long, global = true, value_name = "FILE", default_value = DEFAULT_PATH, help_heading = GLOBAL)]
    config: PathBuf,
    /// Control socket of the running agent; the configuration's control.socket when left out
    #[arg(long, global = true, value_name = "PATH", help_heading = GLOBAL)]
    socket: Option<PathBuf>,
    /// Answer in JSON
    #[arg(long, global = true, help_heading = GLOBAL)]
    json: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Run(run::Args),
    CheckConfig(check_config::Args),
    Doctor(doctor::Args),
    Config(config::Args),
    Status(status::Args),
    Top(top::Args),
    Stats(stats::Args),
    Sources(sources::Args),
    Samples(samples::Args),
    Explain(explain::Args),
    Capture(capture::Args),
    List(list::Args),
    Lists(lists::Args),
    Rung(rung::Args),
    Safe(safe::Args),
    Upstream(upstream::Args),
    Fleet(fleet::Args),
    Groups(groups::Args),
    Listeners(listeners::Args),
    Notify(notify::Args),
    Attacks(attacks::Args),
    Events(events::Args),
    Report(report::Args),
    BlockIp(block_ip::Args),
    UnblockIp(unblock_ip::Args),
    AllowIp(allow_ip::Args),
    UnallowIp(unallow_ip::Args),
    #[command(visible_alias = "thresholds")]
    Threshold(threshold::Args),
    Baseline(baseline::Args),
    Replay(replay::Args),
    Why(why::Args),
    Mode(mode::Args),
    Reload(reload::Args),
    Detach(detach::Args),
    Completions(completions::Args),
    #[command(hide = true)]
    Man(man::Args),
}

/// The command line with every verb, for whoever documents it or checks what is written about it.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}

/// The whole command.
#[must_use]
pub fn main() -> ExitCode {
    failpoint::arm();
    let cli = Cli::parse();
    // A hook that does not read its input must end neither the daemon nor `notify test`.
    if !matches!(cli.verb, Verb::Run(_) | Verb::Notify(_)) {
        end_with_the_pipe();
    }
    let context = Context {
        config: cli.config,
        socket: cli.socket,
        json: cli.json,
    };
    let outcome = runtime(&cli.verb)
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(carry_out(cli.verb, &context)));
    match outcome {
        Ok(code) => code,
        Err(error) => report_error(&error, context.json),
    }
}

/// `agent stats | head` ends quietly when `head` has seen enough. Rust ignores SIGPIPE, and printing would panic.
fn end_with_the_pipe() {
    // SAFETY: the default disposition runs no code of ours, and no other thread exists yet.
    let outcome = unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) };
    debug_assert!(outcome.is_ok(), "SIGPIPE can always be reset");
}

/// The daemon has work for two threads, a question for one.
fn runtime(verb: &Verb) -> std::io::Result<tokio::runtime::Runtime> {
    let mut builder = match verb {
        Verb::Run(_) => tokio::runtime::Builder::new_multi_thread(),
        _ => tokio::runtime::Builder::new_current_thread(),
    };
    builder.worker_threads(2).enable_all().build()
}

async fn carry_out(verb: Verb, context: &Context) -> anyhow::Result<ExitCode> {
    let done = match verb {
        Verb::Run(args) => run::run(args, context).await,
        Verb::CheckConfig(args) => check_config::run(args, context).await,
        // So is the answer of this one.
        Verb::Doctor(args) => return doctor::run(args, context).await,
        Verb::Config(args) => config::run(&args, context),
        Verb::Status(args) => status::run(args, context).await,
        // How it was left is its exit code.
        Verb::Top(args) => return top::run(args, context).await,
        Verb::Stats(args) => stats::run(args, context).await,
        Verb::Sources(args) => sources::run(args, context).await,
        Verb::Samples(args) => samples::run(args, context).await,
        Verb::Explain(args) => explain::run(args, context).await,
        Verb::Capture(args) => capture::run(args, context).await,
        Verb::List(args) => list::run(args, context).await,
        Verb::Lists(args) => lists::run(args, context).await,
        Verb::Rung(args) => rung::run(args, context).await,
        // Its answer is its exit code.
        Verb::Safe(args) => return safe::run(args, context).await,
        Verb::Upstream(args) => upstream::run(args, context).await,
        // How the node stands is its exit code.
        Verb::Fleet(args) => return fleet::run(args, context).await,
        Verb::Groups(args) => groups::run(args, context).await,
        Verb::Listeners(args) => listeners::run(args, context).await,
        Verb::Notify(args) => notify::run(args, context).await,
        Verb::Attacks(args) => attacks::run(args, context).await,
        Verb::Events(args) => events::run(args, context).await,
        Verb::Report(args) => report::run(args, context).await,
        Verb::BlockIp(args) => block_ip::run(args, context).await,
        Verb::UnblockIp(args) => unblock_ip::run(args, context).await,
        Verb::AllowIp(args) => allow_ip::run(args, context).await,
        Verb::UnallowIp(args) => unallow_ip::run(args, context).await,
        Verb::Threshold(args) => threshold::run(args, context).await,
        Verb::Baseline(args) => baseline::run(&args, context),
        Verb::Replay(args) => replay::run(args, context).await,
        Verb::Why(args) => why::run(&args, context),
        Verb::Mode(args) => mode::run(args, context).await,
        Verb::Reload(args) => reload::run(args, context).await,
        Verb::Detach(args) => detach::run(args, context).await,
        Verb::Completions(args) => completions::run(&args, context),
        Verb::Man(args) => man::run(&args, context),
    };
    done.map(|()| ExitCode::SUCCESS)
}

/// Says what went wrong on standard error, in the form that was asked for, and gives the exit code.
fn report_error(error: &anyhow::Error, json: bool) -> ExitCode {
    let refusal = refusal(error);
    if json {
        let (error, hint) = match refusal {
            Some(refusal) => (refusal.error.clone(), refusal.hint.clone()),
            None => (format!("{error:#}"), None),
        };
        match serde_json::to_string(&ApiError { error, hint }) {
            Ok(text) => eprintln!("{text}"),
            Err(broken) => eprintln!("error: {broken}"),
        }
    } else if let Some(refusal) = refusal {
        eprintln!("error: {}", refusal.error);
        if let Some(hint) = &refusal.hint {
            eprintln!("       {hint}");
        }
    } else {
        eprintln!("error: {error:#}");
    }
    let usage = refusal.is_some_and(|refusal| refusal.kind == Kind::Invalid) || error.is::<ConfigError>();
    ExitCode::from(if usage { EXIT_USAGE } else { 1 })
}

fn refusal(error: &anyhow::Error) -> Option<&Refusal> {
    match error.downcast_ref::<ClientError>() {
        Some(ClientError::Refused(refusal)) => Some(refusal),
        Some(_) => None,
        None => error.downcast_ref::<Refusal>(),
    }
}
