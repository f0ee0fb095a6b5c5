//! One end of a link whose frames carry a VLAN tag, by programs of traffic control: XDP sees the tag in the frame, the rest
//! of the kernel never does.

use anyhow::{Context as _, Result, ensure};
use aya::{
    Ebpf,
    programs::{SchedClassifier, Xdp, links::FdLink, tc::TcAttachType, xdp::XdpMode},
};

pub use lab_ebpf::link::VLAN;

use crate::{command::output, lab::Lab, netns::Netns, object, require};

/// Tags what leaves by this interface, takes the tag off what comes in by it, and drops what comes in without one. It
/// holds as long as the lab.
pub fn tag(lab: &Lab, namespace: &Netns, interface: &str) -> Result<()> {
    ensure!(
        require::kernel(
            6,
            6,
            "a link with VLAN tags, which the lab makes by pinned programs of traffic control,"
        )?,
        "the lab's VLAN link needs a newer kernel"
    );
    // With these, the tag would travel beside the frame, and XDP would not see it.
    output(
        namespace
            .command("ethtool")
            .args(["-K", interface, "txvlan", "off", "rxvlan", "off"]),
    )?;
    namespace.enter(|| {
        let mut object = Ebpf::load(object::VLAN).context("cannot load the VLAN link's BPF object")?;
        for (name, direction) in [("push", TcAttachType::Egress), ("pop", TcAttachType::Ingress)] {
            let doing = || format!("cannot attach the VLAN program {name} to {interface}");
            let program: &mut SchedClassifier = object
                .program_mut(name)
                .with_context(|| format!("the VLAN link's object has no program {name}"))?
                .try_into()?;
            program.load().with_context(doing)?;
            let link = program.attach(interface, direction).with_context(doing)?;
            let link = FdLink::try_from(program.take_link(link)?).with_context(doing)?;
            link.pin(lab.bpf_directory().join(format!("{interface}-{name}")))
                .with_context(doing)?;
        }
        Ok(())
    })
}

/// Lets in by this interface what XDP sees with a tag, and nothing else, until the object is dropped.
pub fn admit_tagged_only(namespace: &Netns, interface: &str) -> Result<Ebpf> {
    namespace.enter(|| {
        let mut object = Ebpf::load(object::VLAN).context("cannot load the VLAN link's BPF object")?;
        let program: &mut Xdp = object
            .program_mut("tagged_only")
            .context("the VLAN link's object has no program tagged_only")?
            .try_into()?;
        program.load()?;
        program.attach(interface, XdpMode::Driver)?;
        Ok(object)
    })
}
