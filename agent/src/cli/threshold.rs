//! `agent threshold get|set|unset`.

use clap::Subcommand;
use reqwest::Method;

use super::{context::Context, print};
use crate::{
    config::units::{Burst, Rate, Ttl},
    control::api::{Done, TargetQuery, ThresholdRequest, ThresholdView},
    overrides::ThresholdTarget,
};

/// Show and change the SYN rates above which the excess is dropped
#[derive(Debug, clap::Args)]
#[command(
    arg_required_else_help = true,
    after_help = "A TARGET is one protected address, `address` for every address without a threshold of its own,
or `source` for what each source may send.

Examples:
  agent threshold get
  agent threshold set 203.0.113.7 --syn-rate 20k/s --syn-burst 20k --ttl 2h
  agent threshold set source --syn-rate 200/s
  agent threshold unset 203.0.113.7"
)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Show the thresholds in force and where they come from
    Get {
        /// One protected address, `address` or `source`; all when left out
        target: Option<ThresholdTarget>,
    },
    /// Set a threshold over the configuration's; it survives restarts
    Set {
        /// One protected address, `address` or `source`
        target: ThresholdTarget,
        /// SYNs per second, such as 20000, 20k/s or 1.5M/s
        #[arg(long, value_name = "RATE")]
        syn_rate: Option<Rate>,
        /// SYNs at once above that rate, such as 500 or 2k
        #[arg(long, value_name = "COUNT")]
        syn_burst: Option<Burst>,
        /// How long, such as 30m or 2h; until it is unset when left out
        #[arg(long)]
        ttl: Option<Ttl>,
        /// Why, for colleagues and for the ledger
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Go back to the configuration's threshold
    Unset {
        /// One protected address, `address` or `source`
        target: ThresholdTarget,
    },
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<()> {
    let agent = context.agent().await?;
    let done: Done = match args.what {
        What::Get { target } => {
            let views: Vec<ThresholdView> = match target {
                None => agent.get("/v1/thresholds", &()).await?,
                Some(target) => vec![agent.get(&format!("/v1/thresholds/{target}"), &()).await?],
            };
            return show(&views, context);
        }
        What::Set {
            target,
            syn_rate,
            syn_burst,
            ttl,
            reason,
        } => {
            let request = ThresholdRequest {
                target: target.to_string(),
                syn_rate,
                syn_burst,
                ttl,
                reason,
            };
            agent.send_json(Method::PUT, "/v1/thresholds", &request).await?
        }
        What::Unset { target } => {
            agent
                .delete(
                    "/v1/thresholds",
                    &TargetQuery {
                        target: target.to_string(),
                    },
                )
                .await?
        }
    };
    print::done(&done, context.json)
}

fn show(views: &[ThresholdView], context: &Context) -> anyhow::Result<()> {
    if context.json {
        return print::json(&views);
    }
    let mut table = print::table(
        &["TARGET", "SYN RATE", "BURST", "CONFIGURED", "SET BY", "UNTIL", "REASON"],
        &[1, 2],
    );
    for view in views {
        let (by, until, reason) = match &view.set_by {
            None => ("-".to_owned(), "-".to_owned(), "-".to_owned()),
            Some(set) => {
                let [by, _, reason] = print::origin(set);
                (by, print::until(set.until), reason)
            }
        };
        let (rate, burst) = (view.limit.syn_rate.to_string(), view.limit.syn_burst.to_string());
        table.add_row([
            view.target.clone(),
            rate,
            burst,
            view.configured.to_string(),
            by,
            until,
            reason,
        ]);
    }
    print::print(&table);
    Ok(())
}
