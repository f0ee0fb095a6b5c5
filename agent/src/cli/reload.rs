//! `agent reload`.

use reqwest::Method;

use super::{context::Context, print};
use crate::control::api::Done;

/// Read the configuration file anew and print what changes
///
/// Applied as a whole or not at all. A file with a mistake changes nothing, and settings that need a restart are named.
/// Blocks, thresholds and the mode set at run time stay. SIGHUP does the same.
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) async fn run(Args {}: Args, context: &Context) -> anyhow::Result<()> {
    let done: Done = context
        .agent()
        .await?
        .send_json(Method::POST, "/v1/reload", &())
        .await?;
    print::done(&done, context.json)
}
