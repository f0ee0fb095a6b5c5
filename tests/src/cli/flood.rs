//! `lab flood`: the generator, from the namespace it is run in.

use std::{
    net::IpAddr,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};
use lab::{
    addresses,
    flood::{self, Flood, Payload, Sources},
    server,
};
use signal_hook::consts::{SIGINT, SIGTERM};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The interface it leaves by: a veth of a lab
    #[arg(long, value_name = "NAME")]
    interface: String,
    /// Where the packets claim to come from
    #[arg(long, value_enum, default_value_t = Kind::Botnet)]
    sources: Kind,
    /// The one source of `--sources one`, the first of `--sources range`
    #[arg(long, value_name = "ADDRESS", required_if_eq_any([("sources", "one"), ("sources", "range")]))]
    source: Option<IpAddr>,
    /// How many sources `--sources range` has
    #[arg(long, value_name = "COUNT", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    count: u32,
    /// IPv4 addresses of the botnet
    #[arg(long, value_name = "COUNT", default_value_t = 320)]
    bots_v4: u32,
    /// IPv6 networks of the botnet
    #[arg(long, value_name = "COUNT", default_value_t = 80)]
    bots_v6: u32,
    /// Share of IPv6 among spoofed sources
    #[arg(long, value_name = "PERCENT", default_value_t = 20, value_parser = clap::value_parser!(u32).range(0..=100))]
    v6_percent: u32,
    /// Destinations [default: every protected address of the lab]
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',')]
    target: Vec<IpAddr>,
    /// Destination port; 0 for a random one in every packet
    #[arg(long, default_value_t = server::PORT)]
    port: u16,
    /// The flag byte of the TCP header: 2 is SYN, 16 is ACK, 18 is SYN and ACK, 4 is RST, 24 is PSH and ACK
    #[arg(long, default_value_t = 2)]
    tcp_flags: u8,
    /// TCP options [default: what a Linux host sends with these flags]
    #[arg(long, value_enum)]
    options: Option<Options>,
    /// A few bytes of data in every segment
    #[arg(long)]
    data: bool,
    /// UDP instead of TCP
    #[arg(long, conflicts_with_all = ["tcp_flags", "options", "data"])]
    udp: bool,
    /// VLAN tags, the outer one first
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    vlan: Vec<u16>,
    /// Packets per second [default: as many as the core can make]
    #[arg(long, value_name = "PPS")]
    rate: Option<u32>,
    /// How long it lasts, 20 at most
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// One address
    One,
    /// Addresses in a row: customers' own ones, for instance, which somebody else claims to be
    Range,
    /// Some hundred real addresses of both families
    Botnet,
    /// A random address for every packet
    Spoofed,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Options {
    /// MSS, SACK permitted, timestamps, window scale
    Linux,
    /// MSS, window scale, SACK permitted
    Windows,
    /// Timestamps alone
    Timestamps,
    /// None
    None,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).context("cannot listen for signals")?;
    }
    super::print_json(&flood::run(&resolve(arguments)?, &stop)?)
}

fn resolve(arguments: &Arguments) -> Result<Flood> {
    let sources = match arguments.sources {
        Kind::One => Sources::One(arguments.source.context("--sources one needs --source ADDRESS")?),
        Kind::Range => Sources::Range {
            first: arguments.source.context("--sources range needs --source ADDRESS")?,
            count: arguments.count,
        },
        Kind::Botnet => Sources::Botnet {
            v4: arguments.bots_v4,
            v6: arguments.bots_v6,
        },
        Kind::Spoofed => Sources::Spoofed {
            v6_percent: arguments.v6_percent,
        },
    };
    Ok(Flood {
        interface: arguments.interface.clone(),
        sources,
        targets: if arguments.target.is_empty() {
            addresses::vips()
        } else {
            arguments.target.clone()
        },
        port: arguments.port,
        payload: payload(arguments),
        vlans: arguments.vlan.clone(),
        rate_pps: arguments.rate,
        duration: Duration::try_from_secs_f64(arguments.seconds).context("--seconds")?,
    })
}

fn payload(arguments: &Arguments) -> Payload {
    if arguments.udp {
        return Payload::Udp;
    }
    let flags = arguments.tcp_flags;
    let options = match arguments.options {
        None => flood::Options::usual(flags),
        Some(Options::Linux) => flood::Options::Linux,
        Some(Options::Windows) => flood::Options::Windows,
        Some(Options::Timestamps) => flood::Options::Timestamps,
        Some(Options::None) => flood::Options::None,
    };
    Payload::Tcp {
        flags,
        options,
        data: arguments.data,
    }
}
