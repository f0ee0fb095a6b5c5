//! `agent run`: puts the parts together, in an order in which nothing is changed before everything that can be refused
//! was checked, and takes them apart again without taking protection off.

mod drive;
mod start;
mod stop;
mod tasks;

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::{
    service,
    shutdown::{Asked, Signals},
};
use start::Started;
use stop::End;
use tasks::Running;

/// Runs until it is told to stop.
///
/// # Errors
/// A configuration that cannot be used ([`crate::config::ConfigError`]), or why the daemon cannot start.
pub async fn run(config_path: &Path, socket: Option<PathBuf>) -> anyhow::Result<()> {
    let Started {
        ready,
        mut signals,
        held,
    } = start::start(config_path, socket.as_ref()).await?;
    let mut running = tasks::spawn(ready, socket);
    let outcome = wait(&mut signals, &mut running).await;
    stop::stop(running, outcome.as_ref().ok().copied(), held.socket).await;
    outcome.map(drop)
}

/// Waits for a reason to stop, and reloads on the way.
async fn wait(signals: &mut Signals, running: &mut Running) -> anyhow::Result<End> {
    loop {
        tokio::select! {
            ended = &mut running.engine => {
                ended.context("the engine failed; protection stays in place")?;
                let what = "the program was taken off, nothing is protected until `agent run`";
                tracing::info!("stopping: {what}");
                service::stopping(what);
                return Ok(End::Detached);
            }
            asked = signals.next() => match asked {
                Asked::Stop => {
                    stop::say_what_stays(&running.handle.snapshots.borrow());
                    return Ok(End::Stopped);
                }
                Asked::Reload => {
                    // A refusal is in the log already; a bad file never stops a running daemon.
                    let _ = running.handle.reload("SIGHUP".to_owned()).await;
                }
            },
        }
    }
}
