//! Cost per packet as the kernel accounts it, under a live flood from random sources: cold caches, the truth.

use std::sync::atomic::AtomicBool;

use agent::tables::{KernelTables as _, XdpMode};
use anyhow::Result;
use aya::sys::{Stats, enable_stats};
use xdp_ebpf::packet::tcp_flag;

use super::{
    ROUND, ROUNDS, median,
    prepared::{self, Size},
    row::{Row, Target},
};
use crate::{
    addresses::vips,
    comparison::{Accounting, Comparator},
    flood::{self, Flood, Payload, Sources},
    topology::{BALANCER_INTERFACE, Topology},
};

/// Segments per second, which the stack behind the program has to take.
const ESTABLISHED_PPS: u32 = 200_000;
/// Peers that they come from.
const ESTABLISHED_PEERS: u32 = 1_000;

/// SYNs: Levee against bare parse-and-drop, and Levee against itself with an LRU insertion per packet.
pub(super) fn drops() -> Result<Vec<Row>> {
    let topology = Topology::direct()?;
    let flood = flood(&topology, Sources::Spoofed { v6_percent: 0 }, Payload::SYN, None);
    let (mut bare, mut levee, mut lru) = (vec![], vec![], vec![]);
    let _accounting = enable_stats(Stats::RunTime)?;
    for _ in 0..ROUNDS {
        bare.push(bare_ns(&topology, &flood)?);
        levee.push(levee_ns(&topology, &flood, Size::USUAL)?);
        lru.push(lru_ns(&topology, &flood)?);
    }
    let (bare, levee, lru) = (median(&mut bare), median(&mut levee), median(&mut lru));
    Ok(vec![
        Row::compared("drop_live", levee, "ns", bare, Target::RatioAtMost(2.5)),
        Row::compared("lru_per_packet_live", lru, "ns", levee, Target::RatioAtLeast(5.0)),
    ])
}

/// Segments as of established connections, which pass: many of each of a thousand peers.
pub(super) fn established() -> Result<Vec<Row>> {
    established_at("established_live", Size::USUAL, 2.0)
}

/// The same with tables of a size; the row has this name, and the ratio is to be at most so much.
pub(super) fn established_at(name: &'static str, size: Size, at_most: f64) -> Result<Vec<Row>> {
    let topology = Topology::direct()?;
    let peers = Sources::Botnet {
        v4: ESTABLISHED_PEERS,
        v6: 0,
    };
    let flood = flood(&topology, peers, Payload::tcp(tcp_flag::ACK), Some(ESTABLISHED_PPS));
    let (mut bare, mut levee) = (vec![], vec![]);
    let _accounting = enable_stats(Stats::RunTime)?;
    for _ in 0..ROUNDS {
        bare.push(bare_ns(&topology, &flood)?);
        levee.push(levee_ns(&topology, &flood, size)?);
    }
    Ok(vec![Row::compared(
        name,
        median(&mut levee),
        "ns",
        median(&mut bare),
        Target::RatioAtMost(at_most),
    )])
}

pub(super) fn flood(topology: &Topology, sources: Sources, payload: Payload, rate_pps: Option<u32>) -> Flood {
    Flood {
        interface: topology.flood_interface().to_owned(),
        sources,
        targets: vec![vips()[0]],
        port: crate::server::PORT,
        payload,
        vlans: Vec::new(),
        rate_pps,
        duration: ROUND,
    }
}

pub(super) fn bare_ns(topology: &Topology, flood: &Flood) -> Result<f64> {
    topology.balancer().enter(|| {
        let mut bare = Comparator::load("bare", None)?;
        bare.attach(BALANCER_INTERFACE)?;
        cost(topology, flood, bare.id()?)
    })
}

pub(super) fn levee_ns(topology: &Topology, flood: &Flood, size: Size) -> Result<f64> {
    topology.balancer().enter(|| {
        let mut kernel = prepared::load(&topology.lab().bpf_directory(), size)?;
        kernel.attach(BALANCER_INTERFACE, XdpMode::Native)?;
        let id = kernel.program_id()?;
        let cost = cost(topology, flood, id);
        kernel.detach_all()?;
        cost
    })
}

fn lru_ns(topology: &Topology, flood: &Flood) -> Result<f64> {
    topology.balancer().enter(|| {
        let mut kernel = prepared::load(&topology.lab().bpf_directory(), Size::USUAL)?;
        let mut lru = Comparator::load("lru_then_levee", Some(kernel.program_id()?))?;
        lru.attach(BALANCER_INTERFACE)?;
        let cost = cost(topology, flood, lru.id()?);
        kernel.detach_all()?;
        cost
    })
}

/// Nanoseconds of a run of this program while the flood lasts.
pub(super) fn cost(topology: &Topology, flood: &Flood, program: u32) -> Result<f64> {
    let before = Accounting::of(program)?;
    topology
        .attacker()
        .enter(|| flood::run(flood, &AtomicBool::new(false)))?;
    Ok(Accounting::of(program)?.per_run_since(before))
}
