//! Flood and customers as processes of their own, in their namespaces, on their core; each ends with a report in JSON.

use std::{
    io::Read as _,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use serde::de::DeserializeOwned;

use crate::{
    binary,
    child::{Manner, Running},
    cores::OUTSIDE_NICE,
    flood, load,
    netns::Netns,
    topology::Topology,
};

/// A process that will report.
#[derive(Debug)]
pub struct Actor {
    running: Running,
}

impl Actor {
    /// Starts `lab flood` with these arguments in the attacker's namespace.
    pub fn flood(topology: &Topology, arguments: &[&str]) -> Result<Self> {
        let mut command = lab_command(topology.attacker(), "flood")?;
        command
            .args(["--interface", topology.flood_interface()])
            .args(arguments);
        for vlan in topology.vlans() {
            command.args(["--vlan", &vlan.to_string()]);
        }
        Self::start(topology, command)
    }

    /// Starts `lab load` with these arguments in the customers' namespace.
    pub fn load(topology: &Topology, arguments: &[&str]) -> Result<Self> {
        let mut command = lab_command(topology.client(), "load")?;
        command.args(arguments);
        Self::start(topology, command)
    }

    fn start(topology: &Topology, mut command: Command) -> Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let manner = Manner {
            core: Some(topology.cores().others),
            nice: OUTSIDE_NICE,
            outlives_parent: false,
        };
        Ok(Self {
            running: Running::start(topology.lab(), command, manner)?,
        })
    }

    /// Asks the process to end early; it still reports.
    pub fn stop(&mut self) -> Result<()> {
        if self.running.ended()?.is_none() {
            self.running.signal(nix::sys::signal::Signal::SIGTERM)?;
        }
        Ok(())
    }

    /// Waits for the end of a flood.
    pub fn flood_report(self) -> Result<flood::Report> {
        self.report()
    }

    /// Waits for the end of a load.
    pub fn load_report(self) -> Result<load::Report> {
        self.report()
    }

    fn report<T: DeserializeOwned>(mut self) -> Result<T> {
        let status = self.running.wait(flood::LONGEST + Duration::from_secs(20))?;
        if !status.success() {
            bail!("`{}` failed ({status}); what it said is above", self.running.line());
        }
        let mut text = String::new();
        if let Some(mut pipe) = self.running.child().stdout.take() {
            pipe.read_to_string(&mut text).context("cannot read a report")?;
        }
        serde_json::from_str(&text).with_context(|| format!("`{}` reported {text:?}", self.running.line()))
    }
}

fn lab_command(namespace: &Netns, verb: &str) -> Result<Command> {
    let mut command = namespace.command(binary::lab()?);
    command.arg(verb);
    Ok(command)
}
