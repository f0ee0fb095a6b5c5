//! `lab fleet-sim`: what a large fleet costs its etcd.

use anyhow::Result;
use clap::Args;
use lab::{
    alone,
    fleet_sim::{self, Plan},
};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Print the result as one JSON object
    #[arg(long)]
    json: bool,
    /// Nodes, each with a connection of its own
    #[arg(long, value_name = "COUNT", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=5_000))]
    nodes: u32,
    /// Protected addresses of the whole fleet
    #[arg(long, value_name = "COUNT", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    addresses: u32,
    /// How long calm lasts; each attack lasts half of it
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(2..=600))]
    seconds: u64,
    /// Blocks for the fleet
    #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    blocks: u32,
    /// A node's lease
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(i64).range(3..=120))]
    lease: i64,
    /// So many `etcd grpc-proxy` between nodes and etcd
    #[arg(long, value_name = "COUNT", default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=64))]
    proxies: u16,
    /// Environment of etcd and the proxies, such as GOGC=20
    #[arg(long = "env", value_name = "NAME=VALUE")]
    environment: Vec<String>,
    /// More arguments of etcd
    #[arg(last = true, value_name = "ARGUMENT")]
    arguments: Vec<String>,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let _turn = alone::wait()?;
    let outcome = fleet_sim::run(&Plan {
        nodes: arguments.nodes,
        addresses: arguments.addresses,
        phase_secs: arguments.seconds,
        blocks: arguments.blocks,
        lease_secs: arguments.lease,
        proxies: arguments.proxies,
        environment: arguments.environment.clone(),
        arguments: arguments.arguments.clone(),
    })?;
    if arguments.json {
        super::print_json(&outcome)
    } else {
        println!("{}", fleet_sim::table(&outcome));
        Ok(())
    }
}
