//! Where a flood may run: on a veth, inside a namespace that a lab made. Nowhere else.

use anyhow::{Context as _, Result, bail};

use crate::{interface, lab::PREFIX, netns};

/// Refuses everything but a veth in a lab's namespace.
pub(super) fn check(interface: &str) -> Result<()> {
    if netns::is_initial() {
        bail!(
            "refusing to flood {interface}: this is the machine's own network, not a lab. Use `ip netns exec {PREFIX}… lab \
             flood`"
        );
    }
    let name = netns::current_name()?.context("refusing to flood: this network namespace has no name, a lab's has")?;
    if !name.starts_with(PREFIX) {
        bail!("refusing to flood {interface}: the namespace {name} is no lab's ({PREFIX}…)");
    }
    let driver = interface::driver(interface)
        .with_context(|| format!("refusing to flood {interface}: cannot tell that it is a lab's veth"))?;
    if driver != "veth" {
        bail!("refusing to flood {interface}: its driver is {driver}, a lab's interfaces are veth");
    }
    Ok(())
}
