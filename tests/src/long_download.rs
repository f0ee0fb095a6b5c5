//! A long download over a connection that began with a proof, beside the same download without Levee: what verify leaves of
//! the throughput.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Context as _, Result};
use aya::{
    Ebpf,
    programs::{Xdp, xdp::XdpMode},
};

use crate::{
    addresses::vips,
    guarded::{self, Guarded, allow_cookies, stranger},
    object, server,
    stacks::programs,
    topology::{BALANCER_INTERFACE, Shape, Topology},
};

/// What one download managed, at one address.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// The address.
    pub address: IpAddr,
    /// With a program on the interface that passes everything, Mbit/s; the best round.
    pub passed: f64,
    /// With Levee, the address in verify, each download by a stranger, Mbit/s; the best round.
    pub verified: f64,
}

impl Comparison {
    /// What is left of the throughput, 1 for all of it.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        self.verified / self.passed
    }
}

/// Compares an IPv4 and an IPv6 address of a lab in this shape, in alternating rounds.
///
/// # Errors
/// A download fails.
pub fn compare(shape: Shape, rounds: u32) -> Result<[Comparison; 2]> {
    let mut topology = Topology::shaped(shape)?;
    allow_cookies(topology.server())?;
    let _server = server::start(&topology, false)?;
    let vips = vips();
    let mut found = [vips[0], vips[1]].map(|address| Comparison {
        address,
        passed: 0.0,
        verified: 0.0,
    });
    for _ in 0..rounds {
        let pass = attach_pass(&topology)?;
        for comparison in &mut found {
            comparison.passed = comparison.passed.max(download(&topology, comparison.address)?);
        }
        drop(pass);
        let lab = Guarded::start(topology, &guarded::settings())?;
        for comparison in &mut found {
            lab.set_rung(comparison.address, "verify")?;
            comparison.verified = comparison.verified.max(download(lab.topology(), comparison.address)?);
        }
        topology = lab.detach()?;
    }
    Ok(found)
}

fn download(topology: &Topology, address: IpAddr) -> Result<f64> {
    let at = SocketAddr::new(address, server::PORT);
    let from = Some(stranger(address.is_ipv6()));
    let transfer = programs::download(topology.client(), from, at, server::DOWNLOAD, 30)?;
    Ok(transfer.mbit_per_s())
}

/// The load balancer's interface with a program that does nothing, until the object is dropped: a veth with a program is
/// slower than one without, whatever the program.
fn attach_pass(topology: &Topology) -> Result<Ebpf> {
    topology.balancer().enter(|| {
        let mut object = Ebpf::load(object::WIRE).context("cannot load the wire's BPF object")?;
        let program: &mut Xdp = object
            .program_mut("pass")
            .context("the wire's object has no program pass")?
            .try_into()?;
        program.load()?;
        program.attach(BALANCER_INTERFACE, XdpMode::Driver)?;
        Ok(object)
    })
}
