//! What the global flags say, and where the running agent is.

use std::path::PathBuf;

use anyhow::Context as _;

use crate::{
    config::{self, ConfigFile, prefix},
    control::client::{Client, ClientError},
    detect::{Subject, baseline::Baseline},
    ledger::HistoryFile,
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

    /// What happened, whether an agent runs or not: for what weighs nothing on the agent that way.
    pub(super) fn history(&self) -> anyhow::Result<HistoryFile> {
        let directory = self.file_or_defaults().state.directory;
        HistoryFile::open(&directory).with_context(|| {
            let doubt = self.doubt().map(|doubt| format!("{doubt}: ")).unwrap_or_default();
            format!("{doubt}what happened is read from state.directory, as root and with that agent's --config")
        })
    }

    /// What detection learned of each subject, as of the last full hour.
    pub(super) fn learned(&self) -> anyhow::Result<Vec<(Subject, Baseline)>> {
        let kept = self.history()?.reader().baselines()?;
        kept.into_iter()
            .map(|(subject, _, text)| {
                let baseline = serde_json::from_slice(&text)
                    .with_context(|| format!("what was learned of {subject} cannot be read; it is learned anew"))?;
                Ok((subject, baseline))
            })
            .collect()
    }
}

/// An address or a group as people write it: the word `group` may be left out.
pub(super) fn parse_subject(text: &str) -> Result<Subject, String> {
    text.parse::<Subject>()
        .or_else(|error| prefix::parse(text).map(Subject::Group).map_err(|_| error))
}
