//! What the global flags say, and where the running agent is.

use std::path::PathBuf;

use crate::{
    config::{self, ConfigFile},
    control::client::{Client, ClientError},
};

/// The global flags.
#[derive(Debug)]
pub(super) struct Context {
    /// Configuration file.
    pub(super) config: PathBuf,
    /// Control socket, if named.
    pub(super) socket: Option<PathBuf>,
    /// Answer in JSON.
    pub(super) json: bool,
}

impl Context {
    /// The configuration file as far as it can be read; the defaults where it cannot. A broken file must not keep an
    /// operator from a running agent: `check-config` and `reload` say what is wrong with it.
    pub(super) fn file_or_defaults(&self) -> ConfigFile {
        config::load_what_can_be(&self.config).unwrap_or_default()
    }

    /// The control socket.
    pub(super) fn socket(&self) -> PathBuf {
        self.socket
            .clone()
            .unwrap_or_else(|| self.file_or_defaults().control.socket)
    }

    /// The running agent.
    pub(super) async fn agent(&self) -> anyhow::Result<Client> {
        let error = match Client::connect(&self.socket()).await {
            Ok(client) => return Ok(client),
            Err(error) => anyhow::Error::from(error),
        };
        Err(match self.doubt() {
            Some(doubt) => error.context(doubt),
            None => error,
        })
    }

    /// Why the socket may be the wrong one: the file that would name it cannot be read.
    pub(super) fn doubt(&self) -> Option<String> {
        let error = config::load_what_can_be(&self.config)
            .err()
            .filter(|_| self.socket.is_none())?;
        Some(format!(
            "the default socket was tried, because the configuration names none ({error})"
        ))
    }

    /// The running agent, or `None` when there is none and the pinned maps are to be asked.
    pub(super) async fn agent_if_running(&self) -> Result<Option<Client>, ClientError> {
        match Client::connect(&self.socket()).await {
            Ok(client) => Ok(Some(client)),
            Err(ClientError::NotRunning(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
