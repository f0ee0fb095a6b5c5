//! `agent run`: puts the parts together, in an order in which nothing is changed before everything that can be refused
//! was checked, and takes them apart again without taking protection off.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    task::JoinHandle,
};

use crate::{
    capabilities, capture,
    clock::Now,
    command::Message,
    config::{self, Config},
    connected,
    control::{self, server::Handle},
    engine::{Engine, start::Parts},
    export,
    feeds::task::Task,
    host::{HostFacts, Looker, ThisHost},
    kernel::{Kernel, LoadOptions},
    ledger::Ledger,
    lock::Lock,
    logging,
    notify::{Keeper, Notifier},
    shutdown::{Asked, Signals},
    snapshot::Snapshot,
    tables::KernelTables,
};

/// Commands that wait for the engine at most; more callers wait at the socket.
const QUEUE: usize = 64;
/// Time for what is still to be said when the daemon stops.
const LAST_WORDS: std::time::Duration = std::time::Duration::from_secs(2);

/// Runs until it is told to stop.
///
/// # Errors
/// A configuration that cannot be used ([`config::ConfigError`]), or why the daemon cannot start.
pub async fn run(config_path: &Path, socket: Option<PathBuf>) -> anyhow::Result<()> {
    let host = HostFacts::read().await?;
    let config_path = std::path::absolute(config_path)?;
    let config = config::load(&config_path, &host)?.with_socket(socket.as_ref());
    let set_log_level = logging::start(&config.log)?;
    capabilities::check()?;
    let mut signals = Signals::new()?;
    let now = Now::read();
    let _ledger_lock = lock_ledger(&config.state_directory)?;
    let (ledger, mut warnings) = Ledger::open(&config.state_directory, now.wall);
    let listener = control::socket::listen(&config.socket, config.socket_group.as_deref()).await?;
    let socket_file = SocketFile(config.socket.clone());
    let metrics = listen_for_metrics(&config, &mut warnings).await;
    let (kernel, more) = Kernel::load(&LoadOptions {
        bpffs: config.bpffs.clone(),
        capacity: config.capacity,
    })?;
    let _maps_lock = Lock::on(&Lock::directory_of_maps(&config.bpffs))?;
    warnings.extend(more);
    for warning in &warnings {
        tracing::warn!("{warning}");
    }
    let tables: Box<dyn KernelTables> = Box::new(kernel);
    let mut looker = Looker::default();
    let tcp = looker.look().await?;
    let engine = Engine::start(
        Parts {
            tables,
            ledger,
            config,
            host: Box::new(ThisHost),
            tcp,
            warnings,
            set_log_level,
        },
        now,
    )?;
    announce(engine.config());
    let (to_engine, messages) = mpsc::channel(QUEUE);
    let (to_lists, list_orders) = mpsc::channel(QUEUE);
    let lists = Task::new(engine.list_heads(), engine.snapshots(), to_engine.clone(), list_orders);
    let notifier = Notifier::default();
    let notify_of = Keeper::new(notifier.clone(), engine.events().subscribe(), engine.snapshots());
    let samples = engine.samples();
    let captures = capture::Keeper::new(engine.snapshots(), engine.events().subscribe(), samples.subscribe());
    let handle = Handle {
        engine: to_engine,
        lists: to_lists,
        snapshots: engine.snapshots(),
        events: engine.events(),
        notifier: notifier.clone(),
        samples,
        history: engine.history(),
        socket,
    };
    let engine = tokio::spawn(drive(engine, messages));
    tokio::spawn(look(looker, handle.engine.clone()));
    tokio::spawn(connected::keep_known(handle.snapshots.clone(), handle.engine.clone()));
    tokio::spawn(lists.run());
    tokio::spawn(notify_of.run());
    tokio::spawn(captures.run());
    let (stop, stopped) = watch::channel(false);
    let server = tokio::spawn(control::server::serve(listener, handle.clone(), until(stopped)));
    if let Some(listener) = metrics {
        tokio::spawn(export::server::serve(
            listener,
            handle.snapshots.clone(),
            notifier.clone(),
        ));
    }
    let outcome = wait(&mut signals, engine, &handle).await;
    notify(&[sd_notify::NotifyState::Stopping]);
    stop.send_replace(true);
    // An answer that is under way (to `detach`) still goes out, and so does what people are to be told.
    let server = tokio::time::timeout(LAST_WORDS, server);
    let (_, untold) = tokio::join!(server, notifier.settle(LAST_WORDS));
    if untold > 0 {
        tracing::warn!(untold, "stopping: not all notifications were taken");
    }
    drop(socket_file);
    outcome
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

/// Removes the socket when the daemon ends in an orderly way.
struct SocketFile(PathBuf);

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
    notify(&[sd_notify::NotifyState::Ready]);
}

/// Tells systemd, where it is there to be told.
fn notify(state: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!("cannot tell systemd: {error}");
    }
}

/// Resolves when the daemon is to stop.
async fn until(mut stopped: watch::Receiver<bool>) {
    // A sender that is gone means the same.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// Waits for a reason to stop, and reloads on the way.
async fn wait(signals: &mut Signals, mut engine: JoinHandle<()>, handle: &Handle) -> anyhow::Result<()> {
    loop {
        tokio::select! {
            ended = &mut engine => {
                ended.context("the engine failed; protection stays in place")?;
                tracing::info!("stopping: the program was taken off, nothing is protected until `agent run`");
                return Ok(());
            }
            asked = signals.next() => match asked {
                Asked::Stop => {
                    say_what_stays(&handle.snapshots.borrow());
                    return Ok(());
                }
                Asked::Reload => {
                    // A refusal is in the log already; a bad file never stops a running daemon.
                    let _ = handle.reload("SIGHUP".to_owned()).await;
                }
            },
        }
    }
}

fn say_what_stays(snapshot: &Snapshot) {
    let interfaces: Vec<&str> = snapshot.links.iter().map(|link| link.interface.as_str()).collect();
    tracing::info!(
        interfaces = interfaces.join(","),
        mode = %snapshot.kernel.settings.mode,
        "stopping: protection stays in place, with what has an end still ending; `agent detach` takes it off"
    );
}

/// Looks at the host's TCP each second, as long as there is an engine to be told.
async fn look(mut looker: Looker, engine: mpsc::Sender<Message>) {
    let mut ticker = ticker(config::units::Interval::SECOND);
    loop {
        ticker.tick().await;
        let looked = looker.look().await;
        let looked = looked.map(Box::new).map_err(|error| format!("{error:#}"));
        if engine.send(Message::Host(looked)).await.is_err() {
            return;
        }
    }
}

/// The engine's loop: polls by its interval, carries out what arrives.
async fn drive(mut engine: Engine, mut messages: mpsc::Receiver<Message>) {
    let mut interval = engine.config().poll_interval;
    let mut ticker = ticker(interval);
    while !engine.is_detached() {
        tokio::select! {
            _ = ticker.tick() => engine.tick(Now::read()),
            message = messages.recv() => match message {
                Some(message) => answer(&mut engine, message),
                None => return,
            },
        }
        if engine.config().poll_interval != interval {
            interval = engine.config().poll_interval;
            ticker = self::ticker(interval);
        }
    }
}

fn ticker(interval: config::units::Interval) -> tokio::time::Interval {
    let period = interval.duration();
    let mut ticker = tokio::time::interval_at(tokio::time::Instant::now() + period, period);
    // After a pause (a suspended machine) one reading is enough.
    ticker.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    ticker
}

fn answer(engine: &mut Engine, message: Message) {
    // A caller that is gone does not need the answer; what was done is in the ledger.
    match message {
        Message::Order(mut order) => {
            let answer = engine.carry_out(&mut order, Now::read());
            let _ = order.answer.send(answer);
        }
        Message::Host(looked) => engine.look(looked, Now::read()),
        Message::Connected(peers) => engine.keep_known(&peers, Now::read()),
        Message::Lists(update) => engine.update_lists(update, Now::read()),
        Message::Sources(answer) => drop(answer.send(engine.sources())),
        Message::Journal { span, at_most, answer } => drop(answer.send(engine.journal(span, at_most))),
    }
}
