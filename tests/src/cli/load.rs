//! `lab load`: customers, from the namespace it is run in.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use anyhow::Result;
use clap::Args;
use ipnet::Ipv4Net;
use lab::{
    addresses,
    load::{self, Load, Model, Sources},
    server,
};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// New connections per second, whether or not they are answered
    #[arg(long, value_name = "PER_S", default_value_t = 2_000)]
    open: u32,
    /// Instead of a rate: so many connections at a time, one after another
    #[arg(long, value_name = "COUNT", conflicts_with = "open")]
    closed: Option<u32>,
    /// How long customers come
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0)]
    seconds: f64,
    /// How long each of them waits
    #[arg(long, value_name = "SECONDS", default_value_t = 3.0)]
    deadline: f64,
    /// Only the first COUNT IPv4 addresses of the customers, and no IPv6
    #[arg(long, value_name = "COUNT")]
    addresses: Option<usize>,
    /// Instead of the lab's customers: each connection from the next address of this prefix, which must be local here
    #[arg(long, value_name = "PREFIX", conflicts_with = "addresses")]
    fresh: Option<Ipv4Net>,
    /// Where they go [default: every protected address of the lab]
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',')]
    target: Vec<IpAddr>,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let sources = arguments.fresh.map_or_else(
        || {
            let mut listed = addresses::clients();
            listed.truncate(arguments.addresses.unwrap_or(listed.len()));
            Sources::Listed(listed)
        },
        Sources::Fresh,
    );
    let targets = if arguments.target.is_empty() {
        addresses::vips()
    } else {
        arguments.target.clone()
    };
    super::print_json(&load::run(&Load {
        model: arguments.closed.map_or(Model::Open(arguments.open), Model::Closed),
        sources,
        targets: targets
            .into_iter()
            .map(|target| SocketAddr::new(target, server::PORT))
            .collect(),
        duration: Duration::try_from_secs_f64(arguments.seconds)?,
        deadline: Duration::try_from_secs_f64(arguments.deadline)?,
    })?)
}
