//! Everything that can be refused is checked before anything is changed; then the kernel's side is loaded, what was in force is
//! put in force again, and privileges are given up. From here on packets are judged.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::net::TcpListener;

use crate::{
    capabilities,
    clock::Now,
    config::{self, Config},
    control::{self, access::Access, socket::ControlSocket},
    engine::{Engine, start::Parts},
    export,
    failpoint::{Point, reach},
    host::{HostFacts, Looker, ThisHost},
    kernel::{Explainer, Kernel, LoadOptions},
    ledger::Ledger,
    lock::Lock,
    logging, page, privileges, service,
    shutdown::Signals,
    tables::KernelTables,
};

/// A daemon that protects, and listens, and has not answered anybody yet.
pub(super) struct Started {
    pub(super) ready: Ready,
    pub(super) signals: Signals,
    pub(super) held: Held,
}

/// What is ready to run.
pub(super) struct Ready {
    pub(super) engine: Engine,
    pub(super) looker: Looker,
    pub(super) explainer: Arc<Explainer>,
    pub(super) access: Access,
    pub(super) doors: Doors,
}

/// Where callers knock.
pub(super) struct Doors {
    pub(super) control: ControlSocket,
    pub(super) metrics: Option<TcpListener>,
    pub(super) page: Option<TcpListener>,
}

/// What is this agent's alone until it ends, and given back in this order.
pub(super) struct Held {
    pub(super) socket: SocketFile,
    _maps: Lock,
    _ledger: Option<Lock>,
}

/// Starts, up to the first packet that is judged as this configuration wants it.
pub(super) async fn start(config_path: &Path, socket: Option<&PathBuf>) -> anyhow::Result<Started> {
    let host = HostFacts::read().await?;
    let config_path = std::path::absolute(config_path)?;
    let config = config::load(&config_path, &host).map_err(as_failure)?;
    let config = config.with_socket(socket);
    let set_log_level = logging::start(&config.log)?;
    capabilities::check()?;
    let signals = Signals::new()?;
    let now = Now::read();
    reach(Point::ConfigRead);
    let ledger_lock = lock_ledger(&config.state_directory)?;
    Ledger::refuse_newer(&config.state_directory)?;
    let (ledger, mut warnings) = Ledger::open(&config.state_directory, now.wall);
    reach(Point::LedgerOpened);
    let access = Access::of(&config)?;
    let control = control::socket::listen(&config.socket, &access).await?;
    reach(Point::SocketNamed);
    let socket_file = SocketFile(config.socket.clone());
    let doors = Doors {
        control,
        metrics: listen_for_metrics(&config, &mut warnings).await,
        page: listen_for_page(&config, &mut warnings).await,
    };
    let (tables, maps_lock) = load(&config, &mut warnings)?;
    let mut looker = Looker::default();
    let tcp = looker.look().await?;
    let explainer = Arc::new(Explainer::at(&config.bpffs));
    let parts = Parts {
        tables,
        ledger,
        config,
        host: Box::new(ThisHost),
        tcp,
        warnings,
        set_log_level,
    };
    let mut engine = Engine::start(parts, now)?;
    engine.note_host(host);
    give_up_privileges(&mut engine);
    announce(engine.config());
    reach(Point::Protecting);
    Ok(Started {
        ready: Ready {
            engine,
            looker,
            explainer,
            access,
            doors,
        },
        signals,
        held: Held {
            socket: socket_file,
            _maps: maps_lock,
            _ledger: ledger_lock,
        },
    })
}

/// The program and its maps, which are this agent's from here on.
fn load(config: &Config, warnings: &mut Vec<String>) -> anyhow::Result<(Box<dyn KernelTables>, Lock)> {
    let (kernel, more) = Kernel::load(&LoadOptions {
        bpffs: config.bpffs.clone(),
        capacity: config.capacity,
    })?;
    reach(Point::KernelLoaded);
    let lock = Lock::on(&Lock::directory_of_maps(&config.bpffs))?;
    warnings.extend(more);
    for warning in warnings.iter() {
        tracing::warn!("{warning}");
    }
    Ok((Box::new(kernel), lock))
}

fn give_up_privileges(engine: &mut Engine) {
    let kept = privileges::drop(engine.config());
    for warning in &kept {
        tracing::warn!("{warning}");
    }
    engine.note_warnings(kept);
}

/// One agent per ledger. Where there can be no ledger, there is nothing to share.
fn lock_ledger(directory: &Path) -> anyhow::Result<Option<Lock>> {
    match Ledger::make_directory(directory) {
        Ok(()) => Lock::on(directory).map(Some),
        Err(_) => Ok(None),
    }
}

/// Protection matters more than its metrics: a port that is taken is told, and the agent runs on.
async fn listen_for_metrics(config: &Config, warnings: &mut Vec<String>) -> Option<TcpListener> {
    match export::server::listen(config.metrics?).await {
        Ok(listener) => Some(listener),
        Err(error) => {
            warnings.push(format!("no metrics are served: {error:#}"));
            None
        }
    }
}

/// The same for the page.
async fn listen_for_page(config: &Config, warnings: &mut Vec<String>) -> Option<TcpListener> {
    match page::listen(config.page.listen?).await {
        Ok(listener) => Some(listener),
        Err(error) => {
            warnings.push(format!("no page is served: {error:#}"));
            None
        }
    }
}

/// Removes the socket when the daemon ends in an orderly way.
pub(super) struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Gone already is what we want.
        let _ = std::fs::remove_file(&self.0);
    }
}

fn announce(config: &Config) {
    tracing::info!(
        interfaces = config.interfaces.join(","),
        addresses = config.protected.len(),
        mode = %config.mode,
        socket = %config.socket.display(),
        "protecting"
    );
    service::ready();
}

/// An interface that is not there may appear (a bond, a VLAN, while the machine starts): a service manager is to try again,
/// which it does not with wrong configurations.
fn as_failure(error: config::ConfigError) -> anyhow::Error {
    if error.may_pass() {
        anyhow::Error::msg(error.to_string())
    } else {
        error.into()
    }
}
