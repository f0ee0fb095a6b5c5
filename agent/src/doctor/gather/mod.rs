//! Looks at the host: reads files, asks netlink, probes. Changes nothing; what cannot be seen says why.

mod clock;
mod config;
mod driver;
mod ethtool;
mod fleet;
mod kernel;
mod links;
mod memory;
mod permissions;
mod places;
mod routes;
mod sysctl;
mod sysfs;
mod xdp;

use std::{net::IpAddr, path::PathBuf};

use super::facts::{AgentFacts, Facts, InterfacesFrom};
use crate::{
    control::{
        api::StatusView,
        client::{Client, ClientError},
    },
    decide::Refusal,
    host::HostFacts,
};
pub use places::Places;

/// What is to be looked at.
#[derive(Debug, Clone)]
pub struct Question {
    /// The configuration file.
    pub config: PathBuf,
    /// The control socket; the configuration's when left out.
    pub socket: Option<PathBuf>,
    /// Interfaces; the configuration's when empty, else those of the default routes.
    pub interfaces: Vec<String>,
    /// From where the caller is logged in.
    pub ssh_peer: Option<IpAddr>,
    /// Where /proc and /sys are.
    pub places: Places,
}

/// Looks at everything.
///
/// # Errors
/// If netlink, which needs no privilege, does not answer; or an interface was named that is not there.
pub async fn gather(question: &Question) -> anyhow::Result<Facts> {
    let places = &question.places;
    let host = HostFacts::read().await?;
    let (connection, handle, _) = rtnetlink::new_connection()?;
    let driver = tokio::spawn(connection);
    let mut config = config::gather(&question.config, &host, question.ssh_peer);
    config.default_interfaces = routes::default_interfaces(&handle).await?;
    config.ways = routes::ways(&handle, &config).await?;
    let (names, from) = interfaces(question, &config.file, &config.default_interfaces, &host)?;
    config.interfaces_from = from;
    let nics = links::gather(&handle, &names, places).await?;
    driver.abort();
    let file = config.file.clone().unwrap_or_default();
    let capacity = config
        .resolved
        .as_ref()
        .map(|config| config.capacity)
        .unwrap_or_default();
    let has_lists = config.resolved.as_ref().is_ok_and(|config| !config.lists.is_empty());
    let socket = question.socket.clone().unwrap_or(file.control.socket.clone());
    let cpus = memory::cpus(places);
    Ok(Facts {
        kernel: kernel::gather(places),
        cpus,
        xdp: xdp::gather(places, &file, &capacity),
        sysctls: sysctl::gather(places, &nics),
        memory: memory::gather(places, &capacity, has_lists, cpus),
        clock: clock::gather(places, &file.state.directory),
        permissions: permissions::gather(places, &file, &socket),
        fleet: fleet::gather(&file.fleet).await,
        agent: agent(&socket).await,
        nics,
        config,
    })
}

/// Which interfaces to look at, and who said so.
fn interfaces(
    question: &Question,
    file: &Option<crate::config::ConfigFile>,
    default: &[String],
    host: &HostFacts,
) -> anyhow::Result<(Vec<String>, InterfacesFrom)> {
    let there = host.interface_names();
    if let Some(strange) = question.interfaces.iter().find(|name| !there.contains(&name.as_str())) {
        let error = format!("--interface {strange}: there is no such interface here");
        return Err(Refusal::invalid(error, format!("there are {}", there.join(", "))).into());
    }
    if !question.interfaces.is_empty() {
        return Ok((question.interfaces.clone(), InterfacesFrom::CommandLine));
    }
    let configured = file.iter().flat_map(|file| file.interfaces.clone());
    let mut configured: Vec<String> = configured.filter(|name| there.contains(&name.as_str())).collect();
    configured.dedup();
    if !configured.is_empty() {
        return Ok((configured, InterfacesFrom::Config));
    }
    Ok((default.to_vec(), InterfacesFrom::DefaultRoute))
}

async fn agent(socket: &std::path::Path) -> AgentFacts {
    let asked = async {
        Client::connect(socket)
            .await?
            .get::<StatusView>("/v1/status", &())
            .await
    };
    match asked.await {
        Ok(status) => AgentFacts::Running(Box::new(status)),
        Err(ClientError::NotRunning(path)) => AgentFacts::NotRunning(path),
        Err(error) => AgentFacts::Unknown(error.to_string()),
    }
}
