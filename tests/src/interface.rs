//! What the kernel knows of an interface in the calling thread's namespace.

use std::process::Command;

use anyhow::{Context as _, Result, bail};
use nix::net::if_::if_nametoindex;

use crate::{command::output, netns::Netns};

/// The interface's index in the calling thread's namespace.
pub fn index(name: &str) -> Result<u32> {
    if_nametoindex(name).with_context(|| format!("there is no interface {name:?} in this namespace"))
}

/// The name of the interface's driver, `veth` for one.
pub fn driver(name: &str) -> Result<String> {
    let text = output(Command::new("ethtool").args(["-i", name]))?;
    match text.lines().find_map(|line| line.strip_prefix("driver: ")) {
        Some(driver) => Ok(driver.to_owned()),
        None => bail!("`ethtool -i {name}` names no driver"),
    }
}

/// What an interface of the lab has received and sent since it was made, in frames.
///
/// Only redirected and generated frames count as `redirected`, so a flood can be told from its victims' traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Frames that were put into the other end's ring by redirection.
    pub redirected: u64,
    /// Frames lost on the way because the other end's ring was full.
    pub redirected_lost: u64,
}

/// Reads [`Traffic`] of a veth.
pub fn traffic(namespace: &Netns, name: &str) -> Result<Traffic> {
    let text = output(namespace.command("ethtool").args(["-S", name]))?;
    let sum = |suffix: &str| -> u64 {
        let counter = |line: &str| {
            let (key, value) = line.trim().split_once(": ")?;
            let counted = key.starts_with("tx_queue_") && key.ends_with(suffix);
            counted.then(|| value.parse::<u64>().ok()).flatten()
        };
        text.lines().filter_map(counter).sum()
    };
    Ok(Traffic {
        redirected: sum("_xdp_xmit"),
        redirected_lost: sum("_xdp_xmit_errors"),
    })
}

/// Has the kernel compute the checksums of what it sends by an interface, so that a capture can verify them. A veth leaves
/// them out, because nobody between its ends can damage a frame.
pub fn compute_checksums(namespace: &Netns, name: &str) -> Result<()> {
    output(namespace.command("ethtool").args(["-K", name, "tx", "off"]))?;
    Ok(())
}
