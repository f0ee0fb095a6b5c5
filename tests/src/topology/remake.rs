//! Removes the load balancer's link and makes it anew, as a driver that is loaded again does.

use anyhow::Result;

use super::{BALANCER_INTERFACE, Topology, WIRE_INTERFACE, join};
use crate::{
    command::output,
    guarded::{PATIENCE, until_within},
    wire,
};

/// What the new link is like.
#[derive(Clone, Copy, Debug)]
pub struct NewLink {
    /// MTU of both ends.
    pub mtu: u32,
    /// Receive and transmit queues of both ends.
    pub queues: u32,
}

impl Default for NewLink {
    fn default() -> Self {
        Self { mtu: 1500, queues: 1 }
    }
}

/// The load balancer's end while it is not there yet.
const COMING: &str = "coming0";

impl Topology {
    /// Removes the load balancer's interface. Nothing arrives until [`Self::make_link`].
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn remove_link(&self) -> Result<()> {
        wire::take_off(self.lab())?;
        self.wire().ip(&format!("link delete {WIRE_INTERFACE}\n"))
    }

    /// Makes it anew, with its name and its addresses. The flood is at its door already when it comes up, and nobody waits for
    /// anybody: what is not protected then is seen.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn make_link(&self, like: NewLink) -> Result<()> {
        let NewLink { mtu, queues } = like;
        self.wire().ip(&join::pair_of_balancer(COMING, mtu, queues))?;
        // A veth takes redirected frames only while it receives by NAPI, which is by an XDP program or by GRO: so the flood gets in
        // also where nothing protects.
        output(self.wire().command("ethtool").args(["-K", COMING, "gro", "on"]))?;
        self.wire().ip(&join::wire_end()?)?;
        // The kernel takes the old programs off when it comes to that.
        let mut look = self.wire().command("ip");
        look.args(["-details", "link", "show", "dev", "to-attacker"]);
        until_within(PATIENCE, "the wire's old program is off", || {
            Ok(!output(&mut look)?.contains("prog/xdp"))
        })?;
        wire::attach_routed(self.lab(), self.wire(), "to-attacker", WIRE_INTERFACE)?;
        self.wire().ip(&format!(
            "link set {COMING} netns {} name {BALANCER_INTERFACE}\n",
            self.balancer().name()
        ))?;
        self.balancer().ip(&join::balancer_end()?)
    }

    /// Brings an interface of the load balancer that was set down up again, with what went with that: addresses, routes,
    /// neighbours.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn up_again(&self) -> Result<()> {
        let lines = format!("address flush dev {BALANCER_INTERFACE}\n{}", join::balancer_end()?);
        self.balancer().ip(&lines)
    }
}
