//! A load balancer whose agent speaks with the network above, by BIRD on both sides.

use std::{fs, net::IpAddr, time::Duration};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::{
    bird::Bird,
    guarded::{self, Guarded, until_within},
    levee::Settings,
    topology::Topology,
};

/// BGP sessions take some seconds to come up again.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Load balancer, agent, BIRD, and the network above. Dropping it ends all of them.
#[derive(Debug)]
pub struct Upward {
    // Dropped before the lab that they run in.
    /// The load balancer's.
    pub bird: Bird,
    /// The network's.
    pub above: Bird,
    /// Agent and lab.
    pub lab: Guarded,
}

impl Upward {
    /// Starts all of it, with more lines of `[upstream]`, and waits until the session is up.
    ///
    /// # Errors
    /// Something does not start.
    pub fn start(more: &str) -> Result<Self> {
        let topology = Topology::routed()?;
        let above = Bird::above(&topology)?;
        // What BIRD's own configuration needs is there before the agent has written anything.
        let directory = topology.lab().path("bird-balancer");
        fs::create_dir_all(&directory)?;
        fs::write(
            directory.join("levee0.conf"),
            "function levee_announces() { return false; }\n",
        )?;
        let bird = Bird::balancer(&topology)?;
        fs::remove_file(directory.join("levee0.conf"))?;
        let usual = guarded::settings();
        let settings = Settings {
            more: format!(
                "{}\n[upstream]\ninclude = {:?}\nsocket = {:?}\nsessions = [\"above\"]\n{more}\n",
                usual.more,
                bird.include(),
                bird.socket()
            ),
            ..usual
        };
        let lab = Guarded::start(topology, &settings)?;
        let upward = Self { bird, above, lab };
        upward.until_up()?;
        Ok(upward)
    }

    /// Waits until both ends of the session are up.
    ///
    /// # Errors
    /// They do not come up.
    pub fn until_up(&self) -> Result<()> {
        until_within(PATIENCE, "the session is up", || {
            Ok(self.bird.is_up()? && self.above.is_up()?)
        })
    }

    /// What the network above knows of routes to an address.
    ///
    /// # Errors
    /// Its BIRD does not answer.
    pub fn route(&self, address: IpAddr) -> Result<Option<String>> {
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let routes = self.above.ask("show route all table all")?;
        let wanted = [format!("{address}/{bits} "), format!("dst {address}/{bits};")];
        let mut lines = routes
            .lines()
            .skip_while(|line| !wanted.iter().any(|part| line.contains(part)));
        let Some(first) = lines.next() else { return Ok(None) };
        let rest = lines.take_while(|line| line.starts_with(['\t', ' ']));
        Ok(Some(std::iter::once(first).chain(rest).collect::<Vec<_>>().join("\n")))
    }

    /// Waits for the route, and returns what the network above knows of it.
    ///
    /// # Errors
    /// It does not come.
    pub fn until_there(&self, address: IpAddr) -> Result<String> {
        until_within(PATIENCE, "the network above has the route", || {
            Ok(self.route(address)?.is_some())
        })?;
        self.route(address)?.context("it was there")
    }

    /// Waits until the route is gone.
    ///
    /// # Errors
    /// It stays.
    pub fn until_gone(&self, address: IpAddr) -> Result<()> {
        until_within(PATIENCE, "the route is gone", || Ok(self.route(address)?.is_none()))
    }

    /// What `agent upstream` says.
    ///
    /// # Errors
    /// The agent does not answer.
    pub fn upstream(&self) -> Result<Value> {
        let output = self.lab.home().command(&["--json", "upstream"])?.output()?;
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// What it says of one address: `announced`, `asked`, `refused`, or `absent`.
    ///
    /// # Errors
    /// As for [`Self::upstream`].
    pub fn state_of(&self, address: IpAddr) -> Result<String> {
        let view = self.upstream()?;
        let routes = view["routes"].as_array().context("routes")?;
        let found = routes.iter().find(|route| route["address"] == address.to_string());
        Ok(found.map_or_else(
            || "absent".to_owned(),
            |route| route["state"].as_str().unwrap_or_default().to_owned(),
        ))
    }

    /// Waits until the agent has read back that BIRD announces it.
    ///
    /// # Errors
    /// It does not.
    pub fn until_announced(&self, address: IpAddr) -> Result<()> {
        until_within(PATIENCE, "the agent sees that BIRD announces it", || {
            Ok(self.state_of(address)? == "announced")
        })
    }
}
