//! `agent threshold get|set|unset`.

use clap::Subcommand;
use reqwest::Method;

use super::{context::Context, print, scope::Whom, suggest};
use crate::{
    config::units::{BitRate, Burst, PacketRate, Rate, Ttl},
    control::api::{Done, ThresholdRequest, ThresholdView, UnsetRequest},
    overrides::ThresholdTarget,
    vectors::{VectorOverride, VectorsOverride},
};

/// Show and change the rates above which the excess is dropped, or must prove itself
#[derive(Debug, clap::Args)]
#[command(
    arg_required_else_help = true,
    after_help = "A TARGET is one protected address, the prefix of a group of them, `address` for every address without
a threshold of its own, or `source` for what each source may send.

Examples:
  agent threshold get
  agent threshold set 203.0.113.7 --syn-rate 20k/s --syn-burst 20k --ttl 2h
  agent threshold set 203.0.113.7 --udp-packets 20k/s --udp-bits 200M/s --icmp-packets 100/s
  agent threshold set 203.0.113.0/24 --syn-rate 200k/s
  agent threshold set source --syn-rate 200/s
  agent threshold suggest
  agent threshold set 203.0.113.7 --syn-rate 20k/s --fleet
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
        /// One protected address, the prefix of a group, `address` or `source`; all when left out
        target: Option<ThresholdTarget>,
    },
    /// Set a threshold over the configuration's; it survives restarts
    Set {
        /// One protected address, the prefix of a group, `address` or `source`
        target: ThresholdTarget,
        /// SYNs per second, such as 20000, 20k/s or 1.5M/s
        #[arg(long, value_name = "RATE")]
        syn_rate: Option<Rate>,
        /// SYNs at once above that rate, such as 500 or 2k
        #[arg(long, value_name = "COUNT")]
        syn_burst: Option<Burst>,
        #[command(flatten)]
        vectors: VectorFlags,
        /// How long, such as 30m or 2h; until it is unset when left out
        #[arg(long)]
        ttl: Option<Ttl>,
        /// Why, for colleagues and for the ledger
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        #[command(flatten)]
        whom: Whom,
    },
    Suggest(suggest::Args),
    /// Go back to the configuration's threshold
    Unset {
        /// One protected address, the prefix of a group, `address` or `source`
        target: ThresholdTarget,
        #[command(flatten)]
        whom: Whom,
    },
}

/// Rates of what is not a SYN, of an address or a group.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Rates of vectors, such as 20k/s and 1.5G/s, or unlimited")]
struct VectorFlags {
    /// UDP packets per second
    #[arg(long, value_name = "RATE")]
    udp_packets: Option<PacketRate>,
    /// UDP bits per second
    #[arg(long, value_name = "RATE")]
    udp_bits: Option<BitRate>,
    /// ICMP packets per second
    #[arg(long, value_name = "RATE")]
    icmp_packets: Option<PacketRate>,
    /// ICMP bits per second
    #[arg(long, value_name = "RATE")]
    icmp_bits: Option<BitRate>,
    /// Packets per second of protocols other than TCP, UDP and ICMP
    #[arg(long, value_name = "RATE")]
    other_packets: Option<PacketRate>,
    /// Bits per second of these
    #[arg(long, value_name = "RATE")]
    other_bits: Option<BitRate>,
    /// Fragments per second
    #[arg(long, value_name = "RATE")]
    fragments_packets: Option<PacketRate>,
    /// Bits per second of fragments
    #[arg(long, value_name = "RATE")]
    fragments_bits: Option<BitRate>,
    /// TCP segments other than SYNs per second, above which connections are looked at
    #[arg(long, value_name = "RATE")]
    tcp_packets: Option<PacketRate>,
    /// Bits per second of these
    #[arg(long, value_name = "RATE")]
    tcp_bits: Option<BitRate>,
}

impl VectorFlags {
    const fn rates(&self) -> VectorsOverride {
        const fn of(packets: Option<PacketRate>, bits: Option<BitRate>) -> VectorOverride {
            VectorOverride { packets, bits }
        }
        VectorsOverride {
            udp: of(self.udp_packets, self.udp_bits),
            icmp: of(self.icmp_packets, self.icmp_bits),
            other: of(self.other_packets, self.other_bits),
            fragments: of(self.fragments_packets, self.fragments_bits),
            tcp: of(self.tcp_packets, self.tcp_bits),
        }
    }
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<()> {
    let done: Done = match args.what {
        What::Suggest(args) => return suggest::run(args, context).await,
        What::Get { target } => {
            let agent = context.agent().await?;
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
            vectors,
            ttl,
            reason,
            whom,
        } => {
            let request = ThresholdRequest {
                target: target.to_string(),
                syn_rate,
                syn_burst,
                vectors: vectors.rates(),
                ttl,
                reason,
                scope: whom.scope(),
                automatic: whom.automatic,
            };
            let agent = context.agent().await?;
            agent.send_json(Method::PUT, "/v1/thresholds", &request).await?
        }
        What::Unset { target, whom } => {
            let request = UnsetRequest {
                target: target.to_string(),
                scope: whom.scope(),
                automatic: whom.automatic,
            };
            context.agent().await?.delete("/v1/thresholds", &request).await?
        }
    };
    print::done(&done, context.json)
}

fn show(views: &[ThresholdView], context: &Context) -> anyhow::Result<()> {
    if context.json {
        return print::json(&views);
    }
    let mut table = print::table(
        &[
            "TARGET",
            "SYN RATE",
            "BURST",
            "CONFIGURED",
            "OTHER RATES",
            "SET BY",
            "UNTIL",
            "REASON",
        ],
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
        let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let rate = or_none(view.limit.map(|limit| limit.syn_rate.to_string()));
        let burst = or_none(view.limit.map(|limit| limit.syn_burst.to_string()));
        table.add_row([
            view.target.clone(),
            rate,
            burst,
            or_none(view.configured.map(|limit| limit.to_string())),
            or_none(view.vectors.map(|vectors| vectors.to_string())),
            by,
            until,
            reason,
        ]);
    }
    print::print(&table);
    Ok(())
}
