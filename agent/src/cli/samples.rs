//! `agent samples`.

use super::{context::Context, print};
use crate::{control::api::SampleView, decide::say};

/// Show headers of packets that were dropped lately (in mode monitor: would have been)
///
/// A sample, never all of them: samples.per_second of the configuration bounds it, and the latest 256 are kept.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  agent samples
  agent samples --json | jq -r '.[].header_hex'      the bytes, from the Ethernet header on")]
pub(super) struct Args {}

pub(super) async fn run(Args {}: Args, context: &Context) -> anyhow::Result<()> {
    let samples: Vec<SampleView> = context.agent().await?.get("/v1/samples", &()).await?;
    if context.json {
        return print::json(&samples);
    }
    if samples.is_empty() {
        println!("No dropped packet was sampled yet.");
        return Ok(());
    }
    let mut table = print::table(&["WHEN", "REASON", "BYTES", "PACKET"], &[2]);
    for sample in &samples {
        let length = sample.frame_bytes.to_string();
        table.add_row([
            say::instant(sample.at),
            sample.reason.clone(),
            length,
            sample.packet.clone(),
        ]);
    }
    print::print(&table);
    Ok(())
}
