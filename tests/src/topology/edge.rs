//! Customers behind routers that look into connections: a home behind a masquerading NAT, an office behind a firewall.

use anyhow::Result;

use super::join::{join, routes, set_forwarding};
use crate::{
    addresses::{FIREWALL_LINK, HOME_LINK, NAT_LINK, OFFICE_LINK},
    command::output_with_input,
    lab::Lab,
    netns::{Netns, Role},
};

/// What is behind both routers; dropping it takes it down.
#[derive(Debug)]
pub(super) struct Edges {
    // The order is that of dropping: whoever is behind a router before the router.
    pub(super) home: Netns,
    nat: Netns,
    pub(super) office: Netns,
    firewall: Netns,
}

impl Edges {
    pub(super) fn create(lab: &Lab, wire: &Netns) -> Result<Self> {
        let edges = Self {
            home: Netns::create(lab, Role::Home)?,
            nat: Netns::create(lab, Role::Nat)?,
            office: Netns::create(lab, Role::Office)?,
            firewall: Netns::create(lab, Role::Firewall)?,
        };
        set_forwarding(&edges.nat, true)?;
        set_forwarding(&edges.firewall, true)?;
        join(wire, "to-nat", &edges.nat, "nat0", NAT_LINK)?;
        join(&edges.nat, "to-home", &edges.home, "home0", HOME_LINK)?;
        load(&edges.nat, &masquerade())?;
        join(wire, "to-firewall", &edges.firewall, "firewall0", FIREWALL_LINK)?;
        join(&edges.firewall, "to-office", &edges.office, "office0", OFFICE_LINK)?;
        let [v4, v6] = OFFICE_LINK.peer();
        wire.ip(&routes(&[&v4.to_string(), &v6.to_string()], FIREWALL_LINK.peer())?)?;
        load(&edges.firewall, &stateful())?;
        Ok(edges)
    }

    pub(super) fn keep(&mut self) {
        for namespace in [&mut self.home, &mut self.nat, &mut self.office, &mut self.firewall] {
            namespace.keep();
        }
    }
}

/// Hides the home behind the router's own address; what its connection tracking finds invalid ends there.
fn masquerade() -> String {
    "table inet lab {\n\
         chain forward {\n\
             type filter hook forward priority filter; policy drop;\n\
             ct state established,related accept\n\
             iifname \"to-home\" ct state new accept\n\
         }\n\
         chain out {\n\
             type nat hook postrouting priority srcnat;\n\
             oifname \"nat0\" masquerade\n\
         }\n\
     }\n"
    .to_owned()
}

/// From inside everything, from outside what belongs to a connection.
fn stateful() -> String {
    "table inet lab {\n\
         chain forward {\n\
             type filter hook forward priority filter; policy drop;\n\
             ct state invalid drop\n\
             ct state established,related accept\n\
             iifname \"to-office\" ct state new accept\n\
         }\n\
     }\n"
    .to_owned()
}

fn load(router: &Netns, rules: &str) -> Result<()> {
    output_with_input(router.command("nft").args(["-f", "-"]), rules)?;
    Ok(())
}
