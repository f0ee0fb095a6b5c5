//! `agent mode get|set`.

use clap::{Subcommand, ValueEnum};
use reqwest::Method;

use super::{context::Context, print, scope::Whom};
use crate::{
    config::units::Ttl,
    control::api::{Done, ModeRequest, ModeView},
    tables::Mode,
};

/// Show and change whether anything is dropped
#[derive(Debug, clap::Args)]
#[command(
    arg_required_else_help = true,
    after_help = "Examples:
  agent mode get
  agent mode set enforce                      drop what breaks a rule, from the next packet on
  agent mode set monitor --ttl 10m            count only, for ten minutes
  agent mode set configured                   back to what the configuration says
  agent mode set enforce --fleet              on all nodes of the fleet"
)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Show the mode and who set it
    Get,
    /// Set the mode; it survives restarts
    Set {
        /// What to do with packets that break a rule
        mode: Choice,
        /// How long, such as 10m; until it is set again when left out
        #[arg(long)]
        ttl: Option<Ttl>,
        /// Why, for colleagues and for the ledger
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        #[command(flatten)]
        whom: Whom,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Choice {
    /// Count them and let them pass
    Monitor,
    /// Drop them
    Enforce,
    /// Do what the configuration says
    Configured,
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<()> {
    let agent = context.agent().await?;
    match args.what {
        What::Get => show(&agent.get("/v1/mode", &()).await?, context),
        What::Set {
            mode,
            ttl,
            reason,
            whom,
        } => {
            let mode = match mode {
                Choice::Monitor => Some(Mode::Monitor),
                Choice::Enforce => Some(Mode::Enforce),
                Choice::Configured => None,
            };
            let request = ModeRequest {
                mode,
                ttl,
                reason,
                scope: whom.scope(),
                automatic: whom.automatic,
            };
            let done: Done = agent.send_json(Method::PUT, "/v1/mode", &request).await?;
            print::done(&done, context.json)
        }
    }
}

fn show(view: &ModeView, context: &Context) -> anyhow::Result<()> {
    if context.json {
        return print::json(view);
    }
    println!("{}", sentence(view));
    Ok(())
}

/// The mode and where it comes from.
pub(super) fn sentence(view: &ModeView) -> String {
    let configured = view
        .configured
        .map(|mode| format!(", the configuration says {mode}"))
        .unwrap_or_default();
    match &view.set_by {
        None => view.mode.to_string(),
        Some(set) => {
            let [by, since, reason] = print::origin(set);
            let until = set
                .until
                .map(|until| format!(" until {}", print::until(Some(until))))
                .unwrap_or_default();
            let reason = if reason == "-" {
                String::new()
            } else {
                format!(" ({reason})")
            };
            format!("{}{until}, set by {by} at {since}{reason}{configured}", view.mode)
        }
    }
}
