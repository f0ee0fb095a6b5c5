//! Attaches the wire's XDP programs, pinned in the lab's BPF file system: they live as long as the lab.

use std::path::Path;

use anyhow::{Context as _, Result};
use aya::{
    Ebpf,
    maps::{Array, xdp::DevMap},
    programs::{Xdp, links::FdLink, xdp::XdpMode},
};

use crate::{
    addresses::{BALANCER_MAC, GATEWAY_MAC},
    interface,
    lab::Lab,
    netns::Netns,
    object,
};

/// Moves what arrives from the attacker to the load balancer, and drops the answers to it.
pub fn attach_routed(lab: &Lab, wire: &Netns, from_attacker: &str, to_balancer: &str) -> Result<()> {
    let pins = lab.bpf_directory();
    wire.enter(|| {
        let mut object = load()?;
        set_destination(&mut object, interface::index(to_balancer)?)?;
        attach(&mut object, "from_attacker", from_attacker, &pins)?;
        attach(&mut object, "from_balancer", to_balancer, &pins)
    })
}

/// Drops the answers to the flood, which comes from the wire itself.
pub fn attach_direct(lab: &Lab, wire: &Netns, to_balancer: &str) -> Result<()> {
    let pins = lab.bpf_directory();
    wire.enter(|| attach(&mut load()?, "from_balancer", to_balancer, &pins))
}

fn load() -> Result<Ebpf> {
    Ebpf::load(object::WIRE).context("cannot load the wire's BPF object")
}

fn set_destination(object: &mut Ebpf, balancer: u32) -> Result<()> {
    let map = object
        .map_mut("BALANCER")
        .context("the wire's object has no map BALANCER")?;
    DevMap::try_from(map)?
        .set(0, balancer, None, 0)
        .context("cannot write the map BALANCER")?;
    let mut bytes = [0; 12];
    bytes[..6].copy_from_slice(&BALANCER_MAC);
    bytes[6..].copy_from_slice(&GATEWAY_MAC);
    let map = object
        .map_mut("ADDRESSES")
        .context("the wire's object has no map ADDRESSES")?;
    Array::<_, [u8; 12]>::try_from(map)?
        .set(0, bytes, 0)
        .context("cannot write the map ADDRESSES")
}

fn attach(object: &mut Ebpf, name: &str, interface: &str, pins: &Path) -> Result<()> {
    let doing = || format!("cannot attach the wire's program {name} to {interface}");
    let program: &mut Xdp = object
        .program_mut(name)
        .with_context(|| format!("the wire's object has no program {name}"))?
        .try_into()?;
    program.load().with_context(doing)?;
    let link = program.attach(interface, XdpMode::Driver).with_context(doing)?;
    let link = FdLink::try_from(program.take_link(link)?).with_context(doing)?;
    link.pin(pins.join(name)).with_context(doing)?;
    Ok(())
}
