//! Attaches the wire's XDP programs, pinned in the lab's BPF file system: they live as long as the lab.

use std::{path::Path, process::Command};

use anyhow::{Context as _, Result};
use aya::{
    Ebpf,
    maps::{Array, Map, MapData, PerCpuArray, xdp::DevMap},
    programs::{Xdp, links::FdLink, xdp::XdpMode},
};
use lab_ebpf::seen;

use crate::{
    addresses::{BALANCER_MAC, GATEWAY_MAC},
    command::output,
    interface,
    lab::Lab,
    netns::Netns,
    object,
};

/// The name under which the wire's counts are pinned.
const COUNTS: &str = "wire_frames";

/// Moves what arrives from the attacker to the load balancer, and drops the answers to it.
pub fn attach_routed(lab: &Lab, wire: &Netns, from_attacker: &str, to_balancer: &str) -> Result<()> {
    let pins = lab.bpf_directory();
    wire.enter(|| {
        let mut object = load()?;
        set_destination(&mut object, interface::index(to_balancer)?)?;
        attach(&mut object, "from_attacker", from_attacker, &pins)?;
        attach(&mut object, "from_balancer", to_balancer, &pins)?;
        pin_counts(&object, &pins)
    })
}

/// Takes the wire's programs off again; what was counted so far is gone.
pub fn take_off(lab: &Lab) -> Result<()> {
    for pin in ["from_attacker", "from_balancer", COUNTS] {
        let path = lab.bpf_directory().join(pin);
        if pin != COUNTS {
            // Without that the kernel takes the program off when it comes to it, which on a busy machine is late.
            output(Command::new("bpftool").args(["link", "detach", "pinned"]).arg(&path))?;
        }
        std::fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
    }
    Ok(())
}

/// Drops the answers to the flood, which comes from the wire itself.
pub fn attach_direct(lab: &Lab, wire: &Netns, to_balancer: &str) -> Result<()> {
    let pins = lab.bpf_directory();
    wire.enter(|| {
        let mut object = load()?;
        attach(&mut object, "from_balancer", to_balancer, &pins)?;
        pin_counts(&object, &pins)
    })
}

/// What the wire has seen since the lab was made, in frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Moved from the attacker to the load balancer; none where the flood comes from the wire itself.
    pub moved: u64,
    /// Answers to flood sources, which died here.
    pub answers: u64,
    /// Those among them that were SYN-ACKs.
    pub syn_acks: u64,
}

/// Reads [`Seen`] of a lab.
pub fn seen(lab: &Lab) -> Result<Seen> {
    let pin = lab.bpf_directory().join(COUNTS);
    let data = MapData::from_pin(&pin).with_context(|| format!("cannot open the pinned map {}", pin.display()))?;
    let map: PerCpuArray<MapData, u64> = PerCpuArray::try_from(Map::PerCpuArray(data))?;
    let sum = |slot| -> Result<u64> {
        let values = map.get(&slot, 0).context("cannot read what the wire has seen")?;
        Ok(values.iter().sum())
    };
    Ok(Seen {
        moved: sum(seen::MOVED)?,
        answers: sum(seen::DIED)?,
        syn_acks: sum(seen::SYN_ACKS)?,
    })
}

fn pin_counts(object: &Ebpf, pins: &Path) -> Result<()> {
    let map = object.map("FRAMES").context("the wire's object has no map FRAMES")?;
    let Map::PerCpuArray(data) = map else {
        anyhow::bail!("the wire's map FRAMES is no per-CPU array")
    };
    data.pin(pins.join(COUNTS)).context("cannot pin the wire's counts")
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
