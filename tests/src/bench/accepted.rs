//! How many packets one core takes at most: the flood that its receive ring had room for, per second, without accounting.

use std::sync::atomic::AtomicBool;

use agent::{
    kernel::Kernel,
    tables::{AddressState, Blackhole, KernelTables as _, XdpMode},
};
use anyhow::Result;

use super::{
    ROUNDS, live, median,
    prepared::{self, Size},
    row::{Row, Target},
    xdp_filter::XdpFilter,
};
use crate::{
    addresses::vips,
    comparison::Comparator,
    cores,
    flood::{self, Payload, Sources},
    interface,
    topology::{BALANCER_INTERFACE, Topology, WIRE_INTERFACE},
};

/// The names of these rows.
pub(super) const ROWS: &[&str] = &["accepted_limit", "accepted_blackhole", "accepted_xdp_filter"];

/// An address over its rate, one that is blackholed, and xdp-filter, against bare parse and drop.
pub(super) fn measure() -> Result<Vec<Row>> {
    let topology = Topology::direct()?;
    let (mut bare, mut limit, mut blackhole, mut filter) = (vec![], vec![], vec![], vec![]);
    for _ in 0..ROUNDS {
        bare.push(with_bare(&topology)?);
        limit.push(with_levee(&topology, |_| Ok(()))?);
        blackhole.push(with_levee(&topology, close)?);
        let _filter = XdpFilter::dropping(&topology, vips()[0])?;
        filter.push(accepted(&topology)?);
    }
    let bare = median(&mut bare);
    let unit = "packets/s";
    Ok(vec![
        Row::compared(
            "accepted_limit",
            median(&mut limit),
            unit,
            bare,
            Target::RatioAtLeast(0.75),
        ),
        Row::compared(
            "accepted_blackhole",
            median(&mut blackhole),
            unit,
            bare,
            Target::RatioAtLeast(0.75),
        ),
        Row::compared(
            "accepted_xdp_filter",
            median(&mut filter),
            unit,
            bare,
            Target::Orientation,
        ),
    ])
}

fn with_bare(topology: &Topology) -> Result<f64> {
    topology.balancer().enter(|| {
        let mut bare = Comparator::load("bare", None)?;
        bare.attach(BALANCER_INTERFACE)?;
        accepted(topology)
    })
}

fn with_levee(topology: &Topology, prepare: fn(&mut Kernel) -> Result<()>) -> Result<f64> {
    topology.balancer().enter(|| {
        let mut kernel = prepared::load(&topology.lab().bpf_directory(), Size::USUAL)?;
        prepare(&mut kernel)?;
        kernel.attach(BALANCER_INTERFACE, XdpMode::Native)?;
        let accepted = accepted(topology);
        kernel.detach_all()?;
        accepted
    })
}

/// Blackholes the address that is flooded.
fn close(kernel: &mut Kernel) -> Result<()> {
    let state = AddressState {
        local: true,
        blackhole: Some(Blackhole {
            until: None,
            all: false,
        }),
        ..AddressState::new(vips()[0], prepared::limit(20_000, 20_000)?)
    };
    Ok(kernel.put_address(&state)?)
}

/// Packets per second that the ring had room for, of a flood as fast as the other core can make it.
fn accepted(topology: &Topology) -> Result<f64> {
    let flood = live::flood(topology, Sources::Spoofed { v6_percent: 0 }, Payload::SYN, None);
    let received = || interface::traffic(topology.wire(), WIRE_INTERFACE).map(|traffic| traffic.redirected);
    let before = received()?;
    let report = topology.attacker().enter(|| {
        cores::stay_on(topology.cores().others)?;
        flood::run(&flood, &AtomicBool::new(false))
    })?;
    Ok((received()? - before) as f64 / report.seconds)
}
