//! `lab up`: a lab to try things in by hand.

use anyhow::Result;
use clap::Args;
use lab::{server, topology::Topology};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// One veth with customers and attacker at its other end, instead of a routed wire
    #[arg(long)]
    direct: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let mut topology = if arguments.direct {
        Topology::direct()?
    } else {
        Topology::routed()?
    };
    let server = server::start(&topology, true)?;
    topology.keep()?;
    server.leave();
    println!("load balancer   ip netns exec {} …", topology.balancer().name());
    println!("customers       ip netns exec {} lab load", topology.client().name());
    let interface = topology.flood_interface();
    println!(
        "flood           ip netns exec {} lab flood --interface {interface}",
        topology.attacker().name()
    );
    println!("end             lab down {}", topology.lab().name());
    Ok(())
}
